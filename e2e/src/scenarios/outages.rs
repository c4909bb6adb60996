//! Brokers that die, brokers that say nothing, and brokers that make their clients wait.

use std::time::Duration;

use crate::cluster::run_tool;
use crate::process::{Process, Signal};
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage};
use crate::{Checked, claim, claim_eq, wait};

/// So many records are read between one blow and the next: what had piled up behind it is through by then.
const BETWEEN_BLOWS: u64 = 5_000;

/// What a client may write and read in a second, on average over ten: less than the scenario would, more than its largest
/// batch, which would never be read otherwise.
const QUOTA: [&str; 2] = ["--add-config", "producer_byte_rate=60000,consumer_byte_rate=60000"];
const NO_QUOTA: [&str; 2] = ["--delete-config", "producer_byte_rate,consumer_byte_rate"];

/// A consumer, and a producer that goes on until it is told to stop.
fn under_load(stage: &Stage<'_>) -> Checked<(Process, Process)> {
    let mut consumer = stage.consumer(&[])?;
    consumer.wait_ready(READY_DEADLINE)?;
    let producer = stage.producer(&["--rate", "2000", "--count", "1000000000", "--seed", "5", "--json"])?;
    wait_for_progress(&consumer)?;
    Ok((producer, consumer))
}

fn consumed(consumer: &Process) -> Option<u64> {
    let summary: serde_json::Value = serde_json::from_str(&consumer.get("/api/v1/summary")?.body).ok()?;
    summary["ledger"]["consumed"].as_u64()
}

/// Waits until records flow again, from the producer through the broker into a snapshot.
fn wait_for_progress(consumer: &Process) -> Checked {
    let before = wait::until("the consumer's count", RUN_DEADLINE, || consumed(consumer))?;
    wait::until_true("more records being read", RUN_DEADLINE, || {
        consumed(consumer).is_some_and(|count| count >= before + BETWEEN_BLOWS)
    })
}

/// Ends both and claims that each transaction that was sent was accepted exactly once.
fn claim_nothing_lost(stage: &Stage<'_>, mut producer: Process, mut consumer: Process) -> Checked {
    claim!(producer.runs(), "the producer ended instead of waiting for its broker");
    claim!(consumer.runs(), "the consumer ended instead of waiting for its broker");
    producer.wait_ready(READY_DEADLINE)?;
    consumer.wait_ready(READY_DEADLINE)?;
    wait_for_progress(&consumer)?;
    for process in [&mut producer, &mut consumer] {
        process.signal(Signal::Term)?;
        process.expect_exit(0, RUN_DEADLINE)?;
    }
    let sent = producer.last_json()?;
    claim_eq!(sent["unacknowledged"], 0, "unacknowledged records");
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    // Resent ones stand in a column of their own, so what is accepted is what was sent, once each.
    claim_eq!(summary["ledger"]["accepted"], sent["sent"], "accepted and sent");
    claim_eq!(summary["ledger"]["missing_from_sequence"], 0, "missing from the sequence");
    Ok(())
}

pub(super) fn a_broker_killed_twice_under_load_costs_no_record(stage: &mut Stage<'_>) -> Checked {
    let (producer, consumer) = under_load(stage)?;
    for _ in 0..2 {
        stage.own_cluster().kill9()?;
        stage.own_cluster().start()?;
        wait_for_progress(&consumer)?;
    }
    claim_nothing_lost(stage, producer, consumer)
}

pub(super) fn a_broker_silent_for_20_s_costs_time_and_no_record(stage: &mut Stage<'_>) -> Checked {
    let (producer, consumer) = under_load(stage)?;
    let mut onlooker = stage.consumer(&["--consumer-partitions", "none"])?;
    onlooker.wait_ready(READY_DEADLINE)?;
    stage.own_cluster().suspend()?;
    wait::let_pass(Duration::from_secs(17));
    let mut summary = stage.consumer(&["summary"])?;
    wait::let_pass(Duration::from_secs(3));
    // A command that waits for an answer ends when it is told to, and says that it was not done.
    summary.signal(Signal::Term)?;
    summary.expect_exit(1, Duration::from_secs(3))?;
    let asked = |process: &Process, path| process.get(path).map(|answer| answer.status);
    let (alive, ready) = (asked(&consumer, "/livez"), asked(&consumer, "/readyz"));
    let producer_ready = asked(&producer, "/readyz");
    let onlooker_ready = asked(&onlooker, "/readyz");
    stage.own_cluster().resume()?;
    claim_nothing_lost(stage, producer, consumer)?;
    claim_eq!(alive, Some(200), "a silent broker is no reason to restart the consumer: /livez");
    claim_eq!(ready, Some(503), "a consumer that hears nothing of its broker is not ready: /readyz");
    claim_eq!(producer_ready, Some(503), "nor is the producer: /readyz");
    claim_eq!(onlooker_ready, Some(503), "nor is who only shows what others count: /readyz");
    onlooker.wait_ready(READY_DEADLINE)?;
    Ok(())
}

pub(super) fn quotas_slow_a_pipeline_down_and_send_nothing_twice(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    let bootstrap = stage.cluster().bootstrap().to_owned();
    let give_everybody = |quota: &[&str]| {
        let arguments = [&["--alter", "--entity-type", "clients", "--entity-default"], quota].concat();
        run_tool("kafka.admin.ConfigCommand", &bootstrap, &arguments)
    };
    give_everybody(&QUOTA)?;
    let mut consumer = stage.consumer(&[])?;
    consumer.wait_ready(READY_DEADLINE)?;
    stage.produce(&["--count", "3000", "--rate", "1000", "--seed", "9"])?;

    wait::until_true("all records read", RUN_DEADLINE, || consumer.runs() && consumed(&consumer) == Some(3_000))?;
    consumer.terminate(READY_DEADLINE)?;
    give_everybody(&NO_QUOTA)?;
    let summary = stage.summary_from_outside()?;
    stage.claim_agreement(&summary)?;
    claim_eq!(summary["ledger"]["accepted"], 3_000, "accepted");
    claim_eq!(summary["ledger"]["redelivered"], 0, "sent again though they were acknowledged");
    Ok(())
}
