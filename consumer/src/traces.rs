//! Records that ask to be traced, by a sampled `traceparent` (<https://www.w3.org/TR/trace-context/>), whoever sent them.
//!
//! ```text
//!   send (their producer) ─▶ process: taken from a fetch to folded ─▶ snapshot: folded to durable
//! ```
//!
//! A trace decides nothing about a record and no record decides how much is traced: there is room for so many spans a
//! second, for so many records between two snapshots, and what goes beyond is counted and forgotten.
//!
//! Attributes are OpenTelemetry's (<https://opentelemetry.io/docs/specs/semconv/messaging/kafka/>), and `tally.…`.

use common::{
    kafka::RecordView,
    service::{
        Traces,
        traces::{Span, SpanKind, Value, random_span_id},
    },
    wire::{TRACEPARENT_HEADER, TraceContext},
};

use crate::{clock::now_us, fold::Verdict};

/// Most records of a partition whose spans wait for a snapshot.
const WAITING_MAX: usize = 1_000;
/// Spans of a record.
const SPANS_PER_RECORD: u32 = 2;

/// Takes note of one partition's records that ask to be traced.
#[derive(Debug)]
pub(crate) struct PartitionTraces {
    traces: Traces,
    topic: String,
    group: String,
    partition: i32,
    /// When the batch that is being folded was taken.
    taken_us: i64,
    judged: Vec<Judged>,
    waiting: Vec<Folded>,
}

/// A record that was folded, but its batch not to the end.
#[derive(Debug)]
struct Judged {
    context: TraceContext,
    offset: i64,
    verdict: &'static str,
    reason: Option<&'static str>,
}

/// A record that waits for a snapshot: its trace, the span of its processing, and when that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folded {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    offset: i64,
    folded_us: i64,
}

