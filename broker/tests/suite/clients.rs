//! Records there and back through the clients this broker is for, and what the protocol promises on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use krafka::consumer::AutoOffsetReset;
use krafka::producer::Acks;
use krafka::{Compression as KrafkaCompression, Record as KrafkaRecord};
use rskafka::client::partition::{Compression, OffsetAt};
use rskafka::record::Record;

use crate::raw::{Raw, batch, fetch_request, produce_request};
use crate::stage::{Stage, in_time, record, until};

#[tokio::test]
async fn records_come_back_as_they_were_sent_with_every_compression() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let partition = stage.partition("t", 0).await;
    let mut sent: Vec<Record> = Vec::new();
    for compression in [Compression::NoCompression, Compression::Snappy] {
        let headers = BTreeMap::from([("name".to_owned(), b"value".to_vec()), ("empty".to_owned(), Vec::new())]);
        let records = vec![
            Record { headers, ..record(Some("key"), Some("value")) },
            record(None, Some(&"long ".repeat(2_000))),
            record(Some("tombstone"), None),
        ];
        in_time(partition.0.produce(records.clone(), compression)).await.expect("produced");
        sent.extend(records);
    }
    let (fetched, high_watermark) = partition.fetch(0).await;
    assert_eq!(high_watermark, 6);
    let offsets: Vec<i64> = fetched.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..6).collect::<Vec<_>>());
    let records: Vec<Record> = fetched.into_iter().map(|record| record.record).collect();
    assert_eq!(records, sent);
}

#[tokio::test]
async fn krafka_produces_idempotently_and_consumes_with_every_compression() {
    let stage = Stage::new().await;
    stage.topic("t", 3, &[]).await;
    let kafka = stage.krafka().await;
    let codecs = [KrafkaCompression::None, KrafkaCompression::Gzip, KrafkaCompression::Snappy, KrafkaCompression::Lz4];
    for (index, codec) in codecs.into_iter().enumerate() {
        let producer = kafka.producer().acks(Acks::All).idempotent(true).compression(codec).build();
        let producer = in_time(producer).await.expect("a producer");
        for n in 0..20 {
            let record = KrafkaRecord::new("t", format!("value {index} {n}")).key(format!("key {n}"));
            let sent = in_time(producer.send(record)).await.expect("sent");
            assert!((0..3).contains(&sent.partition) && sent.offset >= 0, "{sent:?}");
        }
        in_time(producer.close()).await.expect("closed");
    }
    let consumer = kafka.consumer("g").auto_offset_reset(AutoOffsetReset::Earliest).enable_auto_commit(false).build();
    let consumer = in_time(consumer).await.expect("a consumer");
    in_time(consumer.subscribe(["t"])).await.expect("subscribed");
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 80 {
        for record in &in_time(consumer.poll(Duration::from_secs(1))).await.expect("polled") {
            assert!(seen.insert((record.partition, record.offset)), "a record twice");
        }
    }
    in_time(consumer.commit()).await.expect("committed");
    in_time(consumer.close()).await.expect("closed");
}

#[tokio::test]
async fn a_waiting_fetch_is_answered_by_the_next_record() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut waiting = Raw::connect(stage.address()).await;
    let fetch = fetch_request("t", 0, 1 << 20).with_min_bytes(1).with_max_wait_ms(25_000);
    waiting.send(12, &fetch).await;
    Raw::connect(stage.address()).await.produce("t", batch(&["x"], None, 1), 1).await;
    let answer = waiting.receive::<kafka_protocol::messages::FetchRequest>(12).await;
    assert!(!answer.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
}

#[tokio::test]
async fn a_fetch_that_wants_more_than_there_is_gets_it_at_its_deadline() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    raw.produce("t", batch(&["x"], None, 1), 1).await;
    let fetch = fetch_request("t", 0, 1 << 20).with_min_bytes(100_000).with_max_wait_ms(300);
    let answer = raw.ask(12, &fetch).await;
    assert!(!answer.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
}

#[tokio::test]
async fn a_fetch_gives_one_whole_batch_even_where_it_is_larger_than_asked_for() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    let large = batch(&["y".repeat(10_000).as_str()], None, 1);
    raw.produce("t", large.clone(), 1).await;
    raw.produce("t", large.clone(), 1).await;
    assert_eq!(raw.fetch("t", 0, 100).await.records.unwrap().len(), large.len());
    assert_eq!(raw.fetch("t", 0, 15_000).await.records.unwrap().len(), large.len());
    assert_eq!(raw.fetch("t", 0, 1 << 20).await.records.unwrap().len(), 2 * large.len());
}

