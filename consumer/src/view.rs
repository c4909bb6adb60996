//! What can be shown of the pipeline at any time: the highest snapshot of every partition, whoever wrote it, and live
//! counters of those partitions that this process works on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    fold::{Snapshot, Verdict},
    latency::Latencies,
    summary::Summary,
};
use common::{money::format_minor, transaction::Transaction};

/// A lag counts as no longer than this, 30 days: Kafka timestamps are the sender's, and one of 1971 is no lag of decades.
pub const LAG_MS_MAX: i64 = 30 * 24 * 3_600_000;
/// A clock counts as no further ahead than this, a day, for the same reason.
pub const CLOCK_AHEAD_MS_MAX: i64 = 24 * 3_600_000;

/// Shared by all workers and everything that shows.
#[derive(Debug, Default)]
pub struct View {
    /// How many partitions there are; 0 before anybody knows.
    partitions: AtomicI32,
    shown: Mutex<BTreeMap<i32, Shown>>,
    /// Partitions whose state topic has been read to its end at least once.
    caught_up: Mutex<BTreeSet<i32>>,
    was_caught_up: AtomicBool,
    /// Partitions in whose state topic something was seen that this version can't read, since that was asked last.
    unreadable: Mutex<BTreeSet<i32>>,
    progress: Mutex<BTreeMap<i32, Arc<Progress>>>,
    /// What partitions that were given away again had folded.
    folded_before: AtomicU64,
    /// Records that a bounded run has to read; 0 in a run without an end.
    goal: AtomicU64,
    failed_commits: AtomicU64,
    latencies: Latencies,
    sample_wanted: AtomicBool,
    sample: Mutex<Option<String>>,
}

/// The highest snapshot of a partition, and where it stands.
#[derive(Debug)]
struct Shown {
    snapshot: Arc<Snapshot>,
    /// Its offset in the state topic.
    state_offset: i64,
    /// The highest offset at which anything was seen under the key of snapshots. Beyond `state_offset` stands a lower one, or
    /// what is none, which compaction may keep alone.
    last_offset: i64,
}

impl Shown {
    fn makes_way_for(&mut self, order: (u64, i64), state_offset: i64) -> bool {
        self.last_offset = self.last_offset.max(state_offset);
        // Of two of the same order the later one counts: they differ only in where they stand.
        (self.snapshot.order(), self.state_offset) < (order, state_offset)
    }
}

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

impl View {
    /// Says how many partitions there are.
    pub fn set_partitions(&self, partitions: i32) {
        self.partitions.store(partitions, Relaxed);
    }

