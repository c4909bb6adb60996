//! The rules once more, as naively as they can be written: no tables, no rings, no state but lists of what has been.

use std::collections::BTreeMap;

use common::wire::Reason;
use consumer::fold::{FoldSettings, Ledger, SEQUENCE_JUMP_MAX};

use crate::{
    evidence::Loss,
    log::{Entry, Header, Log, Paid},
};

/// What must come out of a log.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) ledger: Ledger,
    pub(crate) skipped: i64,
    pub(crate) watermark_ms: Option<i64>,
    /// Amounts accepted in each currency.
    pub(crate) amounts: BTreeMap<&'static str, Vec<i64>>,
    /// Amounts in each window, by its start.
    pub(crate) windows: BTreeMap<i64, Vec<(&'static str, i64)>>,
    pub(crate) rejected: BTreeMap<i64, Reason>,
}

/// Counts the records from `first_offset` on, but for what was lost.
pub(crate) fn count(log: &Log, settings: &FoldSettings, first_offset: i64, losses: &[Loss]) -> Expected {
    let mut oracle = Oracle { settings, from_0: first_offset == 0, arrived: Vec::new(), seen: Vec::new() };
    let mut expected = Expected::default();
    let mut losses = losses.iter();
    let mut loss = losses.next();
    let mut readable_from = first_offset;
    for entry in log.from(first_offset) {
        while let Some(next) = loss
            && next.at() <= entry.record.offset
        {
            match *next {
                Loss::Skipped { from, to } => {
                    expected.skipped += to - from;
                    readable_from = to;
                }
                Loss::Forgot { before, .. } => oracle.seen.retain(|(offset, ..)| *offset >= before),
            }
            loss = losses.next();
        }
        if entry.record.offset >= readable_from {
            oracle.take(entry, &mut expected);
        }
    }
    for loss in loss.into_iter().chain(losses) {
        if let Loss::Skipped { from, to } = loss {
            expected.skipped += to - from;
        }
    }
    let in_all = log.end_offset - first_offset - expected.skipped;
    expected.ledger.offsets_without_record = in_all.unsigned_abs() - expected.ledger.consumed;
    expected
}

struct Oracle<'a> {
    settings: &'a FoldSettings,
    from_0: bool,
    /// Every sequence taken note of.
    arrived: Vec<(u64, u64)>,
    /// Offset, id and Kafka timestamp of every valid record.
    seen: Vec<(i64, u128, i64)>,
}

impl Oracle<'_> {
    fn take(&mut self, entry: &Entry, expected: &mut Expected) {
        let (offset, timestamp_ms) = (entry.record.offset, entry.record.timestamp_ms);
        expected.ledger.consumed += 1;
        let value = match entry.value {
            Ok(paid) if i128::from(paid.occurred_at_ms) - i128::from(timestamp_ms) > self.skew_ms() => {
                Err(Reason::FutureDated)
            }
            value => value,
        };
        let mut reject = |reason: Reason| {
            expected.ledger.rejected[reason.index()] += 1;
            expected.rejected.insert(offset, reason);
        };
        if entry.header == Header::Bad {
            return reject(Reason::InvalidHeader);
        }
        let repeated = value.is_ok_and(|paid| self.is_repeated(offset, paid.id, timestamp_ms));
        if let Ok(paid) = value {
            self.seen.push((offset, paid.id, timestamp_ms));
        }
        if let Header::Numbered { incarnation, number } = entry.header {
            let last = self.arrived.iter().filter(|(who, _)| *who == incarnation).map(|(_, number)| *number).max();
            let missing = match last {
                Some(last) if number <= last => {
                    expected.ledger.redelivered += 1;
                    return;
                }
                Some(last) => number - last - 1,
                None if self.from_0 => number - 1,
                None => 0,
            };
            if missing > SEQUENCE_JUMP_MAX {
                return reject(Reason::InvalidHeader);
            }
            self.arrived.push((incarnation, number));
            expected.ledger.missing_from_sequence += missing;
        }
        match value {
            Err(reason) => reject(reason),
            Ok(_) if repeated => expected.ledger.repeated += 1,
            Ok(paid) => self.accept(paid, timestamp_ms, expected),
        }
    }

    fn skew_ms(&self) -> i128 {
        self.settings.future_skew_ms.into()
    }

    fn is_repeated(&self, offset: i64, id: u128, timestamp_ms: i64) -> bool {
        let older_ms = |earlier_ms: i64| i128::from(timestamp_ms) - i128::from(earlier_ms);
        self.seen.iter().any(|&(earlier, same, at_ms)| {
            same == id
                && offset - earlier <= i64::from(self.settings.id_window_offsets)
                && older_ms(at_ms) <= i128::from(self.settings.id_window_age_ms)
        })
    }

    fn accept(&self, paid: Paid, timestamp_ms: i64, expected: &mut Expected) {
        let FoldSettings { window_ms, out_of_order_ms, lateness_ms, .. } = *self.settings;
        expected.ledger.accepted += 1;
        expected.amounts.entry(paid.currency).or_default().push(paid.amount_minor);
        let start_ms = paid.occurred_at_ms.div_euclid(window_ms) * window_ms;
        let late_by_ms = expected.watermark_ms.map_or(i64::MIN, |watermark_ms| watermark_ms - (start_ms + window_ms));
        if late_by_ms < lateness_ms {
            expected.windows.entry(start_ms).or_default().push((paid.currency, paid.amount_minor));
        }
        match late_by_ms {
            ..0 => expected.ledger.on_time += 1,
            _ if late_by_ms < lateness_ms => expected.ledger.revised += 1,
            _ => expected.ledger.too_late += 1,
        }
        let reached_ms = paid.occurred_at_ms.min(timestamp_ms).saturating_sub(out_of_order_ms);
        expected.watermark_ms = expected.watermark_ms.max(Some(reached_ms));
    }
}
