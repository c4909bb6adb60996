//! Topics and their configuration: created, described, altered, grown, emptied, deleted and created again.

use std::time::Duration;

use kafka_protocol::ResponseError;
use krafka::admin::{ConfigOp, ConfigResource, NewTopic};
use rskafka::client::partition::{Compression, OffsetAt};

use crate::raw::{Raw, batch};
use crate::stage::{Stage, client, in_time, until};

/// Where a configuration comes from, in Kafka's numbers.
const OF_THE_TOPIC: i8 = 1;
const DEFAULT: i8 = 5;

async fn creation_error(stage: &Stage, topic: NewTopic) -> String {
    let kafka = stage.krafka().await;
    let created = in_time(kafka.admin().create_topics([topic], Default::default())).await.expect("answered");
    created.into_values().next().expect("one topic").expect_err("refused").to_string()
}

#[tokio::test]
async fn a_topic_that_makes_no_sense_is_refused_with_the_reason() {
    let stage = Stage::with(|config| config.limits.partitions_max = 10).await;
    stage.topic("there.already", 1, &[]).await;
    let topic = |name: &str, partitions, replicas| NewTopic::new(name, partitions, replicas).unwrap();
    let cases = [
        (topic("there.already", 1, 1), "already exists"),
        (topic("there_already", 1, 1), "collides"),
        (topic("two", 1, 2), "replication factor"),
        (topic("many", 11, 1), "too many partitions"),
        (topic("odd", 1, 1).with_config("no.such.key", "1"), "no.such.key"),
        (topic("odd", 1, 1).with_config("retention.ms", "soon"), "retention.ms"),
        (topic("odd", 1, 1).with_config("segment.bytes", "10"), "segment.bytes"),
        (topic("odd", 1, 1).with_config("cleanup.policy", "shred"), "cleanup.policy"),
        (topic("odd", 1, 1).with_config("compression.type", "lz4"), "compression.type"),
    ];
    for (topic, expected) in cases {
        let error = creation_error(&stage, topic).await;
        assert!(error.to_lowercase().contains(expected), "{expected:?} is not in {error:?}");
    }
    assert_eq!(in_time(client(stage.address()).await.list_topics()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn configurations_are_described_altered_and_kept() {
    let mut stage = Stage::new().await;
    stage.topic("t", 1, &[("retention.ms", "1000"), ("cleanup.policy", "compact")]).await;
    let kafka = stage.krafka().await;
    let resource = ConfigResource::topic("t");
    let change =
        [(resource.clone(), vec![ConfigOp::set("max.message.bytes", "500"), ConfigOp::delete("retention.ms")])];
    let altered = in_time(kafka.admin().incremental_alter_configs(change, Default::default())).await.unwrap();
    altered.into_values().for_each(|result| result.unwrap());
    stage.restart().await;
    let kafka = stage.krafka().await;
    let described = in_time(kafka.admin().describe_configs([resource], Default::default())).await.unwrap();
    let entries = described.into_values().next().unwrap().unwrap();
    let entry = |name: &str| {
        let found = entries.iter().find(|entry| entry.name == name).unwrap();
        (found.value.clone().unwrap(), found.config_source)
    };
    assert_eq!(entry("max.message.bytes"), ("500".to_owned(), OF_THE_TOPIC));
    assert_eq!(entry("cleanup.policy"), ("compact".to_owned(), OF_THE_TOPIC));
    assert_eq!(entry("retention.ms"), ("604800000".to_owned(), DEFAULT));
}

#[tokio::test]
async fn the_configuration_decides_which_records_are_taken() {
    let stage = Stage::new().await;
    stage.topic("small", 1, &[("max.message.bytes", "200")]).await;
    stage.topic("punctual", 1, &[("message.timestamp.after.max.ms", "300000")]).await;
    stage.topic("keyed", 1, &[("cleanup.policy", "compact")]).await;
    stage.topic("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let mut raw = Raw::connect(stage.address()).await;
    let large = raw.produce("small", batch(&["x".repeat(200).as_str()], None, 1), 1).await;
    assert_eq!(large.error_code, ResponseError::MessageTooLarge.code());
    let future = chrono::Utc::now().timestamp_millis() + 400_000;
    assert_eq!(
        raw.produce("punctual", batch(&["x"], None, future), 1).await.error_code,
        ResponseError::InvalidTimestamp.code()
    );
    assert_eq!(raw.produce("punctual", batch(&["x"], None, future - 200_000), 1).await.error_code, 0);
    let keyless = stage.partition("keyed", 0).await;
    let refused = in_time(keyless.0.produce(vec![crate::stage::record(None, Some("x"))], Compression::Snappy)).await;
    assert!(refused.unwrap_err().to_string().contains("InvalidRecord"));
    assert!(raw.produce("stamped", batch(&["x"], None, 1), 1).await.log_append_time_ms > 1_000_000);
}

#[tokio::test]
async fn a_topic_grows_and_its_new_partitions_work() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let kafka = stage.krafka().await;
    let grown = in_time(kafka.admin().create_partitions([("t", 3)], Default::default())).await.unwrap();
    grown.into_values().for_each(|result| result.unwrap());
    assert_eq!(stage.partition("t", 2).await.produce(&["x"], Compression::NoCompression).await, [0]);
    let shrunk = in_time(kafka.admin().create_partitions([("t", 2)], Default::default())).await.unwrap();
    assert!(shrunk.into_values().all(|result| result.is_err()));
}

#[tokio::test]
async fn a_topic_created_again_is_another_one() {
    let mut stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let partition = stage.partition("t", 0).await;
    partition.produce(&["old", "old"], Compression::NoCompression).await;
    let kafka = stage.krafka().await;
    let deleted = in_time(kafka.admin().delete_topics(["t"], Default::default())).await.unwrap();
    deleted.into_values().for_each(|result| result.unwrap());
    let mut raw = Raw::connect(stage.address()).await;
    assert_eq!(raw.fetch("t", 0, 100).await.error_code, ResponseError::UnknownTopicOrPartition.code());
    stage.topic("t", 1, &[]).await;
    assert_eq!(raw.fetch("t", 0, 100).await.high_watermark, 0);
    stage.partition("t", 0).await.produce(&["new"], Compression::NoCompression).await;
    stage.restart().await;
    assert_eq!(stage.partition("t", 0).await.all().await, [(0, "new".to_owned())]);
}

#[tokio::test]
async fn a_fetch_that_waits_on_a_topic_hears_of_its_deletion() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut waiting = Raw::connect(stage.address()).await;
    let fetch = crate::raw::fetch_request("t", 0, 100).with_min_bytes(1).with_max_wait_ms(25_000);
    waiting.send(12, &fetch).await;
    let kafka = stage.krafka().await;
    in_time(kafka.admin().delete_topics(["t"], Default::default())).await.unwrap();
    let answer = waiting.receive::<kafka_protocol::messages::FetchRequest>(12).await;
    assert_eq!(answer.responses[0].partitions[0].error_code, ResponseError::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn deleted_records_are_out_of_range_and_the_rest_stays() {
    let mut stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let partition = stage.partition("t", 0).await;
    partition.produce(&["a", "b", "c", "d"], Compression::NoCompression).await;
    in_time(partition.0.delete_records(2, 1_000)).await.expect("deleted");
    assert_eq!(in_time(partition.0.get_offset(OffsetAt::Earliest)).await.unwrap(), 2);
    let mut raw = Raw::connect(stage.address()).await;
    assert_eq!(raw.fetch("t", 1, 100).await.error_code, ResponseError::OffsetOutOfRange.code());
    stage.restart().await;
    let left = stage.partition("t", 0).await.all().await;
    assert_eq!(left.iter().filter(|(offset, _)| *offset >= 2).count(), 2);
    assert_eq!(in_time(stage.partition("t", 0).await.0.get_offset(OffsetAt::Earliest)).await.unwrap(), 2);
}

#[tokio::test]
async fn retention_removes_old_records_while_the_broker_runs() {
    let stage = Stage::with(|config| config.limits.maintenance_interval = Duration::from_millis(50)).await;
    stage.topic("t", 1, &[("retention.ms", "1")]).await;
    let partition = stage.partition("t", 0).await;
    partition.produce(&["soon gone"], Compression::NoCompression).await;
    until("the record is gone", || async { in_time(partition.0.get_offset(OffsetAt::Earliest)).await.unwrap() == 1 })
        .await;
    assert_eq!(partition.produce(&["next"], Compression::NoCompression).await, [1], "offsets go on");
}

#[tokio::test]
async fn compaction_keeps_the_last_record_of_each_key_while_the_broker_runs() {
    let stage = Stage::with(|config| config.limits.maintenance_interval = Duration::from_millis(50)).await;
    let configs = [("cleanup.policy", "compact"), ("segment.ms", "1"), ("min.cleanable.dirty.ratio", "0.01")];
    stage.topic("t", 1, &configs).await;
    let partition = stage.partition("t", 0).await;
    for n in 0..50_i64 {
        let mut record = crate::stage::record(Some("key"), Some(&n.to_string()));
        record.timestamp += chrono::TimeDelta::milliseconds(10 * n); // segments roll by the records' own time
        in_time(partition.0.produce(vec![record], Compression::Snappy)).await.expect("produced");
    }
    until("what is overtaken is gone", || async { partition.all().await.len() <= 2 }).await;
    assert_eq!(partition.all().await.last(), Some(&(49, "49".to_owned())));
    assert_eq!(in_time(partition.0.get_offset(OffsetAt::Latest)).await.unwrap(), 50);
    let refused = in_time(partition.0.delete_records(1, 1_000)).await.unwrap_err();
    assert!(refused.to_string().contains("PolicyViolation"), "{refused}");
}

#[tokio::test]
async fn clients_are_told_the_address_they_came_by() {
    let stage = Stage::new().await;
    let kafka = stage.krafka().await;
    let cluster = in_time(kafka.admin().describe_cluster(Default::default())).await.unwrap();
    let told: Vec<_> = cluster.brokers.iter().map(|broker| (broker.host.as_str(), broker.port)).collect();
    assert_eq!(told, [("127.0.0.1", i32::from(stage.address().port()))]);
}
