"""Texts that are times, or nearly: what clocks and their parsers differ on."""

import time

NOW_MS = time.time_ns() // 1_000_000 // 60_000 * 60_000
DAY_MS = 86_400_000


def text_of(ms, form="%Y-%m-%dT%H:%M:%S"):
    return time.strftime(form, time.gmtime(ms // 1_000)) + f".{ms % 1_000:03d}Z"


def times():
    now = text_of(NOW_MS)
    date, clock = now[:10], now[11:19]
    yield from (
        now[:-1] + "+00:00",
        now[:-1] + "-00:00",
        now.lower(),
        now.replace("T", " "),
        now[:-1],
        now[:19],
        now[:10],
    )
    yield from (
        now[:-1] + offset
        for offset in ("+23:59", "+24:00", "+01:60", "+0100", "+01", "-23:59", "\u221201:00", "z", "ZZ")
    )
    yield from (
        f"{date}T{clock}{rest}Z"
        for rest in ("", ".", ".1", ".12", ".1239", ".999999999", ".1239999999999", ",123", ".12a")
    )
    yield from (
        f"{date}T23:59:60Z",
        f"{date}T10:11:60.5Z",
        f"{date}T10:11:61Z",
        f"{date}T24:00:00Z",
        f"{date}T10:60:00Z",
    )
    yield from ("2025-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z", "2000-02-29T00:00:00Z", "1900-02-29T00:00:00Z")
    yield from ("0000-01-01T00:00:00Z", "0000-02-29T00:00:00Z", "0000-01-01T00:00:00+00:01", "0001-01-01T00:00:00Z")
    yield from (
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-00:01",
        "1969-12-31T23:59:59.9991Z",
        "+2026-01-01T00:00:00Z",
    )
    yield from (
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "",
        "x" * 24,
    )
    yield from (
        "\uff12026-01-01T00:00:00Z",
        now + " ",
        " " + now,
        now[:20] + "1²3Z",
        f"{date}T1:11:11Z",
        "2026-W01-1T00:00:00Z",
    )
    yield from (text_of(NOW_MS + ahead) for ahead in (299_999, 300_000, 300_001))
    # On time, in a closed window, too late, and the edges between them.
    yield from (
        text_of(NOW_MS - ago)
        for ago in (5_000, 65_000, 65_001, 600_000, 959_999, 960_000, 965_000, 965_001, 10_000_000)
    )
