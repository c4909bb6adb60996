//! The view as metrics. Collected when asked for, so that nothing is counted twice and nothing can drift. What each means is in
//! `docs/metrics.md`, which a scenario holds against what is served.
//!
//! Of partitions only those that this process works on are told, so that a sum over all replicas counts each partition once.

mod latency;

use std::{
    fmt::Error,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use common::{service::Metrics, wire::Reason};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::{
    clock::now_ms,
    fold::{Ledger, Snapshot},
    summary::balances,
    view::{Progress, View},
};

#[derive(Debug)]
struct ViewCollector(Arc<View>);

/// Registers the view's figures.
pub fn register(metrics: &Metrics, view: &Arc<View>) {
    let collector = Box::new(ViewCollector(Arc::clone(view)));
    metrics.with_registry(|registry| registry.register_collector(collector));
}

/// One partition that this process works on, and what is durable of it.
struct Own {
    partition: i32,
    progress: Arc<Progress>,
    snapshot: Option<Arc<Snapshot>>,
}

/// A column of the ledger under its label's value.
type Column = (&'static str, fn(&Ledger) -> u64);
/// A counter: name, help, and what it counts.
type Counted = (&'static str, &'static str, fn(&Snapshot) -> u64);

impl Collector for ViewCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let view = &self.0;
        let own = |(partition, progress)| Own { partition, progress, snapshot: view.snapshot(partition) };
        let own: Vec<Own> = view.all_progress().into_iter().map(own).collect();
        encode_columns(&mut encoder, &own)?;
        encode_offsets(&mut encoder, &own)?;
        let failed = ConstCounter::new(view.failed_commits());
        let help = "Group commits that failed; the next one makes up for it";
        failed.encode(encoder.encode_descriptor("group_commits_failed", help, None, MetricType::Counter)?)?;
        latency::encode(&mut encoder, view.latencies())?;
        encode_times(&mut encoder, &own, now_ms())?;
        let partitions = ConstGauge::new(i64::from(view.partitions()));
        let help = "Partitions of the topic, whoever works on them; 0 before it is known";
        partitions.encode(encoder.encode_descriptor("topic_partitions", help, None, MetricType::Gauge)?)
    }
}

