"""The work on one partition, record after record in order of offset: the same, with the same numbers, as the pipeline's.

Both Python peers share it. It is written for speed: plain dictionaries and tuples, few calls a record.
"""

import re
from collections import deque

from value import read

WINDOW_MS = 60_000
OUT_OF_ORDER_MS = 5_000
LATENESS_MS = 15 * 60_000
ID_OFFSETS = 100_000
ID_AGE_MS = 24 * 3_600_000
SEQUENCE_JUMP_MAX = 10_000_000
COMBINATIONS_MAX = 200_000
BEGINNING_OF_TIME = -(2**63)

parse_sequence = re.compile(rb"([0-9a-f]{16}):([1-9][0-9]{0,19})").fullmatch


class Partition:
    """All that is known of one partition. It lives in memory only."""

    def __init__(self, first_offset):
        self.counts_first = first_offset == 0
        self.consumed = self.accepted = self.redelivered = self.repeated = self.missing = 0
        self.on_time = self.revised = self.too_late = 0
        self.rejected = {}
        # By (type, currency, category, country, channel): count, sum, smallest, largest. One cell a record; the report
        # adds them up. So that they stay few, they are added up before, too.
        self.combinations = {}
        self.totals = new_totals()
        # By (start, currency): count, sum.
        self.windows = {}
        self.next_final_ms = 2**63
        self.watermark_ms = BEGINNING_OF_TIME
        # id -> (offset, timestamp, the place before it or None), and the ids in order of offset.
        self.places = {}
        self.in_order = deque()
        # Last sequence by incarnation.
        self.sequences = {}

    def take(self, offset, timestamp_ms, headers, value):
        """Counts the next record."""
        self.consumed += 1
        sequence = None
        for name, header in headers or ():
            if name == "tally-seq":
                sequence = header or b""  # Of several the last counts; one without a value is none.
        if sequence is not None:
            parts = parse_sequence(sequence)
            if not parts or int(parts[2]) >= 2**64:
                return self.reject("invalid_header")
        found = read(value, timestamp_ms)
        is_valid = type(found) is tuple
        # Whatever becomes of a valid record, its id has been seen.
        is_repeated = is_valid and self.remember(found[0], offset, timestamp_ms)
        if sequence is not None:
            incarnation, number = parts[1], int(parts[2])
            last = self.sequences.get(incarnation)
            if last is None:
                last = 0 if self.counts_first else number - 1
            if number <= last:
                self.redelivered += 1
                return
            if number - last - 1 > SEQUENCE_JUMP_MAX:
                return self.reject("invalid_header")
            self.missing += number - last - 1
            self.sequences[incarnation] = number
        if not is_valid:
            self.reject(found)
        elif is_repeated:
            self.repeated += 1
        else:
            self.accept(found, timestamp_ms)

    def reject(self, reason):
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def remember(self, id_, offset, timestamp_ms):
        """Whether an id stands at one of the offsets before, in a record not too much older; and keeps it."""
        places, in_order = self.places, self.in_order
        while in_order and in_order[0][0] < offset - ID_OFFSETS:
            old_offset, old_id = in_order.popleft()
            if places[old_id][0] == old_offset:  # Else it stands at a later offset, too.
                del places[old_id]
        in_order.append((offset, id_))
        before = places.get(id_)
        if before is None:
            places[id_] = (offset, timestamp_ms, None)
            return False
        is_repeated = False
        place = before
        while place and place[0] >= offset - ID_OFFSETS and not is_repeated:
            is_repeated = place[1] >= timestamp_ms - ID_AGE_MS
            place = place[2]
        while before and before[1] <= timestamp_ms:
            before = before[2]  # An earlier place that is older, too, says nothing that this one doesn't.
        places[id_] = (offset, timestamp_ms, before)
        return is_repeated

    def accept(self, found, timestamp_ms):
        _, type_, currency, amount, category, country, channel, occurred_at_ms = found
        self.accepted += 1
        key = (type_, currency, category, country, channel)
        cell = self.combinations.get(key)
        if cell is None:
            if len(self.combinations) >= COMBINATIONS_MAX:
                self.add_up()
            self.combinations[key] = [1, amount, amount, amount]
        else:
            cell[0] += 1
            cell[1] += amount
            if amount < cell[2]:
                cell[2] = amount
            elif amount > cell[3]:
                cell[3] = amount

        start_ms = occurred_at_ms - occurred_at_ms % WINDOW_MS
        watermark_ms = self.watermark_ms
        if start_ms + WINDOW_MS + LATENESS_MS <= watermark_ms:
            self.too_late += 1
        else:
            if start_ms + WINDOW_MS <= watermark_ms:
                self.revised += 1
            else:
                self.on_time += 1
            window = self.windows.get((start_ms, currency))
            if window is None:
                self.windows[start_ms, currency] = [1, amount]
                self.next_final_ms = min(self.next_final_ms, start_ms + WINDOW_MS + LATENESS_MS)
            else:
                window[0] += 1
                window[1] += amount
        # Compared before it is moved, so that a record can't make itself late.
        reached_ms = (occurred_at_ms if occurred_at_ms < timestamp_ms else timestamp_ms) - OUT_OF_ORDER_MS
        if reached_ms > watermark_ms:
            self.watermark_ms = reached_ms
            if reached_ms >= self.next_final_ms:
                self.drop_windows()

    def drop_windows(self):
        """Drops the windows that the watermark has passed for good."""
        start_min_ms = self.watermark_ms - LATENESS_MS - WINDOW_MS
        self.windows = {key: cell for key, cell in self.windows.items() if key[0] > start_min_ms}
        starts = (start_ms + WINDOW_MS + LATENESS_MS for start_ms, _ in self.windows)
        self.next_final_ms = min(starts, default=2**63)

    def add_up(self):
        """Adds the combinations to the totals."""
        for (type_, currency, *values), (count, total, low, high) in self.combinations.items():
            into = self.totals["currency"].setdefault(currency, [0, 0, low, high])
            into[0] += count
            into[1] += total
            into[2], into[3] = min(into[2], low), max(into[3], high)
            for grouping, value in zip(("type", "category", "country", "channel"), (type_, *values)):
                into = self.totals[grouping].setdefault(value, {}).setdefault(currency, [0, 0])
                into[0] += count
                into[1] += total
        self.combinations.clear()


