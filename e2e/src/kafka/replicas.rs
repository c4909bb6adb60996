//! Where replicas are and who leads: looked at, and moved.

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, MetadataRequest, TopicName,
};

use super::client::topic_name;
use super::{Client, KafkaError};

const REQUEST_TIMEOUT_MS: i32 = 15_000;
/// Kafka's code for "the first replica leads already".
const ELECTION_NOT_NEEDED: i16 = 84;

/// One partition of any topic, Kafka's own among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replicas {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The broker that leads it; below 0 where none does.
    pub leader: i32,
    /// The brokers that have a copy; the first is the preferred leader.
    pub replicas: Vec<i32>,
    /// How many of them are in sync.
    pub in_sync: usize,
}

impl Client {
    /// What the broker at `address` knows: how many brokers there are, and every partition.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub fn replicas(&mut self, address: &str) -> Result<(usize, Vec<Replicas>), KafkaError> {
        let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
        let answer = self.call_at(address, &request, 4)?;
        let mut found = Vec::new();
        for topic in answer.topics {
            let name = topic.name.map(|name| name.to_string()).unwrap_or_default();
            found.extend(topic.partitions.into_iter().map(|partition| Replicas {
                topic: name.clone(),
                partition: partition.partition_index,
                leader: partition.leader_id.0,
                replicas: partition.replica_nodes.iter().map(|broker| broker.0).collect(),
                in_sync: partition.isr_nodes.len(),
            }));
        }
        found.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
        Ok((answer.brokers.len(), found))
    }

    /// Puts the replicas of these partitions into this order. No data moves.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn order_replicas(&mut self, partitions: &[Replicas]) -> Result<(), KafkaError> {
        let topics = by_topic(partitions, |found| {
            ReassignablePartition::default()
                .with_partition_index(found.partition)
                .with_replicas(Some(found.replicas.iter().map(|&broker| BrokerId(broker)).collect()))
        });
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| ReassignableTopic::default().with_name(name).with_partitions(partitions));
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(REQUEST_TIMEOUT_MS)
            .with_topics(topics.collect());
        let answer = self.call(&request, 0)?;
        KafkaError::check("ordering replicas", answer.error_code, answer.error_message.as_ref())?;
        for result in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            let what = format!("ordering replicas of partition {}", result.partition_index);
            KafkaError::check(&what, result.error_code, result.error_message.as_ref())?;
        }
        Ok(())
    }

    /// Has the first replica of each of these partitions lead it.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn elect_first_replicas(&mut self, partitions: &[Replicas]) -> Result<(), KafkaError> {
        let topics = by_topic(partitions, |found| found.partition);
        let topics = topics
            .into_iter()
            .map(|(topic, partitions)| TopicPartitions::default().with_topic(topic).with_partitions(partitions));
        let request = ElectLeadersRequest::default()
            .with_election_type(0)
            .with_timeout_ms(REQUEST_TIMEOUT_MS)
            .with_topic_partitions(Some(topics.collect()));
        let answer = self.call(&request, 1)?;
        KafkaError::check("electing leaders", answer.error_code, None)?;
        for result in answer.replica_election_results.into_iter().flat_map(|topic| topic.partition_result) {
            if result.error_code != ELECTION_NOT_NEEDED {
                let what = format!("electing the leader of partition {}", result.partition_id);
                KafkaError::check(&what, result.error_code, result.error_message.as_ref())?;
            }
        }
        Ok(())
    }
}

/// What requests want: a list for each topic. `partitions` are sorted by topic.
fn by_topic<T>(partitions: &[Replicas], each: impl Fn(&Replicas) -> T) -> Vec<(TopicName, Vec<T>)> {
    let topics = partitions.chunk_by(|one, other| one.topic == other.topic);
    topics.map(|of_one| (topic_name(&of_one[0].topic), of_one.iter().map(&each).collect())).collect()
}
