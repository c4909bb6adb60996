//! How long records take, from when their producer meant to send them (header `tally-intended-us`; others are not
//! measured) until this process had folded them, and until a durable snapshot held them, which is when the figures that
//! are served hold them too. Producer's and consumer's clocks are believed; what seems to come from the future took no
//! time.
//!
//! It is measured from the *intended* time, so that a producer which is held up shows as latency instead of being hidden.

use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{kafka::RecordView, wire};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Longer ones count as this long: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// Digits of a latency that are kept.
const DIGITS: u8 = 3;
/// Most different milliseconds that wait for a snapshot in one partition; later ones count as the last of them.
const WAITING_MAX: usize = 65_536;

/// How far a record has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was folded.
    Folded,
    /// A durable snapshot holds it.
    Durable,
}

impl Stage {
    /// All of them, in the order in which a record passes them.
    pub const ALL: [Self; 2] = [Self::Folded, Self::Durable];

    /// Its name in figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Folded => "folded",
            Self::Durable => "durable",
        }
    }
}

/// The latencies of all records that this process has folded.
#[derive(Debug)]
pub struct Latencies([Mutex<Histogram<u64>>; Stage::ALL.len()]);

impl Default for Latencies {
    fn default() -> Self {
        let empty = || {
            let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS);
            Mutex::new(histogram.expect("the bounds are constants that fit"))
        };
        Self([empty(), empty()])
    }
}

impl Latencies {
    /// Looks at the latencies of a stage, in microseconds.
    pub fn with<T>(&self, stage: Stage, look: impl FnOnce(&Histogram<u64>) -> T) -> T {
        look(&self.lock(stage))
    }

    /// Percentiles in microseconds, and every bucket that is not empty as `[highest µs, records]`: two answers can be
    /// subtracted.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let stages = Stage::ALL.map(|stage| {
            // A copy: records wait for the lock, and writing all this takes a while.
            let histogram = self.with(stage, Histogram::clone);
            let figures = {
                let buckets: Vec<_> = histogram
                    .iter_recorded()
                    .map(|bucket| [bucket.value_iterated_to(), bucket.count_at_value()])
                    .collect();
                json!({
                    "records": histogram.len(),
                    "p50_us": histogram.value_at_quantile(0.5),
                    "p99_us": histogram.value_at_quantile(0.99),
                    "p999_us": histogram.value_at_quantile(0.999),
                    "max_us": histogram.max(),
                    "buckets": buckets,
                })
            };
            (stage.name().to_owned(), figures)
        });
        Value::Object(stages.into_iter().collect())
    }

    /// Notes the records of `waiting` as durable at `now_us`.
    pub(crate) fn durable(&self, waiting: &Waiting, now_us: i64) {
        let mut histogram = self.lock(Stage::Durable);
        for &(intended_ms, count) in &waiting.0 {
            histogram.saturating_record_n(since(intended_ms.saturating_mul(1_000), now_us), count);
        }
    }

    fn folded(&self, intended_us: &[i64], now_us: i64) {
        let mut histogram = self.lock(Stage::Folded);
        for &intended_us in intended_us {
            histogram.saturating_record(since(intended_us, now_us));
        }
    }

    /// A poisoned lock means a panic elsewhere, which stops the process; a histogram is whole between two records.
    fn lock(&self, stage: Stage) -> MutexGuard<'_, Histogram<u64>> {
        self.0[stage as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When records were meant to be sent that no snapshot holds yet: milliseconds since the epoch, and how many.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Vec<(i64, u64)>);

impl Waiting {
    fn add(&mut self, intended_ms: i64) {
        let is_full = self.0.len() >= WAITING_MAX;
        match self.0.last_mut() {
            Some((last_ms, count)) if *last_ms == intended_ms || is_full => *count += 1,
            _ => self.0.push((intended_ms, 1)),
        }
    }
}

/// Takes note of one partition's records as they come.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    /// Of the batch that is being folded.
    intended_us: Vec<i64>,
    waiting: Waiting,
}

impl Stopwatch {
    /// Takes note of a record that is about to be folded.
    #[inline]
    pub(crate) fn see(&mut self, record: &RecordView<'_>) {
        if let Some(us) = record.headers.get(wire::INTENDED_HEADER).and_then(wire::parse_intended_us) {
            self.intended_us.push(us);
        }
    }

    /// Says that all records seen so far are folded.
    pub(crate) fn folded(&mut self, latencies: &Latencies, now_us: i64) {
        if self.intended_us.is_empty() {
            return;
        }
        latencies.folded(&self.intended_us, now_us);
        for us in self.intended_us.drain(..) {
            self.waiting.add(us.div_euclid(1_000));
        }
    }

    /// Takes what waits for the next snapshot, which is being made now.
    pub(crate) fn take_waiting(&mut self) -> Waiting {
        std::mem::take(&mut self.waiting)
    }
}

/// At least 1: a histogram knows no 0; and it would take more than its bound before it cuts off.
fn since(intended_us: i64, now_us: i64) -> u64 {
    u64::try_from(now_us.saturating_sub(intended_us)).unwrap_or(0).clamp(1, LATENCY_US_MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn counted(latencies: &Latencies, stage: Stage) -> Vec<(u64, u64)> {
        let pairs = |histogram: &Histogram<u64>| {
            histogram.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect()
        };
        latencies.with(stage, pairs)
    }

    #[test]
    fn a_record_counts_once_when_folded_and_once_when_a_snapshot_holds_it() {
        let latencies = Latencies::default();
        let mut stopwatch = Stopwatch { intended_us: vec![1_000_000, 1_000_200, 1_001_000], ..Stopwatch::default() };
        stopwatch.folded(&latencies, 1_001_200);
        assert_eq!(counted(&latencies, Stage::Folded), [(200, 1), (1_000, 1), (1_200, 1)]);
        assert!(counted(&latencies, Stage::Durable).is_empty());

        let waiting = stopwatch.take_waiting();
        stopwatch.folded(&latencies, 1_500_000);
        latencies.durable(&waiting, 1_002_000);
        latencies.durable(&stopwatch.take_waiting(), 9_000_000);
        assert_eq!(counted(&latencies, Stage::Durable), [(1_000, 1), (2_000, 2)], "to the millisecond");
        assert_eq!(counted(&latencies, Stage::Folded).len(), 3);
    }

    #[test]
    fn clocks_that_disagree_and_endless_waits_stay_within_the_bounds() {
        let latencies = Latencies::default();
        let mut stopwatch = Stopwatch { intended_us: vec![i64::MAX, 0], ..Stopwatch::default() };
        stopwatch.folded(&latencies, i64::MAX - 5);
        let counted = counted(&latencies, Stage::Folded);
        assert_eq!(counted[0], (1, 1));
        assert!(counted[1].0 >= LATENCY_US_MAX && counted[1].1 == 1, "{counted:?}");
    }

    /// For tests elsewhere.
    pub(crate) fn folded_after(latencies: &Latencies, us: &[i64]) {
        latencies.folded(&us.iter().map(|us| -us).collect::<Vec<_>>(), 0);
    }

    #[test]
    fn what_waits_is_bounded_and_none_is_forgotten() {
        let mut waiting = Waiting::default();
        (0..).take(WAITING_MAX + 10).for_each(|ms| waiting.add(ms));
        assert_eq!(waiting.0.len(), WAITING_MAX);
        assert_eq!(waiting.0.iter().map(|(_, count)| count).sum::<u64>(), WAITING_MAX as u64 + 10);
    }
}
