//! A batch of records before they become Kafka's: one buffer for all values, one small entry for each record.
//!
//! What a record is (key, value, sequence, times) is fixed when it is pushed. [`Batch::records`] builds the client's
//! records from it as often as the batch has to be sent, so that a resend is the same to the last byte.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, Utc};
use common::kafka::Record;
use common::wire::{INTENDED_HEADER, IntendedHeader, SEQUENCE_HEADER, SequenceHeader, format_intended_us};

use crate::population::AccountName;

/// What a record costs in a request besides its value: key, both headers, lengths; rounded up.
const RECORD_BYTES_EXTRA: usize = 112;

/// What goes into the `tally-seq` header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// The record's number in its partition.
    Number(u64),
    /// Text that is no sequence: an injected fault. Such a record takes no number, or the gap would look like a loss.
    Broken,
}

/// The `tally-seq` of an injected fault.
const BROKEN_SEQUENCE: &[u8] = b"not-a-sequence";

/// One record but for its value.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The key.
    pub account: AccountName,
    /// The number in the partition.
    pub sequence: Sequence,
    /// The Kafka timestamp, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// When it was meant to be sent, in microseconds since 1970.
    pub intended_us: i64,
    /// The record has no value at all: an injected fault.
    pub tombstone: bool,
}

/// Records on their way to one partition, in order.
#[derive(Debug, Default)]
pub struct Batch {
    values: Vec<u8>,
    /// Each entry with the end of its value in `values`.
    entries: Vec<(Entry, usize)>,
}

impl Batch {
    /// Adds a record, whose value is appended by `write`.
    #[inline]
    pub fn push(&mut self, entry: Entry, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.values);
        self.entries.push((entry, self.values.len()));
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how many bytes a request with all of them has.
    #[inline]
    pub fn request_bytes(&self) -> usize {
        self.values.len() + self.entries.len() * RECORD_BYTES_EXTRA
    }

    /// Empties the batch and keeps its memory, unless one huge value made that unusually large.
    pub fn clear(&mut self, bytes_kept_max: usize) {
        self.values.clear();
        self.values.shrink_to(bytes_kept_max);
        self.entries.clear();
    }

    /// Where the requests begin and end that this batch is to be sent in; see [`RequestBytes`].
    pub fn requests(&self, limits: RequestBytes) -> impl Iterator<Item = Range<usize>> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let start = next;
            let rest_bytes: usize = (start..self.len()).map(|index| self.record_bytes(index)).sum();
            let bytes_max = if rest_bytes >= limits.large_min { limits.max } else { limits.small_max };
            let mut bytes = 0;
            while next < self.len() {
                bytes += self.record_bytes(next);
                // A request has at least one record, however large that is.
                if bytes > bytes_max && next > start {
                    break;
                }
                next += 1;
            }
            (start < next).then_some(start..next)
        })
    }

    /// The intended send times in `range`, in microseconds since 1970.
    pub fn intended_us(&self, range: Range<usize>) -> impl Iterator<Item = i64> {
        self.entries[range].iter().map(|(entry, _)| entry.intended_us)
    }

    /// The client's records in `range`. The same range always gives the same records.
    pub fn records(&self, incarnation: u64, range: Range<usize>) -> Vec<Record> {
        range.map(|index| self.record(incarnation, index)).collect()
    }

    fn record(&self, incarnation: u64, index: usize) -> Record {
        let entry = &self.entries[index].0;
        let mut buffer = [0; SequenceHeader::BYTES_MAX];
        let sequence = match entry.sequence {
            Sequence::Number(sequence) => SequenceHeader { incarnation, sequence }.format(&mut buffer),
            Sequence::Broken => BROKEN_SEQUENCE,
        };
        let mut buffer = IntendedHeader::default();
        let intended = format_intended_us(entry.intended_us, &mut buffer);
        // Two inserts: building the map from an array sorts it in a vector of its own first.
        let mut headers = BTreeMap::new();
        headers.insert(SEQUENCE_HEADER.to_owned(), sequence.to_vec());
        headers.insert(INTENDED_HEADER.to_owned(), intended.to_vec());
        Record {
            key: Some(entry.account.as_bytes().to_vec()),
            value: (!entry.tombstone).then(|| self.values[self.value_range(index)].to_vec()),
            headers,
            timestamp: DateTime::<Utc>::from_timestamp_millis(entry.timestamp_ms).unwrap_or_default(),
        }
    }

    fn value_range(&self, index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { self.entries[index - 1].1 };
        start..self.entries[index].1
    }

    fn record_bytes(&self, index: usize) -> usize {
        self.value_range(index).len() + RECORD_BYTES_EXTRA
    }
}

/// How large requests are, in bytes before compression.
///
/// The client leaves Nagle's algorithm on, and a request of more than its 8 kB write buffer but less than the
/// loopback's 64 kB segments then waits some 45 ms for a delayed acknowledgement. So a batch is sent either in small
/// requests or in large ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBytes {
    /// Largest of the small ones.
    pub small_max: usize,
    /// From here on a batch is sent in large ones.
    pub large_min: usize,
    /// Largest of all; brokers take 1 MB.
    pub max: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Accounts;

    const LIMITS: RequestBytes = RequestBytes { small_max: 1_000, large_min: 10_000, max: 20_000 };

    fn batch(value_bytes: &[usize]) -> Batch {
        let mut batch = Batch::default();
        for (sequence, &bytes) in (1..).zip(value_bytes) {
            let entry = Entry {
                account: Accounts::name(3),
                sequence: Sequence::Number(sequence),
                timestamp_ms: 1_000,
                intended_us: 1_000_123,
                tombstone: false,
            };
            batch.push(entry, |values| values.resize(values.len() + bytes, b'v'));
        }
        batch
    }

    fn sizes(batch: &Batch) -> Vec<usize> {
        batch.requests(LIMITS).map(|range| range.len()).collect()
    }

    #[test]
    fn few_records_go_in_small_requests_and_many_in_large_ones() {
        assert_eq!(sizes(&batch(&[])), [0_usize; 0]);
        assert_eq!(sizes(&batch(&[300])), [1]);
        // 412 bytes each.
        assert_eq!(sizes(&batch(&[300; 5])), [2, 2, 1]);
        assert_eq!(sizes(&batch(&[300; 24])), [2; 12]);
        assert_eq!(sizes(&batch(&[300; 25])), [25]);
        // The rest after a large request is small again.
        assert_eq!(sizes(&batch(&[300; 50])), [48, 2]);
    }

    #[test]
    fn a_record_larger_than_any_request_goes_alone() {
        assert_eq!(sizes(&batch(&[300, 70_000, 300])), [1, 1, 1]);
        assert_eq!(sizes(&batch(&[5_000])), [1]);
    }

    #[test]
    fn a_resend_is_the_same_to_the_last_byte() {
        let batch = batch(&[10, 20, 30]);
        let records = batch.records(0xabc, 1..3);
        assert_eq!(records, batch.records(0xabc, 1..3));
        assert_eq!(records[0].headers[SEQUENCE_HEADER], b"0000000000000abc:2");
        assert_eq!(records[1].headers[SEQUENCE_HEADER], b"0000000000000abc:3");
        assert_eq!(records[0].headers[INTENDED_HEADER], b"1000123");
        assert_eq!((records[0].value.as_ref().unwrap().len(), records[1].value.as_ref().unwrap().len()), (20, 30));
        assert_eq!(records[0].timestamp.timestamp_millis(), 1_000);
    }
}
