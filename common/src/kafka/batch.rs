//! What one fetch brought: record batches as brokers store and send them, taken apart without copying a record.
//!
//! The format is Kafka's message format 2, <https://kafka.apache.org/documentation/#recordbatch>. A batch is checked from
//! end to end when it arrives (its checksum, and that it holds the records it says), so that looking at its records
//! afterwards can't fail. Compressed ones are unpacked then, within a limit.
//!
//! ```text
//!   answer ─▶ [ batch | batch | bad one | … ] ─▶ what stands before the bad one ─▶ caller
//!                                                 (read again from there, it is the first: given up, offset by offset)
//! ```

use std::ops::Range;

use super::{
    record::{Bytes, RecordView},
    unpack::unpack,
};

/// Bytes of a batch up to and with its length, and up to its records.
const LENGTH_END: usize = 12;
const HEADER_BYTES: usize = 61;
/// Where the message format stands, and where the bytes begin that the checksum is of.
const MAGIC_AT: usize = 16;
const CHECKED_FROM: usize = 21;

/// Most bytes of all compressed batches of one fetch, unpacked: sixteen times what brokers take packed in one batch unless
/// told otherwise.
pub(super) const UNPACKED_BYTES_MAX: usize = 16 << 20;
/// Most offsets that are given up at once; the rest of a batch that has more follows.
const GIVEN_UP_OFFSETS_MAX: i64 = 5_000;

/// No log comes so far: at a billion records a second it would take a century.
const OFFSET_MAX: i64 = 1 << 62;

/// Consecutive records of a partition, in order of offset. Between two of them offsets may be without a record.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    stretches: Vec<Stretch>,
    offset: i64,
    next_offset: i64,
    high_watermark: i64,
}

/// The records of one of the broker's batches.
#[derive(Debug)]
struct Stretch {
    base_offset: i64,
    base_timestamp_ms: i64,
    /// The time of all records, where the broker gave them one.
    append_time_ms: Option<i64>,
    records: Records,
}

#[derive(Debug)]
enum Records {
    /// A part of the answer.
    InPlace(Range<usize>),
    Unpacked(Vec<u8>),
    /// Nothing is known of the records at these offsets.
    GivenUp(Range<i64>),
}

/// An answer as it came: `records` of `bytes` are what was read from `offset` on.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) records: Range<usize>,
    pub(super) offset: i64,
    pub(super) high_watermark: i64,
}

/// Why nothing could be made of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is not made of batches: a fault of the broker or of the way from it.
    Answer(String),
    /// Its first batch, up to before `next_offset`, is not what it says.
    Batch {
        next_offset: i64,
        cause: String,
        /// Its checksum is wrong: it may have been spoilt on its way.
        is_spoilt: bool,
    },
}

impl Batch {
    /// Takes an answer apart, up to the first batch that can't be read.
    ///
    /// # Errors
    /// [`Unreadable`], where that is the first one.
    pub(super) fn of(answer: Answer) -> Result<Self, Unreadable> {
        let Answer { bytes, records, offset, high_watermark } = answer;
        let mut batch = Self { stretches: Vec::new(), offset, next_offset: offset, high_watermark, bytes };
        let mut rest = records;
        let mut unpacked_bytes_left = UNPACKED_BYTES_MAX;
        while let Some(whole) = next_batch(&batch.bytes, &mut rest)? {
            if batch.next_offset > offset && number::<i64>(&batch.bytes, whole.start) < batch.next_offset {
                return Err(Unreadable::Answer("its batches are out of order".to_owned()));
            }
            match read(&batch.bytes, whole, unpacked_bytes_left) {
                Ok((stretch, next_offset)) => {
                    if let Some(Stretch { records: Records::Unpacked(bytes), .. }) = &stretch {
                        unpacked_bytes_left -= bytes.len();
                    }
                    batch.stretches.extend(stretch);
                    batch.next_offset = next_offset.max(offset);
                }
                Err(unreadable) if batch.next_offset == offset => {
                    return Err(unreadable.ending_before(&batch.bytes, &rest));
                }
                Err(_) => break,
            }
            if batch.next_offset == offset {
                return Err(Unreadable::Answer("its first batch ends before the offset asked for".to_owned()));
            }
        }
        if batch.next_offset == offset && !rest.is_empty() {
            return Err(Unreadable::Answer("it holds no whole batch".to_owned()));
        }
        Ok(batch)
    }

