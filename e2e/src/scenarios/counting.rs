//! What is counted is what is there, whichever way one asks.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kafka::Client;
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, Failure, claim, claim_eq, wait};

/// Every kind of fault that the producer can inject, each often enough to be sure to come up.
pub(super) const ALL_FAULTS: [&str; 8] =
    ["--malformed-ratio", "0.02", "--repeat-ratio", "0.02", "--late-ratio", "0.02", "--future-ratio", "0.01"];

pub(super) fn totals_equal_the_oracle(stage: &mut Stage<'_>) -> Checked {
    stage.use_short_windows();
    let (count, rate) = (scaled(60_000).to_string(), scaled(12_000).to_string());
    let flags = ["--count", &count, "--rate", &rate, "--seed", "7", "--json"];
    let mut producer = stage.producer(&[flags.as_slice(), ALL_FAULTS.as_slice()].concat())?;
    producer.expect_exit(0, RUN_DEADLINE)?;
    let sent = producer.last_json()?;
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;

    // The producer's own account of what it sent, faults and all, is a third opinion.
    let ledger = &summary["ledger"];
    claim_eq!(ledger["consumed"], sent["acknowledged"], "consumed and acknowledged");
    let mut rejected = ledger["rejected"].clone();
    rejected.as_object_mut().into_iter().for_each(|reasons| reasons.retain(|_, count| *count != 0));
    claim_eq!(rejected, sent["faults"]["rejected"], "rejected and made wrong");
    claim_eq!(ledger["repeated"], sent["faults"]["repeated"], "repeated and sent twice");
    claim_eq!(ledger["missing_from_sequence"], 0, "missing from the sequence");

    // Equal numbers prove little where there was nothing to count.
    claim!(recount.sum(|partition| partition.consumed) >= scaled(60_000), "fewer records than were asked for");
    claim!(recount.sum(|partition| partition.repeated) > 0, "no repeats were injected");
    claim!(recount.sum(|partition| partition.revised) > 0, "no window was revised");
    claim!(recount.sum(|partition| partition.too_late) > 0, "nothing came too late");
    claim!(rejected.as_object().is_some_and(|reasons| reasons.len() > 10), "few kinds of faults: {rejected}");
    claim!(recount.0.values().all(|partition| partition.closed_windows().count() > 10), "few windows closed");

    // A second look changes nothing: the state was restored, there was nothing to read.
    let again = stage.consume_to_end(&[])?;
    stage.claim_agreement_with(&again, &recount)
}

pub(super) fn the_summary_is_the_same_by_http_and_from_outside(stage: &mut Stage<'_>) -> Checked {
    let mut consumer = stage.consumer(&[])?;
    consumer.wait_ready(READY_DEADLINE)?;
    let count = scaled(10_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "8", "--malformed-ratio", "0.01"])?;
    let recount = stage.recount()?;
    let counted = recount.to_json();

    let by_http = wait::until("the summary by HTTP reaching the end of the topic", RUN_DEADLINE, || {
        let summary: Value = serde_json::from_str(&consumer.get("/api/v1/summary")?.body).ok()?;
        (summary["ledger"]["consumed"] == counted["ledger"]["consumed"]).then_some(summary)
    })?;
    // HTTP may be ahead of the snapshots, from which the other one is read.
    wait::until_true("the snapshots reaching the end of the topic", RUN_DEADLINE, || {
        stage.summary_from_outside().is_ok_and(|summary| summary["ledger"]["consumed"] == counted["ledger"]["consumed"])
    })?;
    let from_outside = stage.summary_from_outside()?;
    stage.claim_agreement_with(&by_http, &recount)?;
    stage.claim_agreement_with(&from_outside, &recount)?;
    claim_eq!(without_age(by_http), without_age(from_outside), "both are the same");
    consumer.signal(crate::process::Signal::Term)?;
    consumer.expect_exit(0, RUN_DEADLINE)
}

fn without_age(mut summary: Value) -> Value {
    for partition in summary["partitions"].as_array_mut().into_iter().flatten() {
        partition.as_object_mut().map(|members| members.remove("age_ms"));
    }
    summary
}

pub(super) fn the_same_seed_and_start_give_the_same_bytes(stage: &mut Stage<'_>) -> Checked {
    let count = scaled(5_000).to_string();
    let start = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let flags = ["--count", &count, "--rate", "0", "--seed", "9", "--start-time", &start];
    let flags = [flags.as_slice(), ALL_FAULTS.as_slice()].concat();
    stage.produce(&flags)?;
    let second_topic = format!("{}-second", stage.topic());
    let producer = &crate::binaries::binaries()?.producer;
    // One of them with traces, to a collector that isn't there: what is sent to follow a record changes nothing in it.
    let settings = [
        ("KAFKA_TOPIC", second_topic.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
    ];
    stage.program("producer", producer, &flags, &settings)?.expect_exit(0, RUN_DEADLINE)?;

    let mut client = stage.client();
    let traced = client.read_topic(&second_topic)?.iter().filter(|(_, it)| it.header("traceparent").is_some()).count();
    claim!(traced > 0, "no record of the second run begins a trace");
    let (first, second) = (contents(&mut client, stage.topic())?, contents(&mut client, &second_topic)?);
    for (partition, values) in &first {
        let other = second.get(partition).ok_or_else(|| Failure::new(format!("no partition {partition} there")))?;
        if let Some(place) = (0..values.len().max(other.len())).find(|&place| values.get(place) != other.get(place)) {
            return Err(Failure::new(format!(
                "record {place} of partition {partition} differs: {:?} and {:?}",
                values.get(place),
                other.get(place)
            )));
        }
    }
    claim_eq!(first.len(), second.len(), "partitions with records");
    Ok(())
}

type Contents = BTreeMap<i32, Vec<(Option<bytes::Bytes>, Option<bytes::Bytes>)>>;

fn contents(client: &mut Client, topic: &str) -> Checked<Contents> {
    let mut contents = Contents::new();
    for (partition, record) in client.read_topic(topic)? {
        contents.entry(partition).or_default().push((record.key, record.value));
    }
    Ok(contents)
}

pub(super) fn an_idle_consumer_ends_when_told_to(stage: &mut Stage<'_>) -> Checked {
    let mut consumer = stage.consumer(&["--idle-timeout", "3s", "--json"])?;
    consumer.wait_ready(READY_DEADLINE)?;
    let count = scaled(2_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "10"])?;
    consumer.expect_exit(0, RUN_DEADLINE)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    claim_eq!(without_age(consumer.last_json()?)["ledger"], summary["ledger"], "it had read all of it before it ended");
    claim!(summary["ledger"]["consumed"].as_u64() >= Some(scaled(2_000)), "nothing was consumed");
    Ok(())
}
