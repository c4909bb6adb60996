//! One record as it lies in the log, borrowed from whatever read it.

use rskafka::record::RecordAndOffset;

/// One record of a partition. Borrowed: looking at it costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its Kafka timestamp in milliseconds since the epoch. Any value is possible: it is the sender's.
    pub timestamp_ms: i64,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    /// The value of its `tally-seq` header, if it has one; a null header value counts as no bytes.
    pub sequence: Option<&'a [u8]>,
    /// The record's batch could not be decoded by any means: key, value and headers are unknown.
    pub undecodable: bool,
}

impl<'a> RecordView<'a> {
    /// The view of a record that rskafka fetched.
    pub(crate) fn of(fetched: &'a RecordAndOffset) -> Self {
        let record = &fetched.record;
        Self {
            offset: fetched.offset,
            timestamp_ms: record.timestamp.timestamp_millis(),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            sequence: record.headers.get(SEQUENCE_HEADER).map(Vec::as_slice),
            undecodable: false,
        }
    }
}

/// The one header that readers need; `wire` says what is in it.
pub(crate) const SEQUENCE_HEADER: &str = "tally-seq";

/// A record that owns its bytes: what a detour read, and what tests write down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnedRecord {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) sequence: Option<Vec<u8>>,
    pub(crate) undecodable: bool,
}

impl OwnedRecord {
    pub(crate) fn view(&self) -> RecordView<'_> {
        RecordView {
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            sequence: self.sequence.as_deref(),
            undecodable: self.undecodable,
        }
    }
}
