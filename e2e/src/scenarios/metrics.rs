//! What `/metrics` serves, held against `docs/metrics.md` in both directions: what one has, the other has too.

use std::collections::{BTreeMap, BTreeSet};

use super::counting::ALL_FAULTS;
use crate::process::{Process, Signal};
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage};
use crate::{Checked, Failure, claim, claim_eq, wait};

const REFERENCE: &str = include_str!("../../../docs/metrics.md");

/// One metric, whoever says so.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

/// Metrics by name, a counter's with its `_total`, and the values of each label.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    metrics: BTreeMap<String, Metric>,
    labels: BTreeMap<String, BTreeSet<String>>,
}

pub(super) fn metrics_are_those_of_the_reference_and_no_others(stage: &mut Stage<'_>) -> Checked {
    let mut consumer = stage.consumer(&[])?;
    let mut producer = stage.producer(&[&["--rate", "2000", "--seed", "31"], ALL_FAULTS.as_slice()].concat())?;
    consumer.wait_ready(READY_DEADLINE)?;
    producer.wait_ready(READY_DEADLINE)?;
    wait::until_true("2 000 durable records", RUN_DEADLINE, || {
        consumer.summary().is_some_and(|summary| summary["ledger"]["consumed"].as_u64() > Some(2_000))
    })?;
    let closed = documented_labels();
    for (process, section) in [(&consumer, "## Consumer"), (&producer, "## Producer")] {
        let served = served(process)?;
        let mut documented = documented(section)?;
        documented.extend(documented_of_both()?);
        let unknown: Vec<_> = served.metrics.keys().filter(|name| !documented.contains_key(*name)).collect();
        let absent: Vec<_> = documented.keys().filter(|name| !served.metrics.contains_key(*name)).collect();
        claim!(unknown.is_empty() && absent.is_empty(), "not in docs/metrics.md: {unknown:?}; not served: {absent:?}");
        for (name, metric) in &documented {
            claim_eq!(served.metrics.get(name), Some(metric), "{name}");
        }
        for (label, values) in &served.labels {
            match label.as_str() {
                "partition" => claim!(values.iter().all(|value| value.parse::<u16>().is_ok()), "{label}: {values:?}"),
                "version" => claim_eq!(values.len(), 1, "{label}: {values:?}"),
                _ => claim_eq!(Some(values), closed.get(label), "values of {label}, {section}"),
            }
        }
    }
    producer.signal(Signal::Term)?;
    producer.expect_exit(0, RUN_DEADLINE)?;
    consumer.signal(Signal::Term)?;
    consumer.expect_exit(0, RUN_DEADLINE)
}

/// What the process serves as OpenMetrics text.
fn served(process: &Process) -> Checked<Told> {
    let answer = process.get("/metrics").ok_or_else(|| Failure::new("no answer to /metrics"))?;
    claim!(
        answer.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")),
        "the content type: {}",
        answer.head
    );
    let mut told = Told::default();
    let mut current = String::new();
    for line in answer.body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| Failure::new(format!("no help: {line}")))?;
            name.clone_into(&mut current);
            told.metrics.entry(current.clone()).or_default().help = help.trim_end_matches('.').to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let kind = rest.rsplit(' ').next().unwrap_or_default();
            told.metrics.entry(current.clone()).or_default().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let labels =
                line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(labels, _)| labels);
            for pair in labels.split(',').filter(|pair| !pair.is_empty() && !pair.starts_with("le=")) {
                let (label, value) = pair.split_once('=').ok_or_else(|| Failure::new(format!("a label: {line}")))?;
                told.metrics.entry(current.clone()).or_default().labels.insert(label.to_owned());
                told.labels.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
            }
        }
    }
    told.metrics = told.metrics.into_iter().map(as_in_queries).collect();
    Ok(told)
}

/// The name that series have in a query, as the reference has them, and a type that Prometheus knows.
fn as_in_queries((name, metric): (String, Metric)) -> (String, Metric) {
    match metric.kind.as_str() {
        "counter" => (format!("{name}_total"), metric),
        "info" => (format!("{name}_info"), Metric { kind: "gauge".to_owned(), ..metric }),
        _ => (name, metric),
    }
}

/// The rows of a section's table.
fn documented(section: &str) -> Checked<BTreeMap<String, Metric>> {
    let text = REFERENCE.split_once(&format!("\n{section}\n")).map(|(_, text)| text);
    let text = text.ok_or_else(|| Failure::new(format!("docs/metrics.md has no section {section}")))?;
    let text = text.split("\n## ").next().unwrap_or_default();
    let mut metrics = BTreeMap::new();
    for cells in rows(text).filter(|cells| cells[0].starts_with('`')) {
        let [name, kind, unit, labels, help, _] = cells.as_slice() else {
            return Err(Failure::new(format!("{section}: a row of {} cells: {cells:?}", cells.len())));
        };
        let name = name.trim_matches('`');
        for base in ["seconds", "bytes"] {
            let stem = name.trim_end_matches("_total");
            claim_eq!(stem.ends_with(base), *unit == base, "{name} has the unit {unit}");
        }
        let labels = names(labels).collect();
        metrics.insert(name.to_owned(), Metric { kind: (*kind).to_owned(), help: (*help).to_owned(), labels });
    }
    claim!(metrics.len() > 1, "{section} has no table");
    Ok(metrics)
}

/// Those of every process; most of them are read from `/proc`.
fn documented_of_both() -> Checked<BTreeMap<String, Metric>> {
    let mut metrics = documented("## Both")?;
    metrics.retain(|name, _| cfg!(target_os = "linux") || name == "process_start_time_seconds");
    Ok(metrics)
}

/// The values of each label that has a list of them.
fn documented_labels() -> BTreeMap<String, BTreeSet<String>> {
    let text = REFERENCE.split_once("\n## Labels\n").map_or("", |(_, text)| text.split("\n## ").next().unwrap_or(""));
    let listed = rows(text).filter(|cells| cells.len() == 2 && cells[1].starts_with('`'));
    listed.map(|cells| (cells[0].trim_matches('`').to_owned(), names(cells[1]).collect())).collect()
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    lines.map(|line| line.split('|').map(str::trim).collect())
}

/// What stands in backticks.
fn names(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}
