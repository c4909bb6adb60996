"""Does what the README promises a newcomer: `cargo run --release`, wait until it is ready, ask for the summary while
money moves, Ctrl-C, and an exit code of 0. Fails with the demo's own output when any of it does not hold."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from running import free_address, get

READY_WITHIN_S = 60
MONEY_WITHIN_S = 60
EXIT_WITHIN_S = 30
ENOUGH_ACCEPTED = 1_000


def until(what: str, within_s: float, demo: subprocess.Popen, condition):
    """Asks until the condition gives something true, which is returned."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if (value := condition()) is not None:
            return value
        if demo.poll() is not None:
            raise SystemExit(f"the demo ended with exit code {demo.returncode} while waiting for: {what}")
        time.sleep(0.1)
    raise SystemExit(f"waited {within_s} s in vain for: {what}")


def check_balance(ledger: dict) -> None:
    rejected = sum(ledger["rejected"].values())
    parts = ledger["accepted"] + ledger["redelivered"] + ledger["repeated"] + rejected
    if ledger["consumed"] != parts:
        raise SystemExit(f"the ledger is off by {ledger['consumed'] - parts}: {ledger}")
    windowed = ledger["on_time"] + ledger["revised"] + ledger["too_late"]
    if ledger["accepted"] != windowed:
        raise SystemExit(f"windows are off by {ledger['accepted'] - windowed}: {ledger}")


def drive(demo: subprocess.Popen, address: str) -> None:
    until("/readyz", READY_WITHIN_S, demo, lambda: get(f"http://{address}/readyz"))

    def enough():
        body = get(f"http://{address}/api/v1/summary")
        summary = json.loads(body) if body else None
        return summary if summary and summary["ledger"]["accepted"] >= ENOUGH_ACCEPTED else None

    summary = until(f"{ENOUGH_ACCEPTED} accepted transactions", MONEY_WITHIN_S, demo, enough)
    check_balance(summary["ledger"])
    demo.send_signal(signal.SIGINT)
    try:
        code = demo.wait(EXIT_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"still running {EXIT_WITHIN_S} s after Ctrl-C") from None
    if code != 0:
        raise SystemExit(f"exit code {code} after Ctrl-C, expected 0")


def main() -> None:
    address = free_address()
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "demo.log")
        with log.open("wb") as out:
            # A group of its own, so that nothing of it is left behind whatever happens.
            demo = subprocess.Popen(
                ["cargo", "run", "--quiet", "--release", "--", "--http-listen", address],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                drive(demo, address)
            except BaseException:
                print(log.read_text(errors="replace")[-8000:], file=sys.stderr)
                raise
            finally:
                if demo.poll() is None:
                    os.killpg(demo.pid, signal.SIGKILL)
                    demo.wait()
        print("    its last lines:")
        for line in log.read_text(errors="replace").splitlines()[-15:]:
            print(f"    {line}")


main()
