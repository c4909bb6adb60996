//! Latencies of one run, as percentiles.

use e2e::{Checked, Failure};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;

/// What an hour and more counts as, in microseconds.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Percentiles {
    /// Records that counted.
    pub records: u64,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// 99 of a hundred took no longer.
    pub p99_us: u64,
    /// 999 of a thousand took no longer.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Percentiles {
    /// Of a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            records: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        }
    }

    /// As a peer prints them.
    ///
    /// # Errors
    /// When one is missing.
    pub fn read(printed: &Value) -> Checked<Self> {
        let number = |name: &str| {
            printed[name].as_u64().ok_or_else(|| Failure::new(format!("no {name} in what was printed: {printed}")))
        };
        Ok(Self {
            records: number("records")?,
            p50_us: number("p50_us")?,
            p99_us: number("p99_us")?,
            p999_us: number("p999_us")?,
            max_us: number("max_us")?,
        })
    }
}

/// An empty histogram of microseconds.
#[must_use]
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are constants that fit")
}

/// What came between two answers of Tally's `/api/v1/latency`, of one stage.
///
/// # Errors
/// When an answer is not one.
pub fn between(before: &Value, after: &Value, stage: &str) -> Checked<Histogram<u64>> {
    let mut histogram = filled(&after[stage])?;
    histogram
        .subtract(filled(&before[stage])?)
        .map_err(|error| Failure::new(format!("{stage} ran backwards: {error}")))?;
    Ok(histogram)
}

fn filled(stage: &Value) -> Checked<Histogram<u64>> {
    let mut histogram = empty();
    let buckets = stage["buckets"].as_array().ok_or_else(|| Failure::new(format!("no buckets in {stage}")))?;
    for bucket in buckets {
        let pair = bucket[0].as_u64().zip(bucket[1].as_u64());
        let (us, count) = pair.ok_or_else(|| Failure::new(format!("no bucket: {bucket}")))?;
        histogram.saturating_record_n(us, count);
    }
    Ok(histogram)
}
