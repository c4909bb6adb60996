//! Where a partition is gone on from: its highest snapshot, checked against the log before anything is written.

use std::{sync::Arc, time::Duration};

use common::{
    kafka::{Admin, Batch, Bounds, Cluster, Fault, PartitionReader, ReadOptions},
    topics::TopicNames,
};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{
    fold::{FoldSettings, Highest, PartitionState, Snapshot, SnapshotError, SnapshotHead},
    folding::Folding,
    read_ahead::check_last_record,
    view::View,
};

/// How long a fetch waits while reading what must be there already.
const REREAD_WAIT: Duration = Duration::from_millis(100);
/// Most bytes of one fetch of the state topic.
const STATE_FETCH_BYTES_MAX: i32 = 1 << 20;
/// Bytes of one fetch while the id window is read again, or as many as are set if that is more. A takeover waits for that, and
/// what it waits for is mostly the turns of busy brokers, not the bytes: fewer and larger fetches than the live ones.
const REFILL_FETCH_BYTES: i32 = 1 << 20;

/// Why a partition can't be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A broker fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The log is not the one that the snapshot was made from.
    #[error(
        "log diverged: the snapshot of {topic}-{partition} stands at offset {next_offset}, but {finding}. \
         The topic was truncated or made again. Nothing was written. Bring the old log back, or start a new \
         generation on this one with `consumer reset`"
    )]
    Diverged {
        /// The transactions topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the snapshot stands.
        next_offset: i64,
        /// What was found instead.
        finding: String,
    },
    /// There was state once, and it is gone.
    #[error(
        "the state of {topic}-{partition} is lost: its group has committed offset {committed}, but {state_topic} holds \
         no snapshot. Counting from the start again would publish every window anew. Nothing was written. Restore \
         {state_topic}, or start a new generation with `consumer reset`"
    )]
    StateLost {
        /// The transactions topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The state topic.
        state_topic: String,
        /// What the group has committed.
        committed: i64,
    },
    /// A snapshot that this version can't read.
    #[error("snapshot of partition {partition}: {cause}")]
    Snapshot {
        /// The partition.
        partition: i32,
        /// What is the matter with it.
        cause: SnapshotError,
    },
}

/// What to restore, from where.
#[derive(Clone, Copy)]
pub struct Restore<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The topics.
    pub names: &'a TopicNames,
    /// The partition.
    pub partition: i32,
    /// The consumer group, whose commits tell a first start from lost state.
    pub group: &'a str,
    /// Settings of a new generation, where there is no snapshot.
    pub settings: &'a FoldSettings,
    /// Guards the id window; changes no result.
    pub hash_seed: u64,
    /// What this process has seen to be durable before.
    pub view: &'a View,
}

/// A partition ready to go on.
pub struct Restored {
    /// Its state.
    pub folding: Folding,
    /// The snapshot that it came from; `None` where there was none.
    pub snapshot: Option<Stored>,
}

/// A snapshot and where it stands.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Its offset in the state topic.
    pub state_offset: i64,
}

