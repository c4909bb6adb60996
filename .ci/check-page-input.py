#!/usr/bin/env python3
"""Gives the dashboard what no consumer of ours sends, in headless Chromium: names that are code, figures beyond all measure, events
that are none, a clock that jumps, a stream that falls silent, a day of events. Nothing of it may run, leave its place, be shown
as live when it is not, or pile up. Then whoever reads it: contrast, focus, selection, pausing. Needs no build.

    .ci/check-page-input.py [CASE...]
"""

import json
import sys
import time

from browser import DESKTOP, PHONE, Page, claim
from fake_consumer import FakeConsumer, figures, ledger, letter
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

HOSTILE = [
    "<img src=x onerror=window.ran=1>",
    "</script><script>window.ran=1</script>",
    '"><svg onload=window.ran=1>',
    "javascript:window.ran=1",
    "\u202egnp.exe\u2066\u200f",
    "\x00\x07\x1b[31m\x7f\n\r\t\u2028",
    "wide " * 4_000,
    "x" * 20_000,
    "Z\u0335\u0321\u0322" + "\u0301" * 500,
    "\ud83d",
    "__proto__",
    "constructor",
]
MALFORMED = [
    "", "{", "null", "[]", "42", '"text"', "{}", '{"time":1}', '{"time":"x","caught_up":true}',
    json.dumps({"time": "2026-11-20T19:12:00.000Z", "caught_up": True}),
    json.dumps({**figures(1), "summary": None}), json.dumps({**figures(1), "partitions": {}}), json.dumps({**figures(1), "windows": [None]}),
    json.dumps({**figures(1), "time": "2026-99-20T19:12:00.000Z"}), json.dumps({**figures(1), "latency": {"p50_us": "fast", "p99_us": 1}}),
    json.dumps({**figures(1), "unmet": [7]}), json.dumps(figures(1))[:-40],
    json.dumps({**figures(1), "balance": {**figures(1)["balance"], "offsets": -1}}),
    json.dumps(figures(1)).replace('"consumed": 11000', '"consumed": 1e999'),
]
# Of text (WCAG 2.2, AA), and of text that is large.
CONTRAST, CONTRAST_LARGE = 4.5, 3.0
# What a tab gets in a day, and how many of them between two pictures.
EVENTS_OF_A_DAY, EVENTS_A_BATCH = 86_400, 250
HEAP_GROWTH_MAX, NODES_GROWTH_MAX = 2_000_000, 400


def opened(fake: FakeConsumer, page: Page) -> None:
    page.driver.get(fake.url)
    page.until("live", lambda: page.state() == "live")


def next_events(fake: FakeConsumer, page: Page, count: int = 3) -> None:
    """Until so many more have been sent."""
    after = fake.sent + count
    page.until("more events", lambda: fake.sent >= after)


def script(page: Page, text: str, *arguments: object):
    return page.driver.execute_script(text, *arguments)


