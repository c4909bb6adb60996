#!/usr/bin/env python3
"""Looks at `consumer top` in a real terminal, by tmux, as a person would.

    .ci/check-top.py            fails where it does not do what it promises
    .ci/check-top.py --show     prints what it saw, too

It becomes live, moves, says what /api/v1/summary says, obeys keys and a new size, shows no old figures as live ones while nobody
answers and goes on by itself afterwards, and leaves the terminal as it was, by key and by signal. Where there is no terminal, or
no consumer, it says so in a line and an exit code. Needs the release builds of demo and consumer (BIN_DIR: those elsewhere), and
tmux.
"""

import http.server
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

from running import Demo, free_address

BIN_DIR = pathlib.Path(os.environ.get("BIN_DIR", "target/release")).absolute()
CONSUMER = str(BIN_DIR / "consumer")
WITHIN_S = 30
ROOMY, SMALL = (120, 40), (80, 24)
SHOW = "--show" in sys.argv[1:]


def consumed(demo: Demo) -> int:
    return demo.get("/api/v1/summary")["ledger"]["consumed"]


class Terminal:
    """A shell in a terminal of that size, with a tmux of its own."""

    def __init__(self, folder: str, size: tuple[int, int]) -> None:
        self.server = str(pathlib.Path(folder, "tmux"))
        columns, rows = map(str, size)
        # No settings of whoever runs this, and a shell that says nothing but what it is told to.
        self.tmux("new-session", "-d", "-x", columns, "-y", rows, "env", "PS1=$ ", "sh")

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", self.server, "-f", "/dev/null", *arguments]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        environment.pop("TMUX", None)
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    def run(self, *command: str) -> None:
        self.tmux("send-keys", "clear; " + shlex.join(command) + "; echo ended with $?", "Enter")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def resize(self, size: tuple[int, int]) -> None:
        columns, rows = map(str, size)
        self.tmux("resize-window", "-x", columns, "-y", rows)

    def text(self) -> str:
        text = self.tmux("capture-pane", "-p")
        stray = re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|\[\??\d*(;\d+)*[A-Za-z]|\ufffd", text)
        claim(stray is None, f"an escape that the terminal did not take: {stray!r} in\n{text}")
        return text

    def number(self, pattern: str) -> int:
        """A number on the screen, its thousands apart; -1 where there is none."""
        found = re.search(pattern, self.text())
        return int(found[1].replace(" ", "")) if found else -1

    def consumed(self) -> int:
        return self.number(r"of ([\d ]+) read")

    def is_as_it_was(self) -> bool:
        """Its first screen, a cursor, and lines that end where they should."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split() == ["0", "1"]

    def program(self) -> int:
        """The process that the shell runs."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        return int(pathlib.Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    def until(self, what: str, holds, within_s: float = WITHIN_S) -> None:
        deadline = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > deadline:
                raise SystemExit(f"never: {what}; the terminal says\n{self.text()}")
            time.sleep(0.1)
        if SHOW:
            print(f"--- {what}\n{self.text()}")

    def close(self) -> None:
        self.tmux("kill-server")


def claim(holds: bool, words: str) -> None:
    if not holds:
        raise SystemExit(words)


def is_live(terminal: Terminal) -> bool:
    return " ● LIVE " in terminal.text()


def look(demo: Demo, terminal: Terminal) -> None:
    terminal.run(CONSUMER, "top", "--url", demo.url)
    terminal.until("live", lambda: is_live(terminal))
    first = terminal.consumed()
    terminal.until("the figures moving", lambda: terminal.consumed() > first)
    terminal.until("a rate and a latency", lambda: terminal.number(r"│([\d ]+?) +│") > 0 and "p50" in terminal.text())
    agrees_with_the_summary(demo, terminal)
    claim("ledger balances" in terminal.text() and "≠" not in terminal.text(), terminal.text())
    by_keyboard(terminal)

    demo.kill()
    terminal.until("saying that it is not live", lambda: " ○ NOT LIVE " in terminal.text())
    claim("Figures of" in terminal.text() and not is_live(terminal), terminal.text())
    shown = terminal.consumed()
    demo.start()
    terminal.until("live again, by itself", lambda: is_live(terminal) and terminal.consumed() > shown)
    agrees_with_the_summary(demo, terminal)

    terminal.press("q")
    terminal.until("the end by key", lambda: terminal.is_as_it_was() and "ended with 0" in terminal.text())
    # A terminal that shows what is typed and ends its lines.
    terminal.press("echo one; echo two", "Enter")
    terminal.until("a terminal as it was", lambda: "$ echo one; echo two\none\ntwo\n$" in terminal.text())


def agrees_with_the_summary(demo: Demo, terminal: Terminal) -> None:
    """What it shows lies between two summaries, asked for before and after."""
    before = consumed(demo)
    terminal.until("the figures of now", lambda: terminal.consumed() >= before)
    shown = terminal.consumed()
    after = consumed(demo)
    claim(before <= shown <= after, f"the terminal shows {shown}, the summary said {before} and then {after}")


def by_keyboard(terminal: Terminal) -> None:
    claim("EUR" in terminal.text() and "purchase" not in terminal.text(), terminal.text())
    terminal.press("2")
    terminal.until("totals by type", lambda: "purchase" in terminal.text())
    terminal.press("Tab", "Tab")
    terminal.until("totals by country", lambda: re.search(r"\n│ (DE|US|FR|GB) +[\d ]+", terminal.text()))
    terminal.resize(SMALL)
    terminal.until("one list at a time", lambda: " totals  windows  partitions " in terminal.text())
    claim("rejected  producers  by country" in terminal.text(), terminal.text())
    claim(all(len(line) <= SMALL[0] for line in terminal.text().splitlines()), terminal.text())
    terminal.press("Right", "Right")
    terminal.until("partitions", lambda: re.search(r"\n│ +0  here", terminal.text()))
    terminal.press("p")
    terminal.until("paused", lambda: " ‖ PAUSED " in terminal.text() and not is_live(terminal))
    terminal.press("p", "?")
    terminal.until("the keys", lambda: "Any key goes back" in terminal.text())
    terminal.press("x")
    terminal.until("the keys gone", lambda: "Any key goes back" not in terminal.text())
    terminal.resize(ROOMY)
    terminal.until("everything at once", lambda: "╭ rejected " in terminal.text() and is_live(terminal))


def ends_by_signal(demo: Demo, terminal: Terminal) -> None:
    """Begins on a small terminal, at HTTP_LISTEN, and is told to stop."""
    terminal.resize(SMALL)
    terminal.run("env", f"HTTP_LISTEN={demo.address}", "NO_COLOR=1", CONSUMER, "top")
    terminal.until("live on a small terminal", lambda: is_live(terminal) and "ledger balances" in terminal.text())
    coloured = re.search(r"\x1b\[([34][0-8]|9\d|10\d)[;m]", terminal.tmux("capture-pane", "-p", "-e"))
    claim(coloured is None, f"colours in spite of NO_COLOR: {coloured!r}")
    os.kill(terminal.program(), signal.SIGTERM)
    terminal.until("the end by signal", lambda: terminal.is_as_it_was() and "ended with 0" in terminal.text())


class Other(http.server.BaseHTTPRequestHandler):
    """Knows no request, and keeps quiet about it."""

    def log_message(self, *_arguments: object) -> None:
        pass


def refuses(terminal: Terminal) -> None:
    nobody = free_address()
    terminal.run(CONSUMER, "top", "--url", f"http://{nobody}")
    terminal.until("nobody there", lambda: "ended with 1" in terminal.text() and "does not answer" in terminal.text())
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    terminal.run(CONSUMER, "top", "--url", f"http://127.0.0.1:{other.server_port}")
    terminal.until("no consumer", lambda: "ended with 1" in terminal.text() and "not as a consumer" in terminal.text())
    other.shutdown()
    for arguments, words in [([], "consumer summary"), (["--url", "https://x"], "plain http only")]:
        done = subprocess.run([CONSUMER, "top", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        claim(done.returncode == 2 and words in done.stderr and not done.stdout, f"{arguments}: {done}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        demo, terminal = Demo(folder, BIN_DIR), Terminal(folder, ROOMY)
        try:
            terminal.until("the demo listening", demo.is_ready)
            look(demo, terminal)
            ends_by_signal(demo, terminal)
            refuses(terminal)
        except BaseException:
            print((demo.folder / "demo.log").read_text(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            demo.kill()
            terminal.close()
    print("    live, moves, agrees with the summary, works by keyboard, says when it is old, comes back, leaves no trace")


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    main()
