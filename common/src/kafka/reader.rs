//! Reading one partition from any offset: in order, within bounded time, past whatever can't be decoded.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    Cluster, RETRY_DEADLINE, backoff,
    batch::{Batch, Unreadable},
    fault::Fault,
    leader::{Fetched, Leader, Place},
};

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

/// The reading end of one partition.
pub struct PartitionReader {
    cluster: Cluster,
    topic: String,
    partition: i32,
    options: ReadOptions,
    connected: Option<Leader>,
    connections: u64,
    /// What the next fetch asks for: less after each that a quota did not let through, for one that is as large as all that
    /// the quota allows in its window waits for ever beside smaller ones.
    fetch_bytes: i32,
    /// The offset at which a batch came with a wrong checksum: the second time it is the batch, not the way to it.
    spoilt_at: Option<i64>,
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
            spoilt_at: None,
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

    /// How it reads.
    #[must_use]
    pub fn options(&self) -> ReadOptions {
        self.options
    }

    /// Asks for up to `fetch_bytes_max` from now on, until told otherwise; for less where a quota has brought it down.
    pub fn fetch_up_to(&mut self, fetch_bytes_max: i32) {
        let is_held_back = self.fetch_bytes < self.options.fetch_bytes_max;
        self.fetch_bytes = if is_held_back { self.fetch_bytes.min(fetch_bytes_max) } else { fetch_bytes_max };
        self.options.fetch_bytes_max = fetch_bytes_max;
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

    /// The offset of the first record whose timestamp is not before `time_ms`, in milliseconds since the epoch; the end where
    /// there is none.
    ///
    /// # Errors
    /// [`Fault`] when it could not be had within the deadline.
    pub async fn offset_at(&mut self, time_ms: i64) -> Result<i64, Fault> {
        let Bounds { start, end } = self.bounds().await?;
        if time_ms < 0 {
            // On the wire that is no time: -1 asks for the end of the log.
            return Ok(start);
        }
        let started = Instant::now();
        let mut attempt = 0;
        loop {
            match self.try_offset(Place::Time(time_ms)).await {
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
        let mut started = Instant::now();
        let mut attempt = 0;
        loop {
            match self.try_read(offset).await {
                Ok(Some(read)) => return Ok(read),
                // The broker answers, and will read for us when the quota allows it: no fault, and no end of a log.
                Ok(None) => started = Instant::now(),
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

    async fn try_read(&mut self, offset: i64) -> Result<Option<Read>, Fault> {
        let mut leader = self.connection().await?;
        let answer = match leader.fetch(offset, self.fetch_bytes, self.options.wait).await {
            Ok(Fetched::Answer(answer)) => answer,
            Ok(Fetched::OutOfRange) => {
                self.connected = Some(leader);
                return Ok(Some(Read::OutOfRange));
            }
            Ok(Fetched::HeldBack) => {
                self.connected = Some(leader);
                self.fetch_bytes = (self.fetch_bytes / 2).max(FETCH_BYTES_MIN.min(self.options.fetch_bytes_max));
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        self.fetch_bytes = self.fetch_bytes.saturating_mul(2).min(self.options.fetch_bytes_max);
        let high_watermark = answer.high_watermark;
        match Batch::of(answer) {
            Ok(batch) => {
                self.connected = Some(leader);
                self.spoilt_at = None;
                Ok(Some(Read::Records(batch)))
            }
            Err(Unreadable::Batch { cause, is_spoilt: true, .. }) if self.spoilt_at != Some(offset) => {
                // Perhaps only this answer was: it is asked for once more, over another connection.
                self.spoilt_at = Some(offset);
                Err(self.unreadable(offset, &cause))
            }
            Err(Unreadable::Batch { next_offset, cause, .. }) => {
                self.connected = Some(leader);
                let batch = Batch::given_up(offset, next_offset, high_watermark);
                let place = format!("{}-{}", self.topic, self.partition);
                self.cluster.mention_undecodable(&place, offset..batch.next_offset(), &cause);
                Ok(Some(Read::Records(batch)))
            }
            Err(Unreadable::Answer(cause)) => Err(self.unreadable(offset, &cause)),
        }
    }

    fn unreadable(&self, offset: i64, cause: &str) -> Fault {
        let doing = format!("reading {}-{} at offset {offset}", self.topic, self.partition);
        Fault::Passing { doing, cause: format!("the answer can't be read: {cause}") }
    }

    async fn try_bounds(&mut self) -> Result<Bounds, Fault> {
        let start = self.try_offset(Place::Start).await?;
        let end = self.try_offset(Place::End).await?;
        Ok(Bounds { start, end: end.max(start) })
    }

    async fn try_offset(&mut self, place: Place) -> Result<i64, Fault> {
        let mut leader = self.connection().await?;
        let offset = leader.offset_of(place).await?;
        self.connected = Some(leader);
        Ok(offset)
    }

    /// Takes the connection out; whoever got a sound answer over it puts it back. So a cancelled or failed call leaves
    /// none behind whose late answer could be taken for the next one's.
    async fn connection(&mut self) -> Result<Leader, Fault> {
        match self.connected.take().filter(|leader| !leader.is_stale()) {
            Some(leader) => {
                leader.unmuted().await;
                Ok(leader)
            }
            None => {
                let leader = Leader::find(&self.cluster, &self.topic, self.partition).await?;
                self.connections += 1;
                Ok(leader)
            }
        }
    }
}
