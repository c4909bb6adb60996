#!/usr/bin/env python3
"""Shows that monitoring sees the pipeline: starts broker, producer and consumer, and a real Prometheus with the scrapes and rules of
compose/, and asks it every query of the dashboard and every metric of the alerts. Each has to have data; those without are named.

    .ci/check-monitoring.py [FOLDER]   programs from there, target/debug if not given; needs prometheus (Debian: apt-get install
                                       prometheus)

A second Prometheus asks for protobuf, and has to come to the same latencies by native histograms. Nothing waits for a time: everything
is asked for again until it holds, or too long.
"""

import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator

import yaml
from running import free_address, get

WITHIN_S = 90
POLL_S = 0.25
# Each query by its own rate's span, which is not waited for: data is there from the second scrape on.
SCRAPE_S = 1
PRODUCED = ("--rate", "500", "--malformed-ratio", "0.02", "--repeat-ratio", "0.02", "--late-ratio", "0.02")
NATIVE = 'histogram_quantile(0.5, sum(rate(tally_consumer_latency_seconds{stage="durable"}[1m])))'
CLASSIC = 'histogram_quantile(0.5, sum by (le) (rate(tally_consumer_latency_seconds_bucket{stage="durable"}[1m])))'


class Missing(Exception):
    """What did not come about in time."""