def fits(page: Page, what: str) -> None:
    """Nothing stands beside the page, and no row is as high as a paragraph."""
    wide = script(page, "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    claim(wide[0] <= wide[1], f"{what}: the page is {wide[0]} px wide, the window {wide[1]}")
    high = script(page, "return Math.max(...[...document.querySelectorAll('tbody tr, summary')].map(row => row.offsetHeight), 0)")
    claim(high < 100, f"{what}: a row is {high} px high")
    images = script(page, "return document.querySelectorAll('img, script, svg').length")
    claim(images == 4, f"{what}: {images} images and scripts where the page has 4")
    claim(script(page, "return window.ran ?? null") is None, f"{what}: a name was run")


def names_are_text_whatever_is_in_them(fake: FakeConsumer, page: Page) -> None:
    def hostile(n: int) -> dict:
        event = figures(n, partitions=len(HOSTILE), reasons=dict.fromkeys(HOSTILE, 1))
        grid = {name: {name: {"count": 5, "sum_minor": "7"}} for name in HOSTILE}
        event["summary"]["totals"] = dict.fromkeys(("type", "category", "country", "channel"), grid) | {
            "currency": {name: {"count": 5, "sum_minor": "7", "min_minor": 1, "max_minor": 2} for name in HOSTILE}}
        event["producers"]["producers"] = [{"incarnation": name, "partitions": 1, "records_numbered": "1"} for name in HOSTILE]
        for partition, name in zip(event["partitions"], HOSTILE, strict=True):
            partition["durable"]["written_by"] = name
            partition["live"]["lag_ms"] = 1_234
        return event

    fake.make = hostile
    fake.letters = [letter(n, reason=name, key_text=name, value_text=name, value_hex=name) for n, name in enumerate(HOSTILE)]
    for size in (DESKTOP, PHONE):
        page.resize(size)
        opened(fake, page)
        for grouping in ("type", "category", "country", "channel", "currency"):
            page.driver.find_element(By.ID, f"tab-{grouping}").click()
            page.until("all rows", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#totals tbody tr")) == len(HOSTILE))
            fits(page, grouping)
        script(page, "document.getElementById('dead-letters').scrollIntoView()")
        page.until("the letters", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#dead-letters li")) == len(HOSTILE))
        for summary in page.driver.find_elements(By.CSS_SELECTOR, "#dead-letters summary"):
            summary.send_keys(Keys.ENTER)
        fits(page, "dead letters")
        shown = page.text("totals") + page.text("producers") + page.text("partitions") + page.text("rejected")
        claim(HOSTILE[0] in shown and r"\u{202e}gnp" in shown and "\u202e" not in shown, "names as they are, marks of direction as codes")
    fake.make = lambda n: {**figures(n), "ready": False, "unmet": [{"condition": "x", "reason": name} for name in HOSTILE]}
    page.until("not ready", lambda: page.state() == "bad")
    fits(page, "reasons for not being ready")
    claim(page.console() == [], f"errors in the console: {page.console()}")


def figures_beyond_all_measure_keep_their_digits_or_say_that_they_cannot(fake: FakeConsumer, page: Page) -> None:
    huge, beyond = str(2**127 - 1), 2**64 - 1

    def extreme() -> dict:
        event = figures(0, partitions=1_000)
        event["summary"]["totals"]["currency"] |= {
            "KWD": {"count": 1, "sum_minor": huge, "min_minor": 1, "max_minor": 10**12},
            "JPY": {"count": 1, "sum_minor": "-" + huge, "min_minor": 0, "max_minor": 0}}
        counted = ledger(beyond, {"invalid_amount": 1})
        event["summary"]["ledger"] = event["balance"]["ledger"] = counted
        event["balance"]["offsets"] = beyond
        event["producers"] |= {"more": True, "missing_from_sequence": beyond, "producers": [
            {"incarnation": f"{place:016x}", "partitions": 1_000, "records_numbered": huge} for place in range(10_000)]}
        event["latency"] = {"p50_us": 0, "p99_us": beyond}
        event["partitions"][0]["live"] |= {"lag_records": beyond, "lag_ms": beyond}
        return event

    text = json.dumps(extreme())
    fake.make, fake.every_s = lambda _: text, 1.0
    for size in (DESKTOP, PHONE):
        page.resize(size)
        opened(fake, page)
        next_events(fake, page)
        fits(page, "extremes")
    digits = "".join(page.text("totals").split())
    claim(f"{huge[:-3]}.{huge[-3:]}" in digits and f"−{huge}" in digits, f"sums with all their digits: {digits}")
    claim(page.text("consumed").startswith(">9") and "".join(page.text("consumed").split()) == ">9007199254740991", page.text("consumed"))
    claim(page.text("balance") == "balances", "what can't be compared exactly is not called unbalanced")
    claim(len(page.driver.find_elements(By.CSS_SELECTOR, "#partitions tbody tr")) == 1_000, "a row for each partition")
    claim(page.console() == [], f"errors in the console: {page.console()}")


def an_event_that_is_none_changes_no_figure_and_is_never_live(fake: FakeConsumer, page: Page) -> None:
    opened(fake, page)
    for text in MALFORMED:
        fake.make = lambda _, text=text: text
        page.until(f"saying that {text[:60]!r} can't be shown", lambda: page.state() == "stale")
        claim("can't show" in page.text("status"), page.text("status"))
        next_events(fake, page, 1)
        shown = page.count("consumed")
        next_events(fake, page, 2)
        claim(page.count("consumed") == shown, f"figures moved by {text[:60]!r}")
        fake.make = figures
        page.until("live again", lambda shown=shown: page.state() == "live" and page.count("consumed") > shown)
    said = len(page.console())
    claim(said == len(MALFORMED), f"each is said once in the console, not with every event: {said}")


def nothing_is_asked_of_a_consumer_that_has_just_started(fake: FakeConsumer, page: Page) -> None:
    reason = "joining consumer group tally"
    fake.is_busy = True

    def caught_up(n: int) -> dict:
        return figures(n, reasons={})

    fake.make = caught_up
    opened(fake, page)
    for _ in range(3):
        fake.make = lambda n: {"time": figures(n)["time"], "ready": False, "unmet": [{"condition": "kafka", "reason": reason}], "caught_up": False}
        page.until("saying what is missing", lambda: page.state() == "stale" and reason in page.text("status"))
        fake.make = caught_up
        page.until("live again", lambda: page.state() == "live")
    other = {path for _, path in fake.asked if path not in ("/", "/api/v1/events") and not path.startswith("/page/")}
    claim(other == set(), f"it asked for {other}")
    claim(page.console() == [], f"errors in the console: {page.console()}")
    fake.is_busy = False


def dead_letters_are_asked_for_where_there_are_any_and_seldom(fake: FakeConsumer, page: Page) -> None:
    path = "/api/v1/dead-letters"
    fake.make = lambda n: figures(n, reasons={})
    opened(fake, page)
    card = page.driver.find_element(By.ID, "dead-letters")
    script(page, "arguments[0].scrollIntoView()", card)
    next_events(fake, page, 8)
    claim("No record has been rejected" in card.text and fake.asked_for(path) == [], "no question where nothing was rejected")
    fake.letters, fake.make = [letter(n, mended=n == 2) for n in range(3)], figures
    page.until("rows", lambda: len(card.find_elements(By.TAG_NAME, "li")) == 3)
    claim("mended" in card.find_elements(By.TAG_NAME, "li")[2].text, card.text)
    fake.letters = [letter(9), *fake.letters]
    page.until("the newer one", lambda: len(card.find_elements(By.TAG_NAME, "li")) == 4)
    first = card.find_element(By.TAG_NAME, "summary")
    first.send_keys(Keys.SPACE)
    page.until("what is in it", lambda: "ACC-00000001" in card.text and "7b 22" in card.text)
    asked = fake.asked_for(path)
    claim(all(later - earlier > 4.9 for earlier, later in zip(asked, asked[1:])), f"asked at {asked}")
    rejected = fake.sent
    fake.make = lambda n: figures(n, reasons={"invalid_amount": rejected})
    first.send_keys(Keys.SPACE)
    next_events(fake, page, 24)
    settled = len(fake.asked_for(path))
    next_events(fake, page, 24)
    claim(len(fake.asked_for(path)) == settled, "nothing more was rejected, and it asked again")
    claim(page.console() == [], f"errors in the console: {page.console()}")


def a_stream_that_falls_silent_is_opened_anew(fake: FakeConsumer, page: Page) -> None:
    opened(fake, page)
    streams = fake.streams
    fake.is_silent = True
    page.until("not live", lambda: page.state() == "stale")
    page.until("another connection", lambda: fake.streams > streams)
    fake.is_silent = False
    page.until("live again", lambda: page.state() == "live")


def a_clock_that_jumps_makes_no_rate(fake: FakeConsumer, page: Page) -> None:
    opened(fake, page)
    rate = []
    for jump in (-86_400, 86_400 * 365, 0, 40):
        fake.make = lambda n, jump=jump: {**figures(n), "time": figures(n // 4 + jump)["time"]}
        next_events(fake, page, 8)
        page.until("a rate", lambda: page.count("rate") >= 0)
        rate.append(page.count("rate"))
        claim(page.state() == "live", page.text("status"))
    # A thousand an event, four events a second.
    claim(all(1_000 <= one <= 16_000 for one in rate), f"rates of {rate} after jumps")


def the_ledger_names_what_was_mended(fake: FakeConsumer, page: Page) -> None:
    opened(fake, page)
    claim("mended" not in page.text("ledger"), "nothing is mended where nobody says so")

    def mended(n: int) -> dict:
        event = figures(n)
        event["summary"]["ledger"]["mended"] = event["balance"]["ledger"]["mended"] = 7
        return event

    fake.make = mended
    page.until("the note", lambda: "7 have been mended" in page.text("ledger"))
    claim(page.text("balance") == "balances", "what was mended is no part of a sum")


def columns_are_there_where_their_members_are(fake: FakeConsumer, page: Page) -> None:
    opened(fake, page)
    head = lambda: page.driver.find_element(By.CSS_SELECTOR, "#partitions thead").text
    claim("behind" not in head() and "by" not in head().split() and page.text("behind") == "", head())

    def more(n: int) -> dict:
        event = figures(n)
        for partition in event["partitions"]:
            partition["durable"]["written_by"] = "consumer-7f"
            partition["live"]["lag_ms"] = 1_500 * partition["partition"]
        event["partitions"][2]["live"]["lag_ms"] = None
        return event

    fake.make = more
    page.until("both columns", lambda: "behind by" in head() and "worked on by" in head())
    row = page.driver.find_elements(By.CSS_SELECTOR, "#partitions tbody tr")[1].text
    claim("consumer-7f (this one)" in row and "1.5 s" in row, row)
    claim(page.text("behind") == "1.5 s", page.text("behind"))


def paused_figures_stand_still_and_are_said_to(fake: FakeConsumer, page: Page) -> None:
    opened(fake, page)
    script(page, "document.activeElement.blur()")
    page.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = page.driver.switch_to.active_element
    claim(focused.get_attribute("id") == "pause", "the first that is focused is the button")
    focused.send_keys(Keys.ENTER)
    page.until("paused", lambda: page.state() == "paused")
    shown = page.count("consumed")
    claim("Paused" in page.text("status") and page.text("announcement").startswith("Paused"), page.text("status"))
    next_events(fake, page, 20)
    claim(page.count("consumed") == shown and page.state() == "paused" and focused.text == "Resume", "it moved")
    focused.send_keys(Keys.SPACE)
    page.until("moving again", lambda: page.state() == "live" and page.count("consumed") > shown)


def rows_stay_the_same_elements(fake: FakeConsumer, page: Page) -> None:
    """So a selection, a screen reader's place and the focus outlive an event, and little is read out."""
    opened(fake, page)
    script(page, "window.rows = [...document.querySelectorAll('tr')]; window.said = 0;"
                 "new MutationObserver(() => { window.said += 1 }).observe(document.getElementById('announcement'), "
                 "{childList: true, characterData: true, subtree: true});"
                 "getSelection().selectAllChildren(document.querySelector('#producers tbody th'))")
    shown = page.count("consumed")
    next_events(fake, page, 8)
    page.until("the figures moving", lambda: page.count("consumed") > shown)
    claim(script(page, "return window.rows.every(row => row.isConnected)"), "rows were made anew")
    claim(script(page, "return getSelection().toString()") == "00000000000000aa", "the selection is gone")
    claim(script(page, "return window.said") == 0, "something was read out though nothing happened")


def all_text_can_be_read_in_both_themes(fake: FakeConsumer, page: Page) -> None:
    fake.letters = [letter(1)]
    for dark in (False, True):
        page.theme(dark)
        opened(fake, page)
        page.until("letters", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#dead-letters summary"))
        for state in ("live", "paused", "bad", "stale"):
            if state == "paused" or page.state() == "paused":
                page.driver.find_element(By.ID, "pause").click()
            fake.make = (lambda n: {**figures(n), "ready": False, "unmet": []}) if state == "bad" else fake.make
            fake.is_silent = state == "stale"
            page.until(state, lambda state=state: page.state() == state)
            for text, contrast, needed in script(page, CONTRASTS, CONTRAST, CONTRAST_LARGE):
                claim(contrast >= needed, f"{state}, {'dark' if dark else 'light'}: {text!r} has a contrast of {contrast:.2f}")
        fake.is_silent, fake.make = False, figures
    page.theme(False)


# Every text with the contrast that it has (WCAG's relative luminance; opacity taken into account) and the one it needs.
CONTRASTS = """
const [usual, large] = arguments, found = [];
const parse = colour => colour.match(/[\\d.]+/g).map(Number);
const over = ([r, g, b, a = 1], under) => [r, g, b].map((part, place) => part * a + under[place] * (1 - a));
const luminance = parts => parts.map(part => part / 255).map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
const page = parse(getComputedStyle(document.body).backgroundColor);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, words = walker.currentNode.data.trim();
  if (!words || !element.checkVisibility() || element.closest(".unseen")) continue;
  const above = [];
  let opacity = 1;
  for (let one = element; one; one = one.parentElement) above.unshift(one);
  let back = page;
  for (const one of above) {
    back = over(parse(getComputedStyle(one).backgroundColor), back);
    opacity *= Number(getComputedStyle(one).opacity);
  }
  const style = getComputedStyle(element), svg = element instanceof SVGElement;
  const seen = over(parse(svg ? style.fill : style.color), back);
  const [light, dark] = [seen, back].map(parts => luminance(over([...parts, opacity], page))).sort((a, b) => b - a);
  const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  found.push([words.slice(0, 40), (light + 0.05) / (dark + 0.05), isLarge ? large : usual]);
}
return found;
"""


def a_hidden_tab_draws_nothing_and_catches_up(fake: FakeConsumer, page: Page) -> None:
    opened(fake, page)
    first = page.driver.current_window_handle
    script(page, "window.drawn = 0; new MutationObserver(() => { window.drawn += document.hidden ? 1 : 0 })"
                 ".observe(document.querySelector('main'), {childList: true, characterData: true, subtree: true})")
    page.driver.switch_to.new_window("tab")
    sent = fake.sent
    while fake.sent < sent + 20:
        time.sleep(0.1)
    page.driver.close()
    page.driver.switch_to.window(first)
    page.until("the latest figures", lambda: page.state() == "live" and page.count("consumed") > 1_000 * (sent + 20))
    claim(script(page, "return window.drawn") <= 1, "it was drawn while nobody could see it")


def a_day_of_events_leaves_nothing_behind(fake: FakeConsumer, page: Page) -> None:
    """With a clock and a stream of the test's own, a second an event."""
    page.driver.execute_cdp_cmd("Page.enable", {})
    own = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": """
      let now = 0; const sources = []; window.forward = ms => { now += ms; };
      performance.now = () => now; window.setInterval = () => 0;
      window.EventSource = class extends EventTarget { static CLOSED = 2; readyState = 1; constructor() { super(); sources.push(this); } close() {} };
      window.give = data => sources.at(-1).dispatchEvent(new MessageEvent("figures", { data }));"""})["identifier"]
    page.driver.get(fake.url)
    page.until("the page", lambda: script(page, "return document.getElementById('tab-type') !== null"))
    page.driver.execute_cdp_cmd("Performance.enable", {})
    page.driver.set_script_timeout(600)
    measured = []
    event = json.dumps(figures(0, partitions=1))
    for part in range(4):
        count = EVENTS_OF_A_DAY // 20 if part == 0 else EVENTS_OF_A_DAY // 3
        page.driver.execute_async_script(FEED, event, count, EVENTS_A_BATCH, sum(one[0] for one in measured))
        page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        metrics = {one["name"]: one["value"] for one in page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
        measured.append((count, metrics["JSHeapUsedSize"], metrics["Nodes"], metrics["JSEventListeners"]))
    page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": own})
    claim(page.count("consumed") > EVENTS_OF_A_DAY and page.state() == "live", f"the last of them: {page.text('consumed')}")
    (_, heap, nodes, listeners), last = measured[0], measured[-1]
    heaps, counts = f"{heap / 1e6:.1f} to {last[1] / 1e6:.1f} MB", f"nodes {nodes} to {last[2]}, listeners {listeners} to {last[3]}"
    print(f"    {EVENTS_OF_A_DAY} events: heap {heaps}, {counts}")
    claim(last[1] - heap < HEAP_GROWTH_MAX and last[2] - nodes < NODES_GROWTH_MAX and last[3] == listeners, f"it grows: {measured}")


# Other figures, windows and producers with each event; a picture is drawn after each batch.
FEED = """
const [text, count, batch, from, done] = arguments, event = JSON.parse(text);
const begun = Date.parse(event.time), at = seconds => new Date(begun + seconds * 1000).toISOString();
const feed = n => {
  const { summary: { ledger }, balance, windows, producers, partitions } = event;
  event.time = at(n);
  for (const one of [ledger, balance.ledger]) {
    Object.assign(one, { consumed: 100 * n + 100, accepted: 100 * n + 99, on_time: 100 * n + 99, rejected: { [`reason_${n % 14}`]: 1 } });
  }
  balance.offsets = ledger.consumed;
  windows.forEach((window, ago) => Object.assign(window, { window_start: at(60 * (n - ago)), window_end: at(60 * (n - ago + 1)), count: n }));
  producers.producers[0].incarnation = n.toString(16).padStart(16, "0");
  for (const one of partitions) one.durable.next_offset = n;
  forward(1000);
  give(JSON.stringify(event));
};
let n = 0;
const go = () => {
  for (const end = Math.min(n + batch, count); n < end; n += 1) feed(from + n);
  requestAnimationFrame(() => (n < count ? go() : requestAnimationFrame(() => done())));
};
go();
"""


CASES = [
    names_are_text_whatever_is_in_them,
    figures_beyond_all_measure_keep_their_digits_or_say_that_they_cannot,
    an_event_that_is_none_changes_no_figure_and_is_never_live,
    nothing_is_asked_of_a_consumer_that_has_just_started,
    dead_letters_are_asked_for_where_there_are_any_and_seldom,
    a_stream_that_falls_silent_is_opened_anew,
    a_clock_that_jumps_makes_no_rate,
    the_ledger_names_what_was_mended,
    columns_are_there_where_their_members_are,
    paused_figures_stand_still_and_are_said_to,
    rows_stay_the_same_elements,
    all_text_can_be_read_in_both_themes,
    a_hidden_tab_draws_nothing_and_catches_up,
    a_day_of_events_leaves_nothing_behind,
]


def main() -> None:
    asked = sys.argv[1:]
    cases = [case for case in CASES if not asked or case.__name__ in asked]
    if len(cases) < max(len(asked), 1):
        raise SystemExit(__doc__ + "\n" + "\n".join(case.__name__ for case in CASES))
    page = Page(DESKTOP)
    try:
        for case in cases:
            began = time.monotonic()
            page.resize(DESKTOP)
            page.console()
            try:
                case(FakeConsumer(), page)
            except SystemExit as error:
                raise SystemExit(f"{case.__name__}: {error}") from error
            print(f"    {case.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
    finally:
        page.driver.quit()


if __name__ == "__main__":
    main()
