//! More producers than are remembered.

use common::wire::Reason;

use crate::{
    differences,
    log::{Entry, Header, Log},
    records::{Body, NOON_MS, Record, instant, sequence},
    small, snapshots,
};

/// One more than are remembered come and go, twice, and skip a few numbers each time.
const PRODUCERS: i64 = 4_097;

fn entry(offset: i64) -> Entry {
    let (producer, round) = ((offset % PRODUCERS).unsigned_abs(), (offset / PRODUCERS).unsigned_abs());
    let after_noon_ms = offset / 100;
    let id = offset.unsigned_abs().into();
    let body = Body { id, amount_minor: 1, currency: "EUR", occurred_at: instant(after_noon_ms) };
    let record = Record {
        offset,
        timestamp_ms: NOON_MS + after_noon_ms,
        value: Some(body.text().into_bytes()),
        sequence: Some(sequence(producer, 3 * round + 2)),
        ..Record::default()
    };
    // Nobody asks for the truth here.
    Entry { record, header: Header::Missing, value: Err(Reason::Empty) }
}

#[test]
fn fold_and_recount_forget_the_same_producers() {
    let entries: Vec<Entry> = (0..2 * PRODUCERS + 50).map(entry).collect();
    let log = Log { first_offset: 0, end_offset: 2 * PRODUCERS + 50, entries };
    let taken = snapshots(&log, &small(), &[PRODUCERS - 1, PRODUCERS + 10, log.end_offset]);
    for snapshot in &taken {
        assert_eq!(differences(&log, snapshot, None, 1_000), vec![]);
    }
    assert_eq!(differences(&log, &taken[2], Some(&taken[1]), 1_000), vec![]);
    // One number is missing of each that came before the first was forgotten, and of none after that.
    assert_eq!(taken[0].ledger.missing_from_sequence, PRODUCERS.unsigned_abs() - 1);
    assert!(taken[2].ledger.missing_from_sequence < 2 * PRODUCERS.unsigned_abs());
}
