//! The wire format: how a transaction stands in a Kafka record, and the reasons why one can be rejected.
//!
//! ```text
//!   record value ──decode──▶ Result<Transaction, Reason>      one flat JSON object, UTF-8
//!   Transaction  ──encode──▶ record value
//!   headers      tally-seq, tally-intended-us                  ASCII, optional
//! ```
//!
//! [`decode()`] promises: the same bytes and timestamp always give the same answer (no clock, no state); whatever the
//! bytes, it returns, in time and stack bounded by the value's length; an ordinary record costs no allocation.
//! A rejected record is a value, a [`Reason`], never an error of the program. The names, the codes and the order of
//! the checks are a contract with everything that reads the ledger, so they may be added to but never changed.

mod canonical;
mod decode;
mod encode;
mod headers;
mod id;
mod json;
mod reason;
#[cfg(test)]
mod tests;
mod timestamp;
mod trace_context;

pub use decode::{Rules, decode};
pub use encode::encode;
pub use headers::{
    INTENDED_HEADER, IntendedHeader, Origin, REDRIVEN_HEADER, SEQUENCE_HEADER, SequenceHeader, format_intended_us,
    parse_intended_us,
};
pub use reason::Reason;
pub use timestamp::{TIMESTAMP_BYTES, format_ms, parse_ms};
pub use trace_context::{TRACEPARENT_HEADER, TraceContext};

/// The version of the format that this code reads and writes.
pub const SCHEMA_VERSION: i64 = 1;

/// The largest value of a record, in bytes, unless configured otherwise.
pub const VALUE_BYTES_MAX_DEFAULT: usize = 65_536;

/// How far a transaction may lie ahead of its record's Kafka timestamp, in milliseconds, unless configured otherwise.
pub const FUTURE_SKEW_MS_DEFAULT: i64 = 300_000;
