//! Where a partition is gone on from: its highest snapshot, checked against the log before anything is written.

use std::time::Duration;

use common::{
    kafka::{Batch, Cluster, Fault, PartitionReader, Read, ReadOptions},
    topics::TopicNames,
};
use tracing::{info, warn};

use crate::{
    fold::{FoldSettings, LastRecord, PartitionState, Snapshot, SnapshotError, SnapshotHead},
    read_ahead::check_last_record,
};

/// How long a fetch waits while reading what must be there already.
const REREAD_WAIT: Duration = Duration::from_millis(100);
/// Most bytes of one fetch of the state topic.
const STATE_FETCH_BYTES_MAX: i32 = 1 << 20;

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
    /// Settings of a new generation, where there is no snapshot.
    pub settings: &'a FoldSettings,
    /// What the group has committed for the partition.
    pub committed: Option<i64>,
    /// Guards the id window; changes no result.
    pub hash_seed: u64,
}

/// A partition ready to go on.
pub struct Restored {
    /// Its state.
    pub state: PartitionState,
    /// The last record the state covers.
    pub last_record: Option<LastRecord>,
    /// There was no snapshot.
    pub is_new: bool,
}

impl Restore<'_> {
    /// Restores the partition. `reader` reads the transactions topic.
    ///
    /// # Errors
    /// [`RestoreError`]; nothing has been written.
    pub async fn run(self, reader: &mut PartitionReader) -> Result<Restored, RestoreError> {
        let bounds = reader.bounds().await?;
        let Some(snapshot) = self.highest_snapshot().await? else {
            return self.begin(bounds.start);
        };
        if snapshot.settings != *self.settings {
            warn!(
                partition = self.partition, state = ?snapshot.settings, configured = ?self.settings,
                "fold settings differ from the state's; the state's are followed (`consumer reset` starts a new generation)"
            );
        }
        if snapshot.next_offset > bounds.end {
            return Err(self.diverged(&snapshot, format!("the log ends at {}", bounds.end)));
        }
        if let Some(last) = &snapshot.last_record
            && let Some(finding) = check_last_record(reader, last).await?
        {
            return Err(self.diverged(&snapshot, finding));
        }
        let mut state = PartitionState::restore(&snapshot, self.hash_seed)
            .map_err(|cause| RestoreError::Snapshot { partition: self.partition, cause })?;
        self.refill_id_window(&mut state, reader, bounds.start).await?;
        if state.next_offset() < bounds.start {
            warn!(
                partition = self.partition,
                from = state.next_offset(),
                to = bounds.start,
                "retention deleted records before they were read; the ledger counts them as skipped"
            );
            state.skip_to(bounds.start);
        }
        info!(partition = self.partition, next_offset = state.next_offset(), "restored from snapshot");
        Ok(Restored { state, last_record: snapshot.last_record, is_new: false })
    }

    fn begin(self, start: i64) -> Result<Restored, RestoreError> {
        if let Some(committed) = self.committed.filter(|&committed| committed > start) {
            return Err(RestoreError::StateLost {
                topic: self.names.transactions.clone(),
                partition: self.partition,
                state_topic: self.names.state.clone(),
                committed,
            });
        }
        info!(partition = self.partition, first_offset = start, "no snapshot: counting from the start of the log");
        let state = PartitionState::new(1, self.partition, self.settings.clone(), start, self.hash_seed);
        Ok(Restored { state, last_record: None, is_new: true })
    }

    async fn highest_snapshot(self) -> Result<Option<Snapshot>, RestoreError> {
        highest_snapshot(self.cluster, self.names, self.partition).await
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
                partition = self.partition,
                wanted,
                log_start,
                "retention deleted records whose ids are still needed; repeats of them will be counted as new"
            );
        }
        let (mut offset, end) = (wanted.max(log_start), state.next_offset());
        while offset < end {
            match reader.read(offset).await? {
                Read::Records(batch) => {
                    batch.iter().take_while(|record| record.offset < end).for_each(|record| state.remember(&record));
                    offset = batch.next_offset();
                }
                // Retention moved on meanwhile.
                Read::OutOfRange => offset = reader.bounds().await?.start.max(offset + 1),
            }
        }
        Ok(())
    }

    fn diverged(self, snapshot: &Snapshot, finding: String) -> RestoreError {
        RestoreError::Diverged {
            topic: self.names.transactions.clone(),
            partition: self.partition,
            next_offset: snapshot.next_offset,
            finding,
        }
    }
}

/// The highest snapshot of a partition: by generation, then by offset, wherever in the topic it stands.
///
/// # Errors
/// [`RestoreError::Fault`], or [`RestoreError::Snapshot`] where a newer version has written.
pub async fn highest_snapshot(
    cluster: &Cluster,
    names: &TopicNames,
    partition: i32,
) -> Result<Option<Snapshot>, RestoreError> {
    let options = ReadOptions { fetch_bytes_max: STATE_FETCH_BYTES_MAX, wait: REREAD_WAIT, ..ReadOptions::default() };
    let mut reader = PartitionReader::new(cluster, &names.state, partition, options);
    let bounds = reader.bounds().await?;
    let mut offset = bounds.start;
    let mut highest: Option<Found> = None;
    // To the end offset, never to the first short answer: the end of a segment cuts a fetch short.
    while offset < bounds.end {
        match reader.read(offset).await? {
            Read::Records(batch) => {
                take_higher(&mut highest, &batch, partition)?;
                offset = batch.next_offset();
            }
            // Compaction or retention moved on meanwhile.
            Read::OutOfRange => offset = reader.bounds().await?.start.max(offset + 1),
        }
    }
    let parsed = highest.map(|found| Snapshot::parse(&found.value)).transpose();
    parsed.map_err(|cause| RestoreError::Snapshot { partition, cause })
}

/// The highest snapshot so far, not read in full yet: there may be thousands, and only one counts.
struct Found {
    order: (u64, i64),
    value: Vec<u8>,
}

fn take_higher(highest: &mut Option<Found>, batch: &Batch, partition: i32) -> Result<(), RestoreError> {
    for record in batch.iter() {
        let Some(value) = record.value else { continue };
        let offset = record.offset;
        match SnapshotHead::parse(value) {
            Ok(head) if head.partition != partition => {
                warn!(partition, offset, "the state topic holds another partition's snapshot; ignored");
            }
            Ok(head) => {
                if highest.as_ref().is_none_or(|highest| highest.order < head.order()) {
                    *highest = Some(Found { order: head.order(), value: value.to_vec() });
                }
            }
            Err(SnapshotError::Malformed(cause)) => {
                warn!(partition, offset, %cause, "the state topic holds what is no snapshot; ignored");
            }
            Err(cause) => return Err(RestoreError::Snapshot { partition, cause }),
        }
    }
    Ok(())
}
