//! Fetch: batches out of logs, waiting for more where the client asks for that.
//!
//! Fetch sessions are not kept: every answer says so (session 0), and clients then name all partitions each time.
//! Isolation levels make no difference, because there are no transactions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep_until};
use tracing::error;
use uuid::Uuid;

use crate::api::{Call, Reply, on_blocking_thread};
use crate::log::{LEADER_EPOCH, LogError, ReadFault};
use crate::node::{Node, budget_units};
use crate::topics::Partition;
use crate::wire::shape::Malformed;

/// The first version that knows topics by id.
const TOPIC_IDS_SINCE: i16 = 13;
/// Longest wait that a client may ask for.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A partition of the request, found or not.
#[derive(Debug, Clone)]
struct Wanted {
    index: i32,
    offset: i64,
    bytes_max: usize,
    found: Result<Arc<Partition>, ResponseError>,
}

/// A topic of the request.
#[derive(Debug, Clone)]
struct WantedTopic {
    name: TopicName,
    id: Uuid,
    partitions: Vec<Wanted>,
}

/// What one look at the logs gave.
struct Read {
    topics: Vec<FetchableTopicResponse>,
    bytes: usize,
    /// An error is told at once, whatever `min_bytes` says.
    any_error: bool,
}

pub(super) async fn handle(mut call: Call) -> Result<Reply, Malformed> {
    let request: FetchRequest = call.request.decode()?;
    if request.session_id != 0 {
        // No session was ever given out, so this one is from another life of this address.
        let response = FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code());
        return call.reply(&response, None);
    }
    let node = Arc::clone(&call.node);
    let (read, memory) = fetch(&node, request, call.caller.version >= TOPIC_IDS_SINCE).await;
    call.reply(&FetchResponse::default().with_responses(read.topics), memory)
}

async fn fetch(node: &Arc<Node>, request: FetchRequest, by_id: bool) -> (Read, Option<OwnedSemaphorePermit>) {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
    let deadline = Instant::now() + wait;
    let bytes_min = u64::try_from(request.min_bytes).unwrap_or(0);
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(node.limits.fetch_bytes_max);
    let topics: Vec<WantedTopic> = request.topics.into_iter().map(|topic| resolve(node, topic, by_id)).collect();
    let grown = Arc::new(Notify::new());
    loop {
        // Registered before looking, so that no append falls between the look and the wait.
        partitions(&topics).filter_map(|wanted| wanted.found.as_ref().ok()).for_each(|found| found.wait(&grown));
        let last_look = node.stopping.is_cancelled() || Instant::now() >= deadline;
        let any_error = partitions(&topics).any(|wanted| wanted.found.is_err());
        if last_look || any_error || readable(&topics) >= bytes_min {
            let memory = reserve(node, readable(&topics), bytes_max).await;
            let looked_for = topics.clone();
            let read = on_blocking_thread(move || read(&looked_for, bytes_max)).await;
            if last_look || read.any_error || read.bytes as u64 >= bytes_min {
                return (read, memory);
            }
        }
        tokio::select! {
            () = grown.notified() => {}
            () = sleep_until(deadline) => {}
            () = node.stopping.cancelled() => {}
        }
    }
}

fn partitions(topics: &[WantedTopic]) -> impl Iterator<Item = &Wanted> {
    topics.iter().flat_map(|topic| &topic.partitions)
}

fn resolve(node: &Node, topic: kafka_protocol::messages::fetch_request::FetchTopic, by_id: bool) -> WantedTopic {
    let found = if by_id { node.topics.by_id(topic.topic_id) } else { node.topics.get(&topic.topic) };
    let missing = if by_id { ResponseError::UnknownTopicId } else { ResponseError::UnknownTopicOrPartition };
    let partitions = topic.partitions.into_iter().map(|partition| {
        let found = found.as_ref().ok_or(missing).and_then(|topic| {
            let there = topic.partition(partition.partition).ok_or(ResponseError::UnknownTopicOrPartition)?;
            check_epoch(&partition).map(|()| there)
        });
        Wanted {
            index: partition.partition,
            offset: partition.fetch_offset,
            bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
            found,
        }
    });
    WantedTopic { name: topic.topic, id: topic.topic_id, partitions: partitions.collect() }
}

fn check_epoch(partition: &FetchPartition) -> Result<(), ResponseError> {
    if partition.current_leader_epoch > LEADER_EPOCH { Err(ResponseError::UnknownLeaderEpoch) } else { Ok(()) }
}

/// At most so many bytes could be read now.
fn readable(topics: &[WantedTopic]) -> u64 {
    partitions(topics)
        .filter_map(|wanted| {
            let log = &wanted.found.as_ref().ok()?.log;
            Some(log.readable_bytes(wanted.offset).min(wanted.bytes_max.max(1) as u64))
        })
        .sum()
}

/// Memory for the answer, held until it is sent.
async fn reserve(node: &Node, readable: u64, bytes_max: usize) -> Option<OwnedSemaphorePermit> {
    let bytes = usize::try_from(readable).unwrap_or(usize::MAX).min(bytes_max);
    let units = budget_units(bytes).min(budget_units(node.limits.fetch_memory_bytes));
    Arc::clone(&node.fetch_memory).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX)).await.ok()
}

fn read(topics: &[WantedTopic], bytes_max: usize) -> Read {
    let mut read = Read { topics: Vec::with_capacity(topics.len()), bytes: 0, any_error: false };
    for topic in topics {
        let partitions = topic.partitions.iter().map(|wanted| {
            let data = read_partition(wanted, bytes_max.saturating_sub(read.bytes), read.bytes == 0);
            read.bytes += data.records.as_ref().map_or(0, Bytes::len);
            read.any_error |= data.error_code != 0;
            data
        });
        let partitions = partitions.collect();
        read.topics.push(
            FetchableTopicResponse::default()
                .with_topic(topic.name.clone())
                .with_topic_id(topic.id)
                .with_partitions(partitions),
        );
    }
    read
}

fn read_partition(wanted: &Wanted, bytes_left: usize, is_first: bool) -> PartitionData {
    let empty = PartitionData::default().with_partition_index(wanted.index).with_records(Some(Bytes::new()));
    let found = match &wanted.found {
        Ok(found) => found,
        Err(error) => return failed(empty, *error),
    };
    match found.log.read(wanted.offset, wanted.bytes_max.min(bytes_left), is_first) {
        Ok((batches, bounds)) => empty
            .with_high_watermark(bounds.end)
            .with_last_stable_offset(bounds.end)
            .with_log_start_offset(bounds.start)
            .with_records(Some(Bytes::from(batches))),
        Err(ReadFault::OutOfRange { start, end, .. }) => {
            let known = empty.with_high_watermark(end).with_last_stable_offset(end).with_log_start_offset(start);
            known.with_error_code(ResponseError::OffsetOutOfRange.code())
        }
        Err(ReadFault::Log(LogError::Closed)) => failed(empty, ResponseError::UnknownTopicOrPartition),
        Err(ReadFault::Log(fault)) => {
            error!(event = "read_failed", partition = wanted.index, error = %fault, "read failed");
            failed(empty, ResponseError::KafkaStorageError)
        }
    }
}

fn failed(empty: PartitionData, error: ResponseError) -> PartitionData {
    empty.with_error_code(error.code()).with_high_watermark(-1).with_last_stable_offset(-1).with_log_start_offset(-1)
}
