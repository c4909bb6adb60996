"""A consumer that is none: it serves the page's files as the real one does and sends whatever events a test makes up."""

import datetime
import http.server
import json
import pathlib
import re
import socketserver
import threading
import time
import urllib.parse

PAGE = pathlib.Path(__file__).resolve().parent.parent / "consumer" / "src" / "page"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml"}
BEGAN = datetime.datetime(2026, 11, 20, 19, 12, tzinfo=datetime.UTC)
LEDGER = ("accepted", "redelivered", "repeated", "on_time", "revised", "too_late", "offsets_without_record")


def policy() -> str:
    """What the real one lets a page load and run."""
    source = (PAGE.parent / "http.rs").read_text()
    text = re.search(r'const PAGE_POLICY: &str = "(.*?)";', source, re.DOTALL).group(1)
    return re.sub(r"\\\n\s*", "", text)


def at(seconds: float) -> str:
    moment = BEGAN + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def ledger(consumed: int, reasons: dict[str, int] | None = None) -> dict:
    """One that adds up, whatever was rejected."""
    rejected = {"invalid_amount": consumed // 100} if reasons is None else reasons
    accepted = consumed - sum(rejected.values())
    counts = dict.fromkeys(LEDGER, 0) | {"accepted": accepted, "on_time": accepted}
    return {"consumed": consumed, "rejected": rejected, "missing_from_sequence": 0, **counts}


def figures(n: int, partitions: int = 3, reasons: dict[str, int] | None = None) -> dict:
    """The n-th event of a pipeline that is well: a second after the one before, and a thousand records."""
    counted = ledger(1_000 * (n + 10), reasons)
    cell = {"count": counted["accepted"], "sum_minor": str(counted["accepted"] * 199)}
    grid = {"first": {"EUR": cell}}
    minute = n // 60

    def partition(number: int) -> dict:
        durable = {"next_offset": counted["consumed"] // 3, "age_ms": 400, "watermark": at(n)}
        return {"partition": number, "owned": True, "durable": durable, "live": {"lag_records": 2}}

    return {
        "time": at(n), "ready": True, "unmet": [], "caught_up": True,
        "summary": {"ledger": counted, "partitions_missing": [], "totals": {
            "currency": {"EUR": {**cell, "min_minor": 1, "max_minor": 99_999}, "JPY": {**cell, "min_minor": 1, "max_minor": 99}},
            "type": grid, "category": grid, "country": grid, "channel": grid}},
        "balance": {"balanced": True, "offsets": counted["consumed"], "skipped": 0, "ledger": counted},
        "partitions": [partition(number) for number in range(partitions)],
        "windows": [{"window_start": at(60 * (minute - ago)), "window_end": at(60 * (minute - ago + 1)), "closed": ago > 0,
                     "revision": ago, "count": 1_000 * (ago + 1)} for ago in range(12)],
        "producers": {"missing_from_sequence": 0, "evicted": 0, "more": False, "producers": [
            {"incarnation": "00000000000000aa", "partitions": 3, "records_numbered": str(counted["consumed"])}]},
        "latency": {"p50_us": 400, "p99_us": 5_000},
    }


def letter(offset: int, **changes: object) -> dict:
    return {"partition": 1, "offset": offset, "reason": "invalid_amount", "rejected_at": at(0), "timestamp": at(0), "key_text": "ACC-00000001",
            "value_text": '{"amount_minor":-1}', "value_hex": "7b22", "value_bytes": 19, "truncated": False, "mended": False, **changes}


class FakeConsumer:
    """Serves until the process ends. Change its fields at any time; requests are noted."""

    def __init__(self) -> None:
        self.make = figures
        # Faster than in truth, so that nobody waits for them.
        self.every_s = 0.25
        self.sent = self.streams = 0
        self.is_silent = self.is_busy = False
        self.letters: list[dict] = []
        self.asked: list[tuple[float, str]] = []
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                path = urllib.parse.urlsplit(self.path).path
                fake.asked.append((time.monotonic(), path))
                try:
                    if path == "/api/v1/events":
                        fake.stream(self)
                    elif path == "/api/v1/dead-letters":
                        fake.answer(self, "application/json", json.dumps({"dead_letters": fake.letters, "next_after": None}).encode())
                    else:
                        fake.file(self, path)
                except (BrokenPipeError, ConnectionResetError):
                    pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def file(self, handler: http.server.BaseHTTPRequestHandler, path: str) -> None:
        file = PAGE / ("index.html" if path == "/" else path.removeprefix("/page/"))
        if "/" in path[1:].removeprefix("page/") or not file.is_file():
            # As a consumer that has just started, or has no such route.
            handler.send_error(503 if self.is_busy else 404)
            return
        self.answer(handler, TYPES[file.suffix], file.read_bytes())

    def answer(self, handler: http.server.BaseHTTPRequestHandler, content_type: str, body: bytes) -> None:
        handler.send_response(200)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), "Content-Security-Policy": policy(),
                            "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def stream(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.streams += 1
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        while True:
            if not self.is_silent:
                event = self.make(self.sent)
                data = event if isinstance(event, str) else json.dumps(event)
                handler.wfile.write(f"event: figures\nretry: 1000\ndata: {data}\n\n".encode())
                handler.wfile.flush()
                self.sent += 1
            time.sleep(self.every_s)

    def asked_for(self, path: str) -> list[float]:
        return [when for when, asked in self.asked if asked == path]
