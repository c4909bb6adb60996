//! The open loop on a clock that tests turn.

use common::service::{Liveness, Metrics};
use tokio::time::sleep;

use super::*;
use crate::inject::Ratios;
use crate::population::Population;
use crate::publish::{Batch, Entry};

const EPOCH_US: i64 = 1_795_201_921_000_000;

/// Enough for every test's records.
const ROOMY: usize = 10 << 20;

fn feed(rate: Option<u32>, count: u64, lane_bytes: usize) -> Feed {
    let seed = 7;
    let ratios = Ratios { malformed: 0.1, repeat: 0.1, late: 0.1, future: 0.1 };
    Feed {
        generator: Generator::new(Arc::new(Population::new(seed, 1_000)), seed, 0),
        injector: Injector::new(seed, &ratios),
        pace: Pace { rate, epoch_us: EPOCH_US, start_time_ms: Some(EPOCH_US / 1_000) },
        alarm: Alarm::default(),
        count_max: count,
        stop_after: None,
        lanes: vec![Arc::new(Lane::new(lane_bytes))],
        counters: Arc::new(Counters::new(&Metrics::new("tally_producer", "0"))),
        heartbeat: Liveness::default().heartbeat("feed", Duration::from_secs(30)),
    }
}

/// Everything that comes out of a feed that nothing holds up.
async fn records(feed: Feed) -> Vec<(Entry, Vec<u8>)> {
    let lane = Arc::clone(&feed.lanes[0]);
    feed.run(Instant::now(), &Shutdown::manual()).await;
    let batch = lane.take(Batch::default()).await.unwrap();
    batch.records()
}

#[tokio::test(start_paused = true)]
async fn each_transaction_is_queued_when_it_is_due_and_not_before() {
    let feed = feed(Some(100), 250, ROOMY);
    let counters = Arc::clone(&feed.counters);
    let shutdown = Shutdown::manual();
    let running = tokio::spawn(async move { feed.run(Instant::now(), &shutdown).await });
    for (after_ms, due) in [(5, 1), (990, 100), (1_000, 200), (10_000, 250)] {
        sleep(Duration::from_millis(after_ms)).await;
        assert_eq!(counters.counts().sent, due);
    }
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_holds_the_feed_up_but_not_the_schedule() {
    let feed = feed(Some(1_000), 100, 1_500);
    let (lane, counters) = (Arc::clone(&feed.lanes[0]), Arc::clone(&feed.counters));
    let shutdown = Shutdown::manual();
    let running = tokio::spawn(async move { feed.run(Instant::now(), &shutdown).await });
    sleep(Duration::from_secs(60)).await;
    assert!(counters.counts().sent < 10, "the queue has no room for more");

    let mut intended = Vec::new();
    while intended.len() < 100 {
        let batch = lane.take(Batch::default()).await.unwrap();
        intended.extend(batch.intended_us(0..batch.len()));
    }
    running.await.unwrap();
    let schedule: Vec<i64> = (0..100).map(|number| EPOCH_US + number * 1_000).collect();
    assert_eq!(intended, schedule, "late ones keep the times they were meant for, and none is left out");
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_room_or_for_the_next_due_time() {
    for (rate, lane_bytes) in [(Some(1_000), 500), (Some(1), ROOMY), (None, 500)] {
        let feed = feed(rate, u64::MAX, lane_bytes);
        let shutdown = Shutdown::manual();
        let stopping = shutdown.clone();
        let running = tokio::spawn(async move { feed.run(Instant::now(), &shutdown).await });
        sleep(Duration::from_millis(10_500)).await;
        let asked = Instant::now();
        stopping.trigger();
        running.await.unwrap();
        assert_eq!(asked.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_a_duration_still_ends_it() {
    let feed = Feed { stop_after: Some(Duration::from_secs(5)), ..feed(None, u64::MAX, 500) };
    let lane = Arc::clone(&feed.lanes[0]);
    let shutdown = Shutdown::manual();
    let running = tokio::spawn(async move { feed.run(Instant::now(), &shutdown).await });
    // A slow taker: the clock only moves on while everyone waits.
    while !running.is_finished() {
        sleep(Duration::from_millis(100)).await;
        lane.take(Batch::default()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_and_a_start_time_give_the_same_records_byte_for_byte() {
    let (first, second) = (records(feed(None, 3_000, ROOMY)).await, records(feed(None, 3_000, ROOMY)).await);
    assert_eq!(first, second);
    // Written down once: what a seed gives must not change with a version.
    let value = String::from_utf8(first[0].1.clone()).unwrap();
    let expected = r#"{"id":"b662b4bd-46bb-425a-879b-9c0e99c5f2d8","account":"ACC-13286870","type":"purchase","amount_minor":74756,"currency":"MXN","merchant_name":"Labadie Furniture","merchant_category":"household","country":"MX","channel":"card_present","occurred_at":"2026-11-20T23:08:07.263Z","schema_version":1}"#;
    assert_eq!(value, expected);
}

#[tokio::test(start_paused = true)]
async fn a_record_is_written_once_even_if_it_had_to_wait_for_room() {
    let feed = feed(None, 500, 2_000);
    let lane = Arc::clone(&feed.lanes[0]);
    let shutdown = Shutdown::manual();
    let running = tokio::spawn(async move { feed.run(Instant::now(), &shutdown).await });
    let mut held_up = Vec::new();
    while held_up.len() < 500 {
        let batch = lane.take(Batch::default()).await.unwrap();
        held_up.extend(batch.records());
        tokio::task::yield_now().await;
    }
    running.await.unwrap();
    assert_eq!(held_up, records(self::feed(None, 500, ROOMY)).await);
}
