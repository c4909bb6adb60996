//! The broker that leads a partition: found, connected to, and asked about nothing but that partition.

use std::time::Duration;

use rskafka::protocol::{
    error::Error as ProtocolError,
    messages::{
        IsolationLevel, ListOffsetsRequest, ListOffsetsRequestPartition, ListOffsetsRequestTopic, MetadataRequest,
        MetadataRequestTopic, ReadVersionedType, RequestBody, WriteVersionedType,
    },
    primitives::{Boolean, Int32, Int64, String_},
};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Boxed, Cluster, REQUEST_TIMEOUT,
    batch::Answer,
    connection::answered,
    fault::Fault,
    link::Link,
    requests::{FetchRecords, FetchedRecords, ProduceBatch},
};

/// Longest time that making a connection to a partition's leader takes, waiting for and building a finder included.
/// Far below the time after which a worker that does not come round counts as stuck.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// A finder is given the benefit of the doubt for so long, where another broker is at fault or it is the answer we don't like.
const FINDER_TRUSTED: Duration = Duration::from_secs(5);
/// The broker is asked again after so long, whatever it said.
const MUTED_MAX: Duration = Duration::from_secs(30);
/// A broker that makes a client wait as long as this is worth a line.
const MUTED_LONG: Duration = Duration::from_secs(1);

/// A place in a partition's log that brokers know of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// The first record that is still there.
    Start,
    /// After the last record that may be read.
    End,
    /// The first record that is not older, in milliseconds since the epoch.
    Time(i64),
}

/// What came of asking for records.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Records, perhaps none.
    Answer(Answer),
    /// The log does not reach the offset.
    OutOfRange,
    /// Nothing was looked for: a quota is used up. To be asked again.
    HeldBack,
}

/// A connection to the leader of one partition. Of no use any more after a fault.
pub(super) struct Leader {
    cluster: Cluster,
    link: Link,
    topic: String,
    partition: i32,
    /// Until then the broker listens to nobody like us: a quota is used up.
    muted_until: Option<Instant>,
}

impl Leader {
    /// Finds the leader of a partition and connects to it.
    ///
    /// # Errors
    /// [`Fault`] of the one attempt that is made.
    pub(super) async fn find(cluster: &Cluster, topic: &str, partition: i32) -> Result<Self, Fault> {
        let doing = format!("connecting to the leader of {topic}-{partition}");
        let began = Instant::now();
        let connecting: Boxed<'_, _> = Box::pin(Self::connect(cluster, topic, partition, &doing));
        let connected = answered(&doing, CONNECT_LIMIT, connecting).await.and_then(|connected| connected);
        match connected {
            Ok(link) => {
                Ok(Self { cluster: cluster.clone(), link, topic: topic.to_owned(), partition, muted_until: None })
            }
            Err(fault) => {
                // Whom we asked may know nothing new; but where all ask at the same time, not each needs another to ask.
                cluster.discard_finder_from(began.checked_sub(FINDER_TRUSTED).unwrap_or(began));
                Err(fault)
            }
        }
    }

