//! The task that sends spans: what has come together in a second, in one request after the other.

use std::time::Duration;

use axum::body::Bytes;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::collector::{Collector, NotTaken};
use super::{Span, otlp};

/// How long the first span of a request waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// Most spans of a request; some 250 kB.
pub(super) const REQUEST_SPANS_MAX: usize = 512;
/// Pauses before a request that was not taken is sent again; after the last one it is dropped.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// How long nothing more is said of spans that aren't taken.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Sends spans until it is stopped, and then what is left.
pub(super) struct Exporter {
    pub(super) queue: mpsc::Receiver<Span>,
    pub(super) collector: Collector,
    pub(super) resource: Resource,
    pub(super) scope: InstrumentationScope,
    pub(super) exported: Counter,
    pub(super) dropped: Counter,
    pub(super) stop: CancellationToken,
    pub(super) complaint: Complaint,
}

/// What was said of spans that weren't taken.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    said: Option<Instant>,
    /// Spans that it has said were dropped, here or because too many waited.
    told: u64,
}

impl Exporter {
    pub(super) async fn run(mut self) {
        let mut spans = Vec::with_capacity(REQUEST_SPANS_MAX);
        while let Some(first) = self.next().await {
            spans.push(first);
            if !self.stop.is_cancelled() && self.queue.len() < REQUEST_SPANS_MAX - 1 {
                self.pause(LINGER).await;
            }
            while spans.len() < REQUEST_SPANS_MAX
                && let Ok(span) = self.queue.try_recv()
            {
                spans.push(span);
            }
            self.export(&mut spans).await;
        }
        if self.dropped.get() > self.complaint.told {
            self.complain("at the end");
        }
    }

    /// The next span; once stopped, only of those that wait already.
    async fn next(&mut self) -> Option<Span> {
        tokio::select! {
            biased;
            span = self.queue.recv() => span,
            () = self.stop.cancelled() => {
                self.queue.close();
                self.queue.recv().await
            }
        }
    }

    /// Waits, unless it is stopped.
    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Sends the spans, again where that may help, and leaves none.
    async fn export(&mut self, spans: &mut Vec<Span>) {
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let body = Bytes::from(otlp::request(&self.resource, &self.scope, spans.drain(..)));
        let mut pauses = RETRY_PAUSES.into_iter();
        loop {
            match self.collector.send(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.exported.inc_by(count - rejected);
                    return self.taken(rejected);
                }
                Err(NotTaken { cause, may_pass }) => match pauses.next() {
                    Some(pause) if may_pass && !self.stop.is_cancelled() => self.pause(pause).await,
                    _ => return self.not_taken(count, &cause),
                },
            }
        }
    }

    fn taken(&mut self, rejected: u64) {
        if rejected > 0 {
            return self.not_taken(rejected, "the collector rejected some of those it took");
        }
        if self.complaint.said.take().is_some() {
            info!(event = "spans_exported_again", "traces: the collector takes spans again");
        }
    }

    fn not_taken(&mut self, spans: u64, cause: &str) {
        self.dropped.inc_by(spans);
        if self.complaint.said.is_none_or(|said| said.elapsed() >= COMPLAINT_INTERVAL) {
            self.complaint.said = Some(Instant::now());
            self.complain(cause);
        }
    }

    fn complain(&mut self, cause: &str) {
        let dropped = self.dropped.get();
        let spans_dropped = dropped - std::mem::replace(&mut self.complaint.told, dropped);
        warn!(
            event = "spans_not_exported",
            spans_dropped, "traces: {cause}; {spans_dropped} spans were dropped, nothing else suffers"
        );
    }
}
