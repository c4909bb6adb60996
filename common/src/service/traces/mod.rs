//! Traces: spans of a few records on their way, sent to a collector by OTLP (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! ```text
//!   who works ──has_room? offer──▶ [ queue, bounded ] ──▶ exporter ──HTTP──▶ collector
//!               never waits          full: dropped          gives up: dropped
//! ```
//!
//! Promises: nobody waits for a span, and none fails anything. However many are offered and however the collector
//! behaves, what is held is bounded, and what is dropped is counted. Where no collector is named there is no [`Traces`].

mod collector;
mod exporter;
mod otlp;
mod settings;
mod span;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use collector::Collector;
use exporter::Exporter;
pub(super) use settings::{TraceConfiguration, TraceSettings};
pub use span::{Span, SpanKind, Value, random_span_id};

/// Most spans that a process records in a second: whoever writes records also decides which of them ask to be traced.
pub const SPANS_PER_SECOND_MAX: u32 = 1_000;
/// How many seconds behind the newest one still count as it; a clock that is further back was set back.
const LATE_S_MAX: u64 = 60;
/// Most spans that wait for the collector; some 2 MB.
const SPANS_WAITING_MAX: usize = 4_096;
/// How long a process that ends waits for the collector to take what is left.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// Where spans go. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Traces(Arc<Recorder>);

#[derive(Debug)]
struct Recorder {
    queue: mpsc::Sender<Span>,
    /// The second in the upper half, in the lower one how many spans there was room for in it.
    second: AtomicU64,
    dropped: Counter,
}

impl Traces {
    fn new(queue: mpsc::Sender<Span>, dropped: Counter) -> Self {
        Self(Arc::new(Recorder { queue, second: AtomicU64::new(0), dropped }))
    }

    /// Spans that come out of the channel, at most so many at a time: for tests.
    pub fn to_channel(spans_max: usize) -> (Self, mpsc::Receiver<Span>) {
        let (queue, spans) = mpsc::channel(spans_max);
        (Self::new(queue, Counter::default()), spans)
    }

    /// Spans that nobody takes: for tests.
    pub fn to_nowhere() -> Self {
        Self::to_channel(1).0
    }

    /// Whether so many more spans may be recorded in this second, which `now_us` (microseconds since 1970) lies in.
    pub fn has_room(&self, now_us: i64, spans: u32) -> bool {
        // Seconds are counted in the upper half, spans of the newest one in the lower.
        let second = (now_us.div_euclid(1_000_000)).cast_unsigned() & u64::from(u32::MAX);
        let take = |state: u64| {
            let (newest, taken) = (state >> 32, state & u64::from(u32::MAX));
            // Partitions are folded side by side, each with its own idea of now: what comes late belongs to the newest second.
            let is_newest = (newest.saturating_sub(LATE_S_MAX)..=newest).contains(&second);
            let (of, taken) = if is_newest { (newest, taken) } else { (second, 0) };
            let after = taken + u64::from(spans);
            (after <= u64::from(SPANS_PER_SECOND_MAX)).then_some(of << 32 | after)
        };
        // Looked at first: most of a flood of records that ask comes here in vain, and should cost as little as that.
        take(self.0.second.load(Ordering::Relaxed)).is_some()
            && self.0.second.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Sends a span, or drops it where too many wait.
    pub fn offer(&self, span: Span) {
        if self.0.queue.try_send(span).is_err() {
            self.count_dropped(1);
        }
    }

    /// Counts spans that were not recorded for want of room.
    pub fn count_dropped(&self, spans: u32) {
        self.0.dropped.inc_by(u64::from(spans));
    }
}

/// The exporter at work.
pub(super) struct Exporting {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// Starts what sends spans, where a collector is named. Call it inside the runtime.
pub(super) fn start(
    configuration: Option<TraceConfiguration>,
    program: &str,
    version: &str,
    metrics: &Metrics,
) -> Option<(Traces, Exporting)> {
    // There in any case, so that whoever watches them sees 0 and not nothing.
    let exported = metrics.register("spans_exported", "Spans that the collector took", Counter::default());
    let dropped = metrics.register("spans_dropped", "Spans that were dropped", Counter::default());
    let TraceConfiguration { endpoint, headers, service_name } = configuration?;
    let (offered, queue) = mpsc::channel(SPANS_WAITING_MAX);
    let stop = CancellationToken::new();
    let exporter = Exporter {
        queue,
        collector: Collector::new(endpoint, headers),
        resource: otlp::resource(&service_name, version),
        scope: otlp::scope(program, version),
        exported,
        dropped: dropped.clone(),
        stop: stop.clone(),
        complaint: exporter::Complaint::default(),
    };
    Some((Traces::new(offered, dropped), Exporting { task: tokio::spawn(exporter.run()), stop }))
}

impl Exporting {
    /// Sends what is left, within bounds.
    pub(super) async fn finish(mut self) {
        self.stop.cancel();
        if timeout(FLUSH_LIMIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}
