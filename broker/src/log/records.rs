//! The records inside a batch: read in place, never copied, never trusted.
//!
//! A record is `length, attributes, timestamp delta, offset delta, key, value, headers` in zig-zag varints. Deltas are
//! relative to the batch header, so compaction can keep a record's raw bytes and only change the header round them.

use crate::log::batch::{BatchFault, BatchHeader, NO_TIMESTAMP};

/// One record, borrowed from its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordView<'a> {
    /// The whole record, its length prefix included.
    pub(crate) raw: &'a [u8],
    pub(crate) offset: i64,
    /// Milliseconds since the epoch, −1 for none.
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    /// True for a tombstone.
    pub(crate) value_is_null: bool,
}

/// Walks the (decompressed) records of one batch and checks their structure down to the last header.
pub(crate) struct Records<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    index: i32,
}

impl<'a> Records<'a> {
    pub(crate) fn new(header: BatchHeader, records: &'a [u8]) -> Self {
        Self { header, rest: records, index: 0 }
    }

    fn next_record(&mut self) -> Result<RecordView<'a>, &'static str> {
        let whole = self.rest;
        let mut cursor = Cursor { rest: whole };
        let length = cursor.length()?.ok_or("its length is negative")?;
        let mut body = Cursor { rest: cursor.take(length)? };
        let raw = &whole[..whole.len() - cursor.rest.len()];
        body.take(1)?; // attributes: unused in format 2
        let timestamp_delta = body.varint()?;
        let offset_delta = body.varint()?;
        if !(0..=i64::from(self.header.last_offset_delta)).contains(&offset_delta) {
            return Err("its offset lies outside the batch");
        }
        let key = body.nullable()?;
        let value_is_null = body.nullable()?.is_none();
        body.headers()?;
        if !body.rest.is_empty() {
            return Err("there are bytes after its last header");
        }
        self.rest = cursor.rest;
        let timestamp = if self.header.is_log_append_time() {
            self.header.max_timestamp
        } else if self.header.base_timestamp == NO_TIMESTAMP && timestamp_delta == 0 {
            NO_TIMESTAMP
        } else {
            self.header.base_timestamp.saturating_add(timestamp_delta)
        };
        Ok(RecordView {
            raw,
            offset: self.header.base_offset.saturating_add(offset_delta),
            timestamp,
            key,
            value_is_null,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, BatchFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.index;
        if index >= self.header.record_count {
            let leftover = !std::mem::take(&mut self.rest).is_empty();
            return leftover
                .then_some(Err(BatchFault::Record { index, what: "there are bytes after the last record" }));
        }
        match self.next_record() {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(what) => {
                (self.index, self.rest) = (self.header.record_count, &[]);
                Some(Err(BatchFault::Record { index, what }))
            }
        }
    }
}

/// A slice that is read from the front.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A zig-zag varint of up to 64 bits.
    fn varint(&mut self) -> Result<i64, &'static str> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err("a number is cut off or too long")
    }

    /// A length; none if it is negative.
    fn length(&mut self) -> Result<Option<usize>, &'static str> {
        Ok(usize::try_from(self.varint()?).ok())
    }

    fn nullable(&mut self) -> Result<Option<&'a [u8]>, &'static str> {
        self.length()?.map(|length| self.take(length)).transpose()
    }

    fn headers(&mut self) -> Result<(), &'static str> {
        let count = self.length()?.ok_or("its header count is negative")?;
        for _ in 0..count {
            self.nullable()?.ok_or("a header has no key")?;
            self.nullable()?;
        }
        Ok(())
    }
}
