//! A batch of records before they become Kafka's: one buffer for all values, one small entry for each record.
//!
//! What a record is (key, value, sequence, times) is fixed when it is pushed. [`Batch::encode`] makes a request's batch of
//! it once, however often that has to be sent.

use std::ops::Range;

use common::kafka::BatchBuilder;
use common::wire::{
    INTENDED_HEADER, IntendedHeader, SEQUENCE_HEADER, SequenceHeader, TRACEPARENT_HEADER, TraceContext,
    format_intended_us,
};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Where the requests begin and end that this batch is to be sent in, of at most so many bytes each before compression.
    pub fn requests(&self, bytes_max: usize) -> impl Iterator<Item = Range<usize>> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let start = next;
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

    /// Everything that is in here, with the values.
    #[cfg(test)]
    pub fn records(&self) -> Vec<(Entry, Vec<u8>)> {
        (0..self.len()).map(|index| (self.entries[index].0, self.values[self.value_range(index)].to_vec())).collect()
    }

    /// The intended send times in `range`, in microseconds since 1970.
    pub fn intended_us(&self, range: Range<usize>) -> impl Iterator<Item = i64> {
        self.entries[range].iter().map(|(entry, _)| entry.intended_us)
    }

    /// Adds the records in `range` to what goes to Kafka. `traced` are those that begin a trace, in order.
    pub fn encode(
        &self,
        incarnation: u64,
        range: Range<usize>,
        mut traced: &[(usize, TraceContext)],
        out: &mut BatchBuilder,
    ) {
        for index in range {
            let entry = &self.entries[index].0;
            let mut buffer = [0; SequenceHeader::BYTES_MAX];
            let sequence = match entry.sequence {
                Sequence::Number(sequence) => SequenceHeader { incarnation, sequence }.format(&mut buffer),
                Sequence::Broken => BROKEN_SEQUENCE,
            };
            let mut buffer = IntendedHeader::default();
            let intended = format_intended_us(entry.intended_us, &mut buffer);
            let value = (!entry.tombstone).then(|| &self.values[self.value_range(index)]);
            let headers = [(SEQUENCE_HEADER, sequence), (INTENDED_HEADER, intended)];
            let key = Some(entry.account.as_bytes());
            match traced.split_first() {
                Some(((traced_index, context), rest)) if *traced_index == index => {
                    traced = rest;
                    let [sequence, intended] = headers;
                    let traceparent = context.format();
                    out.push(entry.timestamp_ms, key, value, &[sequence, intended, (TRACEPARENT_HEADER, &traceparent)]);
                }
                _ => out.push(entry.timestamp_ms, key, value, &headers),
            }
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

#[cfg(test)]
mod tests {
    use common::kafka::Compression;

    use super::*;
    use crate::population::Accounts;

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
        batch.requests(20_000).map(|range| range.len()).collect()
    }

    #[test]
    fn a_batch_goes_in_as_few_requests_as_the_limit_allows() {
        assert_eq!(sizes(&batch(&[])), [0_usize; 0]);
        assert_eq!(sizes(&batch(&[300])), [1]);
        // 412 bytes each.
        assert_eq!(sizes(&batch(&[300; 48])), [48]);
        assert_eq!(sizes(&batch(&[300; 50])), [48, 2]);
    }

    #[test]
    fn a_record_larger_than_any_request_goes_alone() {
        assert_eq!(sizes(&batch(&[300, 70_000, 300])), [1, 1, 1]);
    }

    #[test]
    fn a_range_becomes_records_with_the_numbers_that_were_given_out() {
        let batch = batch(&[10, 20, 30]);
        let mut encoded = BatchBuilder::new(Compression::None);
        batch.encode(0xabc, 1..3, &[], &mut encoded);
        let mut expected = BatchBuilder::new(Compression::None);
        for (bytes, sequence) in [(20, b"0000000000000abc:2"), (30, b"0000000000000abc:3")] {
            let headers: [(&str, &[u8]); 2] = [(SEQUENCE_HEADER, sequence), (INTENDED_HEADER, b"1000123")];
            expected.push(1_000, Some(Accounts::name(3).as_bytes()), Some(&vec![b'v'; bytes]), &headers);
        }
        assert_eq!(encoded.finish(), expected.finish());
    }

    #[test]
    fn a_record_that_begins_a_trace_says_so_in_one_header_more_and_nothing_else_changes() {
        let batch = batch(&[10, 20, 30]);
        let context = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };
        let records = |traced: &[(usize, TraceContext)]| {
            let mut encoded = BatchBuilder::new(Compression::None);
            batch.encode(0xabc, 0..3, traced, &mut encoded);
            common::kafka::Batch::of_log(encoded.finish().to_vec(), 0).unwrap()
        };
        let (plain, traced) = (records(&[]), records(&[(1, context)]));
        for (plain, traced) in plain.iter().zip(traced.iter()) {
            assert_eq!((plain.key, plain.value, plain.timestamp_ms), (traced.key, traced.value, traced.timestamp_ms));
            assert_eq!(
                (plain.sequence, plain.headers.get(INTENDED_HEADER)),
                (traced.sequence, traced.headers.get(INTENDED_HEADER))
            );
            let expected = (traced.offset == 1).then(|| context.format());
            assert_eq!(traced.headers.get(TRACEPARENT_HEADER), expected.as_ref().map(<[u8; 55]>::as_slice));
        }
        assert_eq!(traced.iter().count(), 3);
    }
}
