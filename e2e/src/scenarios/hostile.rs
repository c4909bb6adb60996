//! What HTTP clients that mean harm can do to a pipeline: nothing.

use std::time::Duration;

use super::counting::ALL_FAULTS;
use super::verify::claim_verified;
use crate::binaries::binaries;
use crate::hostile::Attack;
use crate::process::{Process, Signal};
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, claim, claim_eq, wait};

/// Connections for streams of events before the attack ends.
const STREAMS: u64 = 1_500;
/// Most memory that a process may have had resident: a quiet one has some 50 MiB, 320 connections with full buffers add
/// some 30.
const RESIDENT_KIB_MAX: u64 = 192 * 1_024;
/// How long a producer may take to end when it has sent everything.
const END_DEADLINE: Duration = Duration::from_secs(10);
/// What the producer's HTTP server asks for.
const TOKEN: &str = "nobody-guesses-this-token";

pub(super) fn clients_that_mean_harm_cost_no_record_and_health_is_answered_throughout(
    stage: &mut Stage<'_>,
) -> Checked {
    stage.use_short_windows();
    let mut consumer = stage.consumer(&[])?;
    consumer.wait_ready(READY_DEADLINE)?;
    let count = scaled(20_000);
    let (records, rate) = (count.to_string(), (count / 8).to_string());
    let flags = ["--count", &records, "--rate", &rate, "--seed", "41"];
    let flags = [flags.as_slice(), ALL_FAULTS.as_slice()].concat();
    let mut producer = stage.program("producer", &binaries()?.producer, &flags, &[("HTTP_TOKEN", TOKEN)])?;
    producer.wait_ready(READY_DEADLINE)?;

    let (on_consumer, on_producer) = (Attack::on(consumer.address()), Attack::on(producer.address()));
    let mut is_crowded = false;
    wait::until("the records being sent, thousands of connections, and no place being left", RUN_DEADLINE, || {
        let sends = producer.runs();
        let refused = || consumer.get("/metrics").is_some_and(|answer| answer.body.contains("too_many_connections"));
        is_crowded = is_crowded || refused();
        if let Err(failure) = is_well(&consumer) {
            return Some(Err(failure));
        }
        if sends && let Err(failure) = is_well(&producer) {
            // One that has sent everything stops answering just before it ends.
            if producer.wait(END_DEADLINE).is_err() {
                return Some(Err(failure));
            }
        }
        (!sends && is_crowded && on_consumer.connections()["event streams"] >= STREAMS).then_some(Ok(()))
    })??;
    producer.expect_exit(0, RUN_DEADLINE)?;
    is_well(&consumer)?;
    for attack in [&on_consumer, &on_producer] {
        let connections = attack.connections();
        claim!(connections.values().all(|&made| made > 0), "no connections: {connections:?}");
    }
    claim_eq!(on_producer.let_in(), 0, "requests with a wrong token that were let in");
    drop((on_consumer, on_producer));

    let consumed = |consumer: &Process| consumer.summary()?["ledger"]["consumed"].as_u64();
    wait::until_true("everything being durable", RUN_DEADLINE, || consumed(&consumer) >= Some(count))?;
    let summary = consumer.summary();
    claim!(summary.is_some(), "figures are to be had again");
    stage.claim_agreement(&summary.unwrap_or_default())?;
    claim_verified(stage)?;
    consumer.signal(Signal::Term)?;
    consumer.expect_exit(0, RUN_DEADLINE)
}

/// Claims that a process says at once that it lives, and has not grown.
fn is_well(process: &Process) -> Checked {
    let answer = process.get("/livez");
    claim_eq!(answer.map(|answer| answer.status), Some(200), "/livez of {}", process.name());
    if let Some(resident_kib) = process.resident_peak_kib() {
        claim!(resident_kib <= RESIDENT_KIB_MAX, "{} has {resident_kib} KiB resident", process.name());
    }
    Ok(())
}