#[tokio::test]
async fn a_batch_sent_again_is_appended_once() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    let id = raw.ask(4, &InitProducerIdRequest::default().with_transactional_id(None)).await.producer_id.0;
    let first = batch(&["a", "b"], Some((id, 0, 0)), 1);
    let second = batch(&["c"], Some((id, 0, 2)), 1);
    assert_eq!(raw.produce("t", first.clone(), -1).await.base_offset, 0);
    assert_eq!(raw.produce("t", second.clone(), -1).await.base_offset, 2);
    let again = raw.produce("t", first, -1).await;
    assert_eq!((again.error_code, again.base_offset), (0, 0));
    assert_eq!(raw.produce("t", second, -1).await.base_offset, 2);
    let gap = raw.produce("t", batch(&["x"], Some((id, 0, 9)), 1), -1).await;
    assert_eq!(gap.error_code, ResponseError::OutOfOrderSequenceNumber.code());
    assert_eq!(raw.fetch("t", 0, 1 << 20).await.high_watermark, 3);
}

#[tokio::test]
async fn transactions_are_refused_with_an_error_that_is_not_retried() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    let id = Some(TransactionalId(StrBytes::from_static_str("tx")));
    let refused = ResponseError::TransactionalIdAuthorizationFailed;
    assert!(!refused.is_retriable());
    let answer = raw.ask(4, &InitProducerIdRequest::default().with_transactional_id(id.clone())).await;
    assert_eq!(answer.error_code, refused.code());
    let request = produce_request("t", batch(&["x"], None, 1), -1).with_transactional_id(id);
    assert_eq!(raw.ask(9, &request).await.responses[0].partition_responses[0].error_code, refused.code());
}

#[tokio::test]
async fn a_corrupt_batch_is_refused_and_nothing_of_it_is_kept() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    let mut corrupt = batch(&["x"], None, 1).to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    let answer = raw.produce("t", corrupt.into(), -1).await;
    assert_eq!(answer.error_code, ResponseError::CorruptMessage.code());
    assert!(answer.error_message.is_some_and(|message| message.contains("checksum")));
    assert_eq!(raw.fetch("t", 0, 1 << 20).await.high_watermark, 0);
}

#[tokio::test]
async fn produce_without_acknowledgement_is_silent_and_a_failure_closes_the_connection() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut silent = Raw::connect(stage.address()).await;
    silent.send(9, &produce_request("t", batch(&["x"], None, 1), 0)).await;
    // The next answer on the connection is that of the next request.
    assert_eq!(silent.fetch("t", 0, 1 << 20).await.high_watermark, 1);
    silent.send(9, &produce_request("missing", batch(&["x"], None, 1), 0)).await;
    assert!(silent.is_closed().await);
}

#[tokio::test]
async fn a_producer_that_sends_without_acknowledgement_and_leaves_is_heard() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut leaving = Raw::connect(stage.address()).await;
    leaving.send(9, &produce_request("t", batch(&["last words"], None, 1), 0)).await;
    drop(leaving);
    let partition = stage.partition("t", 0).await;
    until("the record arrives", || async { in_time(partition.0.get_offset(OffsetAt::Latest)).await.unwrap() == 1 })
        .await;
}

#[tokio::test]
async fn wrong_requests_get_the_error_that_kafka_gives() {
    let stage = Stage::with(|config| config.limits.fetch_bytes_max = 1 << 20).await;
    stage.topic("t", 1, &[("min.insync.replicas", "2")]).await;
    let mut raw = Raw::connect(stage.address()).await;
    let produced = |answer: kafka_protocol::messages::ProduceResponse| {
        ResponseError::try_from_code(answer.responses[0].partition_responses[0].error_code)
    };
    let ask = |topic: &str, acks| -> ProduceRequest { produce_request(topic, batch(&["x"], None, 1), acks) };
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(produced(raw.ask(9, &ask("missing", 1)).await), unknown, "and nothing is created by asking");
    assert_eq!(produced(raw.ask(9, &ask("t", 7)).await), Some(ResponseError::InvalidRequiredAcks));
    assert_eq!(produced(raw.ask(9, &ask("t", -1)).await), Some(ResponseError::NotEnoughReplicas));
    assert_eq!(produced(raw.ask(9, &ask("t", 1)).await), None);
    let beyond = raw.fetch("t", 2, 100).await;
    assert_eq!(ResponseError::try_from_code(beyond.error_code), Some(ResponseError::OffsetOutOfRange));
    assert_eq!((beyond.log_start_offset, beyond.high_watermark), (0, 1));
    assert_eq!(ResponseError::try_from_code(raw.fetch("missing", 0, 100).await.error_code), unknown);
    let session = fetch_request("t", 0, 100).with_session_id(5).with_session_epoch(1);
    assert_eq!(raw.ask(12, &session).await.error_code, ResponseError::FetchSessionIdNotFound.code());
}
