//! When each transaction is meant to be sent: an open-loop schedule.
//!
//! The schedule is fixed in advance (transaction `n` is due `n / rate` after the start) and doesn't care how fast the
//! broker is. Latency is measured from the due time, so a stalled broker shows as latency and as a backlog instead of
//! silently slowing the load down. Arithmetic only: the clock's reading is an argument.

use std::time::Duration;

/// Transactions in a second of virtual time, where there is a start time but no rate. Slower than any real run at full
/// speed by a factor only, so that virtual time that begins now does not run far ahead of the brokers' clock.
const UNPACED_PER_SECOND: i64 = 10_000;

/// The schedule of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Transactions a second; `None`: as fast as they can be sent.
    pub rate: Option<u32>,
    /// The wall clock at the start, in microseconds since 1970.
    pub epoch_us: i64,
    /// Where transactions take their time from instead of the wall clock, in milliseconds since 1970.
    pub start_time_ms: Option<i64>,
}

/// The two times of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When it is meant to be sent, by the wall clock, in microseconds since 1970.
    pub intended_us: i64,
    /// The time that stands in its record, in milliseconds since 1970: the same, unless there is a start time.
    pub transaction_ms: i64,
}

impl Pace {
    /// How many transactions are due when `elapsed` has passed since the start. The first is due at once.
    pub fn due(&self, elapsed: Duration) -> u64 {
        let Some(rate) = self.rate else { return u64::MAX };
        let due = elapsed.as_nanos() * u128::from(rate) / 1_000_000_000 + 1;
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// When transaction `number` (from 0) is due, counted from the start.
    pub fn due_after(&self, number: u64) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        // Rounded up: a timer that fires right then finds it due.
        let nanos = (u128::from(number) * 1_000_000_000).div_ceil(u128::from(rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many transactions are meant to be sent within `duration`; `None` without a rate.
    pub fn within(&self, duration: Duration) -> Option<u64> {
        let rate = self.rate?;
        let count = (duration.as_nanos() * u128::from(rate)).div_ceil(1_000_000_000);
        Some(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// The times of transaction `number` (from 0). `elapsed` since the start counts only where there is no rate.
    #[inline]
    pub fn moment(&self, number: u64, elapsed: Duration) -> Moment {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let after = |per_second: i64| self.rate.map(|rate| scaled(number, per_second, i64::from(rate)));
        let intended_us = self
            .epoch_us
            .saturating_add(after(1_000_000).unwrap_or_else(|| i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)));
        let transaction_ms = match self.start_time_ms {
            Some(start_ms) => {
                start_ms.saturating_add(after(1_000).unwrap_or_else(|| scaled(number, 1_000, UNPACED_PER_SECOND)))
            }
            None => intended_us / 1_000,
        };
        Moment { intended_us, transaction_ms }
    }
}

/// `number * per_second / rate` without overflow on the way.
fn scaled(number: i64, per_second: i64, rate: i64) -> i64 {
    let seconds = number / rate;
    seconds.saturating_mul(per_second).saturating_add(number % rate * per_second / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH_US: i64 = 1_795_201_921_000_000;

    fn pace(rate: u32) -> Pace {
        Pace { rate: Some(rate), epoch_us: EPOCH_US, start_time_ms: None }
    }

    #[test]
    fn the_first_is_due_at_once_and_the_others_evenly_after_it() {
        let pace = pace(1_000);
        assert_eq!(pace.due(Duration::ZERO), 1);
        assert_eq!(pace.due(Duration::from_micros(999)), 1);
        assert_eq!(pace.due(Duration::from_millis(1)), 2);
        assert_eq!(pace.due(Duration::from_secs(3_600)), 3_600_001);
    }

    #[test]
    fn each_is_due_exactly_when_it_is_said_to_be() {
        for rate in [1, 3, 7, 1_000, 333_333, 1_000_000, 9_999_991] {
            let pace = pace(rate);
            for number in [0, 1, 2, 3, 999, 1_000_000, 123_456_789] {
                let at = pace.due_after(number);
                assert!(pace.due(at) > number, "{number} at {rate}/s");
                if let Some(before) = at.checked_sub(Duration::from_nanos(1)) {
                    assert!(pace.due(before) <= number, "{number} at {rate}/s");
                }
            }
        }
    }

    #[test]
    fn times_follow_the_schedule_and_not_the_clock() {
        let late = Duration::from_secs(60);
        let moment = pace(4).moment(6, late);
        assert_eq!(moment.intended_us, EPOCH_US + 1_500_000);
        assert_eq!(moment.transaction_ms, EPOCH_US / 1_000 + 1_500);
        let virtual_time = Pace { start_time_ms: Some(1_000), ..pace(4) };
        assert_eq!(virtual_time.moment(6, late), Moment { intended_us: EPOCH_US + 1_500_000, transaction_ms: 2_500 });
    }

    #[test]
    fn without_a_rate_everything_is_due_and_times_are_those_of_sending() {
        let pace = Pace { rate: None, epoch_us: EPOCH_US, start_time_ms: None };
        assert_eq!(pace.due(Duration::ZERO), u64::MAX);
        assert_eq!(pace.due_after(1_000_000), Duration::ZERO);
        assert_eq!(pace.moment(5, Duration::from_secs(1)).intended_us, EPOCH_US + 1_000_000);
        let virtual_time = Pace { start_time_ms: Some(1_000), ..pace };
        assert_eq!(virtual_time.moment(50, Duration::from_secs(1)).transaction_ms, 1_005);
    }

    #[test]
    fn a_duration_holds_what_is_due_before_its_end() {
        assert_eq!(pace(1_000).within(Duration::from_secs(5)), Some(5_000));
        assert_eq!(pace(3).within(Duration::from_millis(1_001)), Some(4));
        assert_eq!(Pace { rate: None, ..pace(1) }.within(Duration::from_secs(5)), None);
    }
}
