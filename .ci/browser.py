"""The dashboard in headless Chromium, as the checks of it use it. Needs Chromium, ChromeDriver and selenium."""

import json
import shutil

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars"
).split()
WITHIN_S = 60
DESKTOP, PHONE = (1280, 1800), (390, 1700)


def claim(holds: bool, words: str) -> None:
    if not holds:
        raise SystemExit(words)


class Page:
    """The dashboard in a browser."""

    def __init__(self, size: tuple[int, int], dark: bool = False) -> None:
        options = webdriver.ChromeOptions()
        for flag in [*FLAGS, f"--window-size={size[0]},{size[1]}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # The driver that is installed: left to itself, selenium looks for another one on the network.
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.resize(size)
        self.theme(dark)

    def resize(self, size: tuple[int, int]) -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def theme(self, dark: bool) -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def text(self, element: str) -> str:
        return self.driver.find_element(By.ID, element).text

    def count(self, element: str) -> int:
        """A number as the page shows it, its thousands apart; -1 where it shows none."""
        digits = "".join(self.text(element).split())
        return int(digits) if digits.isdigit() else -1

    def state(self) -> str:
        return self.driver.find_element(By.ID, "status").get_attribute("data-state")

    def until(self, what: str, holds) -> None:
        try:
            WebDriverWait(self.driver, WITHIN_S, poll_frequency=0.1).until(lambda _: holds())
        except Exception as error:
            raise SystemExit(f"never: {what}; the page says {self.text('status')!r}") from error

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
