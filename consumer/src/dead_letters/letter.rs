//! A dead letter as it lies in its topic, and how it is shown.

use common::{kafka::RecordView, wire::Origin};
use serde::Serialize;

use super::{
    journal::Identity,
    text::{hex, printable},
};
use crate::{
    clock::format_time,
    dead_letter::{GENERATION_HEADER, REASON_HEADER, SOURCE_KEY_HEADER, SOURCE_TIMESTAMP_HEADER, TRUNCATED_HEADER},
};

/// How much of a value is shown in a list.
pub const PREVIEW_CHARS: usize = 256;
/// The same in hexadecimal.
pub const PREVIEW_BYTES: usize = 64;

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where the rejected record stands.
    pub origin: Origin,
    /// Generation of the state that rejected it.
    pub generation: u64,
    /// The reason's code; a newer version may have written one that is not known here.
    pub reason: String,
    /// When it was written, in milliseconds since the epoch.
    pub rejected_at_ms: i64,
    /// The rejected record's own timestamp, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The rejected record's key.
    pub key: Option<Vec<u8>>,
    /// The rejected record's value.
    pub value: Option<Vec<u8>>,
    /// The rejected record's `tally-seq` header.
    pub sequence: Option<Vec<u8>>,
    /// For which dead letter the rejected record had been sent again.
    pub redriven_from: Option<Origin>,
    /// How many bytes the value had, where not all of them are here.
    pub truncated_from_bytes: Option<u64>,
}

impl Letter {
    /// Reads a record of the topic of dead letters; `None` where it is none of ours.
    #[must_use]
    pub fn read(record: &RecordView<'_>) -> Option<Self> {
        let owned = |bytes: &[u8]| bytes.to_vec();
        Some(Self {
            origin: record.key.and_then(Origin::parse)?,
            generation: record.headers.text(GENERATION_HEADER)?.parse().ok()?,
            reason: record.headers.text(REASON_HEADER)?.to_owned(),
            rejected_at_ms: record.timestamp_ms,
            timestamp_ms: record.headers.text(SOURCE_TIMESTAMP_HEADER).and_then(|text| text.parse().ok()),
            key: record.headers.get(SOURCE_KEY_HEADER).map(owned),
            value: record.value.map(owned),
            sequence: record.sequence.map(owned),
            redriven_from: record.redriven_from.and_then(Origin::parse),
            truncated_from_bytes: record.headers.text(TRUNCATED_HEADER).and_then(|text| text.parse().ok()),
        })
    }

    /// What it is, whatever generation rejected it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        (self.origin, self.timestamp_ms)
    }

    /// What a list shows of it. `mended`: whether it was sent again, where that is known.
    #[must_use]
    pub fn entry(&self, mended: Option<bool>) -> Entry {
        self.shown(PREVIEW_CHARS, PREVIEW_BYTES, mended)
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self, mended: Option<bool>) -> Entry {
        self.shown(usize::MAX, usize::MAX, mended)
    }

    fn shown(&self, chars_max: usize, bytes_max: usize, mended: Option<bool>) -> Entry {
        let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| printable(bytes, chars_max));
        let bytes = self.value.as_ref().map(|value| value.len() as u64);
        Entry {
            partition: self.origin.partition,
            offset: self.origin.offset,
            generation: self.generation,
            reason: printable(self.reason.as_bytes(), PREVIEW_CHARS),
            rejected_at: format_time(self.rejected_at_ms),
            timestamp: self.timestamp_ms.map(format_time),
            key_text: text(&self.key),
            value_text: text(&self.value),
            value_hex: self.value.as_deref().map(|value| hex(value, bytes_max)),
            value_bytes: self.truncated_from_bytes.or(bytes),
            truncated: self.truncated_from_bytes.is_some(),
            redriven_from: self.redriven_from.map(|origin| origin.to_string()),
            mended,
        }
    }
}

