//! Reading one partition from any offset: in order, within bounded time, past whatever can't be decoded.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use rskafka::{
    client::{
        Client,
        error::{Error as ClientError, ProtocolError},
        partition::{OffsetAt, PartitionClient},
    },
    record::RecordAndOffset,
};
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::{
    Cluster, REQUEST_TIMEOUT, RETRY_DEADLINE, backoff,
    connection::answered,
    detour::Detour,
    fault::{Fault, may_be_undecodable},
    record::{OwnedRecord, RecordView},
};

/// A fetch of so few bytes that a broker answers with one batch, the smallest thing it can send.
const ONE_BATCH_BYTES: i32 = 1;

/// More records than this in one fetch are so small that decoded they take many times their bytes: the next fetch asks
/// for less.
const FETCH_RECORDS_MAX: usize = 4_000;
/// The least that a fetch is reduced to.
const FETCH_BYTES_MIN: i32 = 16 << 10;

/// How a partition is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Most bytes of one fetch, as they lie in the log; a single larger batch is still read.
    pub fetch_bytes_max: i32,
    /// How long a broker may wait for records to come before it answers with none.
    pub wait: Duration,
    /// How long faults are retried before they are handed up.
    pub deadline: Duration,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { fetch_bytes_max: 512 << 10, wait: Duration::from_millis(500), deadline: RETRY_DEADLINE }
    }
}

/// The offsets that a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Offset of the oldest record that is still there.
    pub start: i64,
    /// Offset after the last record that may be read: open transactions of other clients and what stands behind
    /// them are beyond it.
    pub end: i64,
}

/// What a read found.
#[derive(Debug)]
pub enum Read {
    /// Records, perhaps none, from the offset asked for.
    Records(Batch),
    /// The log does not reach the offset asked for: it starts after it or ends before it.
    OutOfRange,
}

/// Consecutive records of a partition, in order of offset. Between two of them offsets may be without a record.
#[derive(Debug)]
pub struct Batch {
    records: Records,
    next_offset: i64,
    high_watermark: i64,
}

#[derive(Debug)]
enum Records {
    Fetched(Vec<RecordAndOffset>),
    Detoured(Vec<OwnedRecord>),
}

impl Batch {
    /// The records.
    pub fn iter(&self) -> impl Iterator<Item = RecordView<'_>> {
        let (fetched, detoured): (&[RecordAndOffset], &[OwnedRecord]) = match &self.records {
            Records::Fetched(records) => (records, &[]),
            Records::Detoured(records) => (&[], records),
        };
        fetched.iter().map(RecordView::of).chain(detoured.iter().map(OwnedRecord::view))
    }

    /// Whether [`Self::header`] knows all headers.
    #[must_use]
    pub fn keeps_headers(&self) -> bool {
        matches!(self.records, Records::Fetched(_))
    }

    /// The value of a header of the record at `index`, by the order of [`Self::iter`]. A record that took the detour has
    /// kept none but the one in its view.
    #[must_use]
    pub fn header(&self, index: usize, name: &str) -> Option<&[u8]> {
        match &self.records {
            Records::Fetched(records) => records.get(index)?.record.headers.get(name).map(Vec::as_slice),
            Records::Detoured(_) => None,
        }
    }

    /// The offset to read next. Offsets before it that hold no record here hold none at all.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Offset after the last record that is replicated.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }
}

/// The reading end of one partition.
pub struct PartitionReader {
    cluster: Cluster,
    topic: String,
    partition: i32,
    options: ReadOptions,
    connected: Option<(Arc<Client>, PartitionClient)>,
    connections: u64,
    /// What the next fetch asks for; see [`FETCH_RECORDS_MAX`].
    fetch_bytes: i32,
    detour: Option<Detour>,
}

