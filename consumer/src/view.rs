//! What can be shown of the pipeline at any time: the highest snapshot of every partition, whoever wrote it, and live
//! counters of those partitions that this process works on.

mod progress;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed},
    },
};

pub use progress::{CLOCK_AHEAD_MS_MAX, LAG_MS_MAX, Progress, Timestamps};

use crate::{
    fold::{Snapshot, Verdict},
    latency::Latencies,
    summary::Summary,
};
use common::{money::format_minor, transaction::Transaction};

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
