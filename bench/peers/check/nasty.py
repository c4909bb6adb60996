"""Sends hand-made records to a topic: every reason code, and what parsers and clocks differ on.

All peers and the pipeline must count the same afterwards. Usage: nasty.py HOST:PORT TOPIC [--beyond], where --beyond adds
the few that the libraries of some peers can't tell apart (see ../README.md, known differences).
"""

import json
import sys
import uuid
from random import Random

from confluent_kafka import Producer

from times import DAY_MS, NOW_MS, text_of, times


def plain(**changes):
    members = {
        "id": str(uuid.uuid4()),
        "account": "ACC-00012345",
        "type": "purchase",
        "amount_minor": 14_250,
        "currency": "EUR",
        "merchant_name": "Harbour Coffee Ltd",
        "merchant_category": "restaurants",
        "country": "FR",
        "channel": "online",
        "occurred_at": text_of(NOW_MS),
        "schema_version": 1,
    }
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def document(**changes):
    return json.dumps(plain(**changes), ensure_ascii=False, separators=(",", ":"))


def raw(member, written, **changes):
    """A transaction with one member's value written as given."""
    return document(**{**changes, member: "@"}).replace('"@"', written)


def values():
    yield from (None, "", " ", "null", "[]", "{}", "1", '"x"', "[" + document() + "]", "not json", document()[:-1])
    yield from (document() + tail for tail in ("x", "}", "{}", ",", " \r\n\t", "\x00", "\x0b", "\u00a0", '"', "[", "1"))
    yield from (head + document() for head in (" \n\t\r", "\ufeff", "x", "\x00", "\u00a0"))
    yield " " * (65_536 - len(document())) + document()
    yield " " * (65_537 - len(document())) + document()
    for member in plain():
        yield document(**{member: None})
        yield from (raw(member, written) for written in ("null", "true", "{}", "[]", '""', '"1"', "1.5", "NaN", "'x'"))
        yield document()[:-1] + f',"{member}":{json.dumps(plain()[member])}}}'
        yield document()[:-1] + f',"{member}":null}}'
        yield raw(member, '"\\ud800"')
        yield raw(member, '"\\udc00\\ud800"')
        yield raw(member, '"a\\u0000b"')
        yield document().replace(f'"{member}"', f'"\\u{ord(member[0]):04x}{member[1:]}"')
    for written in (
        "0 -0 -1 1 01 +1 1. .5 1.0 1e3 1E3 1e-3 0x10 1000000000000 1000000000001 9223372036854775807 9223372036854775808 "
        "-9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 1e999 -0.0 1_000 Infinity - 1e"
    ).split() + ["1" * 400, "0" * 30 + "1"]:
        yield raw("amount_minor", written)
        yield raw("schema_version", written)
        yield document()[:-1] + f',"extra":{written}}}'
    yield '{"schema_version":2}'
    yield '{"schema_version":2,"amount_minor":"x","id":7,"id":8}'
    yield '{"schema_version":2,"schema_version":2}'
    yield '{"schema_version":1,"schema_version":2}'
    yield '{"schema_version":2'
    yield '{"extra":{"schema_version":2},"schema_version":1}'
    yield document()[:-1] + ',"extra":[{"id":1,"id":2,"amount_minor":[null,true,{"a":-1.5e+3}]}],"extra":2}'
    yield document()[:-1] + ',"":"","a\\"b\\\\c":"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t"}'
    yield document()[:-1] + ",}"
    yield from (
        document()[:-1] + f',"extra":"{inside}"}}' for inside in ("\n", "\x1f", "\x7f", "\\x", "\\u12g4", "\\u12", "\\")
    )
    yield from (document()[:-1] + f',"extra":{"[" * depth}{"]" * depth}}}' for depth in (1, 100, 500))
    one = str(uuid.uuid4())
    yield from (
        document(id=one),
        document(id=one.upper()),
        document(id=one.replace("-", "")),
        document(id="{" + one + "}"),
    )
    yield from (document(id=one[:-1]), document(id=one[:-1] + "g"), document(id="-" + one[1:]), document(id=one + " "))
    yield from (document(id=one[:-1] + "é"), document(id=one[:-1] + "\uff10"), document(id="0" * 36))
    for account in ("", " ", "A" * 64, "A" * 65, "é", "\x7f", "~", "\t", 'a"b', "a\\b", "\U0001f600"):
        yield document(account=account)
    for name in ("", " ", "é" * 128, "é" * 128 + "a", "x" * 256, "x" * 257, "\U0001f600" * 64, "\U0001f600" * 64 + "a"):
        yield document(merchant_name=name)
    for name in ("\x00", "\x1f", "\x7f", "\x80", "\x9f", "\xa0", "\u2028", "\ufeff", "\ufffd", "€" * 85, "€" * 86):
        yield document(merchant_name="a" + name)
        yield raw("merchant_name", json.dumps("a" + name))
    yield raw("merchant_name", '"\\ud83d\\ude00"')
    yield raw("merchant_name", '"\\\\ud800"')
    yield raw("type", '"purch\\u0061se"')
    yield raw("currency", '"\\u0045UR"')
    yield from (
        document(type=name) for name in ("Purchase", "purchase ", "refund", "withdrawal", "transfer", "deposit", "fee")
    )
    yield from (
        document(currency=code) for code in ("eur", "EURO", "XXX", "XAU", "ZWL", "HRK", "XCG", "EU", "ÄÖÜ", "KWD", "€€")
    )
    yield from (document(country=code) for code in ("UK", "EU", "XK", "fr", "FRA", "TF", "AX", "ZZ", "É", "", "A1"))
    yield from (document(channel=name) for name in ("card_present", "mobile", "atm", "fax", "ATM", ""))
    yield from (
        document(merchant_category=name) for name in ("other", "", "space tourism", "Fuel", "fuel", "é", "x" * 5_000)
    )
    yield from (document(occurred_at=time_) for time_ in times())