/// The ledger, by partition: a counter that belongs to the state moves to another process with its partition, and a sum over
/// partitions would fall here and jump there.
fn encode_columns(encoder: &mut DescriptorEncoder<'_>, own: &[Own]) -> Result<(), Error> {
    let outcomes: [Column; 4] = [
        ("accepted", |ledger| ledger.accepted),
        ("redelivered", |ledger| ledger.redelivered),
        ("repeated", |ledger| ledger.repeated),
        ("rejected", Ledger::rejected_in_all),
    ];
    let help = "Records in durable snapshots, by partition and what became of them";
    encode_split(encoder, own, ("records", help), "outcome", &outcomes)?;
    let timings: [Column; 3] = [
        ("on_time", |ledger| ledger.on_time),
        ("revised", |ledger| ledger.revised),
        ("too_late", |ledger| ledger.too_late),
    ];
    let help = "Accepted records in durable snapshots, by partition and what their window made of them";
    encode_split(encoder, own, ("accepted_records", help), "timing", &timings)?;

    let help = "Dead letters, by partition and reason";
    let mut family = encoder.encode_descriptor("rejected_records", help, None, MetricType::Counter)?;
    for (partition, snapshot) in durable(own) {
        for reason in Reason::ALL {
            let labels = [("partition", partition.to_string()), ("reason", reason.code().to_owned())];
            let count = ConstCounter::new(snapshot.ledger.rejected[reason.index()]);
            count.encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// One counter, split by some columns of the ledger.
fn encode_split(
    encoder: &mut DescriptorEncoder<'_>,
    own: &[Own],
    (name, help): (&str, &str),
    label: &str,
    columns: &[Column],
) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (partition, snapshot) in durable(own) {
        for (value, column) in columns {
            let labels = [("partition", partition.to_string()), (label, (*value).to_owned())];
            ConstCounter::new(column(&snapshot.ledger)).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// What is missing, and whether the rest adds up.
fn encode_offsets(encoder: &mut DescriptorEncoder<'_>, own: &[Own]) -> Result<(), Error> {
    let counters: [Counted; 3] = [
        ("missing_from_sequence", "Records that producers numbered and that never came", |snapshot| {
            snapshot.ledger.missing_from_sequence
        }),
        ("offsets_without_record", "Offsets that hold no record", |snapshot| snapshot.ledger.offsets_without_record),
        ("skipped_offsets", "Offsets that retention deleted before they were read", |snapshot| {
            u64::try_from(snapshot.skipped).unwrap_or(0)
        }),
    ];
    for (name, help, count) in counters {
        let values = durable(own).map(|(partition, snapshot)| (partition, ConstCounter::new(count(snapshot))));
        encode_each(encoder, (name, help, None), MetricType::Counter, values)?;
    }
    let help = "1 where the durable ledger's columns and offsets add up, 0 where they do not";
    let values = durable(own).map(|(partition, snapshot)| (partition, ConstGauge::new(i64::from(balances(snapshot)))));
    encode_each(encoder, ("ledger_balanced", help, None), MetricType::Gauge, values)
}

/// How far each partition has come, and since when.
fn encode_times(encoder: &mut DescriptorEncoder<'_>, own: &[Own], now_ms: i64) -> Result<(), Error> {
    let seconds = |name, help| (name, help, Some(&Unit::Seconds));
    let lag = own.iter().map(|own| (own.partition, ConstGauge::new(own.progress.lag_records())));
    encode_each(encoder, ("lag_records", "Records that have not been read yet", None), MetricType::Gauge, lag)?;

    let help = "Age of the last folded record by its Kafka timestamp, while others wait behind it; else 0";
    let lag = own.iter().map(|own| (own.partition, in_seconds(own.progress.lag_ms(now_ms))));
    encode_each(encoder, seconds("lag", help), MetricType::Gauge, lag)?;

    let help = "How far the newest Kafka timestamp of the last batch lies ahead of this machine's clock; else 0";
    let ahead = own.iter().map(|own| (own.partition, in_seconds(own.progress.clock_ahead_ms(now_ms))));
    encode_each(encoder, seconds("clock_ahead", help), MetricType::Gauge, ahead)?;

    let help = "Time since Kafka last answered a read of the partition, be it that there is nothing";
    let unheard = own.iter().filter_map(|own| Some((own.partition, in_seconds(own.progress.unheard_ms(now_ms)?))));
    encode_each(encoder, seconds("read_age", help), MetricType::Gauge, unheard)?;

    let help = "Age of each partition's last durable snapshot";
    let age = |snapshot: &Snapshot| in_seconds((now_ms - snapshot.written_at_ms).max(0));
    let ages = durable(own).map(|(partition, snapshot)| (partition, age(snapshot)));
    encode_each(encoder, seconds("snapshot_age", help), MetricType::Gauge, ages)?;

    let unsaved = own.iter().filter_map(|own| Some((own.partition, ConstGauge::new(own.unsaved_offsets()?))));
    let help = "Offsets that are folded and in no durable snapshot yet";
    encode_each(encoder, ("unsaved_offsets", help, None), MetricType::Gauge, unsaved)
}

impl Own {
    /// `None` before there is a snapshot.
    fn unsaved_offsets(&self) -> Option<i64> {
        let next_offset = self.progress.next_offset.load(Relaxed);
        Some((next_offset - self.snapshot.as_ref()?.next_offset).max(0))
    }
}

fn durable(own: &[Own]) -> impl Iterator<Item = (i32, &Snapshot)> {
    own.iter().filter_map(|own| Some((own.partition, own.snapshot.as_deref()?)))
}

#[expect(clippy::cast_precision_loss, reason = "a time between two clocks, not money")]
fn in_seconds(ms: i64) -> ConstGauge<f64> {
    ConstGauge::new(ms as f64 / 1_000.0)
}

/// One metric with a series for each partition.
fn encode_each<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    kind: MetricType,
    values: impl Iterator<Item = (i32, M)>,
) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
    for (partition, value) in values {
        value.encode(family.encode_family(&[("partition", partition.to_string())])?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{FoldSettings, PartitionState};

    /// What is served of a view.
    fn served(view: &Arc<View>) -> String {
        let metrics = Metrics::new("tally_consumer", "0");
        register(&metrics, view);
        metrics.encode()
    }

    fn empty(partition: i32) -> Snapshot {
        PartitionState::new(1, partition, FoldSettings::default(), 0, 0).snapshot(None, 0)
    }

    fn hold(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|given| given == *line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn counters_that_move_with_a_partition_name_it() {
        let view = Arc::new(View::default());
        [3, 4].into_iter().for_each(|partition| view.publish(Arc::new(empty(partition)), 0));
        // Of the other one somebody else tells.
        let _ = view.progress(3);
        let text = served(&view);
        hold(
            &text,
            &[
                "tally_consumer_records_total{partition=\"3\",outcome=\"accepted\"} 0",
                "tally_consumer_accepted_records_total{partition=\"3\",timing=\"too_late\"} 0",
                "tally_consumer_rejected_records_total{partition=\"3\",reason=\"invalid_amount\"} 0",
                "tally_consumer_missing_from_sequence_total{partition=\"3\"} 0",
                "tally_consumer_lag_records{partition=\"3\"} 0",
            ],
        );
        assert!(!text.contains("partition=\"4\""), "{text}");
    }

    #[test]
    fn times_are_in_seconds_and_what_is_not_known_is_not_told() {
        let view = Arc::new(View::default());
        view.set_partitions(12);
        let progress = view.progress(3);
        progress.high_watermark.store(7, Relaxed);
        let text = served(&view);
        hold(
            &text,
            &[
                "# UNIT tally_consumer_lag_seconds seconds",
                "tally_consumer_lag_seconds{partition=\"3\"} 0.0",
                "tally_consumer_clock_ahead_seconds{partition=\"3\"} 0.0",
                "tally_consumer_topic_partitions 12",
            ],
        );
        // Nobody has asked Kafka yet, and there is no snapshot.
        for name in ["read_age_seconds{", "snapshot_age_seconds{", "unsaved_offsets{", "ledger_balanced{"] {
            assert!(!text.contains(name), "{name} is in\n{text}");
        }
        progress.heard_at_ms.store(now_ms() + 60_000, Relaxed);
        hold(&served(&view), &["tally_consumer_read_age_seconds{partition=\"3\"} 0.0"]);
    }

    #[test]
    fn a_ledger_that_does_not_add_up_and_what_is_not_durable_yet_show() {
        let view = Arc::new(View::default());
        let mut unbalanced = empty(1);
        unbalanced.ledger.consumed = 1;
        for (partition, snapshot) in [(0, empty(0)), (1, unbalanced)] {
            view.publish(Arc::new(snapshot), 0);
            view.progress(partition).next_offset.store(5, Relaxed);
        }
        hold(
            &served(&view),
            &[
                "tally_consumer_ledger_balanced{partition=\"0\"} 1",
                "tally_consumer_ledger_balanced{partition=\"1\"} 0",
                "tally_consumer_unsaved_offsets{partition=\"0\"} 5",
            ],
        );
    }
}
