//! Brokers that die, and brokers that say nothing.

use std::time::Duration;

use crate::process::Process;
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, claim, claim_eq, wait};

const RATE: u64 = 2_000;

/// A consumer, and a producer that has ten seconds or more to go.
fn under_load(stage: &Stage<'_>, count: u64) -> Checked<(Process, Process)> {
    let mut consumer = stage.consumer(&[])?;
    consumer.wait_ready(READY_DEADLINE)?;
    let (rate, count) = (RATE.to_string(), count.to_string());
    let producer = stage.producer(&["--rate", &rate, "--count", &count, "--seed", "5"])?;
    Ok((producer, consumer))
}

fn consumed(consumer: &Process) -> Option<u64> {
    let summary: serde_json::Value = serde_json::from_str(&consumer.get("/api/v1/summary")?.body).ok()?;
    summary["ledger"]["consumed"].as_u64()
}

fn wait_for_progress(consumer: &Process, until: u64) -> Checked {
    let what = format!("the consumer having read {until} records");
    wait::until_true(&what, RUN_DEADLINE, || consumed(consumer).is_some_and(|count| count >= until))
}

/// Ends both and claims that each of `count` transactions was accepted exactly once.
fn claim_nothing_lost(stage: &Stage<'_>, mut producer: Process, mut consumer: Process, count: u64) -> Checked {
    producer.expect_exit(0, RUN_DEADLINE)?;
    claim!(consumer.runs(), "the consumer ended instead of waiting for its broker");
    consumer.signal(crate::process::Signal::Term)?;
    consumer.expect_exit(0, RUN_DEADLINE)?;
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim_eq!(recount.sum(|partition| partition.accepted), count, "accepted records");
    claim_eq!(recount.sum(|partition| partition.missing_from_sequence), 0, "missing records");
    Ok(())
}

pub(super) fn a_broker_killed_twice_under_load_costs_no_record(stage: &mut Stage<'_>) -> Checked {
    let count = scaled(40_000);
    let (mut producer, consumer) = under_load(stage, count)?;
    // Far enough apart that the second one comes when what had piled up behind the first is through.
    for eighths in [1, 5] {
        wait_for_progress(&consumer, count * eighths / 8)?;
        claim!(producer.runs(), "the producer was done before its broker was killed");
        stage.own_cluster().kill9()?;
        stage.own_cluster().start()?;
    }
    claim_nothing_lost(stage, producer, consumer, count)
}

pub(super) fn a_broker_silent_for_20_s_costs_time_and_no_record(stage: &mut Stage<'_>) -> Checked {
    let count = scaled(20_000);
    let (mut producer, mut consumer) = under_load(stage, count)?;
    wait_for_progress(&consumer, count / 4)?;
    claim!(producer.runs(), "the producer was done before its broker fell silent");
    stage.own_cluster().suspend()?;
    wait::let_pass(Duration::from_secs(20));
    let alive = consumer.get("/livez").map(|answer| answer.status);
    let ready = consumer.get("/readyz").map(|answer| answer.status);
    stage.own_cluster().resume()?;
    claim_eq!(alive, Some(200), "a silent broker is no reason to restart the consumer: /livez");
    claim_eq!(ready, Some(503), "a consumer that hears nothing of its broker is not ready: /readyz");
    consumer.wait_ready(READY_DEADLINE)?;
    claim_nothing_lost(stage, producer, consumer, count)
}