impl PartitionReader {
    /// Names the partition. Connects with the first call.
    #[must_use]
    pub fn new(cluster: &Cluster, topic: &str, partition: i32, options: ReadOptions) -> Self {
        Self {
            cluster: cluster.clone(),
            topic: topic.to_owned(),
            partition,
            options,
            connected: None,
            connections: 0,
            fetch_bytes: options.fetch_bytes_max,
            detour: None,
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// How often a connection was made. When it has grown, the log may not be the same any more.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// The offsets that the partition holds now.
    ///
    /// # Errors
    /// [`Fault`] when it could not be had within the deadline.
    pub async fn bounds(&mut self) -> Result<Bounds, Fault> {
        let started = Instant::now();
        let mut attempt = 0;
        loop {
            match self.try_bounds().await {
                Ok(bounds) => return Ok(bounds),
                Err(fault) => self.pause_after(fault, &mut attempt, started).await?,
            }
        }
    }

    /// The offset of the first record whose timestamp is not before `time`; the end where there is none.
    ///
    /// # Errors
    /// [`Fault`] when it could not be had within the deadline.
    pub async fn offset_at(&mut self, time: DateTime<Utc>) -> Result<i64, Fault> {
        let end = self.bounds().await?.end;
        let started = Instant::now();
        let mut attempt = 0;
        loop {
            match self.try_offset(OffsetAt::Timestamp(time)).await {
                // Below 0 where no record is as late.
                Ok(offset) => return Ok(if (0..end).contains(&offset) { offset } else { end }),
                Err(fault) => self.pause_after(fault, &mut attempt, started).await?,
            }
        }
    }

    /// Reads from `offset` on. Returns no records when none came within the wait.
    ///
    /// # Errors
    /// [`Fault`] when no broker could answer within the deadline.
    pub async fn read(&mut self, offset: i64) -> Result<Read, Fault> {
        let started = Instant::now();
        let mut attempt = 0;
        loop {
            match self.try_read(offset).await {
                Ok(read) => return Ok(read),
                Err(fault) => self.pause_after(fault, &mut attempt, started).await?,
            }
        }
    }

    async fn pause_after(&self, fault: Fault, attempt: &mut u32, started: Instant) -> Result<(), Fault> {
        if !fault.may_pass() {
            return Err(fault);
        }
        *attempt += 1;
        let pause = backoff(*attempt);
        if started.elapsed() + pause > self.options.deadline {
            return Err(Fault::DeadlineExceeded { deadline: self.options.deadline, last: Box::new(fault) });
        }
        self.cluster.complain(&fault);
        sleep(pause).await;
        Ok(())
    }

    async fn try_read(&mut self, offset: i64) -> Result<Read, Fault> {
        let mut fetched = self.fetch(offset, self.fetch_bytes).await?;
        if matches!(fetched, Fetched::Undecodable(_)) && self.options.fetch_bytes_max > ONE_BATCH_BYTES {
            // One bad batch spoils the whole answer: what stands before it is read batch by batch.
            fetched = self.fetch(offset, ONE_BATCH_BYTES).await?;
        }
        match fetched {
            Fetched::OutOfRange => Ok(Read::OutOfRange),
            Fetched::Undecodable(cause) => {
                debug!(topic = %self.topic, partition = self.partition, offset, %cause, "taking a detour");
                self.detour(offset).await
            }
            Fetched::Records(records, high_watermark) => match records.last() {
                Some(last) => {
                    let next_offset = last.offset + 1;
                    self.fetch_bytes = next_fetch_bytes(self.fetch_bytes, records.len(), self.options.fetch_bytes_max);
                    Ok(Read::Records(Batch { records: Records::Fetched(records), next_offset, high_watermark }))
                }
                None if high_watermark > offset && self.try_bounds().await?.end > offset => {
                    // Readable offsets, yet no record: transaction markers or what compaction left.
                    self.detour(offset).await
                }
                None => {
                    let records = Records::Fetched(Vec::new());
                    Ok(Read::Records(Batch { records, next_offset: offset, high_watermark }))
                }
            },
        }
    }

    async fn detour(&mut self, offset: i64) -> Result<Read, Fault> {
        let bounds = self.try_bounds().await?;
        if offset < bounds.start || offset > bounds.end {
            return Ok(Read::OutOfRange);
        }
        let detour = match self.detour.take() {
            Some(detour) => detour,
            None => Detour::new(&self.cluster, &self.topic, self.partition).await?,
        };
        let (records, next_offset) = match detour.read(offset, bounds.end).await {
            Ok(read) => read,
            Err(fault) => {
                detour.close().await;
                return Err(fault);
            }
        };
        self.detour = Some(detour);
        Ok(Read::Records(Batch { records: Records::Detoured(records), next_offset, high_watermark: bounds.end }))
    }

    async fn fetch(&mut self, offset: i64, bytes_max: i32) -> Result<Fetched, Fault> {
        let doing = format!("reading {}-{} at offset {offset}", self.topic, self.partition);
        let (client, connected) = self.connection().await?;
        let wait_ms = i32::try_from(self.options.wait.as_millis()).unwrap_or(i32::MAX);
        #[expect(clippy::disallowed_methods, reason = "the one place: the wait is bounded right below")]
        let call = Box::pin(connected.fetch_records(offset, 1..bytes_max.saturating_add(1), wait_ms));
        let error = match answered(&doing, self.options.wait + REQUEST_TIMEOUT, call).await {
            Ok(Ok((records, high_watermark))) => {
                self.connected = Some((client, connected));
                return Ok(Fetched::Records(records, high_watermark));
            }
            Ok(Err(error)) => error,
            Err(silent) => {
                self.cluster.discard(&client).await;
                return Err(silent);
            }
        };
        if let ClientError::ServerError { protocol_error: ProtocolError::OffsetOutOfRange, .. } = error {
            self.connected = Some((client, connected));
            return Ok(Fetched::OutOfRange);
        }
        if may_be_undecodable(&error) {
            // The connection is sound: the answer was read to its end before it was decoded.
            self.connected = Some((client, connected));
            return Ok(Fetched::Undecodable(error.to_string()));
        }
        self.cluster.discard(&client).await;
        Err(Fault::of(&error, &doing))
    }

    async fn try_bounds(&mut self) -> Result<Bounds, Fault> {
        let start = self.try_offset(OffsetAt::Earliest).await?;
        let end = self.try_offset(OffsetAt::Latest).await?;
        Ok(Bounds { start, end: end.max(start) })
    }

    async fn try_offset(&mut self, at: OffsetAt) -> Result<i64, Fault> {
        let doing = format!("asking for the offsets of {}-{}", self.topic, self.partition);
        let (client, connected) = self.connection().await?;
        match answered(&doing, REQUEST_TIMEOUT, Box::pin(connected.get_offset(at))).await {
            Ok(Ok(offset)) => {
                self.connected = Some((client, connected));
                Ok(offset)
            }
            Ok(Err(error)) => {
                self.cluster.discard(&client).await;
                Err(Fault::of(&error, &doing))
            }
            Err(silent) => {
                self.cluster.discard(&client).await;
                Err(silent)
            }
        }
    }

    /// Takes the connection out; whoever got a sound answer over it puts it back.
    async fn connection(&mut self) -> Result<(Arc<Client>, PartitionClient), Fault> {
        match self.connected.take() {
            Some(connected) => Ok(connected),
            None => {
                let connected = self.cluster.partition(&self.topic, self.partition).await?;
                self.connections += 1;
                Ok(connected)
            }
        }
    }
}

enum Fetched {
    Records(Vec<RecordAndOffset>, i64),
    OutOfRange,
    Undecodable(String),
}

/// How many bytes to ask for after a fetch of `bytes` gave `records`.
fn next_fetch_bytes(bytes: i32, records: usize, bytes_max: i32) -> i32 {
    if records > FETCH_RECORDS_MAX {
        let fewer = i64::from(bytes) * FETCH_RECORDS_MAX.cast_signed() as i64 / records.cast_signed() as i64;
        i32::try_from(fewer).unwrap_or(bytes_max).max(FETCH_BYTES_MIN.min(bytes_max))
    } else {
        bytes.saturating_mul(2).min(bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_of_very_many_small_records_become_smaller_and_grow_again() {
        assert_eq!(next_fetch_bytes(512 << 10, 40_000, 512 << 10), 52_428);
        assert_eq!(next_fetch_bytes(20_000, 40_000, 512 << 10), FETCH_BYTES_MIN);
        assert_eq!(next_fetch_bytes(52_428, 1_700, 512 << 10), 104_856);
        assert_eq!(next_fetch_bytes(512 << 10, 1_700, 512 << 10), 512 << 10);
        assert_eq!(next_fetch_bytes(1_024, 40_000, 1_024), 1_024);
    }
}
