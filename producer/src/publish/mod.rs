//! Publishing: from a queue for each partition into Kafka, each record acknowledged or accounted for.
//!
//! ```text
//!   feed ──▶ Lane 0 ──▶ Publisher 0 ──▶ partition 0     one request on its way at a time
//!        ──▶ Lane 1 ──▶ Publisher 1 ──▶ partition 1
//! ```
//!
//! Promises: within a partition records are sent in order; partition and sequence of a record never change, so that a
//! consumer recognises a resend; a publisher ends only when its lane is closed and empty, or with a batch that it
//! could not get acknowledged. It never goes on after giving a batch up: what comes after it would be read as a loss,
//! so the process ends and its successor takes a new incarnation.

pub mod batch;
pub mod lane;
pub mod traces;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::kafka::{BatchBuilder, Compression, PartitionWriter, WriteError};
use common::service::ExitCode;
use tracing::warn;

pub use batch::{Batch, Entry, Sequence};
pub use lane::Lane;
pub use traces::Tracing;

use crate::counters::Counters;

/// Largest request, in bytes before compression. Brokers take batches of up to 1 MB; larger ones than these were no faster
/// (measured with 250, 450 and 900 kB), and whoever reads them holds two a partition.
const REQUEST_BYTES_MAX: usize = 450_000;

/// The least that a lane holds: some records, however many partitions share the memory.
const LANE_BYTES_MIN: usize = 8_000;

/// What all publishers of a run have in common.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Of this process; stands in every sequence header.
    pub incarnation: u64,
    /// Of every request.
    pub compression: Compression,
    /// How long a request is retried before it is given up.
    pub timeout: Duration,
    /// Kills the process once so many records have been acknowledged.
    pub fail_after: Option<u64>,
}

/// The largest batch that a lane should hold: one large request.
pub fn lane_bytes_max(queue_bytes: usize, partitions: usize) -> usize {
    (queue_bytes / partitions.max(1)).clamp(LANE_BYTES_MIN, REQUEST_BYTES_MAX)
}

/// Sends what is in one lane.
pub struct Publisher {
    /// Where records come from.
    pub lane: Arc<Lane>,
    /// Where they go.
    pub writer: PartitionWriter,
    /// How.
    pub delivery: Delivery,
    /// What counts them.
    pub counters: Arc<Counters>,
    /// What traces a few of them, where that was asked for.
    pub tracing: Option<Tracing>,
}

impl Publisher {
    /// Runs until the lane is closed and empty.
    ///
    /// # Errors
    /// [`WriteError`] with the first request that was not acknowledged in time; what is left in the lane is not sent.
    pub async fn run(mut self) -> Result<(), WriteError> {
        let mut spare = Batch::default();
        let mut encoded = BatchBuilder::new(self.delivery.compression);
        while let Some(mut batch) = self.lane.take(spare).await {
            for range in batch.requests(REQUEST_BYTES_MAX) {
                encoded.clear(2 * REQUEST_BYTES_MAX);
                let traced = self.tracing.as_mut().map_or(&[][..], |tracing| tracing.draw(range.clone(), now_us()));
                batch.encode(self.delivery.incarnation, range.clone(), traced, &mut encoded);
                self.send(encoded.finish(), &batch, range).await?;
            }
            batch.clear(2 * REQUEST_BYTES_MAX);
            spare = batch;
        }
        Ok(())
    }

    /// Sends one request, which `range` of `batch` was made into.
    async fn send(&mut self, encoded: &[u8], batch: &Batch, range: Range<usize>) -> Result<(), WriteError> {
        let Delivery { timeout, fail_after, .. } = self.delivery;
        let base = self.writer.write(encoded, timeout).await?;
        let now_us = now_us();
        if let Some(tracing) = &mut self.tracing {
            tracing.acknowledged(batch, range.clone(), base, now_us);
        }
        let acknowledged = self.counters.acknowledged(batch.intended_us(range), now_us);
        if fail_after.is_some_and(|limit| acknowledged >= limit) {
            warn!(
                event = "fail_after_reached",
                acknowledged, "--fail-after: the process ends here, with nothing flushed"
            );
            ExitCode::FailAfter.exit_now();
        }
        Ok(())
    }
}

/// The wall clock, in microseconds since 1970.
pub fn now_us() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}