impl Restore<'_> {
    /// Restores the partition. `reader` reads the transactions topic. `parked` is what this process had made of it when
    /// it gave it away last: if nobody has gone on from there, its ids needn't be read again.
    ///
    /// # Errors
    /// [`RestoreError`]; nothing has been written.
    pub async fn run(self, reader: &mut PartitionReader, parked: Option<Folding>) -> Result<Restored, RestoreError> {
        let began = Instant::now();
        let Some(mut stored) = highest_snapshot(self.cluster, self.names, self.partition).await? else {
            return self.begin(reader.bounds().await?.start).await;
        };
        if let Some((snapshot, state_offset)) = self.view.above(self.partition, stored.snapshot.order()) {
            // Written while the state topic was being read; or gone from it again, for compaction has kept an older one
            // that stands behind it. The first checkpoint mends that.
            info!(
                event = "restore_goes_on_from_later_snapshot",
                partition = self.partition,
                "going on from a later snapshot than the state topic was found to hold"
            );
            stored = Stored { snapshot: Arc::unwrap_or_clone(snapshot), state_offset };
        }
        let snapshot = &stored.snapshot;
        // Asked for last: a former owner may have written a snapshot of records that came while this one was looked for.
        let bounds = reader.bounds().await?;
        if snapshot.settings != *self.settings {
            warn!(
                event = "fold_settings_differ",
                partition = self.partition, state = ?snapshot.settings, configured = ?self.settings,
                "fold settings differ from the state's; the state's are followed (`consumer migrate` goes on with those \
                 configured, `consumer reset` counts anew)"
            );
        }
        check_log(reader, bounds, snapshot).await?;
        let parked = parked.filter(|folding| folding.stands_at(snapshot));
        let was_parked = parked.is_some();
        let mut folding = match parked {
            Some(folding) => folding,
            None => self.resume(snapshot, reader, bounds.start).await?,
        };
        if snapshot.next_offset < bounds.start {
            warn!(
                event = "records_lost_before_restore",
                partition = self.partition,
                from = snapshot.next_offset,
                to = bounds.start,
                "retention deleted records before they were read; the ledger counts them as skipped"
            );
            folding.skip_to(bounds.start);
        }
        info!(
            event = "partition_restored",
            partition = self.partition,
            next_offset = folding.state().next_offset(),
            took_ms = began.elapsed().as_millis(),
            was_parked,
            "restored from snapshot"
        );
        Ok(Restored { folding, snapshot: Some(stored) })
    }

    async fn resume(
        self,
        snapshot: &Snapshot,
        reader: &mut PartitionReader,
        log_start: i64,
    ) -> Result<Folding, RestoreError> {
        let mut state = PartitionState::restore(snapshot, self.hash_seed)
            .map_err(|cause| RestoreError::Snapshot { partition: self.partition, cause })?;
        self.refill_id_window(&mut state, reader, log_start).await?;
        Ok(Folding::resume(&self.names.transactions, state, snapshot))
    }

    async fn begin(self, start: i64) -> Result<Restored, RestoreError> {
        if let Some(committed) = self.committed().await? {
            return Err(RestoreError::StateLost {
                topic: self.names.transactions.clone(),
                partition: self.partition,
                state_topic: self.names.state.clone(),
                committed,
            });
        }
        // Whatever was known belongs to a state topic that is gone.
        self.view.forget(self.partition, 0);
        info!(
            event = "partition_begun",
            partition = self.partition,
            first_offset = start,
            "no snapshot: counting from the start of the log"
        );
        let state = PartitionState::new(1, self.partition, self.settings.clone(), start, self.hash_seed);
        Ok(Restored { folding: Folding::begin(&self.names.transactions, state), snapshot: None })
    }

    /// What the group has committed. A commit follows a snapshot, so there must have been one.
    async fn committed(self) -> Result<Option<i64>, RestoreError> {
        let admin = Admin::connect(self.cluster).await?;
        match admin.committed(self.group, &self.names.transactions, &[self.partition]).await {
            Ok(committed) => Ok(committed.get(&self.partition).copied()),
            Err(fault) if fault.may_pass() && !matches!(fault, Fault::Denied { .. }) => Err(fault.into()),
            Err(fault) => {
                warn!(
                    event = "group_commits_unreadable",
                    partition = self.partition,
                    %fault,
                    "lost state would not be noticed: the group's commits can't be read"
                );
                Ok(None)
            }
        }
    }

    async fn refill_id_window(
        self,
        state: &mut PartitionState,
        reader: &mut PartitionReader,
        log_start: i64,
    ) -> Result<(), RestoreError> {
        let wanted = state.id_window_start();
        if wanted < log_start {
            warn!(
                event = "id_window_incomplete",
                partition = self.partition,
                wanted,
                log_start,
                "retention deleted records whose ids are still needed; repeats of them will be counted as new"
            );
        }
        let end = state.next_offset();
        let usual = reader.options().fetch_bytes_max;
        reader.fetch_up_to(usual.max(REFILL_FETCH_BYTES));
        let reading = reader.read_through(wanted.max(log_start)..end, |batch| {
            batch.iter().take_while(|record| record.offset < end).for_each(|record| state.remember(&record));
        });
        // Whoever fails here begins anew, with another reader.
        reading.await?;
        reader.fetch_up_to(usual);
        Ok(())
    }
}