    async fn connect(cluster: &Cluster, topic: &str, partition: i32, doing: &str) -> Result<Link, Fault> {
        let finder = cluster.finder().await?;
        let began = Instant::now();
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic { name: String_(topic.to_owned()) }]),
            allow_auto_topic_creation: Some(Boolean(false)),
        };
        let known = finder.ask(doing, REQUEST_TIMEOUT, request).await;
        let known = known.inspect_err(|_| cluster.discard_finder_from(began))?;
        let found = known.topics.iter().find(|known| known.name.0 == topic);
        if let Some(error) = found.and_then(|topic| topic.error) {
            return Err(Fault::of(error, doing));
        }
        let found = found.and_then(|topic| topic.partitions.iter().find(|known| known.partition_index.0 == partition));
        let Some(found) = found else { return Err(Fault::of(ProtocolError::UnknownTopicOrPartition, doing)) };
        // A partition may have a leader and yet an error, about its other replicas.
        let Some(leader) = known.brokers.iter().find(|broker| broker.node_id == found.leader_id) else {
            return Err(Fault::of(found.error.unwrap_or(ProtocolError::LeaderNotAvailable), doing));
        };
        let (host, port) = (&leader.host.0, leader.port.0);
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let opening: Boxed<'_, _> = Box::pin(Link::open(&address, cluster.settings()));
        let opened = timeout(REQUEST_TIMEOUT, opening).await.unwrap_or_else(|_| Err("no answer".to_owned()));
        opened.map_err(|cause| Fault::Passing { doing: format!("{doing} at {address}"), cause })
    }

    /// Whether it has been idle for so long that it is not to be trusted.
    pub(super) fn is_stale(&self) -> bool {
        self.link.is_stale()
    }

    /// Waits while the broker would not listen, and says so where that takes long.
    pub(super) async fn unmuted(&self) {
        let Some(until) = self.muted_until else { return };
        let wait = until.saturating_duration_since(Instant::now());
        if wait >= MUTED_LONG {
            self.cluster.mention_quota(&format!("{}-{}", self.topic, self.partition), wait);
        }
        sleep_until(until).await;
    }

    async fn ask<R>(&self, doing: &str, limit: Duration, request: R) -> Result<R::ResponseBody, Fault>
    where
        R: RequestBody + Send + WriteVersionedType<Vec<u8>>,
        R::ResponseBody: ReadVersionedType<std::io::Cursor<Vec<u8>>>,
    {
        let began = Instant::now();
        let answer = self.link.ask(doing, limit, request).await;
        // The next leader may be asked for over a connection to the same broker.
        answer.inspect_err(|_| self.cluster.discard_finder_from(began))
    }

    /// The offset of a place. Below 0 where no record is as late.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) async fn offset_of(&mut self, place: Place) -> Result<i64, Fault> {
        let doing = format!("asking for the offsets of {}-{}", self.topic, self.partition);
        let timestamp = match place {
            Place::Start => -2,
            Place::End => -1,
            Place::Time(ms) => ms,
        };
        let partition = ListOffsetsRequestPartition {
            partition_index: Int32(self.partition),
            timestamp: Int64(timestamp),
            max_num_offsets: None,
        };
        let request = ListOffsetsRequest {
            replica_id: Int32(-1),
            isolation_level: Some(IsolationLevel::ReadCommitted),
            topics: vec![ListOffsetsRequestTopic { name: String_(self.topic.clone()), partitions: vec![partition] }],
        };
        let answer = self.ask(&doing, REQUEST_TIMEOUT, request).await?;
        self.heed(answer.throttle_time_ms.map(|ms| ms.0));
        let found = answer.topics.first().and_then(|topic| topic.partitions.first());
        let Some(found) = found else { return Err(incomplete(&doing)) };
        match (found.error_code, found.offset) {
            (Some(error), _) => Err(Fault::of(error, &doing)),
            (None, Some(offset)) => Ok(offset.0),
            (None, None) => Err(incomplete(&doing)),
        }
    }

    /// Records from `offset` on, at most so many bytes but for a first batch that is larger. The broker may wait for them to
    /// come.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) async fn fetch(&mut self, offset: i64, bytes_max: i32, wait: Duration) -> Result<Fetched, Fault> {
        let doing = format!("reading {}-{} at offset {offset}", self.topic, self.partition);
        let request = FetchRecords {
            topic: &self.topic,
            partition: self.partition,
            offset,
            bytes_max,
            wait_ms: milliseconds(wait),
        };
        let answer = self.ask(&doing, wait + REQUEST_TIMEOUT, request).await?;
        match answer {
            FetchedRecords::HeldBack { throttle_ms } => {
                self.heed(Some(throttle_ms));
                Ok(Fetched::HeldBack)
            }
            FetchedRecords::Records { throttle_ms, error, high_watermark, bytes, records } => {
                self.heed(Some(throttle_ms));
                match error {
                    None => Ok(Fetched::Answer(Answer { bytes, records, offset, high_watermark })),
                    Some(ProtocolError::OffsetOutOfRange) => Ok(Fetched::OutOfRange),
                    Some(error) => Err(Fault::of(error, &doing)),
                }
            }
        }
    }

    /// Appends a batch with acks=all. Gives the offset of its first record.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) async fn produce(&mut self, batch: &[u8], limit: Duration) -> Result<i64, Fault> {
        let doing = format!("writing to {}-{}", self.topic, self.partition);
        let request = ProduceBatch {
            topic: &self.topic,
            partition: self.partition,
            batch,
            // The broker gives up first, and says why.
            timeout_ms: milliseconds(REQUEST_TIMEOUT / 2),
        };
        let answer = self.ask(&doing, limit, request).await?;
        self.heed(answer.throttle_time_ms.map(|ms| ms.0));
        let written = answer.responses.first().and_then(|topic| topic.partition_responses.first());
        let Some(written) = written else { return Err(incomplete(&doing)) };
        match written.error {
            None => Ok(written.base_offset.0),
            Some(error) => Err(Fault::of(error, &doing)),
        }
    }

    fn heed(&mut self, throttle_ms: Option<i32>) {
        let throttle_ms = throttle_ms.and_then(|ms| u64::try_from(ms).ok()).filter(|&ms| ms > 0);
        self.muted_until = throttle_ms.map(|ms| Instant::now() + Duration::from_millis(ms).min(MUTED_MAX));
    }
}

fn incomplete(doing: &str) -> Fault {
    Fault::Passing { doing: doing.to_owned(), cause: "the answer does not name the partition".to_owned() }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
