//! ListOffsets, DeleteRecords, OffsetForLeaderEpoch: where a log starts and ends, by place and by time.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};
use tracing::error;

use crate::api::{Caller, code};
use crate::log::{LEADER_EPOCH, LogError, ReadFault};
use crate::node::Node;
use crate::topics::{Partition, Topic};

/// The first version of ListOffsets that tells leader epochs.
const LEADER_EPOCHS_SINCE: i16 = 4;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// The earliest offset that is on this machine: all there is.
const EARLIEST_LOCAL: i64 = -4;
/// The latest offset in tiered storage: there is none.
const LATEST_TIERED: i64 = -5;

pub(super) fn list_offsets(node: &Node, caller: &Caller, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.into_iter().map(|wanted| {
        let topic = node.topics.get(&wanted.name);
        let partitions = wanted.partitions.iter().map(|partition| {
            let listed = topic.as_ref().ok_or(ResponseError::UnknownTopicOrPartition);
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(partition.partition_index);
            match listed.and_then(|topic| list_one(topic, partition)) {
                Ok((timestamp, offset)) => {
                    let epoch = if offset < 0 || caller.version < LEADER_EPOCHS_SINCE { -1 } else { LEADER_EPOCH };
                    answer.with_timestamp(timestamp).with_offset(offset).with_leader_epoch(epoch)
                }
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        ListOffsetsTopicResponse::default().with_partitions(partitions.collect()).with_name(wanted.name)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Timestamp and offset; −1 for what there is none of.
fn list_one(topic: &Topic, wanted: &ListOffsetsPartition) -> Result<(i64, i64), ResponseError> {
    let partition = topic.partition(wanted.partition_index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    if wanted.current_leader_epoch > LEADER_EPOCH {
        return Err(ResponseError::UnknownLeaderEpoch);
    }
    let bounds = partition.log.bounds();
    let dated = match wanted.timestamp {
        LATEST => return Ok((-1, bounds.end)),
        EARLIEST | EARLIEST_LOCAL => return Ok((-1, bounds.start)),
        LATEST_TIERED => return Ok((-1, -1)),
        MAX_TIMESTAMP => partition.log.youngest(),
        timestamp if timestamp >= 0 => partition.log.first_at_or_after(timestamp),
        _ => return Err(ResponseError::InvalidRequest),
    };
    dated.map(|dated| dated.map_or((-1, -1), |dated| (dated.timestamp, dated.offset))).map_err(|fault| error_of(&fault))
}

pub(super) fn delete_records(node: &Node, _: &Caller, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|wanted| {
        let topic = node.topics.get(&wanted.name);
        let partitions = wanted.partitions.iter().map(|partition| {
            let found = topic.as_ref().and_then(|topic| topic.partition(partition.partition_index));
            let deleted = found
                .ok_or(ResponseError::UnknownTopicOrPartition)
                .and_then(|found| delete_before(&found, partition.offset));
            DeleteRecordsPartitionResult::default()
                .with_partition_index(partition.partition_index)
                .with_low_watermark(deleted.unwrap_or(-1))
                .with_error_code(code(deleted.err()))
        });
        DeleteRecordsTopicResult::default().with_partitions(partitions.collect()).with_name(wanted.name)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete_before(partition: &Partition, before: i64) -> Result<i64, ResponseError> {
    if !partition.log.settings().delete {
        return Err(ResponseError::PolicyViolation); // as in Kafka: the topic is compacted, not deleted from
    }
    partition.log.delete_records(before).map_err(|fault| error_of(&fault))
}

pub(super) fn offset_for_leader_epoch(
    node: &Node,
    _: &Caller,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|wanted| {
        let topic = node.topics.get(&wanted.topic);
        let partitions = wanted.partitions.iter().map(|partition| {
            let answer = EpochEndOffset::default().with_partition(partition.partition);
            match topic
                .as_ref()
                .map_or(Err(ResponseError::UnknownTopicOrPartition), |topic| epoch_end(topic, partition))
            {
                Ok((epoch, end)) => answer.with_leader_epoch(epoch).with_end_offset(end),
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        OffsetForLeaderTopicResult::default().with_partitions(partitions.collect()).with_topic(wanted.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// There is one epoch, so it ends where the log does; of any other nothing is known.
fn epoch_end(topic: &Topic, wanted: &OffsetForLeaderPartition) -> Result<(i32, i64), ResponseError> {
    let partition = topic.partition(wanted.partition).ok_or(ResponseError::UnknownTopicOrPartition)?;
    if wanted.current_leader_epoch > LEADER_EPOCH {
        return Err(ResponseError::UnknownLeaderEpoch);
    }
    let is_known = wanted.leader_epoch == LEADER_EPOCH;
    Ok(if is_known { (LEADER_EPOCH, partition.log.bounds().end) } else { (-1, -1) })
}

fn error_of(fault: &ReadFault) -> ResponseError {
    match fault {
        ReadFault::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
        ReadFault::Log(LogError::Closed) => ResponseError::UnknownTopicOrPartition,
        ReadFault::Log(fault) => {
            error!(event = "offset_lookup_failed", error = %fault, "look-up failed");
            ResponseError::KafkaStorageError
        }
    }
}
