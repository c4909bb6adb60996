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

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::kafka::{Compression, PartitionWriter, WriteError};
use common::service::ExitCode;
use tracing::warn;

pub use batch::{Batch, Entry, RequestBytes, Sequence};
pub use lane::Lane;

use crate::counters::Counters;

/// Largest request, in bytes before compression: brokers take batches of up to 1 MB.
const REQUEST_BYTES_MAX: usize = 900_000;

/// Requests of more than this and less than [`LARGE_REQUEST_BYTES_MIN`] are slow; see [`RequestBytes`].
const SMALL_REQUEST_BYTES_MAX: usize = 7_900;

/// See [`SMALL_REQUEST_BYTES_MAX`].
const LARGE_REQUEST_BYTES_MIN: usize = 66_000;

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

impl Delivery {
    /// The sizes of requests. They are cut before compression, so a large one has to be larger by what compression
    /// takes away (records like ours shrink to a fifth with snappy).
    fn request_bytes(&self) -> RequestBytes {
        let shrinks_to = match self.compression {
            Compression::NoCompression => 1,
            Compression::Snappy => 5,
        };
        let large_min = LARGE_REQUEST_BYTES_MIN * shrinks_to;
        RequestBytes { small_max: SMALL_REQUEST_BYTES_MAX, large_min, max: REQUEST_BYTES_MAX }
    }
}

/// The largest batch that a lane should hold: one large request.
pub fn lane_bytes_max(queue_bytes: usize, partitions: usize) -> usize {
    (queue_bytes / partitions.max(1)).clamp(SMALL_REQUEST_BYTES_MAX, REQUEST_BYTES_MAX)
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
}

impl Publisher {
    /// Runs until the lane is closed and empty.
    ///
    /// # Errors
    /// [`WriteError`] with the first request that was not acknowledged in time; what is left in the lane is not sent.
    pub async fn run(mut self) -> Result<(), WriteError> {
        let mut spare = Batch::default();
        while let Some(mut batch) = self.lane.take(spare).await {
            for range in batch.requests(self.delivery.request_bytes()) {
                self.send(&batch, range).await?;
            }
            batch.clear(2 * REQUEST_BYTES_MAX);
            spare = batch;
        }
        Ok(())
    }

    async fn send(&mut self, batch: &Batch, range: Range<usize>) -> Result<(), WriteError> {
        let Delivery { incarnation, compression, timeout, fail_after } = self.delivery;
        let records = || batch.records(incarnation, range.clone());
        self.writer.write(records, compression, timeout).await?;
        let acknowledged = self.counters.acknowledged(batch.intended_us(range), now_us());
        if fail_after.is_some_and(|limit| acknowledged >= limit) {
            warn!(acknowledged, "--fail-after: the process ends here, with nothing flushed");
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
