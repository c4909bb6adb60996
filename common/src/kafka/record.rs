//! One record as it lies in the log: the bytes of a batch, looked at in place.
//!
//! The format is that of Kafka's message format 2: <https://kafka.apache.org/documentation/#record>. Numbers are varints
//! in zigzag code, a length of -1 stands for null.

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
    /// The value of its `tally-redriven-from` header, likewise.
    pub redriven_from: Option<&'a [u8]>,
    /// All of its headers.
    pub headers: Headers<'a>,
    /// The record's batch could not be decoded: key, value and headers are unknown.
    pub undecodable: bool,
}

/// The headers that whoever counts needs of every record; `wire` says what is in them.
const SEQUENCE_HEADER: &[u8] = b"tally-seq";
const REDRIVEN_HEADER: &[u8] = b"tally-redriven-from";

/// The headers of a record, in the order of the record. Names are bytes: not every client writes text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a>(Bytes<'a>);

impl<'a> Headers<'a> {
    /// The value of the header of that name, the last one where there are several; a null value counts as no bytes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let mut rest = self.0;
        let mut found = None;
        while let Some((known, value)) = rest.header() {
            if known == name.as_bytes() {
                found = Some(value);
            }
        }
        found
    }

    /// The value of the header of that name, as [`Self::get`] finds it, where it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }
}

/// What is still to be read of some bytes. Each step gives nothing where they don't hold what is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next record of a batch. `offset` and `timestamp_ms` make its own of those it has relative to the batch's.
    #[inline]
    pub(super) fn record(
        &mut self,
        offset: impl FnOnce(i64) -> i64,
        timestamp_ms: impl FnOnce(i64) -> i64,
    ) -> Option<RecordView<'a>> {
        let length = self.length()?;
        let mut record = Bytes(self.take(length)?);
        let _attributes = record.take(1)?;
        let timestamp_ms = timestamp_ms(record.varint()?);
        let offset = offset(record.varint()?);
        let key = record.nullable()?;
        let value = record.nullable()?;
        let count = record.length()?;
        let headers = Headers(record);
        let (mut sequence, mut redriven_from) = (None, None);
        for _ in 0..count {
            let (name, value) = record.header()?;
            if name == SEQUENCE_HEADER {
                sequence = Some(value);
            } else if name == REDRIVEN_HEADER {
                redriven_from = Some(value);
            }
        }
        let undecodable = false;
        let view = RecordView { offset, timestamp_ms, key, value, sequence, redriven_from, headers, undecodable };
        record.0.is_empty().then_some(view)
    }

    #[inline]
    fn header(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let length = self.length()?;
        let name = self.take(length)?;
        Some((name, self.nullable()?.unwrap_or_default()))
    }

    #[inline]
    fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    #[inline]
    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of up to 64 bits: seven a byte from the lowest on, the highest bit says that more come; zigzag.
    #[inline]
    fn varint(&mut self) -> Option<i64> {
        let mut bits = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_read_as_protocol_buffers_write_them() {
        // The zigzag table of https://protobuf.dev/programming-guides/encoding/#signed-ints, and the ends.
        for (bytes, number) in [
            (&[0_u8][..], 0),
            (&[1], -1),
            (&[2], 1),
            (&[3], -2),
            (&[0xac, 2], 150),
            (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], i64::MAX),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], i64::MIN),
        ] {
            assert_eq!(Bytes(bytes).varint(), Some(number), "{bytes:x?}");
        }
        assert_eq!(Bytes(&[0x80]).varint(), None, "cut short");
        assert_eq!(Bytes(&[0xff; 11]).varint(), None, "longer than any number");
    }

    #[test]
    fn the_last_header_of_a_name_counts_and_null_is_no_bytes() {
        let headers = Headers(Bytes(b"\x02a\x02x\x02b\x01\x02a\x04yz"));
        assert_eq!(headers.get("a"), Some(b"yz".as_slice()));
        assert_eq!(headers.get("b"), Some(b"".as_slice()));
        assert_eq!(headers.get("c"), None);
        assert_eq!(["a", "b", "c"].map(|name| headers.text(name)), [Some("yz"), Some(""), None]);
        assert_eq!(Headers(Bytes(b"\x02a\x02\xff")).text("a"), None, "no text");
    }

    #[test]
    fn a_record_ends_where_its_length_says_or_is_none() {
        // Length 8, attributes, timestamp +1, offset +2, key null, value "v", no headers.
        let whole = [14, 0, 2, 4, 1, 2, b'v', 0];
        let read = |bytes: &[u8]| {
            Bytes(bytes).record(|delta| 100 + delta, |delta| 50 + delta).map(|view| {
                (view.offset, view.timestamp_ms, view.key.map(<[u8]>::to_vec), view.value.map(<[u8]>::to_vec))
            })
        };
        assert_eq!(read(&whole), Some((102, 51, None, Some(b"v".to_vec()))));
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), None, "{cut}");
        }
        let with_a_byte_too_many = [16, 0, 2, 4, 1, 2, b'v', 0, 0];
        assert_eq!(read(&with_a_byte_too_many), None);
    }
}
