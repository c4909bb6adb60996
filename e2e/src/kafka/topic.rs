//! What the scenarios do to topics: make, delete, cut, append to, measure and read them.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeGroupsRequest, FetchRequest, FindCoordinatorRequest, GroupId, ListOffsetsRequest, OffsetFetchRequest,
    ProduceRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::batch::{ReadBatch, decode_all};
use super::client::topic_name;
use super::{Batch, Client, KafkaError, Record};

const REQUEST_TIMEOUT_MS: i32 = 15_000;
const FETCH_BYTES_MAX: i32 = 4 << 20;
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
/// Kafka's code for "no such topic or partition".
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// Kafka's code for "no group has committed anything here yet, the topic for it is only being made".
const COORDINATOR_NOT_AVAILABLE: i16 = 15;

impl Client {
    /// Makes a topic with as many replicas as is the broker's default.
    ///
    /// # Errors
    /// When the broker refuses, also where the topic exists.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<(), KafkaError> {
        let configs = configs.iter().map(|(key, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string((*key).to_owned()))
                .with_value(Some(StrBytes::from_string((*value).to_owned())))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(REQUEST_TIMEOUT_MS);
        for result in self.call(&request, 4)?.topics {
            KafkaError::check(&format!("creating topic {name}"), result.error_code, result.error_message.as_ref())?;
        }
        Ok(())
    }

