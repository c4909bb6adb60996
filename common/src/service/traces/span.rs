//! What is told of one step of a record.

use std::borrow::Cow;

/// Which side of a hand-over a span is, in OpenTelemetry's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A message was sent.
    Producer,
    /// A message was processed.
    Consumer,
    /// Somebody else was asked to do something.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

/// One step, from when to when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span itself.
    pub span_id: [u8; 8],
    /// The span it is under; `None` for the first of a trace.
    pub parent_id: Option<[u8; 8]>,
    /// What it is.
    pub kind: SpanKind,
    /// What was done, and to what: `send transactions`.
    pub name: String,
    /// Beginning, in microseconds since 1970.
    pub start_us: i64,
    /// End, in microseconds since 1970.
    pub end_us: i64,
    /// What else is known of it.
    pub attributes: Vec<(&'static str, Value)>,
}

/// An id that no other span has, from the system's randomness.
pub fn random_span_id() -> [u8; 8] {
    // Of the two halves this is the one with fewer fixed bits, and never zero: the variant's are 10.
    uuid::Uuid::new_v4().as_u64_pair().1.to_be_bytes()
}
