//! Produce: batches into logs.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use tracing::{debug, error};

use crate::api::{Call, Reply, on_blocking_thread, text};
use crate::clock::now_ms;
use crate::log::AppendFault;
use crate::log::admission::Refused;
use crate::log::batch::BatchFault;
use crate::log::producers::SequenceFault;
use crate::node::Node;
use crate::topics::Topic;
use crate::wire::shape::Malformed;

/// The first version that knows topics by id.
const TOPIC_IDS_SINCE: i16 = 13;

/// Wait for all replicas in sync: here, for the one there is.
const ACKS_ALL: i16 = -1;

pub(super) async fn handle(mut call: Call) -> Result<Reply, Malformed> {
    let request: ProduceRequest = call.request.decode()?;
    let acks = request.acks;
    let by_id = call.caller.version >= TOPIC_IDS_SINCE;
    let node = Arc::clone(&call.node);
    // The frame's bytes are shared, not copied: batches go from the socket's buffer into the file.
    let response = on_blocking_thread(move || produce(&node, request, by_id)).await;
    if acks != 0 {
        return call.reply(&response, None);
    }
    let failed = response.responses.iter().flat_map(|topic| &topic.partition_responses).any(|p| p.error_code != 0);
    Ok(if failed { Reply::Close } else { Reply::Silence })
}

fn produce(node: &Node, request: ProduceRequest, by_id: bool) -> ProduceResponse {
    let refused = if !matches!(request.acks, ACKS_ALL | 0 | 1) {
        Some(ResponseError::InvalidRequiredAcks)
    } else if request.transactional_id.is_some() {
        Some(ResponseError::TransactionalIdAuthorizationFailed)
    } else {
        None
    };
    let acks = request.acks;
    let responses = request.topic_data.into_iter().map(|data| {
        let topic = if by_id { node.topics.by_id(data.topic_id) } else { node.topics.get(&data.name) };
        let missing = if by_id { ResponseError::UnknownTopicId } else { ResponseError::UnknownTopicOrPartition };
        let found = refused.map_or_else(|| topic.ok_or(missing), Err);
        to_topic(found, data, acks)
    });
    ProduceResponse::default().with_responses(responses.collect())
}

fn to_topic(topic: Result<Arc<Topic>, ResponseError>, data: TopicProduceData, acks: i16) -> TopicProduceResponse {
    let partitions = data.partition_data.into_iter().map(|partition| match &topic {
        Ok(topic) => to_partition(topic, &partition, acks),
        Err(error) => failure(partition.index, *error, None),
    });
    TopicProduceResponse::default()
        .with_partition_responses(partitions.collect())
        .with_name(data.name)
        .with_topic_id(data.topic_id)
}

fn to_partition(topic: &Topic, data: &PartitionProduceData, acks: i16) -> PartitionProduceResponse {
    let Some(partition) = topic.partition(data.index) else {
        return failure(data.index, ResponseError::UnknownTopicOrPartition, None);
    };
    if acks == ACKS_ALL && partition.log.settings().min_insync_replicas > 1 {
        let message = "min.insync.replicas is more than the one node there is";
        return failure(data.index, ResponseError::NotEnoughReplicas, Some(message.to_owned()));
    }
    match partition.log.append(data.records.as_deref().unwrap_or_default(), now_ms()) {
        Ok(appended) => {
            partition.wake();
            PartitionProduceResponse::default()
                .with_index(data.index)
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.log_append_time_ms)
                .with_log_start_offset(appended.start_offset)
        }
        Err(fault) => {
            let error = error_of(&fault);
            if error == ResponseError::KafkaStorageError {
                error!(
                    event = "append_failed",
                    topic = topic.name, partition = data.index, error = %fault, "append failed"
                );
            } else {
                debug!(
                    event = "batch_refused",
                    topic = topic.name, partition = data.index, reason = %fault, "batch refused"
                );
            }
            failure(data.index, error, Some(fault.to_string()))
        }
    }
}

fn failure(index: i32, error: ResponseError, message: Option<String>) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(error.code())
        .with_base_offset(-1)
        .with_error_message(message.and_then(text))
}

fn error_of(fault: &AppendFault) -> ResponseError {
    match fault {
        AppendFault::Refused(refused) => match refused {
            Refused::Corrupt(BatchFault::Magic(_)) => ResponseError::UnsupportedForMessageFormat,
            Refused::Corrupt(BatchFault::Codec(_)) => ResponseError::UnsupportedCompressionType,
            Refused::Corrupt(BatchFault::Count { .. } | BatchFault::Record { .. }) => ResponseError::InvalidRecord,
            Refused::Corrupt(_) => ResponseError::CorruptMessage,
            Refused::TooLarge { .. } => ResponseError::MessageTooLarge,
            Refused::LargerThanSegment { .. } => ResponseError::RecordListTooLarge,
            Refused::Invalid(_) => ResponseError::InvalidRecord,
            Refused::Transactional => ResponseError::InvalidTxnState,
            Refused::Timestamp { .. } => ResponseError::InvalidTimestamp,
        },
        AppendFault::Sequence(SequenceFault::OutOfOrder { .. }) => ResponseError::OutOfOrderSequenceNumber,
        AppendFault::Sequence(SequenceFault::Fenced { .. }) => ResponseError::InvalidProducerEpoch,
        AppendFault::Log(crate::log::LogError::Closed) => ResponseError::UnknownTopicOrPartition,
        AppendFault::Log(_) => ResponseError::KafkaStorageError,
    }
}