def new_totals():
    return {grouping: {} for grouping in ("currency", "type", "category", "country", "channel")}


COLUMNS = ("consumed", "accepted", "redelivered", "repeated", "on_time", "revised", "too_late")


def report(partitions):
    """Ledger and totals of all partitions, in the contract's shape."""
    ledger = {column: sum(getattr(partition, column) for partition in partitions) for column in COLUMNS}
    ledger["missing_from_sequence"] = sum(partition.missing for partition in partitions)
    ledger["rejected"] = rejected = {}
    currencies, others = {}, new_totals()
    del others["currency"]
    for partition in partitions:
        partition.add_up()
        for reason, count in partition.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + count
        for currency, (count, total, low, high) in partition.totals["currency"].items():
            there = currencies.get(currency, (0, 0, low, high))
            currencies[currency] = (there[0] + count, there[1] + total, min(there[2], low), max(there[3], high))
        for grouping, values in others.items():
            for value, cells in partition.totals[grouping].items():
                into = values.setdefault(value, {})
                for currency, (count, total) in cells.items():
                    there = into.get(currency, (0, 0))
                    into[currency] = (there[0] + count, there[1] + total)
    totals = {
        grouping: {
            value: {currency: _cell(*cell) for currency, cell in cells.items()} for value, cells in values.items()
        }
        for grouping, values in others.items()
    }
    totals["currency"] = {
        currency: _cell(count, total) | {"min_minor": low, "max_minor": high}
        for currency, (count, total, low, high) in currencies.items()
    }
    return {"ledger": ledger, "totals": totals}


def _cell(count, total):
    return {"count": count, "sum_minor": str(total)}
