//! CreateTopics, DeleteTopics, CreatePartitions.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse,
};
use kafka_protocol::protocol::StrBytes;
use tracing::error;

use crate::api::cluster::topic_name;
use crate::api::configs::source_of;
use crate::api::{Caller, text};
use crate::config::{ConfigFault, KEYS, TopicConfig};
use crate::node::{NODE_ID, Node};
use crate::topics::{NewTopic, TopicFault};

/// "As many as the broker's default."
const DEFAULT: i32 = -1;

/// An error code with words that say more.
pub(super) struct Refusal {
    pub(super) error: ResponseError,
    pub(super) message: String,
}

impl Refusal {
    fn new(error: ResponseError, message: &str) -> Self {
        Self { error, message: message.to_owned() }
    }
}

impl From<TopicFault> for Refusal {
    fn from(fault: TopicFault) -> Self {
        let error = match &fault {
            TopicFault::Name(_) | TopicFault::Collides { .. } => ResponseError::InvalidTopicException,
            TopicFault::Exists(_) => ResponseError::TopicAlreadyExists,
            TopicFault::Unknown => ResponseError::UnknownTopicOrPartition,
            TopicFault::Partitions | TopicFault::FewerPartitions { .. } | TopicFault::SamePartitions(_) => {
                ResponseError::InvalidPartitions
            }
            TopicFault::TooMany { .. } => ResponseError::PolicyViolation,
            TopicFault::Config(_) => ResponseError::InvalidConfig,
            TopicFault::Log(fault) => {
                error!(event = "topic_change_failed", error = %fault, "can't change a topic");
                ResponseError::KafkaStorageError
            }
        };
        Self { error, message: fault.to_string() }
    }
}

impl From<ConfigFault> for Refusal {
    fn from(fault: ConfigFault) -> Self {
        Self { error: ResponseError::InvalidConfig, message: fault.to_string() }
    }
}

pub(super) fn create_topics(node: &Node, _: &Caller, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let results = request.topics.iter().map(|wanted| {
        let twice = names.iter().filter(|name| **name == wanted.name).count() > 1;
        let created = if twice {
            Err(Refusal::new(ResponseError::InvalidRequest, "the request names this topic twice"))
        } else {
            create(node, wanted, request.validate_only)
        };
        created.unwrap_or_else(|refusal| {
            CreatableTopicResult::default()
                .with_name(wanted.name.clone())
                .with_error_code(refusal.error.code())
                .with_error_message(text(refusal.message))
                .with_configs(None)
        })
    });
    CreateTopicsResponse::default().with_topics(results.collect())
}

fn create(node: &Node, wanted: &CreatableTopic, validate_only: bool) -> Result<CreatableTopicResult, Refusal> {
    let mut config = TopicConfig::default();
    for entry in &wanted.configs {
        let value = entry.value.as_ref().ok_or_else(|| ConfigFault::Null(entry.name.to_string()))?;
        config.set(&entry.name, value)?;
    }
    let partitions = partition_count(node, wanted)?;
    let new = NewTopic { name: &wanted.name, partitions, config: config.clone() };
    let topic = node.topics.create(new, validate_only)?;
    let configs = KEYS.iter().map(|key| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(key.name))
            .with_value(text(config.get(key)))
            .with_config_source(source_of(&config, key))
    });
    Ok(CreatableTopicResult::default()
        .with_name(wanted.name.clone())
        .with_topic_id(topic.map(|topic| topic.id).unwrap_or_default())
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(Some(configs.collect())))
}

/// The number of partitions, from the number or from an assignment of replicas.
fn partition_count(node: &Node, wanted: &CreatableTopic) -> Result<i32, Refusal> {
    if wanted.assignments.is_empty() {
        if !matches!(wanted.replication_factor, 1 | -1) {
            let message = "this broker is the only one: the replication factor must be 1 (or -1 for the default)";
            return Err(Refusal::new(ResponseError::InvalidReplicationFactor, message));
        }
        return Ok(if wanted.num_partitions == DEFAULT { node.partitions_default } else { wanted.num_partitions });
    }
    if wanted.num_partitions != DEFAULT || wanted.replication_factor != -1 {
        let message = "with an assignment of replicas, the numbers of partitions and replicas must be -1";
        return Err(Refusal::new(ResponseError::InvalidRequest, message));
    }
    let mut indexes: Vec<i32> = wanted.assignments.iter().map(|one| one.partition_index).collect();
    indexes.sort_unstable();
    let complete = indexes.iter().copied().eq((0..).take(indexes.len()));
    if !complete || wanted.assignments.iter().any(|one| one.broker_ids != [BrokerId(NODE_ID)]) {
        let message = "replicas can only be assigned to node 1, for partitions numbered from 0 without gaps";
        return Err(Refusal::new(ResponseError::InvalidReplicaAssignment, message));
    }
    i32::try_from(indexes.len()).map_err(|_| TopicFault::Partitions.into())
}

pub(super) fn delete_topics(node: &Node, _: &Caller, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = request.topic_names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name)));
    let results = by_name.chain(request.topics).map(|wanted| {
        let answer = DeletableTopicResult::default();
        let found = match &wanted.name {
            Some(name) => node.topics.get(name).ok_or(ResponseError::UnknownTopicOrPartition),
            None => node.topics.by_id(wanted.topic_id).ok_or(ResponseError::UnknownTopicId),
        };
        let topic = match found {
            Ok(topic) => topic,
            Err(error) => {
                let answer = answer.with_name(wanted.name).with_topic_id(wanted.topic_id);
                return answer.with_error_code(error.code());
            }
        };
        let answer = answer.with_name(Some(topic_name(&topic.name))).with_topic_id(topic.id);
        match delete(node, &topic.name) {
            Ok(()) => answer,
            Err(refusal) => answer.with_error_code(refusal.error.code()).with_error_message(text(refusal.message)),
        }
    });
    DeleteTopicsResponse::default().with_responses(results.collect())
}

fn delete(node: &Node, name: &str) -> Result<(), Refusal> {
    node.topics.delete(name)?;
    if let Err(fault) = node.offsets.delete_topic(name) {
        error!(
            event = "committed_offsets_left_over",
            topic = name, error = %fault, "committed offsets of a deleted topic are left over"
        );
    }
    Ok(())
}

pub(super) fn create_partitions(node: &Node, _: &Caller, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let results = request.topics.iter().map(|wanted| {
        let answer = CreatePartitionsTopicResult::default().with_name(wanted.name.clone());
        match grow(node, wanted, request.validate_only) {
            Ok(()) => answer,
            Err(refusal) => answer.with_error_code(refusal.error.code()).with_error_message(text(refusal.message)),
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn grow(node: &Node, wanted: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let elsewhere = |one: &[BrokerId]| one != [BrokerId(NODE_ID)];
    if wanted.assignments.iter().flatten().any(|one| elsewhere(&one.broker_ids)) {
        let message = "replicas can only be assigned to node 1";
        return Err(Refusal::new(ResponseError::InvalidReplicaAssignment, message));
    }
    Ok(node.topics.grow(&wanted.name, wanted.count, validate_only)?)
}
