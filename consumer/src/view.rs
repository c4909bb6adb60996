//! What can be shown of the pipeline at any time: each partition's last durable snapshot, and live counters for
//! rates and lag.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    fold::{Snapshot, Verdict},
    summary::Summary,
};
use common::{money::format_minor, transaction::Transaction};

/// Shared by all workers and everything that shows.
#[derive(Debug, Default)]
pub struct View {
    snapshots: Mutex<BTreeMap<i32, Arc<Snapshot>>>,
    progress: Mutex<BTreeMap<i32, Arc<Progress>>>,
    /// Records that a bounded run has to read; 0 in a run without an end.
    goal: AtomicU64,
    sample_wanted: AtomicBool,
    sample: Mutex<Option<String>>,
}

/// How one partition is getting on right now; ahead of its snapshot by what is not durable yet.
#[derive(Debug, Default)]
pub struct Progress {
    /// Offset that is folded next.
    pub next_offset: AtomicI64,
    /// Offset after the last replicated record, as of the last read.
    pub high_watermark: AtomicI64,
    /// Records folded by this process, replays after a restart included.
    pub folded: AtomicU64,
}

impl View {
    /// Takes note of a durable snapshot. One that is older than what is known is dropped.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        let mut snapshots = lock(&self.snapshots);
        let known = snapshots.get(&snapshot.partition);
        if known.is_none_or(|known| known.order() <= snapshot.order()) {
            snapshots.insert(snapshot.partition, snapshot);
        }
    }

    /// The last durable snapshot of each partition.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        lock(&self.snapshots).values().cloned().collect()
    }

    /// The sum of the last durable snapshots.
    #[must_use]
    pub fn summary(&self, now_ms: i64) -> Summary {
        let snapshots = self.snapshots();
        Summary::of(snapshots.iter().map(Arc::as_ref), now_ms)
    }

    /// The live counters of a partition.
    #[must_use]
    pub fn progress(&self, partition: i32) -> Arc<Progress> {
        Arc::clone(lock(&self.progress).entry(partition).or_default())
    }

    /// The live counters of all partitions.
    #[must_use]
    pub fn all_progress(&self) -> Vec<(i32, Arc<Progress>)> {
        lock(&self.progress).iter().map(|(&partition, progress)| (partition, Arc::clone(progress))).collect()
    }

    /// Records not read yet, over all partitions.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let behind = |progress: &Progress| progress.high_watermark.load(Relaxed) - progress.next_offset.load(Relaxed);
        self.all_progress().iter().map(|(_, progress)| behind(progress).max(0).unsigned_abs()).sum()
    }

    /// Records folded by this process.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.all_progress().iter().map(|(_, progress)| progress.folded.load(Relaxed)).sum()
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
