#!/usr/bin/env python3
"""Looks at the dashboard of the demo in a real browser, headless Chromium, as a person would.

    .ci/check-page.py                          fails where the page does not do what it promises
    .ci/check-page.py --screenshots FOLDER     takes the README's pictures as well

It loads, moves, says what /api/v1/summary says, is used by keyboard, shows no old figures as live ones while nobody answers and
goes on by itself afterwards, asks nobody else for anything, and writes no error into the console. Needs the release build of
the demo, Chromium, ChromeDriver, selenium and jsonschema.
"""

import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import urllib.request

import jsonschema
from browser import DESKTOP, PHONE, Page, claim
from running import Demo
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

# Until the charts of a picture show something.
PICTURE_AFTER_S = 75
# Restarts of the demo under the page, each slow: for these seconds it stands still and runs, so many times.
RESTARTS, SLOW_STEPS, SLOW_STOP_S, SLOW_RUN_S = 3, 40, 0.1, 0.01


def slow_down(demo: Demo) -> None:
    """As on a machine with other things to do: it stands still most of the time until it listens, and then some more."""
    for _ in range(SLOW_STEPS):
        demo.process.send_signal(signal.SIGSTOP)
        time.sleep(SLOW_STOP_S)
        demo.process.send_signal(signal.SIGCONT)
        time.sleep(SLOW_RUN_S)


def look(demo: Demo, page: Page) -> None:
    page.driver.get(demo.url)
    page.until("live", lambda: page.state() == "live")
    first = page.count("consumed")
    page.until("the figures moving", lambda: page.count("consumed") > first)
    page.until("a rate and a latency", lambda: page.count("rate") > 0 and page.text("p99") != "–")
    agrees_with_the_summary(demo, page)
    claim(page.text("balance") == "balances", f"the ledger: {page.text('balance')}")
    claim("≠" not in page.text("ledger"), f"a sum that does not hold: {page.text('ledger')}")
    partitions = len(demo.get("/api/v1/partitions")["partitions"])
    rows = page.driver.find_elements(By.CSS_SELECTOR, "#partitions tbody tr")
    claim(len(rows) == partitions, f"{len(rows)} rows for {partitions} partitions")
    page.until("a producer", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#producers tbody tr"))
    by_keyboard(page)
    event_is_as_documented(demo)
    claim(page.console() == [], f"errors in the console: {page.console()}")

    for _ in range(RESTARTS):
        comes_back(demo, page)
    agrees_with_the_summary(demo, page)
    failed = [line for line in page.console() if "net::ERR" not in line]
    claim(failed == [], f"errors in the console: {failed}")
    asked = {url.removeprefix(demo.url) for url in page.requests() if not url.startswith("data:")}
    # Anything else could be answered with an error by a consumer that is well, which browsers write into the console. Dead letters
    # are asked for only where an event offers them.
    own = ("/page/", "/api/v1/dead-letters?")
    other = {path for path in asked if path not in ("/", "/api/v1/events") and not path.startswith(own)}
    claim(other == set(), f"the page asked for {other}")


def comes_back(demo: Demo, page: Page) -> None:
    """After a kill: old figures are said to be old, and those of a process that starts slowly are none until it is ready."""
    demo.kill()
    page.until("saying that it is not live", lambda: page.state() == "stale")
    claim("Not live" in page.text("status"), page.text("status"))
    shown = page.count("consumed")
    demo.start()
    slow_down(demo)
    page.until("live again, by itself", lambda: page.state() == "live" and page.count("consumed") > shown)


def agrees_with_the_summary(demo: Demo, page: Page) -> None:
    """What it shows lies between two summaries, asked for before and after."""
    before = demo.get("/api/v1/summary")["ledger"]["consumed"]
    page.until("the figures of now", lambda: page.count("consumed") >= before)
    shown = page.count("consumed")
    after = demo.get("/api/v1/summary")["ledger"]["consumed"]
    claim(before <= shown <= after, f"the page shows {shown}, the summary said {before} and then {after}")


def event_is_as_documented(demo: Demo) -> None:
    """The first event of a stream, against the OpenAPI document."""
    document = demo.get("/api/v1/openapi.json")
    with urllib.request.urlopen(demo.url + "/api/v1/events", timeout=10) as stream:
        data = next(line for line in stream if line.startswith(b"data: "))
    schema = {**document, "$ref": "#/components/schemas/figures"}
    event = json.loads(data.removeprefix(b"data: "))
    jsonschema.Draft202012Validator(schema).validate(event)
    absent = document["components"]["schemas"]["figures"]["properties"].keys() - event.keys()
    claim(event["caught_up"] and not absent, f"an event without {absent}")
    claim(event["summary"]["ledger"] == event["balance"]["ledger"], "an event whose figures disagree")


def by_keyboard(page: Page) -> None:
    """From the totals by currency to those by type and back, without a mouse."""
    page.driver.find_element(By.ID, "tab-currency").send_keys(Keys.ARROW_RIGHT)
    head = page.driver.find_element(By.CSS_SELECTOR, "#totals thead th").text
    focused = page.driver.switch_to.active_element.get_attribute("id")
    claim((head, focused) == ("type", "tab-type"), f"after the arrow: {head}, {focused}")
    page.driver.find_element(By.ID, "tab-type").send_keys(Keys.ARROW_LEFT)
    claim(page.driver.switch_to.active_element.get_attribute("id") == "tab-currency", "the way back")


def take_pictures(demo: Demo, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "dashboard": Page(DESKTOP),
        "dashboard-dark": Page(DESKTOP, dark=True),
        "dashboard-phone": Page(PHONE),
    }
    for page in pages.values():
        page.driver.get(demo.url)
    time.sleep(PICTURE_AFTER_S)
    for name, page in pages.items():
        page.until("live", lambda page=page: page.state() == "live")
        if name != "dashboard-phone":
            height = page.driver.execute_script("return Math.ceil(document.querySelector('footer').getBoundingClientRect().bottom)")
            page.resize((DESKTOP[0], height))
        page.driver.save_screenshot(str(folder / f"{name}.png"))
        page.driver.quit()
        print(f"    {folder / name}.png")


def main() -> None:
    arguments = sys.argv[1:]
    if arguments and (arguments[0] != "--screenshots" or len(arguments) != 2):
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(folder, pathlib.Path("target/release"))
        try:
            page = Page(DESKTOP)
            # The first answer may be a while in coming: nothing listens yet.
            page.until("the demo listening", lambda: answers(demo))
            look(demo, page)
            page.driver.quit()
            if arguments:
                take_pictures(demo, pathlib.Path(arguments[1]))
        except BaseException:
            print((demo.folder / "demo.log").read_text(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            demo.kill()
    print("    loads, moves, agrees with the summary, works by keyboard, says when it is old, comes back")


def answers(demo: Demo) -> bool:
    try:
        return bool(demo.get("/readyz"))
    except OSError:
        return False


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    main()
