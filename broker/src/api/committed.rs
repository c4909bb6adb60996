//! OffsetCommit, OffsetFetch, OffsetDelete: where consumer groups stand.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopics;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};
use tracing::warn;

use crate::api::cluster::topic_name;
use crate::api::{Caller, code, text};
use crate::groups::Identity;
use crate::node::Node;
use crate::offsets::{CommitFault, Committed, METADATA_BYTES_MAX, TopicPartition};

/// "Nothing committed."
const NO_OFFSET: i64 = -1;

pub(super) fn offset_commit(node: &Node, _: &Caller, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let allowed = may_commit(node, &request);
    let mut accepted = Vec::new();
    let mut topics: Vec<OffsetCommitResponseTopic> = Vec::new();
    for topic in request.topics {
        let known = node.topics.get(&topic.name);
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let index = partition.partition_index;
            let is_there = known.as_ref().is_some_and(|topic| topic.partition(index).is_some());
            let checked = allowed.and_then(|()| check(partition, is_there));
            let answer = OffsetCommitResponsePartition::default().with_partition_index(index);
            partitions.push(match checked {
                Ok(committed) => {
                    accepted.push(((topic.name.to_string(), index), committed));
                    answer
                }
                Err(error) => answer.with_error_code(error.code()),
            });
        }
        topics.push(OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    if let Err(fault) = node.offsets.commit(&request.group_id, accepted) {
        warn!(
            event = "offset_commit_failed",
            group = ?request.group_id.as_str(), error = %fault, "offsets not committed"
        );
        let error = error_of(&fault).code();
        let unstored = topics.iter_mut().flat_map(|topic| &mut topic.partitions).filter(|p| p.error_code == 0);
        unstored.for_each(|partition| partition.error_code = error);
    }
    OffsetCommitResponse::default().with_topics(topics)
}

/// Whether this client may commit for this group now.
fn may_commit(node: &Node, request: &OffsetCommitRequest) -> Result<(), ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let groups = node.offsets.groups();
    if groups.len() >= node.limits.groups_max && !groups.iter().any(|group| *group == **request.group_id) {
        return Err(ResponseError::CoordinatorNotAvailable);
    }
    let who = Identity {
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
    };
    node.groups.may_commit(&request.group_id, &who, request.generation_id_or_member_epoch)
}

fn check(partition: OffsetCommitRequestPartition, is_there: bool) -> Result<Committed, ResponseError> {
    if !is_there {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let metadata = partition.committed_metadata.map(|metadata| metadata.to_string()).unwrap_or_default();
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(Committed { offset: partition.committed_offset, leader_epoch: partition.committed_leader_epoch, metadata })
}

fn error_of(fault: &CommitFault) -> ResponseError {
    match fault {
        CommitFault::TooMany(_) => ResponseError::PolicyViolation,
        CommitFault::Io { .. } => ResponseError::KafkaStorageError,
    }
}

/// Answers one group (versions up to 7) or several (8 and later).
pub(super) fn offset_fetch(node: &Node, _: &Caller, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if !request.groups.is_empty() {
        let groups = request.groups.into_iter().map(|wanted| {
            let topics = of_group(node, &wanted.group_id, wanted.topics);
            OffsetFetchResponseGroup::default().with_group_id(wanted.group_id).with_topics(topics)
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let wanted = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default().with_name(topic.name).with_partition_indexes(topic.partition_indexes)
        });
        topics.collect()
    });
    let topics = of_group(node, &request.group_id, wanted).into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|one| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(one.partition_index)
                .with_committed_offset(one.committed_offset)
                .with_committed_leader_epoch(one.committed_leader_epoch)
                .with_metadata(one.metadata)
        });
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

/// The partitions asked for, or all that were committed.
fn of_group(node: &Node, group: &str, wanted: Option<Vec<OffsetFetchRequestTopics>>) -> Vec<OffsetFetchResponseTopics> {
    let committed = node.offsets.of_group(group);
    let mut by_topic: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    match wanted {
        Some(topics) => {
            for topic in topics {
                by_topic.entry(topic.name.to_string()).or_default().extend(topic.partition_indexes);
            }
        }
        None => {
            for (topic, partition) in committed.keys() {
                by_topic.entry(topic.clone()).or_default().push(*partition);
            }
        }
    }
    let topics = by_topic.into_iter().map(|(topic, indexes)| {
        let partitions = indexes.into_iter().map(|index| answer(&committed, &topic, index));
        OffsetFetchResponseTopics::default().with_partitions(partitions.collect()).with_name(topic_name(&topic))
    });
    topics.collect()
}

fn answer(committed: &BTreeMap<TopicPartition, Committed>, topic: &str, index: i32) -> OffsetFetchResponsePartitions {
    let answer = OffsetFetchResponsePartitions::default().with_partition_index(index);
    match committed.get(&(topic.to_owned(), index)) {
        Some(found) => answer
            .with_committed_offset(found.offset)
            .with_committed_leader_epoch(found.leader_epoch)
            .with_metadata(text(&found.metadata)),
        None => answer.with_committed_offset(NO_OFFSET).with_committed_leader_epoch(-1).with_metadata(text("")),
    }
}

pub(super) fn offset_delete(node: &Node, _: &Caller, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    if node.groups.has_members(&request.group_id) {
        return OffsetDeleteResponse::default().with_error_code(ResponseError::NonEmptyGroup.code());
    }
    let committed = node.offsets.of_group(&request.group_id);
    if committed.is_empty() {
        return OffsetDeleteResponse::default().with_error_code(ResponseError::GroupIdNotFound.code());
    }
    let topics = request.topics.into_iter().map(|topic| {
        let indexes: Vec<i32> = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        let known =
            indexes.iter().map(|index| (topic.name.to_string(), *index)).filter(|at| committed.contains_key(at));
        let deleted = node.offsets.delete(&request.group_id, known.collect());
        let error = code(deleted.as_ref().err().map(error_of));
        let partitions = indexes
            .iter()
            .map(|index| OffsetDeleteResponsePartition::default().with_partition_index(*index).with_error_code(error));
        OffsetDeleteResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
