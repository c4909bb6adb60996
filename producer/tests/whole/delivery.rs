//! What a producer leaves in a broker's log, through everything that a broker can do to it.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::stage::{Logged, any_port, broker, configuration, log, producer, until};
use common::partitioner::partition_for;
use common::service::{ExitCode, Failure as _, Shutdown};
use common::wire::{Reason, Rules, decode};
use producer::{Producer, ProducerError};

/// The partitions of a topic that a producer creates by default.
const PARTITIONS: i32 = 6;

fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

/// The reason for which a consumer rejects a record, if it does.
fn rejection(record: &Logged) -> Option<Reason> {
    if record.sequence_text.is_some() && record.sequence().is_none() {
        return Some(Reason::InvalidHeader);
    }
    decode(record.value.as_deref(), record.timestamp_ms, &Rules::default()).err()
}

/// Claims that every partition's sequences count from 1 without a gap, all of one incarnation, and that a sequence
/// that is there twice is the same record.
fn claim_sequences(log: &BTreeMap<i32, Vec<Logged>>) {
    let mut incarnations = HashSet::new();
    for (partition, records) in log {
        let mut by_sequence: BTreeMap<u64, &Logged> = BTreeMap::new();
        for record in records {
            let Some(header) = record.sequence() else { continue };
            incarnations.insert(header.incarnation);
            if let Some(first) = by_sequence.insert(header.sequence, record) {
                assert_eq!(first, record, "a resend is the same record");
            }
        }
        assert!(by_sequence.keys().copied().eq(1..=by_sequence.len() as u64), "partition {partition} has a gap");
    }
    assert_eq!(incarnations.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_is_what_lies_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    let shutdown = Shutdown::manual();
    let configuration = configuration(broker.address(), |settings| {
        settings.rate = some("0");
        settings.count = some("20000");
        settings.malformed_ratio = some("0.05");
        settings.repeat_ratio = some("0.05");
        settings.late_ratio = some("0.05");
        settings.future_ratio = some("0.05");
    });
    let outcome = producer(configuration, &shutdown).run(&shutdown).await;
    outcome.result.unwrap();
    let summary = outcome.summary;
    assert_eq!((summary.sent, summary.acknowledged, summary.unacknowledged), (20_000, 20_000, 0));

    let log = log(broker.address(), "transactions", PARTITIONS).await;
    claim_sequences(&log);
    let mut rejected: BTreeMap<&str, u64> = BTreeMap::new();
    let mut ids = HashSet::new();
    let mut repeated = 0;
    for (&partition, records) in &log {
        for record in records {
            assert_eq!(partition_for(record.key.as_deref().unwrap(), PARTITIONS), partition);
            match rejection(record) {
                Some(reason) => *rejected.entry(reason.code()).or_default() += 1,
                None => {
                    let id = decode(record.value.as_deref(), i64::MAX, &Rules::default()).unwrap().id;
                    repeated += u64::from(!ids.insert(id));
                }
            }
        }
    }
    assert_eq!(log.values().map(Vec::len).sum::<usize>(), 20_000);
    assert_eq!(rejected, summary.faults.rejected);
    assert_eq!(repeated, summary.faults.repeated);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_and_a_start_time_fill_two_topics_alike() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    let mut contents = Vec::new();
    for topic in ["first", "second"] {
        let shutdown = Shutdown::manual();
        let configuration = configuration(broker.address(), |settings| {
            settings.kafka_topic = some(topic);
            settings.rate = some("0");
            settings.count = some("5000");
            settings.seed = some("9");
            settings.start_time = some("2026-11-20T19:12:01Z");
            settings.malformed_ratio = some("0.1");
            settings.repeat_ratio = some("0.1");
            settings.compression = some(if topic == "first" { "none" } else { "snappy" });
        });
        producer(configuration, &shutdown).run(&shutdown).await.result.unwrap();
        let mut log = log(broker.address(), topic, PARTITIONS).await;
        // The headers tell the two runs apart, as they must.
        log.values_mut().flatten().for_each(|record| record.sequence_text = None);
        contents.push(log);
    }
    assert!(contents[0] == contents[1]);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_one_seed_share_no_id_without_a_start_time() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    for _ in 0..2 {
        let shutdown = Shutdown::manual();
        let configuration = configuration(broker.address(), |settings| {
            settings.rate = some("0");
            settings.count = some("2000");
            settings.seed = some("9");
        });
        producer(configuration, &shutdown).run(&shutdown).await.result.unwrap();
    }
    let log = log(broker.address(), "transactions", PARTITIONS).await;
    let ids: HashSet<u128> = log
        .values()
        .flatten()
        .map(|record| decode(record.value.as_deref(), i64::MAX, &Rules::default()).unwrap().id)
        .collect();
    assert_eq!(ids.len(), 4_000);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_gets_every_record_and_no_sequence_changes() {
    let folder = tempfile::tempdir().unwrap();
    let first = broker(any_port(), folder.path()).await;
    let address = first.address();
    let shutdown = Shutdown::manual();
    let configuration = configuration(address, |settings| {
        settings.rate = some("4000");
        settings.count = some("8000");
    });
    let producer = producer(configuration, &shutdown);
    let counters = producer.counters();
    let running = tokio::spawn(async move { producer.run(&shutdown).await });

    until("the first acknowledgements", || counters.counts().acknowledged > 1_000).await;
    first.stop().await.unwrap();
    until("a backlog", || counters.counts().unacknowledged() > 500).await;
    let second = broker(address, folder.path()).await;

    let outcome = running.await.unwrap();
    outcome.result.unwrap();
    assert_eq!(outcome.summary.acknowledged, 8_000);
    let log = log(address, "transactions", PARTITIONS).await;
    claim_sequences(&log);
    let distinct: HashMap<(i32, u64), ()> = log
        .iter()
        .flat_map(|(&partition, records)| {
            records.iter().map(move |it| ((partition, it.sequence().unwrap().sequence), ()))
        })
        .collect();
    assert_eq!(distinct.len(), 8_000);
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_flushes_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    let shutdown = Shutdown::manual();
    let producer = producer(configuration(broker.address(), |settings| settings.rate = some("20000")), &shutdown);
    let counters = producer.counters();
    let stopping = shutdown.clone();
    let running = tokio::spawn(async move { producer.run(&stopping).await });
    until("some acknowledgements", || counters.counts().acknowledged > 2_000).await;
    shutdown.trigger();
    let outcome = running.await.unwrap();
    outcome.result.unwrap();
    assert_eq!((outcome.summary.unacknowledged, outcome.summary.sent), (0, outcome.summary.acknowledged));
    let log = log(broker.address(), "transactions", PARTITIONS).await;
    assert_eq!(log.values().map(Vec::len).sum::<usize>() as u64, outcome.summary.sent);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_without_a_broker_says_what_is_unacknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    let shutdown = Shutdown::manual();
    let configuration = configuration(broker.address(), |settings| {
        settings.flush_timeout = some("100ms");
    });
    let producer = producer(configuration, &shutdown);
    let counters = producer.counters();
    let stopping = shutdown.clone();
    let running = tokio::spawn(async move { producer.run(&stopping).await });
    until("some acknowledgements", || counters.counts().acknowledged > 10).await;
    broker.stop().await.unwrap();
    until("a backlog", || counters.counts().unacknowledged() > 100).await;
    shutdown.trigger();
    let outcome = running.await.unwrap();
    let error = outcome.result.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::NotRight);
    assert!(
        error.to_string().contains(&format!("{} records unacknowledged", outcome.summary.unacknowledged)),
        "{error}"
    );
    assert!(outcome.summary.unacknowledged > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_gone_for_longer_than_the_deadline_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    let shutdown = Shutdown::manual();
    let configuration = configuration(broker.address(), |settings| {
        settings.delivery_timeout = some("1s");
        settings.flush_timeout = some("1s");
    });
    let producer = producer(configuration, &shutdown);
    let counters = producer.counters();
    let running = tokio::spawn(async move { producer.run(&shutdown).await });
    until("some acknowledgements", || counters.counts().acknowledged > 10).await;
    broker.stop().await.unwrap();
    let outcome = running.await.unwrap();
    let error = outcome.result.unwrap_err();
    assert!(matches!(error, ProducerError::Undelivered { unacknowledged: 1.., .. }), "{error}");
    assert_eq!(error.exit_code(), ExitCode::KafkaFault);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_ends_a_bounded_run_and_not_another() {
    let gone = {
        let listener = std::net::TcpListener::bind(any_port()).unwrap();
        listener.local_addr().unwrap()
    };
    let shutdown = Shutdown::manual();
    let bounded = configuration(gone, |settings| {
        settings.count = some("10");
        settings.delivery_timeout = some("1s");
    });
    let outcome = producer(bounded, &shutdown).run(&shutdown).await;
    let error = outcome.result.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::KafkaFault);
    assert!(error.to_string().contains(&gone.to_string()), "{error}");

    let unbounded = configuration(gone, |settings| settings.delivery_timeout = some("1s"));
    let ops = crate::stage::ops(&shutdown);
    let producer = Producer::new(unbounded, ops.clone());
    let stopping = shutdown.clone();
    let running = tokio::spawn(async move { producer.run(&stopping).await });
    until("the reason for not being ready", || {
        ops.readiness.unmet().iter().any(|unmet| unmet.reason.contains(&gone.to_string()))
    })
    .await;
    assert!(!running.is_finished(), "it goes on trying");
    shutdown.trigger();
    let outcome = running.await.unwrap();
    outcome.result.unwrap();
    assert_eq!(outcome.summary.sent, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_time_far_ahead_is_refused_by_kafka_and_the_run_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    let shutdown = Shutdown::manual();
    let configuration = configuration(broker.address(), |settings| {
        settings.count = some("100");
        settings.rate = some("0");
        settings.start_time = some("2999-01-01T00:00:00Z");
    });
    let outcome = producer(configuration, &shutdown).run(&shutdown).await;
    let error = outcome.result.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::Refused);
    assert!(error.to_string().contains("--start-time"), "{error}");
    assert_eq!((outcome.summary.acknowledged, outcome.summary.unacknowledged), (0, 100));
    broker.stop().await.unwrap();
}
