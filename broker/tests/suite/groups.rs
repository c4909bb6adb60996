//! Consumer groups: offsets that are kept, members that come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{GroupId, HeartbeatRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use krafka::consumer::{AutoOffsetReset, Consumer};
use rskafka::client::partition::Compression;

use crate::raw::Raw;
use crate::stage::{Stage, in_time, until};

fn text(words: &str) -> StrBytes {
    StrBytes::from_string(words.to_owned())
}

fn commit(group: &str, topic: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

async fn committed(raw: &mut Raw, group: &str) -> Vec<(String, i64)> {
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(None);
    let answer = raw.ask(5, &request).await;
    let topics = answer.topics.into_iter();
    topics.map(|topic| (topic.name.to_string(), topic.partitions[0].committed_offset)).collect()
}

async fn commit_error(raw: &mut Raw, request: &OffsetCommitRequest) -> Option<ResponseError> {
    ResponseError::try_from_code(raw.ask(8, request).await.topics[0].partitions[0].error_code)
}

async fn consumer(stage: &Stage, group: &str) -> Consumer {
    let kafka = stage.krafka().await;
    let consumer = kafka
        .consumer(group)
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .enable_auto_commit(false)
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_millis(200))
        .build();
    let consumer = in_time(consumer).await.expect("a consumer");
    in_time(consumer.subscribe(["t"])).await.expect("subscribed");
    consumer
}

/// The partitions it owns.
async fn share(consumer: &Consumer) -> BTreeSet<i32> {
    consumer.assignment().await.into_values().flatten().collect()
}

/// Polls each in turn until the first says yes.
async fn poll_until(consumers: &[&Consumer], what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(25);
    while !done().await {
        assert!(tokio::time::Instant::now() < deadline, "still waiting: {what}");
        for consumer in consumers {
            in_time(consumer.poll(Duration::from_millis(100))).await.expect("polled");
        }
    }
}

#[tokio::test]
async fn committed_offsets_survive_a_restart_and_go_with_their_topic() {
    let mut stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    stage.topic("other", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    for offset in 0..20 {
        assert_eq!(commit_error(&mut raw, &commit("g", "t", offset)).await, None);
    }
    assert_eq!(commit_error(&mut raw, &commit("g", "other", 3)).await, None);
    let unknown = commit_error(&mut raw, &commit("g", "missing", 1)).await;
    assert_eq!(unknown, Some(ResponseError::UnknownTopicOrPartition));
    stage.restart().await;
    let mut raw = Raw::connect(stage.address()).await;
    assert_eq!(committed(&mut raw, "g").await, [("other".to_owned(), 3), ("t".to_owned(), 19)]);
    assert_eq!(committed(&mut raw, "unknown").await, []);
    let kafka = stage.krafka().await;
    in_time(kafka.admin().delete_topics(["t"], Default::default())).await.unwrap();
    assert_eq!(committed(&mut raw, "g").await, [("other".to_owned(), 3)]);
}

#[tokio::test]
async fn commits_are_bounded() {
    let stage = Stage::with(|config| config.limits.committed_offsets_max = 1).await;
    stage.topic("t", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    assert_eq!(commit_error(&mut raw, &commit("g", "t", 1)).await, None);
    assert_eq!(commit_error(&mut raw, &commit("g", "t", 2)).await, None, "the same partition again");
    assert_eq!(commit_error(&mut raw, &commit("h", "t", 1)).await, Some(ResponseError::PolicyViolation));
    let mut long = commit("g", "t", 3);
    long.topics[0].partitions[0].committed_metadata = Some(text(&"m".repeat(5_000)));
    assert_eq!(commit_error(&mut raw, &long).await, Some(ResponseError::OffsetMetadataTooLarge));
}

#[tokio::test]
async fn two_members_share_the_partitions_and_one_takes_over_when_the_other_leaves() {
    let stage = Stage::new().await;
    stage.topic("t", 4, &[]).await;
    let (first, second) = (consumer(&stage, "g").await, consumer(&stage, "g").await);
    poll_until(&[&first, &second], "both have a share", async || {
        share(&first).await.len() == 2 && share(&second).await.len() == 2
    })
    .await;
    assert!(share(&first).await.is_disjoint(&share(&second).await));
    in_time(second.close()).await.expect("leaves");
    poll_until(&[&first], "the one that stays has all", async || share(&first).await.len() == 4).await;
    in_time(first.close()).await.expect("leaves");
}

#[tokio::test]
async fn a_group_goes_on_where_it_committed() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    stage.partition("t", 0).await.produce(&["a", "b", "c"], Compression::NoCompression).await;
    let first = consumer(&stage, "g").await;
    let mut seen = 0;
    while seen < 3 {
        seen += in_time(first.poll(Duration::from_millis(200))).await.expect("polled").len();
    }
    in_time(first.commit()).await.expect("committed");
    in_time(first.close()).await.expect("closed");
    stage.partition("t", 0).await.produce(&["d"], Compression::NoCompression).await;
    let second = consumer(&stage, "g").await;
    let mut values = Vec::new();
    while values.is_empty() {
        let records = in_time(second.poll(Duration::from_millis(200))).await.expect("polled");
        values.extend(records.iter().map(|record| record.offset));
    }
    assert_eq!(values, [3]);
    in_time(second.close()).await.expect("closed");
}

#[tokio::test]
async fn strangers_may_neither_commit_nor_beat_for_a_group_with_members() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let member = consumer(&stage, "g").await;
    poll_until(&[&member], "it is a member", async || share(&member).await.len() == 1).await;
    let mut raw = Raw::connect(stage.address()).await;
    assert_eq!(commit_error(&mut raw, &commit("g", "t", 1)).await, Some(ResponseError::UnknownMemberId));
    let beat = HeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text("stranger"))
        .with_generation_id(1);
    assert_eq!(raw.ask(4, &beat).await.error_code, ResponseError::UnknownMemberId.code());
    let kafka = stage.krafka().await;
    let deleted = in_time(kafka.admin().delete_consumer_groups(["g"], Default::default())).await.unwrap();
    assert!(deleted.into_values().all(|result| result.is_err()), "a group with members is not deleted");
    in_time(member.close()).await.expect("leaves");
    until("the empty group can be deleted", || async {
        let deleted = in_time(kafka.admin().delete_consumer_groups(["g"], Default::default())).await.unwrap();
        deleted.into_values().all(|result| result.is_ok())
    })
    .await;
}
