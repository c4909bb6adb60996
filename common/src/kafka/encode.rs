//! Making a batch of records as brokers store them: written once, so that a resend is the same to the last byte.
//!
//! The format is Kafka's message format 2, <https://kafka.apache.org/documentation/#recordbatch>. No producer id and no
//! epoch: sequences are in a header of each record, for readers of any kind.

/// Compression of the records of a batch, those that are written here. All that Kafka knows are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Snappy, as one block.
    Snappy,
}

/// Bytes before the records.
const HEADER_BYTES: usize = 61;
/// Attributes of a batch packed with snappy.
const SNAPPY: i16 = 2;

/// One record to be written, owned: for whoever writes few. See [`BatchBuilder`] for many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its Kafka timestamp, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` makes a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

impl Record {
    /// Bytes of all its parts, which is what it adds to a request but for some lengths.
    #[must_use]
    pub fn approximate_size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_slice())
    }
}

/// A batch in the making. Its memory is kept from one batch to the next.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    count: i32,
    compression: Compression,
    packed: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch, to be compressed like that.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        Self {
            bytes: vec![0; HEADER_BYTES],
            base_timestamp_ms: 0,
            max_timestamp_ms: 0,
            count: 0,
            compression,
            packed: Vec::new(),
        }
    }

    /// Begins the next batch, and keeps at most so much memory of the one before.
    pub fn clear(&mut self, bytes_kept_max: usize) {
        self.bytes.truncate(HEADER_BYTES);
        self.bytes.shrink_to(bytes_kept_max);
        self.packed.clear();
        self.packed.shrink_to(bytes_kept_max);
        self.count = 0;
    }

    /// Adds a record. Headers are names and values.
    pub fn push(&mut self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) {
        if self.count == 0 {
            self.base_timestamp_ms = timestamp_ms;
            self.max_timestamp_ms = timestamp_ms;
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        // Around the end of 64 bits, as readers add it.
        let timestamp_delta = timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        let offset_delta = i64::from(self.count);
        let headers_bytes: usize =
            headers.iter().map(|(name, value)| text_bytes(name.as_bytes()) + text_bytes(value)).sum();
        let length = 1
            + varint_bytes(timestamp_delta)
            + varint_bytes(offset_delta)
            + nullable_bytes(key)
            + nullable_bytes(value)
            + varint_bytes(signed(headers.len()))
            + headers_bytes;
        let out = &mut self.bytes;
        out.reserve(length + varint_bytes(signed(length)));
        put_varint(signed(length), out);
        out.push(0);
        put_varint(timestamp_delta, out);
        put_varint(offset_delta, out);
        put_nullable(key, out);
        put_nullable(value, out);
        put_varint(signed(headers.len()), out);
        for (name, value) in headers {
            put_nullable(Some(name.as_bytes()), out);
            put_nullable(Some(value), out);
        }
        self.count += 1;
    }

    /// Bytes of all records, before compression.
    #[must_use]
    pub fn plain_bytes(&self) -> usize {
        self.bytes.len() - HEADER_BYTES
    }

    /// The batch as it goes to a broker.
    ///
    /// # Panics
    /// When it is larger than 2 GB.
    pub fn finish(&mut self) -> &[u8] {
        let (attributes, out) = match self.compression {
            Compression::None => (0, &mut self.bytes),
            Compression::Snappy => {
                let plain = &self.bytes[HEADER_BYTES..];
                self.packed.resize(HEADER_BYTES + snap::raw::max_compress_len(plain.len()), 0);
                let length = snap::raw::Encoder::new().compress(plain, &mut self.packed[HEADER_BYTES..]);
                self.packed.truncate(HEADER_BYTES + length.expect("the room that snappy asks for"));
                (SNAPPY, &mut self.packed)
            }
        };
        let length = i32::try_from(out.len() - 12).expect("a batch of less than 2 GB");
        let mut header = [0; HEADER_BYTES];
        let mut place = 0;
        let mut put = |bytes: &[u8]| {
            header[place..place + bytes.len()].copy_from_slice(bytes);
            place += bytes.len();
        };
        put(&0_i64.to_be_bytes()); // base offset: the broker's to say
        put(&length.to_be_bytes());
        put(&(-1_i32).to_be_bytes()); // epoch of the leader
        put(&[2]); // message format
        put(&0_u32.to_be_bytes()); // checksum, below
        put(&i16::to_be_bytes(attributes));
        put(&(self.count - 1).to_be_bytes()); // offset of the last record
        put(&self.base_timestamp_ms.to_be_bytes());
        put(&self.max_timestamp_ms.to_be_bytes());
        put(&(-1_i64).to_be_bytes()); // producer id
        put(&(-1_i16).to_be_bytes()); // its epoch
        put(&(-1_i32).to_be_bytes()); // its sequence
        put(&self.count.to_be_bytes());
        out[..HEADER_BYTES].copy_from_slice(&header);
        let checksum = crc32c::crc32c(&out[21..]);
        out[17..21].copy_from_slice(&checksum.to_be_bytes());
        out
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn varint_bytes(number: i64) -> usize {
    (64 - (zigzag(number) | 1).leading_zeros() as usize).div_ceil(7)
}

#[inline]
fn put_varint(number: i64, out: &mut Vec<u8>) {
    let mut bits = zigzag(number);
    while bits >= 0x80 {
        out.push(bits.to_le_bytes()[0] | 0x80);
        bits >>= 7;
    }
    out.push(bits.to_le_bytes()[0]);
}

fn text_bytes(bytes: &[u8]) -> usize {
    varint_bytes(signed(bytes.len())) + bytes.len()
}

fn nullable_bytes(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, text_bytes)
}

fn put_nullable(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        None => put_varint(-1, out),
        Some(bytes) => {
            put_varint(signed(bytes.len()), out);
            out.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kafka::{Batch, batch::Answer};

    fn read(bytes: &[u8]) -> Batch {
        let answer = Answer { bytes: bytes.to_vec(), records: 0..bytes.len(), offset: 0, high_watermark: i64::MAX };
        Batch::of(answer).expect("what is written can be read")
    }

    fn bytes(max: usize) -> impl Strategy<Value = Option<Vec<u8>>> {
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..max))
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(
            records in proptest::collection::vec((any::<i64>(), bytes(100), bytes(300), bytes(40)), 1..50),
            packed: bool,
        ) {
            let mut builder = BatchBuilder::new(if packed { Compression::Snappy } else { Compression::None });
            for (timestamp_ms, key, value, sequence) in &records {
                let headers = sequence.iter().map(|value| ("tally-seq", value.as_slice())).collect::<Vec<_>>();
                builder.push(*timestamp_ms, key.as_deref(), value.as_deref(), &headers);
            }
            let batch = read(builder.finish());
            prop_assert_eq!(batch.next_offset(), i64::try_from(records.len()).unwrap());
            for ((offset, written), read) in (0..).zip(&records).zip(batch.iter()) {
                prop_assert_eq!(read.offset, offset);
                prop_assert_eq!(read.timestamp_ms, written.0);
                prop_assert_eq!(read.key, written.1.as_deref());
                prop_assert_eq!(read.value, written.2.as_deref());
                prop_assert_eq!(read.sequence, written.3.as_deref());
            }
            prop_assert_eq!(batch.iter().count(), records.len());
        }
    }

    #[test]
    fn a_builder_can_be_used_again_and_gives_the_same_for_the_same() {
        let mut builder = BatchBuilder::new(Compression::Snappy);
        let mut build = |value: &[u8]| {
            builder.clear(1 << 20);
            builder.push(5, Some(b"key"), Some(value), &[("name", b"value")]);
            builder.finish().to_vec()
        };
        let first = build(b"one");
        assert_ne!(build(b"another, and longer"), first);
        assert_eq!(build(b"one"), first);
    }

    #[test]
    fn the_highest_timestamp_stands_in_front_for_whoever_looks_for_a_time() {
        let mut builder = BatchBuilder::new(Compression::None);
        for timestamp_ms in [10, 30, 20] {
            builder.push(timestamp_ms, None, None, &[]);
        }
        let bytes = builder.finish();
        assert_eq!((&bytes[27..35], &bytes[35..43]), (&10_i64.to_be_bytes()[..], &30_i64.to_be_bytes()[..]));
    }
}
