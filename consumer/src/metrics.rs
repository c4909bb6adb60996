//! The view as metrics. Collected when asked for, so that nothing is counted twice and nothing can drift.

use std::sync::Arc;

use common::{service::Metrics, wire::Reason};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::{
    clock::now_ms,
    fold::Snapshot,
    latency::{Latencies, Stage},
    view::View,
};

/// Upper bounds of the buckets of latencies, in microseconds: from a millisecond to an hour.
const LATENCY_BUCKETS_US: [u64; 16] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    60_000_000,
    600_000_000,
    3_600_000_000,
];

#[derive(Debug)]
struct ViewCollector(Arc<View>);

/// Registers the view's figures.
pub fn register(metrics: &Metrics, view: &Arc<View>) {
    let collector = Box::new(ViewCollector(Arc::clone(view)));
    metrics.with_registry(|registry| registry.register_collector(collector));
}

impl Collector for ViewCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let snapshots = self.own_snapshots();
        let outcomes = ConstCounter::new(0_u64);
        let mut family = encoder.encode_descriptor(
            "records",
            "Records in durable snapshots, by partition and what became of them",
            None,
            outcomes.metric_type(),
        )?;
        for snapshot in &snapshots {
            let ledger = &snapshot.ledger;
            for (outcome, count) in [
                ("accepted", ledger.accepted),
                ("redelivered", ledger.redelivered),
                ("repeated", ledger.repeated),
                ("rejected", ledger.rejected_in_all()),
            ] {
                let labels = [("partition", snapshot.partition.to_string()), ("outcome", outcome.to_owned())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        // By partition too: a counter that belongs to the state moves to another process with its partition, and a sum
        // over partitions would fall here and jump there.
        let mut family = encoder.encode_descriptor(
            "rejected_records",
            "Dead letters, by partition and reason",
            None,
            outcomes.metric_type(),
        )?;
        for snapshot in &snapshots {
            for reason in Reason::ALL {
                let labels = [("partition", snapshot.partition.to_string()), ("reason", reason.code().to_owned())];
                let count = snapshot.ledger.rejected[reason.index()];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "missing_from_sequence",
            "Records that producers numbered and that never came",
            None,
            outcomes.metric_type(),
        )?;
        for snapshot in &snapshots {
            let labels = [("partition", snapshot.partition.to_string())];
            let missing = snapshot.ledger.missing_from_sequence;
            ConstCounter::new(missing).encode(family.encode_family(&labels)?)?;
        }
        let failed = encoder.encode_descriptor(
            "group_commits_failed",
            "Group commits that failed; the next one makes up for it",
            None,
            outcomes.metric_type(),
        )?;
        ConstCounter::new(self.0.failed_commits()).encode(failed)?;
        encode_latencies(&mut encoder, self.0.latencies())?;
        self.encode_gauges(encoder)
    }
}

impl ViewCollector {
    /// Only of the partitions that this process works on, so that a sum over all replicas counts each partition once.
    fn own_snapshots(&self) -> Vec<Arc<Snapshot>> {
        self.0.all_progress().into_iter().filter_map(|(partition, _)| self.0.snapshot(partition)).collect()
    }

    fn encode_gauges(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gauge = ConstGauge::new(0_i64);
        let mut family = encoder.encode_descriptor(
            "snapshot_age_ms",
            "Age of each partition's last durable snapshot",
            None,
            gauge.metric_type(),
        )?;
        let now_ms = now_ms();
        for snapshot in self.own_snapshots() {
            let labels = [("partition", snapshot.partition.to_string())];
            ConstGauge::new(now_ms - snapshot.written_at_ms).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "lag_records",
            "Records that have not been read yet",
            None,
            gauge.metric_type(),
        )?;
        for (partition, progress) in self.0.all_progress() {
            let labels = [("partition", partition.to_string())];
            ConstGauge::new(progress.lag_records()).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn encode_latencies(encoder: &mut DescriptorEncoder<'_>, latencies: &Latencies) -> Result<(), std::fmt::Error> {
    let mut family = encoder.encode_descriptor(
        "latency",
        "From when a record was meant to be sent until it was folded, and until a durable snapshot held it",
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for stage in Stage::ALL {
        let (sum, buckets) = latencies.with(stage, |histogram| {
            let mut below = 0;
            let mut buckets: Vec<(f64, u64)> = Vec::with_capacity(LATENCY_BUCKETS_US.len() + 1);
            for upper in LATENCY_BUCKETS_US {
                buckets.push((upper as f64 / 1e6, histogram.count_between(below, upper)));
                // What stands for the bound counts once.
                below = histogram.highest_equivalent(upper) + 1;
            }
            buckets.push((f64::INFINITY, 0));
            (histogram.mean() * histogram.len() as f64 / 1e6, buckets)
        });
        let count = buckets.iter().map(|(_, count)| count).sum();
        family.encode_family(&[("stage", stage.name())])?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;
    use crate::{
        fold::{FoldSettings, PartitionState},
        latency::tests::folded_after,
    };

    /// What is served of a view.
    fn served(view: Arc<View>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ViewCollector(view)));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a string takes everything");
        text
    }

    #[test]
    fn latencies_are_a_histogram_in_seconds_for_each_stage() {
        let view = Arc::new(View::default());
        // On a bound, just above one, and beyond the last, which counts as it.
        folded_after(view.latencies(), &[1_000, 1_010, 2_000_000, 4_000_000_000]);
        let text = served(view);
        for line in [
            "# TYPE latency_seconds histogram",
            "latency_seconds_bucket{le=\"0.001\",stage=\"folded\"} 1",
            "latency_seconds_bucket{le=\"0.0025\",stage=\"folded\"} 2",
            "latency_seconds_bucket{le=\"1.0\",stage=\"folded\"} 2",
            "latency_seconds_bucket{le=\"2.5\",stage=\"folded\"} 3",
            "latency_seconds_bucket{le=\"3600.0\",stage=\"folded\"} 4",
            "latency_seconds_bucket{le=\"+Inf\",stage=\"folded\"} 4",
            "latency_seconds_count{stage=\"folded\"} 4",
            "latency_seconds_bucket{le=\"+Inf\",stage=\"durable\"} 0",
            "latency_seconds_count{stage=\"durable\"} 0",
        ] {
            assert!(text.lines().any(|given| given == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn counters_that_move_with_a_partition_name_it() {
        let view = Arc::new(View::default());
        for partition in [3, 4] {
            let state = PartitionState::new(1, partition, FoldSettings::default(), 0, 0);
            view.publish(Arc::new(state.snapshot(None, 0)), 0);
        }
        // Of the other one somebody else tells.
        let _ = view.progress(3);
        let text = served(view);
        for series in [
            "records_total{partition=\"3\",outcome=\"accepted\"} 0",
            "rejected_records_total{partition=\"3\",reason=\"invalid_amount\"} 0",
            "missing_from_sequence_total{partition=\"3\"} 0",
            "lag_records{partition=\"3\"} 0",
        ] {
            assert!(text.contains(series), "{series} is not in\n{text}");
        }
        assert!(!text.contains("partition=\"4\""), "{text}");
    }
}
