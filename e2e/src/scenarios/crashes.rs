//! Programs that are killed, and programs that are asked to end.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::counting::ALL_FAULTS;
use crate::process::Signal;
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, claim, claim_eq, wait};

const KILLS: u32 = 20;
/// Few, so that little has to be restored each time.
const PARTITIONS: [&str; 2] = ["--kafka-partitions", "3"];
/// Every other consumer is killed this long after it was started: while it connects, restores, or begins to work.
const AFTER_START_MS: std::ops::Range<u64> = 30..1_000;
/// The others are killed this long after they were seen to have written a snapshot: while they fold and write more.
const AFTER_SNAPSHOT_MS: std::ops::Range<u64> = 0..250;
/// How long a drain may take, so that no supervisor loses patience.
const DRAIN: Duration = Duration::from_secs(5);

pub(super) fn twenty_kills_of_the_consumer_change_no_total(stage: &mut Stage<'_>) -> Checked {
    stage.use_short_windows();
    let mut chance = ChaCha8Rng::seed_from_u64(20);
    let mut producer =
        stage.producer(&[PARTITIONS.as_slice(), &["--rate", "4000", "--seed", "20"], &ALL_FAULTS].concat())?;
    producer.wait_ready(READY_DEADLINE)?;
    for kill in 0..KILLS {
        // A checkpoint every 100 ms: between any two of its steps there are many chances to die.
        let before = snapshots_written(stage);
        // By settings, so that none has to wait until a group takes the one before for dead.
        let mut consumer = stage.consumer(&["--snapshot-interval-ms", "100", "--consumer-partitions", "0-2"])?;
        let delay_ms = if kill % 2 == 0 {
            chance.random_range(AFTER_START_MS)
        } else {
            wait::until_true("a snapshot", RUN_DEADLINE, || snapshots_written(stage) > before)?;
            chance.random_range(AFTER_SNAPSHOT_MS)
        };
        wait::let_pass(Duration::from_millis(delay_ms));
        consumer.kill9()?;
    }
    producer.terminate(DRAIN)?;
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim!(recount.sum(|partition| partition.accepted) > 5_000, "hardly anything was there to count");
    claim!(recount.sum(|partition| partition.revised) > 0, "no window was revised");
    claim_eq!(recount.sum(|partition| partition.missing_from_sequence), 0, "missing from the sequence");
    super::verify::claim_verified(stage).map(drop)
}

/// How many snapshots have been written, over all partitions; none where there is no state topic yet.
fn snapshots_written(stage: &Stage<'_>) -> i64 {
    let (mut client, state) = (stage.client(), stage.topic_of("state"));
    let partitions = client.partition_count(&state).ok().flatten().unwrap_or(0);
    (0..partitions).map(|partition| client.log_end(&state, partition).unwrap_or(0)).sum()
}

pub(super) fn a_killed_producer_leaves_every_acknowledged_record_and_no_gap(stage: &mut Stage<'_>) -> Checked {
    let enough = scaled(3_000);
    let mut acknowledged = 0;
    for seed in ["1", "2"] {
        let mut producer = stage.producer(&["--rate", "10000", "--seed", seed])?;
        let before_death = wait::until("the producer's acknowledged records", RUN_DEADLINE, || {
            acknowledged_count(&producer.get("/metrics")?.body).filter(|&count| count >= enough)
        })?;
        producer.kill9()?;
        acknowledged += before_death;
    }
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    let consumed = recount.sum(|partition| partition.consumed);
    claim!(consumed >= acknowledged, "{acknowledged} records were acknowledged, {consumed} are there");
    claim_eq!(summary["ledger"]["missing_from_sequence"], 0, "nothing acknowledged is missing in the middle");
    Ok(())
}

/// The producer's own count of acknowledged records, from its metrics.
fn acknowledged_count(metrics: &str) -> Option<u64> {
    let lines = metrics.lines().filter(|line| line.starts_with("tally_producer_") && line.contains("acknowledged"));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).max()
}

pub(super) fn sigterm_drains_and_ends_well(stage: &mut Stage<'_>) -> Checked {
    let mut consumer = stage.consumer(&[])?;
    let mut producer = stage.producer(&["--rate", "5000", "--seed", "3"])?;
    consumer.wait_ready(READY_DEADLINE)?;
    producer.wait_ready(READY_DEADLINE)?;
    wait::until("both at work", RUN_DEADLINE, || {
        let body = consumer.get("/api/v1/summary")?.body;
        let summary: serde_json::Value = serde_json::from_str(&body).ok()?;
        (summary["ledger"]["consumed"].as_u64() > Some(5_000)).then_some(())
    })?;
    producer.signal(Signal::Term)?;
    producer.expect_exit(0, DRAIN)?;
    consumer.signal(Signal::Term)?;
    consumer.expect_exit(0, DRAIN)?;

    // What it had read was written down before it ended, so the next one finds it and goes on.
    let before = stage.summary_from_outside()?;
    claim!(before["ledger"]["consumed"].as_u64() > Some(5_000), "the drained consumer left {}", before["ledger"]);
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    claim_eq!(summary["ledger"]["missing_from_sequence"], 0, "the producer gave nothing up");
    Ok(())
}

pub(super) fn fail_after_dies_with_its_own_code(stage: &mut Stage<'_>) -> Checked {
    let mut producer = stage.producer(&["--count", "5000", "--rate", "0", "--seed", "4", "--fail-after", "1000"])?;
    producer.expect_exit(42, RUN_DEADLINE)?;
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    let consumed = recount.sum(|partition| partition.consumed);
    claim!((1..=5_000).contains(&consumed), "{consumed} records after dying at 1000 of 5000");
    Ok(())
}

pub(super) fn a_consumer_that_wakes_beside_its_successor_harms_nothing(stage: &mut Stage<'_>) -> Checked {
    stage.use_short_windows();
    let mut producer = stage.producer(&[&["--rate", "3000", "--seed", "24"], ALL_FAULTS.as_slice()].concat())?;
    let mut zombie = stage.consumer(&["--snapshot-interval-ms", "100"])?;
    wait::until_true("the first consumer's snapshots", RUN_DEADLINE, || snapshots_written(stage) > 12)?;
    zombie.signal(Signal::Stop)?;
    let mut successor = stage.consumer(&["--snapshot-interval-ms", "100"])?;
    successor.wait_ready(READY_DEADLINE)?;
    let before = snapshots_written(stage);
    wait::until_true("the successor's snapshots", RUN_DEADLINE, || snapshots_written(stage) > before + 12)?;
    zombie.signal(Signal::Continue)?;
    let before = snapshots_written(stage);
    wait::until_true("snapshots of both", RUN_DEADLINE, || snapshots_written(stage) > before + 24)?;
    successor.kill9()?;
    producer.terminate(DRAIN)?;
    // The zombie is last to write; whatever it wrote, the highest snapshot is a true one.
    zombie.terminate(DRAIN)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary).map(drop)
}
