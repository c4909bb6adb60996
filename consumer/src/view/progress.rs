//! The live counters of one partition, which its worker writes and everything that shows reads.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A lag counts as no longer than this, 30 days: Kafka timestamps are the sender's, and one of 1971 is no lag of decades.
pub const LAG_MS_MAX: i64 = 30 * 24 * 3_600_000;
/// A clock counts as no further ahead than this, a day, for the same reason.
pub const CLOCK_AHEAD_MS_MAX: i64 = 24 * 3_600_000;

/// How one partition is getting on right now; ahead of its snapshot by what is not durable yet.
#[derive(Debug)]
pub struct Progress {
    /// Offset that is folded next.
    pub next_offset: AtomicI64,
    /// Offset after the last replicated record, as of the last read; below 0 before the first one.
    pub high_watermark: AtomicI64,
    /// Records folded by this process, replays after a restart included.
    pub folded: AtomicU64,
    /// For how long the broker has been answering that there are no more records, in milliseconds; below 0 before the
    /// partition is restored.
    pub idle_ms: AtomicI64,
    /// When the broker answered last, by this machine's clock, or when a worker began to ask; 0 before that.
    pub heard_at_ms: AtomicI64,
    /// Kafka timestamp of the record folded last; 0 before the first one that has any.
    last_timestamp_ms: AtomicI64,
    /// The largest Kafka timestamp of the batch folded last; 0 before the first one.
    newest_timestamp_ms: AtomicI64,
}

/// Kafka timestamps of a batch, as its records pass. What is not after 1970 is none: Kafka's word for that is -1, and of a
/// record that could not be decoded nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timestamps {
    last_ms: i64,
    newest_ms: i64,
}

impl Timestamps {
    /// Takes note of the next record's.
    #[inline]
    pub fn see(&mut self, timestamp_ms: i64) {
        if timestamp_ms > 0 {
            self.last_ms = timestamp_ms;
            self.newest_ms = self.newest_ms.max(timestamp_ms);
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            next_offset: AtomicI64::new(0),
            high_watermark: AtomicI64::new(-1),
            folded: AtomicU64::new(0),
            idle_ms: AtomicI64::new(-1),
            heard_at_ms: AtomicI64::new(0),
            last_timestamp_ms: AtomicI64::new(0),
            newest_timestamp_ms: AtomicI64::new(0),
        }
    }
}

impl Progress {
    /// Records not read yet, as of the last read; 0 before the first one.
    #[must_use]
    pub fn lag_records(&self) -> i64 {
        (self.high_watermark.load(Relaxed) - self.next_offset.load(Relaxed)).max(0)
    }

    /// Takes note of a batch that was folded. Goes before what says that there is more, which would else be held against the
    /// batch before.
    pub fn note_timestamps(&self, seen: Timestamps) {
        if seen.last_ms > 0 {
            self.last_timestamp_ms.store(seen.last_ms, Relaxed);
            self.newest_timestamp_ms.store(seen.newest_ms, Relaxed);
        }
    }

    /// How old the record folded last is, by its Kafka timestamp, while others wait behind it; else 0. Never below 0, nor above
    /// [`LAG_MS_MAX`].
    #[must_use]
    pub fn lag_ms(&self, now_ms: i64) -> i64 {
        let timestamp_ms = self.last_timestamp_ms.load(Relaxed);
        if timestamp_ms == 0 || self.lag_records() == 0 {
            return 0;
        }
        now_ms.saturating_sub(timestamp_ms).clamp(0, LAG_MS_MAX)
    }

    /// How far the newest Kafka timestamp of the batch folded last lies ahead of this machine's clock; 0 where it does not.
    /// At most [`CLOCK_AHEAD_MS_MAX`].
    #[must_use]
    pub fn clock_ahead_ms(&self, now_ms: i64) -> i64 {
        self.newest_timestamp_ms.load(Relaxed).saturating_sub(now_ms).clamp(0, CLOCK_AHEAD_MS_MAX)
    }

    /// For how long the broker has answered nothing, not even that there are no more records; `None` before anybody asked.
    #[must_use]
    pub fn unheard_ms(&self, now_ms: i64) -> Option<i64> {
        let heard_at_ms = self.heard_at_ms.load(Relaxed);
        (heard_at_ms > 0).then(|| now_ms.saturating_sub(heard_at_ms).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition of which the records with these Kafka timestamps were folded, with so many behind them.
    fn folded(timestamps_ms: &[i64], waiting: i64) -> Progress {
        let progress = Progress::default();
        let mut seen = Timestamps::default();
        timestamps_ms.iter().for_each(|&ms| seen.see(ms));
        progress.note_timestamps(seen);
        progress.high_watermark.store(waiting, Relaxed);
        progress
    }

    #[test]
    fn the_lag_in_time_is_the_age_of_the_last_record_and_none_where_nothing_waits() {
        assert_eq!(folded(&[9_000, 4_000], 1).lag_ms(5_000), 1_000);
        assert_eq!(folded(&[4_000], 0).lag_ms(5_000), 0);
        assert_eq!(folded(&[], 1).lag_ms(5_000), 0, "nothing has been folded");
    }

    #[test]
    fn a_wild_timestamp_bends_no_figure_beyond_its_bounds() {
        let now_ms = 1_795_201_921_000;
        for (timestamps_ms, lag_ms, ahead_ms) in [
            (&[now_ms + 2_000, now_ms - 3_000][..], 3_000, 2_000),
            (&[i64::MAX], 0, CLOCK_AHEAD_MS_MAX),
            (&[1], LAG_MS_MAX, 0),
            (&[now_ms - 10, -1], 10, 0),
            (&[i64::MIN, 0], 0, 0),
        ] {
            let progress = folded(timestamps_ms, 1);
            assert_eq!(progress.lag_ms(now_ms), lag_ms, "{timestamps_ms:?}");
            assert_eq!(progress.clock_ahead_ms(now_ms), ahead_ms, "{timestamps_ms:?}");
        }
    }
}
