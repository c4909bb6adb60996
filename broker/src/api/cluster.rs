//! Metadata, DescribeCluster, DescribeTopicPartitions: the node there is and the topics on it.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api::{Caller, code};
use crate::log::LEADER_EPOCH;
use crate::node::{NODE_ID, Node};
use crate::server::Peer;
use crate::topics::Topic;

/// Partitions in one answer to DescribeTopicPartitions, as in Kafka.
const DESCRIBED_PARTITIONS_MAX: i32 = 2_000;
/// DescribeCluster's number for "brokers", as opposed to controllers.
const ENDPOINT_BROKERS: i8 = 1;

/// The name as the protocol carries it.
pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// The host a client can reach this broker by: the one it has reached it by.
pub(super) fn host(peer: Peer) -> StrBytes {
    StrBytes::from_string(peer.local.ip().to_canonical().to_string())
}

/// The port that goes with [`host`].
pub(super) fn port(peer: Peer) -> i32 {
    i32::from(peer.local.port())
}

fn this_node() -> Vec<BrokerId> {
    vec![BrokerId(NODE_ID)]
}

pub(super) fn metadata(node: &Node, caller: &Caller, request: MetadataRequest) -> MetadataResponse {
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE_ID))
        .with_host(host(caller.peer))
        .with_port(port(caller.peer));
    // Version 0 says "all" by an empty list, later versions by null.
    let wanted = request.topics.filter(|wanted| caller.version > 0 || !wanted.is_empty());
    let topics = match wanted {
        None => node.topics.all().iter().map(|topic| described(topic)).collect(),
        Some(wanted) => wanted.into_iter().map(|wanted| one_topic(node, wanted)).collect(),
    };
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_string(node.cluster_id().to_owned())))
        .with_controller_id(BrokerId(NODE_ID))
        .with_topics(topics)
}

fn one_topic(node: &Node, wanted: MetadataRequestTopic) -> MetadataResponseTopic {
    let found = match &wanted.name {
        Some(name) => node.topics.get(name),
        None => node.topics.by_id(wanted.topic_id),
    };
    let missing =
        if wanted.name.is_some() { ResponseError::UnknownTopicOrPartition } else { ResponseError::UnknownTopicId };
    found.map_or_else(
        || {
            MetadataResponseTopic::default()
                .with_error_code(missing.code())
                .with_name(wanted.name)
                .with_topic_id(wanted.topic_id)
        },
        |topic| described(&topic),
    )
}

fn described(topic: &Topic) -> MetadataResponseTopic {
    let partitions = (0..).take(topic.partition_count()).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(this_node())
            .with_isr_nodes(this_node())
    });
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}

pub(super) fn describe_cluster(
    node: &Node,
    caller: &Caller,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != ENDPOINT_BROKERS {
        return DescribeClusterResponse::default()
            .with_error_code(ResponseError::UnsupportedEndpointType.code())
            .with_endpoint_type(request.endpoint_type);
    }
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE_ID))
        .with_host(host(caller.peer))
        .with_port(port(caller.peer));
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(node.cluster_id().to_owned()))
        .with_controller_id(BrokerId(NODE_ID))
        .with_brokers(vec![broker])
}

/// Describes topics page by page: at most as many partitions as are asked for, then where to go on.
pub(super) fn describe_topic_partitions(
    node: &Node,
    _: &Caller,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let (from_name, from_index) =
        request.cursor.map_or((String::new(), 0), |at| (at.topic_name.to_string(), at.partition_index));
    let mut names: Vec<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    if names.is_empty() {
        names = node.topics.all().iter().map(|topic| topic.name.clone()).collect();
    }
    names.sort();
    names.dedup();
    let mut room = request.response_partition_limit.clamp(1, DESCRIBED_PARTITIONS_MAX);
    let (mut topics, mut next) = (Vec::new(), None);
    for name in names.into_iter().filter(|name| *name >= from_name) {
        let first = if name == from_name { from_index.max(0) } else { 0 };
        if room == 0 {
            next = Some((name, first));
            break;
        }
        let Some(topic) = node.topics.get(&name) else {
            topics.push(unknown_topic(&name));
            continue;
        };
        let count = i32::try_from(topic.partition_count()).unwrap_or(i32::MAX);
        let until = count.min(first.saturating_add(room));
        topics.push(described_page(&topic, first..until));
        room -= until - first.min(until);
        if until < count {
            next = Some((name, until));
            break;
        }
    }
    let cursor =
        |(name, index): (String, i32)| Cursor::default().with_topic_name(topic_name(&name)).with_partition_index(index);
    DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next.map(cursor))
}

fn described_page(topic: &Arc<Topic>, indexes: std::ops::Range<i32>) -> DescribeTopicPartitionsResponseTopic {
    let partitions = indexes.map(|index| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(this_node())
            .with_isr_nodes(this_node())
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    });
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}

fn unknown_topic(name: &str) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code(Some(ResponseError::UnknownTopicOrPartition)))
        .with_name(Some(topic_name(name)))
        .with_topic_id(Uuid::nil())
}