def bytes_of(value):
    return None if value is None else value.encode()


def records():
    """Tuples of value, headers, timestamp."""
    for value in values():
        yield bytes_of(value), [], NOW_MS
    body = document().encode()
    for bad in (
        b"\xff",
        b"\xc3",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\x80",
        b"\xc1\xbf",
        b"\xf5\x80\x80\x80",
    ):
        yield body.replace(b"Harbour", bad), [], NOW_MS
        yield body[:-1] + b',"extra":"' + bad + b'"}', [], NOW_MS
        yield body + bad, [], NOW_MS
        yield body[:-1] + b',"' + bad + b'":1}', [], NOW_MS
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
        yield document().encode(encoding), [], NOW_MS
    for header in (
        "0123456789abcdef:1 0123456789abcdef:1 0123456789abcdef:4 0123456789abcdef:3 0123456789abcdef:5 0123456789ABCDEF:6 "
        "0123456789abcdef:06 0123456789abcdef:0 0123456789abcdef:-6 0123456789abcdef:+6 0123456789abcdef: :6 0123456789abcde:6 "
        "0123456789abcdef0:6 0123456789abcdef:6x 0123456789abcdef:18446744073709551615 0123456789abcdef:18446744073709551616 "
        "0123456789abcdef:99999999999999999999 0123456789abcdef:10000006 0123456789abcdef:20000008 000000000000000a:3 "
        "000000000000000b:10000001 000000000000000c:10000002 000000000000000c:1 ffffffffffffffff:1 ffffffffffffffff:1 x é"
    ).split():
        yield document().encode(), [("tally-seq", header.encode())], NOW_MS
    for headers in (
        [("tally-seq", None)],
        [("tally-seq", b"")],
        [("Tally-Seq", b"junk")],
        [("tally-seq", b"junk"), ("tally-seq", b"00000000000000aa:1")],
        [("tally-seq", b"00000000000000aa:2"), ("tally-seq", b"junk")],
        [("tally-seq", b"00000000000000aa:9"), ("other", b"\xff"), ("tally-seq", b"00000000000000aa:2")],
        [("tally-seq", b"00000000000000aa:3"), ("tally-intended-us", b"junk")],
    ):
        yield document().encode(), headers, NOW_MS
    # Whatever becomes of a valid record, its id has been seen; of one that is not valid, it has not.
    for first in (
        [("tally-seq", b"00000000000000aa:1")],
        [("tally-seq", b"00000000000000aa:90000000")],
        [("tally-seq", b"x")],
    ):
        again = document().encode()
        yield again, first, NOW_MS
        yield again, [], NOW_MS
    wrong = plain(country="UK")
    yield json.dumps(wrong).encode(), [], NOW_MS
    yield json.dumps(wrong | {"country": "GB"}).encode(), [], NOW_MS
    # An id a day later, and one whose timestamps go back and forth.
    for times_ms in (
        (-DAY_MS - 1, 0),
        (-DAY_MS, 0),
        (0, -DAY_MS - 1, 0),
        (-DAY_MS - 1, 0, -DAY_MS - 2),
        (-3_000, 0, -DAY_MS, 0),
    ):
        same = document(occurred_at=text_of(NOW_MS - 4 * DAY_MS)).encode()
        for ms in times_ms:
            yield same, [], NOW_MS + ms


def beyond():
    yield document()[:-1] + ',"extra":"\\ud800"}'
    yield document()[:-1] + ',"\\ud800":1}'
    yield from (document()[:-1] + f',"extra":{"[" * depth}{"]" * depth}}}' for depth in (2_000, 20_000))
    yield document()[:-1] + f',"extra":{"1" * 5_000}}}'
    yield raw("merchant_name", '"\\ud800"', schema_version=2)


def main():
    bootstrap, topic = sys.argv[1:3]
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    sent = list(records())
    if "--beyond" in sys.argv:
        sent = [(bytes_of(value), [], NOW_MS) for value in beyond()]
    random = Random(1)
    for value, headers, timestamp_ms in sent:
        # An amount of its own, so that the sums show which records were accepted and not only how many.
        value = value and value.replace(b"14250", str(random.randrange(10_000, 100_000)).encode())
        producer.produce(topic, value, b"key", partition=0, headers=headers, timestamp=timestamp_ms)
    producer.flush(30)
    print(len(sent))


if __name__ == "__main__":
    main()
