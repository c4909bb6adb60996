"""Makes transactions in the wire format, with their headers: one life of a producer process."""

import time
from random import getrandbits, random

import orjson

from lists import CATEGORIES, CHANNELS, TYPES

USUAL_CURRENCIES = ("EUR", "USD", "GBP", "JPY", "CHF", "SEK", "PLN", "BRL", "INR", "KWD")
USUAL_COUNTRIES = ("DE", "FR", "ES", "IT", "NL", "GB", "US", "JP", "CH", "SE", "PL", "BR", "IN", "KW")
PLACES = ("Harbour", "Old Town", "Northgate", "Riverside", "Station", "Hillcrest", "Market Square")
TRADES = ("Coffee", "Books", "Bakery", "Outfitters", "Garage", "Pharmacy", "Electronics", "Garden")
FORMS = ("Ltd", "GmbH", "and Sons", "Partners LLC", "SARL")
MERCHANTS = [f"{place} {trade} {form}" for place in PLACES for trade in TRADES for form in FORMS]


def pick(values):
    """One of some values; half of what random.choice takes."""
    return values[int(random() * len(values))]


def random_transaction(accounts):
    """A new transaction, all but its time."""
    digits = f"{getrandbits(128):032x}"
    return {
        "id": f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[getrandbits(2)]}{digits[17:20]}-{digits[20:]}",
        "account": f"ACC-{int(random() * accounts):08d}",
        "type": pick(TYPES),
        # Small amounts are far more frequent than large ones.
        "amount_minor": 1 + int(random() * (1_000 << getrandbits(4))),
        "currency": pick(USUAL_CURRENCIES),
        "merchant_name": pick(MERCHANTS),
        "merchant_category": pick(CATEGORIES),
        "country": pick(USUAL_COUNTRIES),
        "channel": pick(CHANNELS),
    }


class Envelopes:
    """Turns transactions into what is sent: key, value, partition, headers."""

    def __init__(self, partitions):
        self.incarnation = f"{getrandbits(64):016x}"
        self.sequences = [0] * partitions
        # Partition by account: murmur2 in Python takes longer than all the rest.
        self.partitions = {}
        self.second = None
        self.second_text = ""

    def seal(self, transaction):
        now_us = time.time_ns() // 1_000
        if now_us // 1_000_000 != self.second:
            self.second = now_us // 1_000_000
            self.second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.second))
        transaction["occurred_at"] = f"{self.second_text}.{now_us // 1_000 % 1_000:03d}Z"
        transaction["schema_version"] = 1
        account = transaction["account"]
        partition = self.partitions.get(account)
        if partition is None:
            partition = (murmur2(account.encode()) & 0x7FFF_FFFF) % len(self.sequences)
            self.partitions[account] = partition
        self.sequences[partition] += 1
        headers = [
            ("tally-seq", f"{self.incarnation}:{self.sequences[partition]}".encode()),
            ("tally-intended-us", str(now_us).encode()),
        ]
        return account.encode(), orjson.dumps(transaction), partition, headers


def murmur2(key):
    """The hash by which the Java client's default chooses a key's partition."""
    multiplier, mask = 0x5BD1_E995, 0xFFFF_FFFF
    result = 0x9747_B28C ^ len(key)
    whole = len(key) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        result = result * multiplier & mask ^ word
    if whole < len(key):
        result = (result ^ int.from_bytes(key[whole:], "little")) * multiplier & mask
    result = (result ^ result >> 13) * multiplier & mask
    return result ^ result >> 15
