//! Latencies as one histogram in two forms: buckets for whoever reads text, and a native histogram
//! (<https://prometheus.io/docs/specs/native_histograms/>) for a Prometheus that asks for protobuf. The text writer leaves
//! the second one out by itself.

use std::fmt::Error;

use hdrhistogram::Histogram;
use prometheus_client::{
    encoding::{DescriptorEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use crate::latency::{Latencies, Stage};

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

/// Resolution of the native histogram: 2³ buckets from each power of two to the next, 9 % apart. From a microsecond to an
/// hour that makes 255 at most.
const NATIVE_SCHEMA: i32 = 3;

const US_PER_SECOND: f64 = 1e6;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, latencies: &Latencies) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(
        "latency",
        "From when a record was meant to be sent until it was folded, and until a durable snapshot held it",
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for stage in Stage::ALL {
        // A copy: records wait for the lock.
        let histogram = latencies.with(stage, Histogram::clone);
        let buckets = buckets(&histogram);
        let sum = histogram.mean() * histogram.len() as f64 / US_PER_SECOND;
        let (spans, deltas) = spans_and_deltas(native_buckets(&histogram));
        let native = NativeHistogram {
            schema: NATIVE_SCHEMA,
            zero_threshold: 0.0,
            zero_count: 0,
            negative: NativeHistogramBuckets { spans: &[], deltas: &[] },
            positive: NativeHistogramBuckets { spans: &spans, deltas: &deltas },
            created: None,
        };
        let labels = [("stage", stage.name())];
        let mut series = family.encode_family(&labels)?;
        series.encode_histogram_with_native::<NoLabelSet>(sum, histogram.len(), &buckets, None, native)?;
    }
    Ok(())
}

/// Classic buckets: upper bound in seconds, and how many came into this one.
fn buckets(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    let mut below = 0;
    let mut buckets = Vec::with_capacity(LATENCY_BUCKETS_US.len() + 1);
    for upper in LATENCY_BUCKETS_US {
        buckets.push((upper as f64 / US_PER_SECOND, histogram.count_between(below, upper)));
        // What stands for the bound counts once.
        below = histogram.highest_equivalent(upper) + 1;
    }
    let within: u64 = buckets.iter().map(|(_, count)| count).sum();
    buckets.push((f64::INFINITY, histogram.len() - within));
    buckets
}

/// Native buckets that are not empty: bucket i is what lies above 2^((i−1)/8) seconds and not above 2^(i/8).
fn native_buckets(histogram: &Histogram<u64>) -> Vec<(i32, i64)> {
    let mut buckets: Vec<(i32, i64)> = Vec::new();
    for recorded in histogram.iter_recorded() {
        let octaves = (recorded.value_iterated_to() as f64 / US_PER_SECOND).log2();
        #[expect(clippy::cast_possible_truncation, reason = "microseconds to an hour are -160 to 95")]
        let index = (octaves * f64::from(1 << NATIVE_SCHEMA)).ceil() as i32;
        let count = i64::try_from(recorded.count_at_value()).unwrap_or(i64::MAX);
        match buckets.last_mut() {
            Some((last, sum)) if *last == index => *sum = sum.saturating_add(count),
            _ => buckets.push((index, count)),
        }
    }
    buckets
}

/// As they are written: runs of neighbours, each by its distance from the run before and its length, and each count by its
/// difference from the one before it.
fn spans_and_deltas(buckets: Vec<(i32, i64)>) -> (Vec<(i32, u32)>, Vec<i64>) {
    // One run of nothing says that it is a native histogram, though nothing is in it.
    let mut spans: Vec<(i32, u32)> = if buckets.is_empty() { vec![(0, 0)] } else { Vec::new() };
    let mut deltas = Vec::with_capacity(buckets.len());
    let (mut next_index, mut before) = (0, 0);
    for (index, count) in buckets {
        match spans.last_mut() {
            Some((_, length)) if index == next_index => *length += 1,
            _ => spans.push((index - next_index, 1)),
        }
        deltas.push(count - before);
        (next_index, before) = (index + 1, count);
    }
    (spans, deltas)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::service::Metrics;

    use super::*;
    use crate::{latency::tests::folded_after, metrics::register, view::View};

    #[test]
    fn latencies_are_a_histogram_in_seconds_for_each_stage() {
        let view = Arc::new(View::default());
        // On a bound, just above one, and beyond the last, which counts as it.
        folded_after(view.latencies(), &[1_000, 1_010, 2_000_000, 4_000_000_000]);
        let metrics = Metrics::new("tally_consumer", "0");
        register(&metrics, &view);
        let text = metrics.encode();
        for line in [
            "# TYPE tally_consumer_latency_seconds histogram",
            "tally_consumer_latency_seconds_bucket{le=\"0.001\",stage=\"folded\"} 1",
            "tally_consumer_latency_seconds_bucket{le=\"0.0025\",stage=\"folded\"} 2",
            "tally_consumer_latency_seconds_bucket{le=\"1.0\",stage=\"folded\"} 2",
            "tally_consumer_latency_seconds_bucket{le=\"2.5\",stage=\"folded\"} 3",
            "tally_consumer_latency_seconds_bucket{le=\"3600.0\",stage=\"folded\"} 4",
            "tally_consumer_latency_seconds_bucket{le=\"+Inf\",stage=\"folded\"} 4",
            "tally_consumer_latency_seconds_count{stage=\"folded\"} 4",
            "tally_consumer_latency_seconds_bucket{le=\"+Inf\",stage=\"durable\"} 0",
            "tally_consumer_latency_seconds_count{stage=\"durable\"} 0",
        ] {
            assert!(text.lines().any(|given| given == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn native_buckets_lie_an_eighth_of_a_power_of_two_apart_and_hold_every_record() {
        let latencies = Latencies::default();
        // 1 s ends bucket 0; 2 s bucket 8; what is just above 1 s is in bucket 1.
        folded_after(&latencies, &[1, 999_000, 1_010_000, 1_010_000, 1_999_000, 4_000_000_000]);
        let buckets = latencies.with(Stage::Folded, native_buckets);
        assert_eq!(buckets, [(-159, 1), (0, 1), (1, 2), (8, 1), (95, 1)]);
    }

    #[test]
    fn neighbours_make_a_run_and_each_count_is_told_by_its_difference() {
        let (spans, deltas) = spans_and_deltas(vec![(-2, 3), (-1, 5), (4, 1)]);
        assert_eq!(spans, [(-2, 2), (4, 1)]);
        assert_eq!(deltas, [3, 2, -4]);
        assert_eq!(spans_and_deltas(Vec::new()), (vec![(0, 0)], vec![]));
    }
}