class Processes:
    """What was started, each with its output in a file; all of it ends with this."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.running = folder, {}

    def start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not holds():
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise Missing(f"{name} ended with exit code {process.returncode} while waiting for: {what}")
            if time.monotonic() > deadline:
                raise Missing(f"waited {WITHIN_S} s in vain for: {what}")
            time.sleep(POLL_S)

    def end(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def tell(self) -> None:
        for name in self.running:
            lines = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
            print(f"--- {name}", *lines[-12:], sep="\n    ", file=sys.stderr)


def configuration(folder: pathlib.Path, addresses: dict[str, str]) -> pathlib.Path:
    """compose/prometheus.yaml with this machine's addresses instead of the names of containers; all else is as it is."""
    settings = yaml.safe_load(pathlib.Path("compose/prometheus.yaml").read_text(encoding="utf-8"))
    settings["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    settings["rule_files"] = [str(pathlib.Path("compose/alerts.yaml").resolve())]
    del settings["alerting"]
    for scrape in settings["scrape_configs"]:
        del scrape["dns_sd_configs"]
        scrape["static_configs"] = [{"targets": [addresses[scrape['job_name']]]}]
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


class Prometheus:
    """One that is about to run."""

    def __init__(self, processes: Processes, name: str, path: pathlib.Path, *flags: str) -> None:
        self.processes, self.url = processes, f"http://{free_address()}"
        data, listen = processes.folder / name, self.url.removeprefix("http://")
        command = ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={data}", f"--web.listen-address={listen}"]
        processes.start(name, [*command, "--log.level=warn", *flags])

    def ask(self, path: str) -> dict:
        body = get(f"{self.url}/api/v1/{path}")
        return json.loads(body)["data"] if body else {}

    def result(self, query: str) -> list:
        """What is not a number is no data either: a percentile of nothing is NaN."""
        found = self.ask("query?" + urllib.parse.urlencode({"query": query})).get("result", [])
        return [each for each in found if "histogram" in each or each["value"][1] != "NaN"]

    def wait_for_targets(self) -> None:
        targets: list[dict] = []

        def all_up() -> bool:
            targets[:] = self.ask("targets").get("activeTargets", [])
            return bool(targets) and all(target["health"] == "up" for target in targets)

        try:
            self.processes.until("every target being up", all_up)
        except Missing as error:
            told = [f"{target['scrapeUrl']}: {target['health']} {target['lastError']}" for target in targets]
            raise Missing(f"{error} ({'; '.join(told)})") from error

    def wait_for(self, queries: dict[str, str]) -> None:
        """Data for each of `queries`, which are told by where they stand."""
        without = dict(queries)

        def none_is_without() -> bool:
            for query in [query for query in without if self.result(query)]:
                del without[query]
            return not without

        try:
            self.processes.until("data for every query", none_is_without)
        except Missing as error:
            told = "\n".join(f"  {where}: {query}" for query, where in without.items())
            raise Missing(f"{error}; none has come for\n{told}") from error


def queries_of_dashboard() -> dict[str, str]:
    """Every query, with `$…`, had it any, where Grafana would put a value."""
    dashboard = json.loads(pathlib.Path("deploy/components/monitoring/dashboard.json").read_text(encoding="utf-8"))
    known = {variable["name"]: variable["current"]["value"] for variable in dashboard.get("templating", {}).get("list", [])}
    known |= {"__rate_interval": "1m", "__interval": "5s", "__range": "15m"}

    def substituted(expression: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda variable: str(known[variable[1]]), expression)

    targets = [(panel["title"], target) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return {substituted(target["expr"]): f"dashboard, {title}, {target['refId']}" for title, target in targets}


def selectors_of_alerts() -> dict[str, str]:
    """What the alerts look at, without what they make of it: an alert that has no data never fires."""
    groups = yaml.safe_load(pathlib.Path("compose/alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    found = {}
    for rule in rules:
        selectors = re.findall(r"\b\w+\{[^}]*\}", rule["expr"])
        if not selectors:
            raise Missing(f"{rule['alert']} looks at nothing: {rule['expr']}")
        found |= {selector: f"alert {rule['alert']}" for selector in selectors}
    return found


@contextlib.contextmanager
def pipeline(programs: pathlib.Path, folder: pathlib.Path) -> Iterator[tuple[Processes, dict[str, str]]]:
    """Broker, producer and consumer, ready, as processes of their own: the demo serves the consumer's metrics alone."""
    processes = Processes(folder)
    addresses = {name: free_address() for name in ("broker", "producer", "consumer")}
    kafka = addresses["broker"]
    try:
        processes.start("broker", [str(programs / "broker"), "--listen", kafka, "--data-dir", str(folder / "kafka")])
        for name, flags in (("consumer", ()), ("producer", PRODUCED)):
            address = ["--kafka-bootstrap-servers", kafka, "--http-listen", addresses[name]]
            processes.start(name, [str(programs / name), *address, *flags])
        for name in ("consumer", "producer"):
            ready = lambda address=addresses[name]: get(f"http://{address}/readyz") is not None  # noqa: E731
            processes.until(f"{name} being ready", ready)
        yield processes, addresses
    except Missing:
        processes.tell()
        raise
    finally:
        processes.end()


def check(programs: pathlib.Path) -> str:
    queries, selectors = queries_of_dashboard(), selectors_of_alerts()
    with tempfile.TemporaryDirectory() as name, pipeline(programs, pathlib.Path(name)) as (processes, addresses):
        path = configuration(pathlib.Path(name), addresses)
        prometheus = Prometheus(processes, "prometheus", path)
        native = Prometheus(processes, "prometheus-native", path, "--enable-feature=native-histograms")
        prometheus.wait_for_targets()
        prometheus.wait_for(queries | selectors)
        alerts = prometheus.ask("alerts").get("alerts", [])
        firing = [alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"]
        if firing:
            raise Missing(f"a pipeline in good health, and yet there are alerts: {', '.join(firing)}")
        native.wait_for_targets()
        native.wait_for({NATIVE: "native histograms"})
        by_native, by_buckets = (float(each.result(query)[0]["value"][1]) for each, query in ((native, NATIVE), (prometheus, CLASSIC)))
        if not 0.2 < by_native / by_buckets < 5:
            raise Missing(f"half of all records were durable within {by_native} s, natively, and {by_buckets} s, by buckets")
    return f"    {len(queries)} queries of the dashboard and {len(selectors)} metrics of the alerts have data, native histograms too"


def main() -> int:
    if not shutil.which("prometheus"):
        print("prometheus is needed (Debian: apt-get install prometheus)", file=sys.stderr)
        return 1
    programs = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/debug")
    absent = [name for name in ("broker", "producer", "consumer") if not (programs / name).exists()]
    if absent:
        print(f"{programs} has no {', '.join(absent)}: cargo build -p broker -p producer -p consumer", file=sys.stderr)
        return 1
    try:
        print(check(programs))
    except Missing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


sys.exit(main())