/// A dead letter as JSON. All text in it is printable, whatever the bytes were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Partition of the rejected record.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Generation of the state that rejected it.
    pub generation: u64,
    /// The reason's code.
    pub reason: String,
    /// When it was rejected, in RFC 3339.
    pub rejected_at: String,
    /// Its Kafka timestamp, in RFC 3339.
    pub timestamp: Option<String>,
    /// Its key as text.
    pub key_text: Option<String>,
    /// Its value as text; in lists the beginning.
    pub value_text: Option<String>,
    /// Its value in hexadecimal; in lists the beginning.
    pub value_hex: Option<String>,
    /// How many bytes the value had.
    pub value_bytes: Option<u64>,
    /// Whether the letter does not hold all of them.
    pub truncated: bool,
    /// For which dead letter (`partition/offset`) the rejected record had been sent again.
    pub redriven_from: Option<String>,
    /// Whether it was sent again since, mended; null where that is not known.
    pub mended: Option<bool>,
}

#[cfg(test)]
pub(crate) mod tests {
    use common::{
        kafka::{Batch, BatchBuilder, Compression, Record},
        wire::Reason,
    };

    use super::*;
    use crate::dead_letter::{DeadLetter, Source};

    /// Records as a reader of their topic gets them.
    pub(crate) fn batch(records: &[Record]) -> Batch {
        let mut builder = BatchBuilder::new(Compression::None);
        for record in records {
            let headers: Vec<_> = record.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            builder.push(record.timestamp_ms, record.key.as_deref(), record.value.as_deref(), &headers);
        }
        Batch::of_log(builder.finish().to_vec(), 0).expect("a batch that was just made")
    }

    fn written(record: &RecordView<'_>, reason: Reason) -> Record {
        let source = Source { topic: "transactions".to_owned(), partition: 3, generation: 2 };
        DeadLetter::new(record, reason).to_record(&source, 5_000)
    }

    #[test]
    fn a_letter_is_read_as_it_was_written() {
        let rejected = RecordView {
            offset: 12,
            timestamp_ms: 4_000,
            key: Some(b"ACC-1"),
            value: Some(b"{\xfe"),
            sequence: Some(b"x"),
            redriven_from: Some(b"1/7"),
            ..RecordView::default()
        };
        let read = batch(&[written(&rejected, Reason::InvalidHeader)]).iter().find_map(|record| Letter::read(&record));
        let letter = read.expect("it is one");
        assert_eq!(letter.origin, Origin { partition: 3, offset: 12 });
        assert_eq!((letter.generation, letter.reason.as_str()), (2, "invalid_header"));
        assert_eq!((letter.rejected_at_ms, letter.timestamp_ms), (5_000, Some(4_000)));
        assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (Some(&b"ACC-1"[..]), Some(&b"{\xfe"[..])));
        assert_eq!(letter.redriven_from, Some(Origin { partition: 1, offset: 7 }));
        let entry = letter.entry(Some(true));
        assert_eq!((entry.value_text.as_deref(), entry.value_hex.as_deref()), (Some("{\\xfe"), Some("7bfe")));
        assert_eq!((entry.value_bytes, entry.truncated, entry.mended), (Some(2), false, Some(true)));
    }

    #[test]
    fn records_of_strangers_are_no_letters() {
        let whole = written(&RecordView::default(), Reason::Empty);
        assert!(batch(std::slice::from_ref(&whole)).iter().all(|record| Letter::read(&record).is_some()));
        let without = |name: &str| Record {
            headers: whole.headers.iter().filter(|(known, _)| *known != name).cloned().collect(),
            ..whole.clone()
        };
        let strangers = [
            without(REASON_HEADER),
            without(GENERATION_HEADER),
            Record { key: Some(b"3-12".to_vec()), ..whole.clone() },
            Record { key: None, ..whole.clone() },
        ];
        assert!(batch(&strangers).iter().all(|record| Letter::read(&record).is_none()));
    }
}