    /// Batches as they lie in a log, read from `offset` on: for whoever has them from elsewhere than a broker. `None` where
    /// the first of them can't be read.
    #[must_use]
    pub fn of_log(bytes: Vec<u8>, offset: i64) -> Option<Self> {
        Self::of(Answer { records: 0..bytes.len(), bytes, offset, high_watermark: i64::MAX }).ok()
    }

    /// Records of which nothing is known, at the first of the offsets from `offset` to before `end`.
    pub(super) fn given_up(offset: i64, end: i64, high_watermark: i64) -> Self {
        let next_offset = end.min(high_watermark).clamp(offset + 1, offset + GIVEN_UP_OFFSETS_MAX);
        let stretch = Stretch {
            base_offset: offset,
            base_timestamp_ms: 0,
            append_time_ms: None,
            records: Records::GivenUp(offset..next_offset),
        };
        Self { bytes: Vec::new(), stretches: vec![stretch], offset, next_offset, high_watermark }
    }

    /// The records.
    pub fn iter(&self) -> impl Iterator<Item = RecordView<'_>> {
        let all = self.stretches.iter().flat_map(|stretch| stretch.iter(&self.bytes));
        // A batch that begins before the offset asked for comes as a whole.
        all.filter(|record| record.offset >= self.offset)
    }

    /// The offset to read next. Offsets before it that hold no record here hold none at all.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Offset after the last record that is replicated.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }
}

impl Unreadable {
    /// What a spoilt batch says of its own end may be spoilt as well. Where another one follows, that one's start is the end.
    fn ending_before(self, bytes: &[u8], following: &Range<usize>) -> Self {
        match self {
            Self::Batch { cause, is_spoilt: true, .. } if following.len() > LENGTH_END => {
                Self::Batch { next_offset: number::<i64>(bytes, following.start), cause, is_spoilt: true }
            }
            other => other,
        }
    }
}

impl Stretch {
    fn iter<'a>(&'a self, answer: &'a [u8]) -> impl Iterator<Item = RecordView<'a>> {
        let (mut rest, given_up) = match &self.records {
            Records::InPlace(range) => (Bytes(&answer[range.clone()]), 0..0),
            Records::Unpacked(bytes) => (Bytes(bytes), 0..0),
            Records::GivenUp(offsets) => (Bytes::default(), offsets.clone()),
        };
        let known = std::iter::from_fn(move || {
            (!rest.0.is_empty()).then(|| self.next_record(&mut rest).expect("a batch is checked when it arrives"))
        });
        known.chain(given_up.map(|offset| RecordView { offset, undecodable: true, ..RecordView::default() }))
    }

    #[inline]
    fn next_record<'a>(&self, rest: &mut Bytes<'a>) -> Option<RecordView<'a>> {
        rest.record(
            |delta| self.base_offset.wrapping_add(delta),
            // As Java adds: around the end of 64 bits.
            |delta| self.append_time_ms.unwrap_or(self.base_timestamp_ms.wrapping_add(delta)),
        )
    }

    /// Whether there are `count` records up to the last byte, at growing offsets up to `last_offset`.
    fn holds(&self, answer: &[u8], count: i32, last_offset: i64) -> bool {
        let mut rest = match &self.records {
            Records::InPlace(range) => Bytes(&answer[range.clone()]),
            Records::Unpacked(bytes) => Bytes(bytes),
            Records::GivenUp(_) => return true,
        };
        let mut next_offset = self.base_offset;
        for _ in 0..count {
            match self.next_record(&mut rest) {
                Some(record) if (next_offset..=last_offset).contains(&record.offset) => next_offset = record.offset + 1,
                _ => return false,
            }
        }
        rest.0.is_empty()
    }
}

