//! How rate and latency came to be what they are: one point an event, bounded.

use std::collections::VecDeque;

use chrono::DateTime;

use super::figures::Figures;

/// Points that are kept; no terminal is wider.
const POINTS_MAX: usize = 600;
/// What a rate is the mean of.
const RATE_SPAN_MS: i64 = 5_000;
/// Less than that says nothing about a rate.
const RATE_SPAN_MIN_MS: i64 = 500;

/// One second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Records a second, in the last five; none before that is known.
    pub rate: Option<u64>,
    /// Percentiles, in microseconds; none where nothing came.
    pub p50_us: Option<u64>,
    /// The same.
    pub p99_us: Option<u64>,
}

/// The last minutes.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: VecDeque<Point>,
    /// When how many had been read, as far as a rate looks back.
    counted: VecDeque<(i64, u64)>,
}

impl History {
    /// Takes in one event's figures.
    pub fn add(&mut self, figures: &Figures) {
        let rate = self.rate(figures);
        if self.points.len() == POINTS_MAX {
            self.points.pop_front();
        }
        let latency = figures.latency.as_ref();
        let (p50_us, p99_us) = (latency.map(|latency| latency.p50_us), latency.map(|latency| latency.p99_us));
        self.points.push_back(Point { rate, p50_us, p99_us });
    }

    fn rate(&mut self, figures: &Figures) -> Option<u64> {
        let at_ms = DateTime::parse_from_rfc3339(figures.time.as_str()).ok()?.timestamp_millis();
        let consumed = figures.balance.ledger.consumed;
        // A clock that was set back, or figures that began anew.
        if self.counted.back().is_some_and(|&(last_ms, last)| consumed < last || at_ms <= last_ms) {
            self.counted.clear();
        }
        self.counted.push_back((at_ms, consumed));
        while self.counted.front().is_some_and(|&(first_ms, _)| at_ms - first_ms > RATE_SPAN_MS + 500) {
            self.counted.pop_front();
        }
        let &(first_ms, first) = self.counted.front()?;
        let span_ms = at_ms - first_ms;
        let span = u64::try_from(span_ms).ok().filter(|_| span_ms >= RATE_SPAN_MIN_MS)?;
        Some(((consumed - first).saturating_mul(1_000) + span / 2) / span)
    }

    /// What comes next does not go on from what came last.
    pub fn interrupt(&mut self) {
        self.counted.clear();
    }

    /// The last `count` points, oldest first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &Point> {
        self.points.range(self.points.len().saturating_sub(count)..)
    }

    /// The newest point.
    #[must_use]
    pub fn newest(&self) -> Point {
        self.points.back().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::top::draw::tests::figures;

    fn at(second: u32, consumed: u64) -> Figures {
        let mut value = figures();
        value["time"] = json!(format!("2026-11-20T19:12:{second:02}.000Z"));
        value["balance"]["ledger"]["consumed"] = json!(consumed);
        serde_json::from_value(value).unwrap()
    }

    fn rates(seen: &[(u32, u64)]) -> Vec<Option<u64>> {
        let mut history = History::default();
        for &(second, consumed) in seen {
            history.add(&at(second, consumed));
        }
        history.last(usize::MAX).map(|point| point.rate).collect()
    }

    #[test]
    fn the_rate_is_the_mean_of_five_seconds_and_not_known_from_one_look() {
        let seen = [(1, 100), (2, 200), (3, 300), (4, 300), (5, 300), (6, 300), (7, 300), (8, 300)];
        let expected = [None, Some(100), Some(100), Some(67), Some(50), Some(40), Some(20), Some(0)];
        assert_eq!(rates(&seen), expected);
    }

    #[test]
    fn what_begins_anew_has_no_rate() {
        assert_eq!(rates(&[(1, 100), (2, 200), (3, 10), (4, 20)]), [None, Some(100), None, Some(10)]);
        assert_eq!(rates(&[(9, 100), (2, 200), (3, 300)]), [None, None, Some(100)]);
        let mut history = History::default();
        history.add(&at(1, 100));
        history.interrupt();
        history.add(&at(2, 900));
        assert_eq!(history.newest().rate, None);
    }

    #[test]
    fn it_is_bounded() {
        let mut history = History::default();
        for _ in 0..2 * POINTS_MAX {
            history.add(&at(1, 1));
        }
        assert_eq!(history.last(usize::MAX).count(), POINTS_MAX);
        assert_eq!(history.last(3).count(), 3);
    }
}