    /// Gives a topic more partitions, so that it has `partitions`.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn grow_topic(&mut self, name: &str, partitions: i32) -> Result<(), KafkaError> {
        let topic =
            CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(partitions).with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(REQUEST_TIMEOUT_MS);
        for result in self.call(&request, 2)?.results {
            KafkaError::check(&format!("growing topic {name}"), result.error_code, result.error_message.as_ref())?;
        }
        Ok(())
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete_topic(&mut self, name: &str) -> Result<(), KafkaError> {
        let request =
            DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]).with_timeout_ms(REQUEST_TIMEOUT_MS);
        for result in self.call(&request, 3)?.responses {
            KafkaError::check(&format!("deleting topic {name}"), result.error_code, result.error_message.as_ref())?;
        }
        Ok(())
    }

    /// How many partitions a topic has; `None` where there is no such topic.
    ///
    /// # Errors
    /// When the cluster doesn't answer, or answers with another error than that.
    pub fn partition_count(&mut self, name: &str) -> Result<Option<i32>, KafkaError> {
        let metadata = self.metadata(&[name])?;
        let Some(topic) = metadata.topics.first() else { return Ok(None) };
        if topic.error_code == UNKNOWN_TOPIC_OR_PARTITION {
            return Ok(None);
        }
        KafkaError::check(&format!("describing topic {name}"), topic.error_code, None)?;
        Ok(Some(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
    }

    /// Removes the records before `offset`, as retention would.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete_records(&mut self, topic: &str, partition: i32, offset: i64) -> Result<(), KafkaError> {
        let cut = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
        let topics = vec![DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![cut])];
        let request = DeleteRecordsRequest::default().with_topics(topics).with_timeout_ms(REQUEST_TIMEOUT_MS);
        let leader = self.leader(topic, partition)?;
        for result in self.call_at(&leader, &request, 1)?.topics.into_iter().flat_map(|topic| topic.partitions) {
            KafkaError::check(&format!("deleting records of {topic}/{partition}"), result.error_code, None)?;
        }
        Ok(())
    }

    /// The first offset the log still holds.
    ///
    /// # Errors
    /// When the partition isn't there or the broker doesn't answer.
    pub fn log_start(&mut self, topic: &str, partition: i32) -> Result<i64, KafkaError> {
        self.list_offset(topic, partition, EARLIEST, 0)
    }

    /// The offset after the last record that a bounded reader gets to see: where an open transaction begins, or the log's
    /// end.
    ///
    /// # Errors
    /// When the partition isn't there or the broker doesn't answer.
    pub fn stable_end(&mut self, topic: &str, partition: i32) -> Result<i64, KafkaError> {
        self.list_offset(topic, partition, LATEST, 1)
    }

    /// The offset after the last record, whatever transaction it belongs to.
    ///
    /// # Errors
    /// When the partition isn't there or the broker doesn't answer.
    pub fn log_end(&mut self, topic: &str, partition: i32) -> Result<i64, KafkaError> {
        self.list_offset(topic, partition, LATEST, 0)
    }

    fn list_offset(&mut self, topic: &str, partition: i32, at: i64, isolation: i8) -> Result<i64, KafkaError> {
        let asked = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(at);
        let topics = vec![ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![asked])];
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation)
            .with_topics(topics);
        let leader = self.leader(topic, partition)?;
        let answer = self.call_at(&leader, &request, 2)?;
        let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let found = found.ok_or_else(|| KafkaError::NoPartition { topic: topic.to_owned(), partition })?;
        KafkaError::check(&format!("offsets of {topic}/{partition}"), found.error_code, None)?;
        Ok(found.offset)
    }

    /// Appends one batch, acknowledged, and returns its first offset.
    ///
    /// # Errors
    /// When the broker refuses it.
    pub fn append(&mut self, topic: &str, partition: i32, batch: &Batch) -> Result<i64, KafkaError> {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch.encode()?));
        let topics = vec![TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data])];
        let request =
            ProduceRequest::default().with_acks(-1).with_timeout_ms(REQUEST_TIMEOUT_MS).with_topic_data(topics);
        let leader = self.leader(topic, partition)?;
        let answer = self.call_at(&leader, &request, 7)?;
        let result = answer.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
        let result = result.ok_or_else(|| KafkaError::NoPartition { topic: topic.to_owned(), partition })?;
        KafkaError::check(
            &format!("appending to {topic}/{partition}"),
            result.error_code,
            result.error_message.as_ref(),
        )?;
        Ok(result.base_offset)
    }

    /// The batches found from `offset` on, at least one unless the log ends there. Aborted and still open transactions'
    /// records are among them.
    ///
    /// # Errors
    /// When the offset lies outside the log or a batch is broken.
    pub fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> Result<Vec<ReadBatch>, KafkaError> {
        let leader = self.leader(topic, partition)?;
        self.fetch_from(&leader, topic, partition, offset)
    }

    fn fetch_from(
        &mut self,
        leader: &str,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Vec<ReadBatch>, KafkaError> {
        let wanted = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(FETCH_BYTES_MAX);
        let topics = vec![FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted])];
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(100)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_BYTES_MAX)
            .with_topics(topics);
        let answer = self.call_at(leader, &request, 4)?;
        let data = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let data = data.ok_or_else(|| KafkaError::NoPartition { topic: topic.to_owned(), partition })?;
        KafkaError::check(&format!("reading {topic}/{partition} at {offset}"), data.error_code, None)?;
        decode_all(data.records.unwrap_or_default())
    }

    /// Hands every record of `[from, to)` to `each`, in order.
    ///
    /// # Errors
    /// When reading fails, or the log ends before `to`.
    pub fn read_range(
        &mut self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
        mut each: impl FnMut(Record),
    ) -> Result<(), KafkaError> {
        let leader = self.leader(topic, partition)?;
        let mut next = from;
        while next < to {
            let batches = self.fetch_from(&leader, topic, partition, next)?;
            if batches.is_empty() {
                let message = format!("{topic}/{partition} gives nothing at {next}, though it should reach to {to}");
                return Err(KafkaError::protocol("fetch", message));
            }
            for batch in batches {
                batch.records.into_iter().filter(|record| (next..to).contains(&record.offset)).for_each(&mut each);
                next = next.max(batch.last_offset + 1);
            }
        }
        Ok(())
    }

    /// Every record that a topic holds now, partition after partition.
    ///
    /// # Errors
    /// When the topic isn't there or reading fails.
    pub fn read_topic(&mut self, topic: &str) -> Result<Vec<(i32, Record)>, KafkaError> {
        let mut all = Vec::new();
        let count = self.partition_count(topic)?;
        for partition in 0..count.ok_or_else(|| KafkaError::NoPartition { topic: topic.to_owned(), partition: 0 })? {
            let (from, to) = (self.log_start(topic, partition)?, self.log_end(topic, partition)?);
            self.read_range(topic, partition, from, to, |record| all.push((partition, record)))?;
        }
        Ok(all)
    }

    /// How many members a group has.
    ///
    /// # Errors
    /// When the group's coordinator doesn't answer.
    pub fn group_members(&mut self, group: &str) -> Result<usize, KafkaError> {
        let key = StrBytes::from_string(group.to_owned());
        let coordinator = self.call(&FindCoordinatorRequest::default().with_key(key.clone()), 1)?;
        KafkaError::check(&format!("coordinator of group {group}"), coordinator.error_code, None)?;
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(key)]);
        let address = format!("{}:{}", coordinator.host, coordinator.port);
        let answer = self.call_at(&address, &request, 1)?;
        Ok(answer.groups.into_iter().map(|group| group.members.len()).sum())
    }

    /// What a group has committed for a partition; `None` where it has committed nothing.
    ///
    /// # Errors
    /// When the group's coordinator doesn't answer.
    pub fn committed(&mut self, group: &str, topic: &str, partition: i32) -> Result<Option<i64>, KafkaError> {
        let key = StrBytes::from_string(group.to_owned());
        let coordinator = self.call(&FindCoordinatorRequest::default().with_key(key.clone()), 1)?;
        if coordinator.error_code == COORDINATOR_NOT_AVAILABLE {
            return Ok(None);
        }
        KafkaError::check(&format!("coordinator of group {group}"), coordinator.error_code, None)?;
        let asked =
            OffsetFetchRequestTopic::default().with_name(topic_name(topic)).with_partition_indexes(vec![partition]);
        let request = OffsetFetchRequest::default().with_group_id(GroupId(key)).with_topics(Some(vec![asked]));
        let address = format!("{}:{}", coordinator.host, coordinator.port);
        let answer = self.call_at(&address, &request, 2)?;
        KafkaError::check(&format!("offsets of group {group}"), answer.error_code, None)?;
        let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        Ok(found.map(|found| found.committed_offset).filter(|&offset| offset >= 0))
    }
}
