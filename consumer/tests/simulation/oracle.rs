//! The rules once more, as naively as they can be written: no tables, no rings, no state but lists of what has been.

use std::collections::BTreeMap;

use common::wire::Reason;
use consumer::fold::{FoldSettings, Ledger, SEQUENCE_JUMP_MAX, Snapshot};

use crate::{
    evidence::Loss,
    legs::{leg_at, legs},
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
    /// Windows by their starts.
    pub(crate) windows: BTreeMap<i64, Window>,
    pub(crate) rejected: BTreeMap<i64, Reason>,
}

/// What a window must hold.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) end_ms: i64,
    /// The watermark at which it takes nothing more.
    pub(crate) final_ms: i64,
    /// The generation that took it to its end; `None` for the last.
    pub(crate) generation: Option<u64>,
    pub(crate) amounts: Vec<(&'static str, i64)>,
}

/// Counts the records of a state from its first offset on, but for what was lost, by the settings of each leg of its way.
pub(crate) fn count(log: &Log, last: &Snapshot, losses: &[Loss]) -> Expected {
    let first_offset = last.first_offset;
    let mut oracle = Oracle { last, from_0: first_offset == 0, arrived: Vec::new(), seen: Vec::new() };
    let mut expected = Expected::default();
    let mut losses = losses.iter();
    let mut loss = losses.next();
    let mut readable_from = first_offset;
    let mut legs = legs(last).into_iter().peekable();
    for entry in log.from(first_offset) {
        while let Some(leg) = legs.next_if(|leg| leg.end_offset() <= entry.record.offset) {
            expected.end_leg(leg.generation);
        }
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
    legs.filter(|leg| leg.end.is_some()).for_each(|leg| expected.end_leg(leg.generation));
    let in_all = log.end_offset - first_offset - expected.skipped;
    expected.ledger.offsets_without_record = in_all.unsigned_abs() - expected.ledger.consumed;
    expected
}

impl Expected {
    /// What can't change any more when a generation ends stays as that generation gave it out.
    fn end_leg(&mut self, generation: u64) {
        for window in self.windows.values_mut().filter(|window| Some(window.final_ms) <= self.watermark_ms) {
            window.generation.get_or_insert(generation);
        }
    }
}

struct Oracle<'a> {
    last: &'a Snapshot,
    from_0: bool,
    /// Every sequence taken note of.
    arrived: Vec<(u64, u64)>,
    /// Offset, id and Kafka timestamp of every valid record.
    seen: Vec<(i64, u128, i64)>,
}

impl<'a> Oracle<'a> {
    fn settings_at(&self, offset: i64) -> &'a FoldSettings {
        leg_at(self.last, offset).settings
    }

    fn take(&mut self, entry: &Entry, expected: &mut Expected) {
        let (offset, timestamp_ms) = (entry.record.offset, entry.record.timestamp_ms);
        expected.ledger.consumed += 1;
        let value = match entry.value {
            Ok(paid)
                if i128::from(paid.occurred_at_ms) - i128::from(timestamp_ms)
                    > self.settings_at(offset).future_skew_ms.into() =>
            {
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
            Ok(paid) => {
                expected.ledger.mended += u64::from(entry.record.redriven_from.as_deref() == Some(b"3/41"));
                self.accept(paid, offset, timestamp_ms, expected);
            }
        }
    }

    fn is_repeated(&self, offset: i64, id: u128, timestamp_ms: i64) -> bool {
        let settings = self.settings_at(offset);
        let older_ms = |earlier_ms: i64| i128::from(timestamp_ms) - i128::from(earlier_ms);
        self.seen.iter().any(|&(earlier, same, at_ms)| {
            same == id
                && offset - earlier <= i64::from(settings.id_window_offsets)
                && older_ms(at_ms) <= i128::from(settings.id_window_age_ms)
        })
    }

    fn accept(&self, paid: Paid, offset: i64, timestamp_ms: i64, expected: &mut Expected) {
        expected.ledger.accepted += 1;
        expected.amounts.entry(paid.currency).or_default().push(paid.amount_minor);
        let (start_ms, window) = self.window_of(paid.occurred_at_ms, offset);
        let has_passed = |at_ms| expected.watermark_ms.is_some_and(|watermark_ms| watermark_ms >= at_ms);
        match (has_passed(window.end_ms), has_passed(window.final_ms)) {
            (_, true) => expected.ledger.too_late += 1,
            (true, false) => expected.ledger.revised += 1,
            (false, false) => expected.ledger.on_time += 1,
        }
        if !has_passed(window.final_ms) {
            let end_ms = window.end_ms;
            let there = expected.windows.entry(start_ms).or_insert(window);
            assert_eq!(there.end_ms, end_ms, "a window never changes once there is something in it");
            there.amounts.push((paid.currency, paid.amount_minor));
        }
        let reached_ms = paid.occurred_at_ms.min(timestamp_ms).saturating_sub(self.settings_at(offset).out_of_order_ms);
        expected.watermark_ms = expected.watermark_ms.max(Some(reached_ms));
    }

    /// The window of an event time by all that is known at an offset, and its start: that of the last leg whose windows
    /// have begun by then, cut off where a later leg's begin.
    fn window_of(&self, at_ms: i64, offset: i64) -> (i64, Window) {
        let mut begins_ms = i64::MIN;
        let known = legs(self.last).into_iter().map(|leg| {
            let begun_ms = begins_ms;
            begins_ms = leg.end.and_then(|end| end.windows_from_ms).unwrap_or(begins_ms);
            (begun_ms, leg)
        });
        let here = leg_at(self.last, offset).generation;
        let mut known: Vec<_> = known.collect();
        while known.last().is_some_and(|(_, leg)| leg.generation != here) {
            known.pop();
        }
        let place = known.iter().rposition(|(begun_ms, _)| *begun_ms <= at_ms).expect("the first leg has always begun");
        let FoldSettings { window_ms, lateness_ms, .. } = *known[place].1.settings;
        let start_ms = at_ms.div_euclid(window_ms) * window_ms;
        let cut_ms = known[place + 1..].iter().map(|(begun_ms, _)| *begun_ms).min().unwrap_or(i64::MAX);
        let end_ms = cut_ms.min(start_ms + window_ms);
        (start_ms, Window { end_ms, final_ms: end_ms + lateness_ms, generation: None, amounts: Vec::new() })
    }
}
