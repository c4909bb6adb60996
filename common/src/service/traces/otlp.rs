//! Spans as OTLP's messages have them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Message, span};
use prost::Message as _;

use super::{Span, SpanKind, Value};

/// Who it is that sends spans.
pub(super) fn resource(service_name: &str, version: &str) -> Resource {
    let instance = uuid::Uuid::new_v4().to_string();
    let attributes = [
        ("service.name", service_name.to_owned()),
        ("service.version", version.to_owned()),
        ("service.instance.id", instance),
    ];
    Resource {
        attributes: attributes.into_iter().map(|(name, value)| attribute(name, Value::from(value))).collect(),
        ..Resource::default()
    }
}

/// What in it makes them.
pub(super) fn scope(program: &str, version: &str) -> InstrumentationScope {
    InstrumentationScope { name: program.to_owned(), version: version.to_owned(), ..InstrumentationScope::default() }
}

/// The body of a request.
pub(super) fn request(resource: &Resource, scope: &InstrumentationScope, spans: impl Iterator<Item = Span>) -> Vec<u8> {
    let spans = spans.map(message).collect();
    let scope_spans = ScopeSpans { scope: Some(scope.clone()), spans, ..ScopeSpans::default() };
    let resource_spans =
        ResourceSpans { resource: Some(resource.clone()), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

fn message(span: Span) -> Message {
    let kind = match span.kind {
        SpanKind::Producer => span::SpanKind::Producer,
        SpanKind::Consumer => span::SpanKind::Consumer,
        SpanKind::Client => span::SpanKind::Client,
    };
    // Clocks of two machines may disagree; no span ends before it begins.
    let end_us = span.end_us.max(span.start_us);
    Message {
        trace_id: span.trace_id.to_vec(),
        span_id: span.span_id.to_vec(),
        parent_span_id: span.parent_id.map(|id| id.to_vec()).unwrap_or_default(),
        name: span.name,
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(span.start_us),
        end_time_unix_nano: nanoseconds(end_us),
        attributes: span.attributes.into_iter().map(|(name, value)| attribute(name, value)).collect(),
        ..Message::default()
    }
}

fn attribute(name: &str, value: Value) -> KeyValue {
    let value = match value {
        Value::Text(text) => any_value::Value::StringValue(text.into_owned()),
        Value::Number(number) => any_value::Value::IntValue(number),
    };
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanoseconds(us: i64) -> u64 {
    u64::try_from(us).unwrap_or(0).saturating_mul(1_000)
}