    /// How many partitions there are; 0 before anybody knows.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.partitions.load(Relaxed)
    }

    /// Says that everything in the state topic of `partition` has been seen.
    pub fn set_caught_up(&self, partition: i32) {
        lock(&self.caught_up).insert(partition);
    }

    /// Whether the figures are those of all partitions, not only of the ones looked at so far. Once they are they stay so:
    /// partitions that the topic gains are named as missing until they are counted.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        if self.was_caught_up.load(Relaxed) {
            return true;
        }
        let partitions = self.partitions.load(Relaxed);
        let caught_up = lock(&self.caught_up);
        let all = partitions > 0 && (0..partitions).all(|partition| caught_up.contains(&partition));
        self.was_caught_up.store(all, Relaxed);
        all
    }

    /// Says that the state topic of `partition` holds a snapshot that this version can't read.
    pub fn set_unreadable(&self, partition: i32) {
        lock(&self.unreadable).insert(partition);
    }

    /// Whether that was said since the last call.
    pub fn take_unreadable(&self, partition: i32) -> bool {
        lock(&self.unreadable).remove(&partition)
    }

    /// Whether a snapshot of that order at `state_offset` counts for more than the one that is shown. Takes note of where
    /// it stands in any case.
    pub fn is_wanted(&self, partition: i32, order: (u64, i64), state_offset: i64) -> bool {
        lock(&self.shown).get_mut(&partition).is_none_or(|known| known.makes_way_for(order, state_offset))
    }

    /// Takes note that something stands at `state_offset` in the state topic, under the key of a partition's snapshots:
    /// compaction may keep it instead of one that stands before it, whatever it is.
    pub fn note(&self, partition: i32, state_offset: i64) {
        if let Some(known) = lock(&self.shown).get_mut(&partition) {
            known.last_offset = known.last_offset.max(state_offset);
        }
    }

    /// Shows a durable snapshot that stands at `state_offset` in the state topic, unless a higher one is known.
    pub fn publish(&self, snapshot: Arc<Snapshot>, state_offset: i64) {
        let mut shown = lock(&self.shown);
        let mut last_offset = state_offset;
        if let Some(known) = shown.get_mut(&snapshot.partition) {
            if !known.makes_way_for(snapshot.order(), state_offset) {
                return;
            }
            last_offset = known.last_offset;
        }
        shown.insert(snapshot.partition, Shown { snapshot, state_offset, last_offset });
    }

    /// Forgets the snapshot of a partition whose state topic ends at `end` and so is not the one that it stood in.
    pub fn forget(&self, partition: i32, end: i64) {
        let mut shown = lock(&self.shown);
        if shown.get(&partition).is_some_and(|known| known.state_offset >= end) {
            shown.remove(&partition);
        }
    }

    /// Whether a lower snapshot stands behind the highest one of `partition`: it does until one at least as high as the
    /// highest has been written behind it, for whoever begins to write may fail.
    #[must_use]
    pub fn is_buried(&self, partition: i32) -> bool {
        lock(&self.shown).get(&partition).is_some_and(|known| known.last_offset > known.state_offset)
    }

    /// The highest snapshot of a partition.
    #[must_use]
    pub fn snapshot(&self, partition: i32) -> Option<Arc<Snapshot>> {
        lock(&self.shown).get(&partition).map(|shown| Arc::clone(&shown.snapshot))
    }

    /// The highest snapshot of a partition, where it counts for more than one of this order, and its offset in the state
    /// topic.
    #[must_use]
    pub fn above(&self, partition: i32, order: (u64, i64)) -> Option<(Arc<Snapshot>, i64)> {
        let shown = lock(&self.shown);
        let known = shown.get(&partition).filter(|known| known.snapshot.order() > order)?;
        Some((Arc::clone(&known.snapshot), known.state_offset))
    }

    /// The highest snapshot of each partition.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        lock(&self.shown).values().map(|shown| Arc::clone(&shown.snapshot)).collect()
    }

    /// The sum of the highest snapshots.
    #[must_use]
    pub fn summary(&self, now_ms: i64) -> Summary {
        let snapshots = self.snapshots();
        Summary::of(snapshots.iter().map(Arc::as_ref), self.partitions.load(Relaxed), now_ms)
    }

    /// The live counters of a partition that this process works on.
    #[must_use]
    pub fn progress(&self, partition: i32) -> Arc<Progress> {
        Arc::clone(lock(&self.progress).entry(partition).or_default())
    }

    /// Forgets the live counters of a partition that this process does not work on any more.
    pub fn forget_progress(&self, partition: i32) {
        let mut progress = lock(&self.progress);
        if let Some(gone) = progress.remove(&partition) {
            self.folded_before.fetch_add(gone.folded.load(Relaxed), Relaxed);
        }
    }

    /// The live counters of all partitions that this process works on.
    #[must_use]
    pub fn all_progress(&self) -> Vec<(i32, Arc<Progress>)> {
        lock(&self.progress).iter().map(|(&partition, progress)| (partition, Arc::clone(progress))).collect()
    }

    /// Records not read yet, over the partitions that this process works on.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.all_progress().iter().map(|(_, progress)| progress.lag_records().unsigned_abs()).sum()
    }

    /// Records folded by this process.
    #[must_use]
    pub fn folded(&self) -> u64 {
        let progress = lock(&self.progress);
        let now: u64 = progress.values().map(|progress| progress.folded.load(Relaxed)).sum();
        now + self.folded_before.load(Relaxed)
    }

    /// How many records a bounded run has to read.
    #[must_use]
    pub fn goal(&self) -> u64 {
        self.goal.load(Relaxed)
    }

    /// Adds to what a bounded run has to read.
    pub fn add_to_goal(&self, records: u64) {
        self.goal.fetch_add(records, Relaxed);
    }

    /// Counts a group commit that failed.
    pub fn count_failed_commit(&self) {
        self.failed_commits.fetch_add(1, Relaxed);
    }

    /// How many group commits failed.
    #[must_use]
    pub fn failed_commits(&self) -> u64 {
        self.failed_commits.load(Relaxed)
    }

    /// How long records took.
    #[must_use]
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Asks for one accepted transaction to show, and takes the one that came since the last call.
    #[must_use]
    pub fn exchange_sample(&self) -> Option<String> {
        self.sample_wanted.store(true, Relaxed);
        lock(&self.sample).take()
    }

    /// Offers a record as the sample that was asked for. Costs one load when none was.
    #[inline]
    pub fn offer_sample(&self, verdict: &Verdict<'_>) {
        if self.sample_wanted.load(Relaxed)
            && let Verdict::Accepted(transaction) = verdict
            && self.sample_wanted.swap(false, Relaxed)
        {
            *lock(&self.sample) = Some(describe(transaction));
        }
    }
}

fn describe(transaction: &Transaction<'_>) -> String {
    format!(
        "{} {} {} at {} ({}, {})",
        transaction.account,
        transaction.kind.code(),
        format_minor(i128::from(transaction.amount_minor), transaction.currency),
        transaction.merchant_name,
        transaction.category.code(),
        transaction.country.code(),
    )
}

/// A poisoned lock means a bug elsewhere that is stopping the process already; what is inside is whole, for every
/// change under these locks is a single assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn partitions_that_a_topic_gains_do_not_take_the_figures_away() {
        let view = View::default();
        view.set_partitions(2);
        view.set_caught_up(0);
        assert!(!view.is_caught_up());
        view.set_caught_up(1);
        assert!(view.is_caught_up());
        view.set_partitions(3);
        assert!(view.is_caught_up());
        assert_eq!(view.summary(0).partitions_missing, [0, 1, 2]);
    }
}
