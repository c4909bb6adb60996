//! Traces: what a collector is told, and that it is told without anybody waiting for it.

use std::collections::BTreeMap;

use crate::binaries::binaries;
use crate::collector::{Collector, SpanKind, Taken};
use crate::handmade::record;
use crate::kafka::{Batch, Record};
use crate::process::{Process, Signal};
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, Failure, claim, claim_eq, wait};

/// The example of W3C Trace Context: a client of somebody else's.
const FOREIGN: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// The same trace, which nobody records.
const UNSAMPLED: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// What the header of a record says: the trace and the span in it, in hexadecimal.
fn context(record: &Record) -> Option<(String, String)> {
    let value = std::str::from_utf8(record.header("traceparent")??).ok()?;
    let [_, trace, span, "01"] = value.split('-').collect::<Vec<_>>()[..] else { return None };
    Some((trace.to_owned(), span.to_owned()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The only span of a trace that is of this kind and belongs under `parent`.
fn only<'t>(spans: &[&'t Taken], kind: SpanKind, parent: &str) -> Checked<&'t Taken> {
    let fits = |taken: &&&Taken| taken.span.kind() == kind && hex(&taken.span.parent_span_id) == parent;
    let found: Vec<_> = spans.iter().filter(fits).collect();
    match found[..] {
        [only] => Ok(only),
        _ => Err(Failure::new(format!("{} spans {kind:?} under {parent:?}, not one, in {spans:?}", found.len()))),
    }
}

fn traced(stage: &Stage<'_>, name: &str, flags: &[&str], collector: &Collector, share: &str) -> Checked<Process> {
    let binaries = binaries()?;
    let path = if name == "producer" { &binaries.producer } else { &binaries.consumer };
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("OTEL_TRACES_SAMPLER_ARG", share.to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    stage.program(name, path, flags, &settings)
}

pub(super) fn a_trace_leads_from_the_producer_to_the_snapshot(stage: &mut Stage<'_>) -> Checked {
    let collector = Collector::start()?;
    let flags = ["--count", "800", "--rate", "0", "--seed", "31", "--malformed-ratio", "0.05"];
    traced(stage, "producer", &flags, &collector, "0.2")?.expect_exit(0, RUN_DEADLINE)?;
    let strangers = [FOREIGN, UNSAMPLED, b"00-0-0-00", b"\xff\xfe"];
    let records = (1..).zip(strangers).map(|(number, value)| record(number).with_header(b"traceparent", Some(value)));
    stage.client().append(stage.topic(), 0, &Batch::of(records.collect()))?;
    let mut consumer = traced(stage, "consumer", &["--until-end", "--json"], &collector, "0")?;
    consumer.expect_exit(0, RUN_DEADLINE)?;
    let summary = consumer.last_json()?;
    stage.claim_agreement(&summary)?;
    claim_eq!(summary["ledger"]["consumed"], 804, "consumed, whatever is traced");

    // Both processes have ended, and so said all they had to say.
    let taken = collector.taken();
    let mut by_trace: BTreeMap<String, Vec<&Taken>> = BTreeMap::new();
    taken.iter().for_each(|taken| by_trace.entry(hex(&taken.span.trace_id)).or_default().push(taken));
    let mut sampled = 0;
    for (partition, record) in stage.client().read_topic(stage.topic())? {
        let Some((trace, parent)) = context(&record) else { continue };
        sampled += 1;
        let spans = by_trace.remove(&trace).ok_or_else(|| Failure::new(format!("nothing is told of {trace}")))?;
        let is_foreign = record.header("traceparent") == Some(Some(FOREIGN));
        let mut told = Vec::new();
        if !is_foreign {
            let sent = only(&spans, SpanKind::Producer, "")?;
            claim_eq!(hex(&sent.span.span_id), parent, "the span that the record names is that of sending it");
            claim_eq!(sent.service, "tally-producer", "who sent it");
            told.push(sent);
        }
        let processed = only(&spans, SpanKind::Consumer, &parent)?;
        let verdict = processed.attribute("tally.verdict");
        claim!(verdict.as_deref() == Some("accepted") || !is_foreign, "the foreign record was {verdict:?}");
        claim_eq!(verdict.as_deref() == Some("rejected"), processed.attribute("tally.reason").is_some(), "a reason");
        let durable = only(&spans, SpanKind::Client, &hex(&processed.span.span_id))?;
        claim!(durable.attribute("tally.state_offset").is_some(), "which snapshot holds it");
        told.extend([processed, durable]);
        claim_eq!(spans.len(), told.len(), "spans of a record");
        for span in told {
            claim_eq!(span.attribute("messaging.destination.name").as_deref(), Some(stage.topic()), "topic");
            claim_eq!(span.attribute("messaging.destination.partition.id"), Some(partition.to_string()), "partition");
            claim_eq!(span.attribute("messaging.kafka.offset"), Some(record.offset.to_string()), "offset");
            claim!(span.span.start_time_unix_nano <= span.span.end_time_unix_nano, "it ends before it begins");
        }
    }
    claim!((80..=320).contains(&sampled), "{sampled} of 804 records ask to be traced, about 160 were to");
    claim!(by_trace.is_empty(), "spans of no record: {by_trace:?}");
    Ok(())
}

pub(super) fn a_collector_that_never_answers_costs_spans_and_nothing_else(stage: &mut Stage<'_>) -> Checked {
    let collector = Collector::silent()?;
    let mut consumer = traced(stage, "consumer", &[], &collector, "0")?;
    consumer.wait_ready(READY_DEADLINE)?;
    let count = scaled(5_000);
    let flags = ["--count", &count.to_string(), "--rate", "0", "--seed", "32", "--json"];
    let mut producer = traced(stage, "producer", &flags, &collector, "1")?;
    producer.expect_exit(0, RUN_DEADLINE)?;
    claim_eq!(producer.last_json()?["acknowledged"], count, "acknowledged");
    wait::until_true("all of it being counted", RUN_DEADLINE, || {
        consumer.summary().is_some_and(|summary| summary["ledger"]["consumed"] == count)
    })?;
    wait::until_true("lost spans being counted", RUN_DEADLINE, || {
        let metrics = consumer.get("/metrics").map(|answer| answer.body).unwrap_or_default();
        let dropped = metrics.lines().find_map(|line| line.strip_prefix("tally_consumer_spans_dropped_total "));
        dropped.and_then(|dropped| dropped.parse::<u64>().ok()).is_some_and(|dropped| dropped > 0)
    })?;
    consumer.signal(Signal::Term)?;
    consumer.expect_exit(0, RUN_DEADLINE)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    Ok(())
}
