//! The account a producer gives of a run: how much was sent, what Kafka acknowledged, what was wrong on purpose.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::counters::Counters;

/// A run, or what there is of it so far. As JSON it is one flat object but for `faults`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The topic.
    pub topic: String,
    /// Its partitions; 0 if Kafka was never reached.
    pub partitions: usize,
    /// The seed, with which (and a start time) the same transactions can be had again.
    pub seed: u64,
    /// The incarnation in this process's sequence headers, as 16 hexadecimal digits.
    pub incarnation: String,
    /// Records handed over to be sent.
    pub sent: u64,
    /// Of these, acknowledged by Kafka.
    pub acknowledged: u64,
    /// Of these, not acknowledged: in the log, or not.
    pub unacknowledged: u64,
    /// Time from the first record's due time, in milliseconds.
    pub elapsed_ms: u64,
    /// Acknowledged records a second over that time.
    pub records_per_second: u64,
    /// Longest time from when a record was meant to be sent to its acknowledgement, in milliseconds.
    pub latency_ms_max: i64,
    /// What a consumer must find wrong.
    pub faults: Faults,
}

/// Faults injected, by what a consumer must make of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Records that repeat an earlier transaction.
    pub repeated: u64,
    /// Transactions dated back.
    pub late: u64,
    /// Records to be rejected, by reason; reasons that did not occur are left out.
    pub rejected: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// The faults counted so far.
    pub fn of(counters: &Counters) -> Self {
        let rejected = counters.rejected().filter(|(_, count)| *count > 0);
        Self {
            repeated: counters.repeated(),
            late: counters.late(),
            rejected: rejected.map(|(reason, count)| (reason.code(), count)).collect(),
        }
    }
}

/// What stays the same during a run.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The topic.
    pub topic: String,
    /// The seed in use.
    pub seed: u64,
    /// Of this process.
    pub incarnation: u64,
}

impl Summary {
    /// The account now, `elapsed` after the first record was due.
    pub fn of(identity: &Identity, partitions: usize, counters: &Counters, elapsed: Duration) -> Self {
        let counts = counters.counts();
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        Self {
            topic: identity.topic.clone(),
            partitions,
            seed: identity.seed,
            incarnation: format!("{:016x}", identity.incarnation),
            sent: counts.sent,
            acknowledged: counts.acknowledged,
            unacknowledged: counts.unacknowledged(),
            elapsed_ms,
            records_per_second: counts.acknowledged.saturating_mul(1_000) / elapsed_ms.max(1),
            latency_ms_max: counters.latency_ms_max(),
            faults: Faults::of(counters),
        }
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and integers are JSON")
    }
}

/// For people: a few lines.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partitions, seed, incarnation, .. } = self;
        writeln!(
            f,
            "{} records sent to {topic} ({partitions} partitions), {} acknowledged, {} unacknowledged",
            self.sent, self.acknowledged, self.unacknowledged
        )?;
        writeln!(
            f,
            "in {}.{:03} s: {} records/s, slowest acknowledgement {} ms after its due time",
            self.elapsed_ms / 1_000,
            self.elapsed_ms % 1_000,
            self.records_per_second,
            self.latency_ms_max
        )?;
        let rejected: u64 = self.faults.rejected.values().sum();
        let Faults { repeated, late, .. } = self.faults;
        writeln!(f, "faults on purpose: {repeated} repeated, {late} late, {rejected} to be rejected")?;
        for (reason, count) in &self.faults.rejected {
            writeln!(f, "  {reason}: {count}")?;
        }
        write!(f, "seed {seed}, incarnation {incarnation}")
    }
}

#[cfg(test)]
mod tests {
    use common::service::Metrics;

    use super::*;

    #[test]
    fn a_summary_is_one_line_of_json_with_every_figure() {
        let counters = Counters::new(&Metrics::new("tally_producer", "0"));
        counters.acknowledged([0; 500].into_iter(), 2_000);
        let identity = Identity { topic: "t".to_owned(), seed: 7, incarnation: 0xabc };
        let summary = Summary::of(&identity, 6, &counters, Duration::from_millis(250));
        let json = serde_json::json!({
            "topic": "t", "partitions": 6, "seed": 7, "incarnation": "0000000000000abc",
            "sent": 0, "acknowledged": 500, "unacknowledged": 0,
            "elapsed_ms": 250, "records_per_second": 2_000, "latency_ms_max": 2,
            "faults": {"repeated": 0, "late": 0, "rejected": {}},
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&summary.to_json()).unwrap(), json);
        assert!(!summary.to_json().contains('\n'));
        assert!(summary.to_string().contains("2000 records/s"), "{summary}");
    }
}
