//! What all connections share: topics, committed offsets, groups, budgets. No I/O on sockets happens here.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::BrokerError;
use crate::clock::now_ms;
use crate::data_dir::DataDir;
use crate::groups::Groups;
use crate::limits::Limits;
use crate::offsets::CommittedOffsets;
use crate::producer_ids::ProducerIds;
use crate::topics::{Topic, Topics};

/// The id of the only node.
pub(crate) const NODE_ID: i32 = 1;
/// Memory budgets are counted in units of this many bytes.
pub(crate) const BUDGET_UNIT_BYTES: usize = 1 << 10;

/// The state of the broker.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) limits: Limits,
    pub(crate) partitions_default: i32,
    pub(crate) topics: Topics,
    pub(crate) offsets: CommittedOffsets,
    pub(crate) groups: Groups,
    pub(crate) producer_ids: ProducerIds,
    /// Memory for requests being received, in budget units.
    pub(crate) request_memory: Arc<Semaphore>,
    /// Memory for fetch answers being sent, in budget units.
    pub(crate) fetch_memory: Arc<Semaphore>,
    /// Cancelled when the broker stops: whoever waits answers at once.
    pub(crate) stopping: CancellationToken,
    data_dir: DataDir,
}

impl Node {
    /// Opens everything in `data_dir`. Blocks on files.
    pub(crate) fn open(data_dir: DataDir, limits: Limits, partitions_default: i32) -> Result<Self, BrokerError> {
        let path = data_dir.path();
        let failed = |source| BrokerError::DataDir { path: path.to_owned(), source };
        let damaged = |source: &dyn std::error::Error| BrokerError::Data { reason: source.to_string() };
        let stopping = CancellationToken::new();
        Ok(Self {
            partitions_default,
            topics: Topics::open(path.join("topics"), &limits).map_err(|e| damaged(&e))?,
            offsets: CommittedOffsets::open(path.join("committed-offsets"), limits.committed_offsets_max)
                .map_err(|e| damaged(&e))?,
            producer_ids: ProducerIds::open(path.join("producer-ids")).map_err(failed)?,
            request_memory: Arc::new(Semaphore::new(budget_units(limits.request_memory_bytes))),
            fetch_memory: Arc::new(Semaphore::new(budget_units(limits.fetch_memory_bytes))),
            groups: Groups::new(&limits, stopping.clone()),
            stopping,
            limits,
            data_dir,
        })
    }

    pub(crate) fn cluster_id(&self) -> &str {
        self.data_dir.cluster_id()
    }

    /// One round of retention and compaction over all partitions. Blocks on files.
    pub(crate) fn maintain(&self) {
        for topic in self.topics.all() {
            for (index, partition) in topic.partitions().iter().enumerate() {
                if self.stopping.is_cancelled() {
                    return;
                }
                match partition.log.maintain(now_ms()) {
                    Ok(()) | Err(crate::log::LogError::Closed) => {}
                    Err(error) => warn!(
                        event = "partition_maintenance_failed",
                        topic = topic.name, partition = index, %error, "maintenance failed"
                    ),
                }
            }
        }
    }

    /// Ends all writing and pushes everything to the disk. Blocks on files.
    pub(crate) fn close(&self) {
        for topic in self.topics.all() {
            topic.close();
            flush(&topic);
        }
    }
}

fn flush(topic: &Topic) {
    for partition in topic.partitions() {
        if let Err(error) = partition.log.flush() {
            warn!(event = "flush_failed", topic = topic.name, %error, "the last records may not be on the disk itself");
        }
    }
}

/// Bytes as budget units, rounded up, within what a semaphore can count.
pub(crate) fn budget_units(bytes: usize) -> usize {
    bytes.div_ceil(BUDGET_UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize))
}
