//! What is counted while the producer runs: one method an event, the metrics behind it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use common::service::Metrics;
use common::wire::Reason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::generate::Draft;
use crate::inject::Fault;

/// Upper ends of the latency histogram, in seconds.
const LATENCY_SECONDS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0];

/// Every count of a run. Shared; all methods take `&self`.
#[derive(Debug)]
pub struct Counters {
    sent: Counter,
    acknowledged: Counter,
    requests: Counter,
    behind: Gauge,
    latency: Histogram,
    latency_us_max: AtomicI64,
    repeated: Counter,
    late: Counter,
    /// By [`Reason::index`].
    rejected: Vec<Counter>,
    sample_wanted: AtomicBool,
    sample: Mutex<Option<Draft>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    fault: &'static str,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records handed to their partition's publisher; from then on their sequence is taken.
    pub sent: u64,
    /// Of these, the ones that Kafka acknowledged.
    pub acknowledged: u64,
}

impl Counts {
    /// Records whose fate is unknown.
    pub fn unacknowledged(&self) -> u64 {
        self.sent.saturating_sub(self.acknowledged)
    }
}

impl Counters {
    /// Registers the metrics.
    pub fn new(metrics: &Metrics) -> Self {
        let injected: Family<FaultLabel, Counter> = metrics.register(
            "faults_injected",
            "Records with a fault on purpose, by what a consumer must make of them",
            Family::default(),
        );
        let fault = |fault: &'static str| injected.get_or_create(&FaultLabel { fault }).clone();
        Self {
            sent: metrics.register("records_sent", "Records queued for Kafka", Counter::default()),
            acknowledged: metrics.register(
                "records_acknowledged",
                "Records that Kafka acknowledged",
                Counter::default(),
            ),
            requests: metrics.register("requests_acknowledged", "Produce requests acknowledged", Counter::default()),
            behind: metrics.register("records_behind_schedule", "Records due but not sent yet", Gauge::default()),
            latency: metrics.register(
                "acknowledge_latency_seconds",
                "From the time a record was meant to be sent to its acknowledgement",
                Histogram::new(LATENCY_SECONDS),
            ),
            latency_us_max: AtomicI64::new(0),
            repeated: fault("repeated"),
            late: fault("late"),
            rejected: Reason::ALL.iter().map(|reason| fault(reason.code())).collect(),
            sample_wanted: AtomicBool::new(true),
            sample: Mutex::new(None),
        }
    }

    /// A record was queued.
    #[inline]
    pub fn sent(&self, draft: &Draft, fault: Fault) {
        self.sent.inc();
        match fault {
            Fault::None => {
                if self.sample_wanted.load(Ordering::Relaxed) {
                    self.keep_sample(*draft);
                }
            }
            Fault::Repeat => drop(self.repeated.inc()),
            Fault::Late => drop(self.late.inc()),
            Fault::Malformed(_) | Fault::Future => {
                if let Some(reason) = fault.reason() {
                    self.rejected[reason.index()].inc();
                }
            }
        }
    }

    /// A request was acknowledged at `now_us`, whose records were meant to be sent at `intended_us` (both in
    /// microseconds since 1970). Gives the number of acknowledged records so far.
    pub fn acknowledged(&self, intended_us: impl Iterator<Item = i64>, now_us: i64) -> u64 {
        let mut records = 0;
        for intended_us in intended_us {
            let latency_us = now_us.saturating_sub(intended_us).max(0);
            #[expect(clippy::cast_precision_loss, reason = "a latency, not money")]
            self.latency.observe(latency_us as f64 / 1e6);
            self.latency_us_max.fetch_max(latency_us, Ordering::Relaxed);
            records += 1;
        }
        self.requests.inc();
        self.acknowledged.inc_by(records) + records
    }

    /// So many records are due but not sent.
    pub fn behind(&self, records: u64) {
        self.behind.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        // In this order, so that what is acknowledged between the two reads doesn't exceed what was sent.
        let acknowledged = self.acknowledged.get();
        Counts { sent: self.sent.get(), acknowledged }
    }

    /// Records sent again on purpose.
    pub fn repeated(&self) -> u64 {
        self.repeated.get()
    }

    /// Records dated back on purpose.
    pub fn late(&self) -> u64 {
        self.late.get()
    }

    /// Records that must be rejected, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.iter().map(|&reason| (reason, self.rejected[reason.index()].get()))
    }

    /// The longest time from a record's intended send time to its acknowledgement, in milliseconds.
    pub fn latency_ms_max(&self) -> i64 {
        self.latency_us_max.load(Ordering::Relaxed) / 1_000
    }

    /// A transaction sent since the last call, to be shown; the next one will be kept for the next call.
    pub fn take_sample(&self) -> Option<Draft> {
        let sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.sample_wanted.store(true, Ordering::Relaxed);
        sample
    }

    #[cold]
    fn keep_sample(&self, draft: Draft) {
        self.sample_wanted.store(false, Ordering::Relaxed);
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::generate::Generator;
    use crate::inject::Malformation;
    use crate::population::Population;

    #[test]
    fn what_is_counted_shows_in_the_metrics() {
        let metrics = Metrics::new("tally_producer", "0");
        let counters = Counters::new(&metrics);
        let draft = Generator::new(Arc::new(Population::new(1, 10)), 1, 0).next(0);
        for fault in [Fault::None, Fault::Repeat, Fault::Late, Fault::Future, Fault::Malformed(Malformation::ShortId)] {
            counters.sent(&draft, fault);
        }
        assert_eq!(counters.acknowledged([1_000, 2_000].into_iter(), 5_500), 2);
        assert_eq!(counters.counts(), Counts { sent: 5, acknowledged: 2 });
        assert_eq!(counters.counts().unacknowledged(), 3);
        assert_eq!(counters.latency_ms_max(), 4);
        let text = metrics.encode();
        for line in [
            "tally_producer_records_sent_total 5",
            "tally_producer_records_acknowledged_total 2",
            "tally_producer_faults_injected_total{fault=\"repeated\"} 1",
            "tally_producer_faults_injected_total{fault=\"future_dated\"} 1",
            "tally_producer_faults_injected_total{fault=\"invalid_id\"} 1",
            "tally_producer_acknowledge_latency_seconds_count 2",
        ] {
            assert!(text.lines().any(|given| given == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_sample_is_a_good_transaction_and_shown_once() {
        let counters = Counters::new(&Metrics::new("tally_producer", "0"));
        let draft = Generator::new(Arc::new(Population::new(1, 10)), 1, 0).next(0);
        counters.sent(&draft, Fault::Late);
        assert_eq!(counters.take_sample(), None);
        counters.sent(&draft, Fault::None);
        assert_eq!(counters.take_sample(), Some(draft));
        assert_eq!(counters.take_sample(), None);
    }
}
