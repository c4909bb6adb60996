"""From a record's value to a transaction, or to the reason why it is none.

orjson reads the value. It keeps the last of a doubled member without a word and reads -0 as 0, so what isn't plain is read
again by the standard library's parser, which shows every member.
"""

import json
import re
from datetime import datetime, timedelta, timezone

import orjson

from lists import CATEGORIES, CHANNELS, COUNTRIES, CURRENCIES, OTHER, TYPES

VALUE_BYTES_MAX = 65_536
MERCHANT_BYTES_MAX = 256
AMOUNT_MAX = 10**12
FUTURE_SKEW_MS = 300_000
SECONDS_KEPT = 100_000

TEXTS = (
    "id",
    "account",
    "type",
    "currency",
    "merchant_name",
    "merchant_category",
    "country",
    "channel",
    "occurred_at",
)
MEMBERS = len(TEXTS) + 2
# Two for each name and two for each text: with these and all names there, none can be there twice.
PLAIN_QUOTES = 2 * MEMBERS + 2 * len(TEXTS)

is_id = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}").fullmatch
is_account = re.compile(r"[ -~]{1,64}").fullmatch
has_control = re.compile(r"[\x00-\x1f\x7f-\x9f]").search
has_surrogate = re.compile(r"[\ud800-\udfff]").search
timestamp_parts = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
).fullmatch

TYPES, CHANNELS, CURRENCIES, COUNTRIES = map(frozenset, (TYPES, CHANNELS, CURRENCIES, COUNTRIES))
CATEGORIES = {category: category for category in CATEGORIES}

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)
# The years 0 to 9999. Python's own begin with 1.
MS_MIN = -62_167_219_200_000
MS_MAX = 253_402_300_799_999

# Milliseconds of the seconds seen lately, by their text: most records share theirs with thousands.
_seconds = {}


def read(value, timestamp_ms):
    """A tuple (id, type, currency, amount, category, country, channel, occurred_at in ms), or a reason code."""
    if not value:
        return "empty"
    if len(value) > VALUE_BYTES_MAX:
        return "too_large"
    try:
        members = orjson.loads(value)
        is_plain = len(members) == MEMBERS and value.count(b'"') == PLAIN_QUOTES
        amount = members["amount_minor"]
        if not is_plain or members["schema_version"] != 1 or not amount:
            members = read_carefully(value)
    except (ValueError, KeyError, TypeError, IndexError):
        members = read_carefully(value)
    if type(members) is str:
        return members
    return check(members, timestamp_ms)


def check(members, timestamp_ms):
    """The checks of the contract, in its order."""
    try:
        amount, version = members["amount_minor"], members["schema_version"]
        id_, account, type_ = members["id"], members["account"], members["type"]
        currency, merchant, country = members["currency"], members["merchant_name"], members["country"]
        channel, occurred_at, category = members["channel"], members["occurred_at"], members["merchant_category"]
    except KeyError:
        return "malformed_json"
    if type(amount) is not int or type(version) is not int or amount >= 2**63:
        return "malformed_json"
    if not (
        type(id_) is type(account) is type(type_) is type(currency) is type(merchant) is str
        and type(country) is type(channel) is type(occurred_at) is type(category) is str
    ):
        return "malformed_json"
    if not is_id(id_):
        return "invalid_id"
    if not is_account(account):
        return "invalid_account"
    if type_ not in TYPES:
        return "unknown_type"
    if currency not in CURRENCIES:
        return "unknown_currency"
    if not 0 < amount <= AMOUNT_MAX:
        return "invalid_amount"
    if not merchant or has_control(merchant) or len(merchant.encode()) > MERCHANT_BYTES_MAX:
        return "invalid_merchant"
    if country not in COUNTRIES:
        return "invalid_country"
    if channel not in CHANNELS:
        return "invalid_channel"
    occurred_at_ms = parse_timestamp(occurred_at)
    if occurred_at_ms is None:
        return "invalid_time"
    if occurred_at_ms - FUTURE_SKEW_MS > timestamp_ms:
        return "future_dated"
    return id_.lower(), type_, currency, amount, CATEGORIES.get(category, OTHER), country, channel, occurred_at_ms


def parse_timestamp(text):
    """RFC 3339 in milliseconds since 1970, or None."""
    second = _seconds.get(text[:19])
    if second is not None and len(text) == 24 and text[19] == "." and text[23] == "Z":
        digits = text[20:23]
        if digits.isascii() and digits.isdigit():
            return second + int(digits)
    return parse_any_timestamp(text)


def parse_any_timestamp(text):
    parts = timestamp_parts(text)
    if not parts:
        return None
    date, hour, minute, second, fraction, sign, offset_hour, offset_minute = parts.groups()
    # In the year 0, which is a leap year like 4, dates are counted four centuries later: the calendar repeats.
    centuries_later = 146_097 if date.startswith("0000") else 0
    try:
        day = datetime.fromisoformat("0400" + date[4:] if centuries_later else date).toordinal() - centuries_later
    except ValueError:
        return None
    hour, minute, second = int(hour), int(minute), int(second)
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second is the first of the next minute.
        return None
    ms = ((day - EPOCH.toordinal()) * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000
    if len(_seconds) >= SECONDS_KEPT:
        _seconds.clear()
    if second < 60 and text[10] == "T":
        _seconds[text[:19]] = ms
    if fraction:
        ms += int(fraction[:3].ljust(3, "0"))
    if sign:
        offset_hour, offset_minute = int(offset_hour), int(offset_minute)
        if offset_hour > 23 or offset_minute > 59:
            return None
        offset_ms = (offset_hour * 60 + offset_minute) * 60_000
        ms -= offset_ms if sign == "+" else -offset_ms
    return ms if MS_MIN <= ms <= MS_MAX else None


UNFIT = object()


def _integer(text):
    """An integer of 64 bits that is written as one; minus zero isn't."""
    if len(text) > 20 or text == "-0":
        return UNFIT
    number = int(text)
    return number if -(2**63) <= number < 2**63 else UNFIT


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


def read_carefully(value):
    """The known members as a dictionary, or a reason code. Another schema version has the first word."""
    objects = []

    def pairs_hook(pairs):
        objects[:] = [pairs]  # The outermost object is the last to be finished.
        return UNFIT

    try:
        found = json.loads(
            value.decode(),
            object_pairs_hook=pairs_hook,
            parse_int=_integer,
            parse_float=lambda _: UNFIT,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError):
        return "malformed_json"
    if found is not UNFIT or not value.lstrip(b" \t\r\n").startswith(b"{"):
        return "malformed_json"
    pairs = objects[0]
    versions = [member for name, member in pairs if name == "schema_version"]
    if len(versions) != 1 or type(versions[0]) is not int or any(has_surrogate(name) for name, _ in pairs):
        return "malformed_json"
    if versions[0] != 1:
        return "unsupported_schema_version"
    known = [(name, member) for name, member in pairs if name in TEXTS or name in ("amount_minor", "schema_version")]
    if len(known) != MEMBERS or any(type(member) is str and has_surrogate(member) for _, member in known):
        return "malformed_json"
    return dict(known)