/// Whether the log, which now has these `bounds`, is the one that `snapshot` was made of.
///
/// # Errors
/// [`RestoreError::Diverged`] if not; [`RestoreError::Fault`].
pub(crate) async fn check_log(
    reader: &mut PartitionReader,
    bounds: Bounds,
    snapshot: &Snapshot,
) -> Result<(), RestoreError> {
    let finding = match &snapshot.last_record {
        _ if snapshot.next_offset > bounds.end => Some(format!("the log ends at {}", bounds.end)),
        Some(last) => check_last_record(reader, last).await?,
        None => None,
    };
    let diverged = |finding| RestoreError::Diverged {
        topic: reader.topic().to_owned(),
        partition: snapshot.partition,
        next_offset: snapshot.next_offset,
        finding,
    };
    finding.map_or(Ok(()), |finding| Err(diverged(finding)))
}

/// The highest snapshot of a partition: by generation, then by offset, wherever in the topic it stands.
///
/// What can't be read might have been the highest, so it is refused; but not when it was written before the highest
/// generation began, which is how `consumer reset` mends it.
///
/// # Errors
/// [`RestoreError::Fault`], or [`RestoreError::Snapshot`].
pub async fn highest_snapshot(
    cluster: &Cluster,
    names: &TopicNames,
    partition: i32,
) -> Result<Option<Stored>, RestoreError> {
    let mut highest = Highest::default();
    let mut generation_began = (0, i64::MAX);
    let mut unreadable = None;
    let reading = read_heads(cluster, names, partition, |head, value, state_offset| match head {
        Ok(head) => {
            highest.offer(head.order(), || (value.to_vec(), state_offset));
            let generation = head.order().0;
            if generation > generation_began.0 {
                generation_began = (generation, state_offset);
            }
        }
        Err(cause) => unreadable = Some((state_offset, cause)),
    });
    reading.await?;
    if let Some((state_offset, cause)) = unreadable {
        if highest.is_empty() || state_offset > generation_began.1 {
            return Err(RestoreError::Snapshot { partition, cause });
        }
        warn!(
            event = "snapshot_passed_over",
            partition, state_offset, %cause, "passed over: a later generation began after it"
        );
    }
    let Some((value, state_offset)) = highest.take() else { return Ok(None) };
    let snapshot = Snapshot::parse(&value).map_err(|cause| RestoreError::Snapshot { partition, cause })?;
    Ok(Some(Stored { snapshot, state_offset }))
}

/// The highest snapshot of each of so many partitions that has one, in order; see [`highest_snapshot`].
///
/// # Errors
/// As [`highest_snapshot`].
pub async fn highest_snapshots(
    cluster: &Cluster,
    names: &TopicNames,
    partitions: i32,
) -> Result<Vec<Snapshot>, RestoreError> {
    let mut snapshots = Vec::new();
    for partition in 0..partitions {
        snapshots.extend(highest_snapshot(cluster, names, partition).await?.map(|stored| stored.snapshot));
    }
    Ok(snapshots)
}

/// Reads the heads of a partition's snapshots as they are now.
///
/// # Errors
/// [`RestoreError::Fault`].
pub async fn read_heads(
    cluster: &Cluster,
    names: &TopicNames,
    partition: i32,
    mut each: impl FnMut(Result<SnapshotHead, SnapshotError>, &[u8], i64),
) -> Result<(), RestoreError> {
    let options = ReadOptions { fetch_bytes_max: STATE_FETCH_BYTES_MAX, wait: REREAD_WAIT, ..ReadOptions::default() };
    let mut reader = PartitionReader::new(cluster, &names.state, partition, options);
    let bounds = reader.bounds().await?;
    reader.read_through(bounds.start..bounds.end, |batch| heads(batch, partition, &mut each)).await?;
    Ok(())
}

/// The heads of the snapshots in a batch of the state topic, each with its value and offset: there may be thousands,
/// and only one counts.
pub fn heads(batch: &Batch, partition: i32, mut each: impl FnMut(Result<SnapshotHead, SnapshotError>, &[u8], i64)) {
    for record in batch.iter() {
        let Some(value) = record.value else { continue };
        let offset = record.offset;
        match SnapshotHead::parse(value) {
            Ok(head) if head.partition != partition => {
                warn!(
                    event = "foreign_partition_snapshot_ignored",
                    partition, offset, "the state topic holds another partition's snapshot; ignored"
                );
            }
            Err(SnapshotError::Malformed(cause)) => {
                warn!(
                    event = "foreign_state_record_ignored",
                    partition, offset, %cause, "the state topic holds what is no snapshot; ignored"
                );
            }
            head => each(head, value, offset),
        }
    }
}
