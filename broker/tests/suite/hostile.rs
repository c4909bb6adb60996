//! Clients that are wrong, slow, silent, too many or malicious. The broker goes on serving the others.

use std::time::Duration;

use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use crate::raw::{Raw, batch, produce_request};
use crate::stage::{Stage, in_time, until};

/// Whether a new client is served.
async fn is_served(stage: &Stage) -> bool {
    let mut raw = Raw::connect(stage.address()).await;
    !raw.ask(3, &ApiVersionsRequest::default()).await.api_keys.is_empty()
}

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let stage = Stage::new().await;
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client's first words",
        &[0, 0, 0, 0],
        &[0, 0, 0, 3, 1, 2, 3],
        &[255, 255, 255, 255],
        &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 127, 255, 255, 255],
    ];
    for bytes in garbage {
        let mut raw = Raw::connect(stage.address()).await;
        raw.stream.write_all(bytes).await.unwrap();
        assert!(raw.is_closed().await, "{bytes:?}");
    }
    assert!(is_served(&stage).await);
}

#[tokio::test]
async fn a_request_that_announces_too_much_is_refused_at_once() {
    let stage = Stage::with(|config| config.limits.request_bytes_max = 1_000).await;
    stage.topic("t", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    raw.stream.write_all(&1_001_i32.to_be_bytes()).await.unwrap();
    assert!(raw.is_closed().await);
    let mut raw = Raw::connect(stage.address()).await;
    assert_eq!(raw.produce("t", batch(&["x".repeat(700).as_str()], None, 1), 1).await.error_code, 0);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_until_there_is_room() {
    let stage = Stage::with(|config| config.limits.connections_max = 2).await;
    let mut first = Raw::connect(stage.address()).await;
    let mut second = Raw::connect(stage.address()).await;
    for raw in [&mut first, &mut second] {
        raw.ask(3, &ApiVersionsRequest::default()).await;
    }
    assert!(Raw::connect(stage.address()).await.is_closed().await);
    assert!(!second.ask(3, &ApiVersionsRequest::default()).await.api_keys.is_empty(), "the others go on");
    drop(first);
    until("there is room again", || async {
        let mut raw = Raw::connect(stage.address()).await;
        let frame = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255];
        raw.stream.write_all(&frame).await.is_ok() && !raw.is_closed().await
    })
    .await;
}

#[tokio::test]
async fn a_silent_connection_and_one_that_never_finishes_its_request_are_closed() {
    let stage = Stage::with(|config| {
        config.limits.idle_timeout = Duration::from_millis(100);
        config.limits.transfer_timeout = Duration::from_millis(100);
    })
    .await;
    assert!(Raw::connect(stage.address()).await.is_closed().await, "silent");
    let mut slow = Raw::connect(stage.address()).await;
    slow.stream.write_all(&[0, 0, 100, 0, 1, 2, 3]).await.unwrap();
    assert!(slow.is_closed().await, "never finishes");
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answers_is_disconnected_and_its_memory_is_free_again() {
    let stage = Stage::with(|config| {
        config.limits.transfer_timeout = Duration::from_millis(200);
        config.limits.fetch_memory_bytes = 4 << 20;
    })
    .await;
    stage.topic("t", 1, &[("max.message.bytes", "2000000")]).await;
    let mut raw = Raw::connect(stage.address()).await;
    for _ in 0..8 {
        raw.produce("t", batch(&["x".repeat(1_000_000).as_str()], None, 1), 1).await;
    }
    let fetch = crate::raw::fetch_request("t", 0, 8 << 20);
    let mut greedy = Vec::new();
    for _ in 0..4 {
        let mut one = Raw::connect(stage.address()).await;
        for _ in 0..20 {
            // More answers than the sockets' buffers hold; the broker may have had enough before all is sent.
            if one.try_send(12, &fetch).await.is_err() {
                break;
            }
        }
        greedy.push(one);
    }
    let served = raw.fetch("t", 0, 8 << 20).await.records.unwrap();
    assert!(served.len() > 1_000_000, "the others are served");
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let stage = Stage::new().await;
    stage.topic("t", 1, &[]).await;
    let mut raw = Raw::connect(stage.address()).await;
    for n in 0..50 {
        raw.send(9, &produce_request("t", batch(&[n.to_string().as_str()], None, 1), 1)).await;
    }
    for n in 0..50 {
        let answer = raw.receive::<kafka_protocol::messages::ProduceRequest>(9).await;
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, n);
    }
}

#[tokio::test]
async fn a_waiting_client_that_leaves_gives_its_place_free() {
    let stage = Stage::with(|config| config.limits.connections_max = 1).await;
    let mut waiting = Raw::connect(stage.address()).await;
    let create = kafka_protocol::messages::CreateTopicsRequest::default();
    waiting.ask(5, &create).await;
    let fetch = crate::raw::fetch_request("missing", 0, 1).with_topics(Vec::new()).with_min_bytes(1);
    waiting.send(12, &fetch.with_max_wait_ms(25_000)).await;
    drop(waiting);
    until("its place is free", || async {
        let mut raw = Raw::connect(stage.address()).await;
        let frame = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255];
        raw.stream.write_all(&frame).await.is_ok() && !raw.is_closed().await
    })
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn mutated_requests_never_stop_the_broker(
        mutations in proptest::collection::vec((0_usize..120, any::<u8>()), 1..6), cut in 0_usize..40
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::with(|config| config.limits.transfer_timeout = Duration::from_millis(100)).await;
            let mut raw = Raw::connect(stage.address()).await;
            let good = [
                vec![0, 0, 0, 33, 0, 3, 0, 9, 0, 0, 0, 1, 255, 255, 0, 2, 6],
                b"topic".to_vec(), vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                vec![0, 0, 0, 9],
            ].concat();
            let mut bad = good;
            for (at, byte) in mutations {
                let at = at % bad.len();
                bad[at] = byte;
            }
            bad.truncate(bad.len() - cut.min(bad.len()));
            in_time(raw.stream.write_all(&bad)).await.unwrap();
            drop(raw);
            let mut other = Raw::connect(stage.address()).await;
            other.ask(9, &MetadataRequest::default().with_topics(None)).await;
        });
    }
}