impl PartitionTraces {
    #[must_use]
    pub(crate) fn new(traces: &Traces, topic: &str, group: &str, partition: i32) -> Self {
        Self {
            traces: traces.clone(),
            topic: topic.to_owned(),
            group: group.to_owned(),
            partition,
            taken_us: 0,
            judged: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// A batch is about to be folded.
    pub(crate) fn begin(&mut self) {
        self.taken_us = now_us();
    }

    /// Takes note of a record, if it asks for that, and what became of it.
    #[inline]
    pub(crate) fn judged(&mut self, record: &RecordView<'_>, verdict: &Verdict<'_>) {
        let context = record.headers.get(TRACEPARENT_HEADER).and_then(TraceContext::parse);
        let Some(context) = context.filter(|context| context.sampled) else { return };
        let is_full = self.waiting.len() + self.judged.len() >= WAITING_MAX;
        if is_full || !self.traces.has_room(self.taken_us, SPANS_PER_RECORD) {
            return self.traces.count_dropped(SPANS_PER_RECORD);
        }
        let (verdict, reason) = match verdict {
            Verdict::Accepted(_) => ("accepted", None),
            Verdict::Redelivered => ("redelivered", None),
            Verdict::Repeated => ("repeated", None),
            Verdict::Rejected(reason) => ("rejected", Some(reason.code())),
        };
        self.judged.push(Judged { context, offset: record.offset, verdict, reason });
    }

    /// The batch is folded.
    pub(crate) fn folded(&mut self) {
        if self.judged.is_empty() {
            return;
        }
        let folded_us = now_us();
        for Judged { context: TraceContext { trace_id, span_id, .. }, offset, verdict, reason } in self.judged.drain(..)
        {
            let folded = Folded { trace_id, span_id: random_span_id(), offset, folded_us };
            let mut attributes = attributes("process", "process", &self.topic, self.partition, offset);
            attributes.push(("messaging.consumer.group.name", self.group.clone().into()));
            attributes.push(("tally.verdict", verdict.into()));
            attributes.extend(reason.map(|reason| ("tally.reason", reason.into())));
            self.traces.offer(Span {
                trace_id,
                span_id: folded.span_id,
                parent_id: Some(span_id),
                kind: SpanKind::Consumer,
                name: format!("process {}", self.topic),
                start_us: self.taken_us,
                end_us: folded_us,
                attributes,
            });
            self.waiting.push(folded);
        }
    }

    /// Takes what waits for the snapshot that is being made now.
    pub(crate) fn take_waiting(&mut self) -> Vec<Folded> {
        std::mem::take(&mut self.waiting)
    }
}

/// The snapshot of `partition` that holds `folded` is durable: it stands at `state_offset`.
pub(crate) fn durable(traces: &Traces, topic: &str, partition: i32, folded: &[Folded], state_offset: i64) {
    if folded.is_empty() {
        return;
    }
    let end_us = now_us();
    for &Folded { trace_id, span_id, offset, folded_us } in folded {
        let mut attributes = attributes("snapshot", "settle", topic, partition, offset);
        attributes.push(("tally.state_offset", state_offset.into()));
        traces.offer(Span {
            trace_id,
            span_id: random_span_id(),
            parent_id: Some(span_id),
            kind: SpanKind::Client,
            name: format!("snapshot {topic}"),
            start_us: folded_us,
            end_us,
            attributes,
        });
    }
}

fn attributes(
    name: &'static str,
    kind: &'static str,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Vec<(&'static str, Value)> {
    vec![
        ("messaging.system", "kafka".into()),
        ("messaging.operation.name", name.into()),
        ("messaging.operation.type", kind.into()),
        ("messaging.destination.name", topic.to_owned().into()),
        ("messaging.destination.partition.id", partition.to_string().into()),
        ("messaging.kafka.offset", offset.into()),
    ]
}

#[cfg(test)]
mod tests {
    use common::{
        kafka::{Batch, BatchBuilder, Compression},
        wire::Reason,
    };

    use super::*;

    const SAMPLED: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// Has records with these headers judged.
    fn judge(traces: &mut PartitionTraces, values: &[Option<&[u8]>]) {
        let mut builder = BatchBuilder::new(Compression::None);
        for value in values {
            let headers: Vec<(&str, &[u8])> = value.iter().map(|value| (TRACEPARENT_HEADER, *value)).collect();
            builder.push(0, None, None, &headers);
        }
        let batch = Batch::of_log(builder.finish().to_vec(), 0).unwrap();
        traces.begin();
        batch.iter().for_each(|record| traces.judged(&record, &Verdict::Rejected(Reason::Empty)));
        traces.folded();
    }

    fn partition() -> (PartitionTraces, tokio::sync::mpsc::Receiver<Span>) {
        let (traces, spans) = Traces::to_channel(10_000);
        (PartitionTraces::new(&traces, "transactions", "tally", 3), spans)
    }

    fn text<'s>(span: &'s Span, name: &str) -> &'s Value {
        &span.attributes.iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[tokio::test]
    async fn only_a_valid_sampled_traceparent_is_followed() {
        let (mut traces, mut spans) = partition();
        let unsampled = [&SAMPLED[..SAMPLED.len() - 1], b"0"].concat();
        judge(&mut traces, &[None, Some(b"00-0-0-00"), Some(&unsampled), Some(SAMPLED), Some(&[0xff; 55])]);
        let span = spans.recv().await.unwrap();
        assert!(spans.try_recv().is_err(), "one only");
        let context = TraceContext::parse(SAMPLED).unwrap();
        assert_eq!((span.trace_id, span.parent_id), (context.trace_id, Some(context.span_id)));
        assert_eq!((span.kind, span.name.as_str()), (SpanKind::Consumer, "process transactions"));
        assert_eq!(text(&span, "messaging.kafka.offset"), &Value::from(3));
        assert_eq!(text(&span, "messaging.destination.partition.id"), &Value::from("3"));
        assert_eq!(text(&span, "tally.verdict"), &Value::from("rejected"));
        assert_eq!(text(&span, "tally.reason"), &Value::from("empty"));
    }

    #[tokio::test]
    async fn a_snapshot_is_told_once_under_the_span_of_the_processing() {
        let (mut traces, mut spans) = partition();
        judge(&mut traces, &[Some(SAMPLED)]);
        let processed = spans.recv().await.unwrap();
        let waiting = traces.take_waiting();
        assert!(traces.take_waiting().is_empty());
        durable(&traces.traces, "transactions", 3, &waiting, 17);
        let span = spans.recv().await.unwrap();
        assert_eq!((span.trace_id, span.parent_id), (processed.trace_id, Some(processed.span_id)));
        assert_eq!((span.kind, span.start_us), (SpanKind::Client, processed.end_us));
        assert_eq!(text(&span, "tally.state_offset"), &Value::from(17));
    }

    #[tokio::test]
    async fn a_flood_of_records_that_ask_to_be_traced_grows_nothing() {
        let (mut traces, mut spans) = partition();
        for _ in 0..20 {
            judge(&mut traces, &[Some(SAMPLED); 500]);
        }
        assert!(traces.waiting.len() <= WAITING_MAX && !traces.waiting.is_empty());
        let told = std::iter::from_fn(|| spans.try_recv().ok()).count();
        assert_eq!(told, traces.waiting.len());
    }
}