/// Cuts the next batch off `rest`; nothing where that ends before the batch does, as answers often do.
fn next_batch(bytes: &[u8], rest: &mut Range<usize>) -> Result<Option<Range<usize>>, Unreadable> {
    if rest.len() <= MAGIC_AT {
        return Ok(None);
    }
    let length = number::<i32>(bytes, rest.start + LENGTH_END - size_of::<i32>());
    let Some(length) = usize::try_from(length).ok().filter(|length| LENGTH_END + length > MAGIC_AT) else {
        return Err(Unreadable::Answer(format!("a batch of {length} bytes")));
    };
    if rest.len() < LENGTH_END + length {
        return Ok(None);
    }
    let whole = rest.start..rest.start + LENGTH_END + length;
    rest.start = whole.end;
    Ok(Some(whole))
}

/// Reads a batch, and where the next one begins. A batch of markers only (transactions' commits and aborts) has none of
/// the records that concern anybody.
fn read(bytes: &[u8], whole: Range<usize>, unpacked_bytes_max: usize) -> Result<(Option<Stretch>, i64), Unreadable> {
    let at = |place: usize| whole.start + place;
    let base_offset = number::<i64>(bytes, at(0));
    if !(0..OFFSET_MAX).contains(&base_offset) {
        return Err(Unreadable::Answer(format!("a batch at offset {base_offset}")));
    }
    match bytes[at(MAGIC_AT)] {
        2 if whole.len() >= HEADER_BYTES => {}
        2 => return Err(Unreadable::Answer(format!("a batch of {} bytes", whole.len()))),
        old @ 0..2 => {
            // What comes first in these is the offset of the last record.
            let cause = format!("message format {old}, which Kafka wrote before 0.11");
            return Err(Unreadable::Batch { next_offset: base_offset + 1, cause, is_spoilt: false });
        }
        new => return Err(Unreadable::Answer(format!("a batch in message format {new}, which is unknown"))),
    }
    let last_offset = base_offset + i64::from(number::<i32>(bytes, at(23)).max(0));
    let bad = |cause: String, is_spoilt| Unreadable::Batch { next_offset: last_offset + 1, cause, is_spoilt };
    if crc32c::crc32c(&bytes[at(CHECKED_FROM)..whole.end]) != number::<i32>(bytes, at(17)).cast_unsigned() {
        return Err(bad("its checksum is wrong".to_owned(), true));
    }
    let attributes = number::<i16>(bytes, at(21));
    if attributes & 0x20 != 0 {
        return Ok((None, last_offset + 1));
    }
    let body = at(HEADER_BYTES)..whole.end;
    let records = match attributes & 7 {
        0 => Records::InPlace(body),
        // Compaction leaves the header of an emptied batch, codec and all.
        _ if body.is_empty() => Records::InPlace(body),
        codec => Records::Unpacked(unpack(codec, &bytes[body], unpacked_bytes_max).map_err(|cause| bad(cause, false))?),
    };
    let stretch = Stretch {
        base_offset,
        base_timestamp_ms: number::<i64>(bytes, at(27)),
        append_time_ms: (attributes & 8 != 0).then(|| number::<i64>(bytes, at(35))),
        records,
    };
    if stretch.holds(bytes, number::<i32>(bytes, at(57)), last_offset) {
        Ok((Some(stretch), last_offset + 1))
    } else {
        Err(bad("it does not hold the records it says".to_owned(), false))
    }
}

/// The number at a place, which must be inside.
fn number<N: BigEndian>(bytes: &[u8], at: usize) -> N {
    N::read(&bytes[at..at + size_of::<N>()])
}

/// Numbers as they go over a network.
trait BigEndian: Sized {
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! big_endian {
    ($($number:ty)*) => {$(
        impl BigEndian for $number {
            fn read(bytes: &[u8]) -> Self {
                Self::from_be_bytes(bytes.try_into().expect("as many bytes as the number has"))
            }
        }
    )*};
}

big_endian!(i16 i32 i64);

#[cfg(test)]
mod tests;
