//! Record batches, format 2, read and written byte by byte
//! (<https://kafka.apache.org/documentation/#recordbatch>).
//!
//! Header keys are bytes here and header values may be null, because that is what Kafka carries; a client that insists on
//! UTF-8 can't be used to test what happens when it isn't.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Compression, KafkaError};

/// Bytes from the start of a batch to its records.
const HEADER_BYTES: usize = 61;
/// Bytes before what the batch's length counts.
const LENGTH_ENDS_AT: usize = 12;
/// Where the part that the checksum covers begins.
const CHECKSUM_FROM: usize = 21;
const ATTRIBUTE_TRANSACTIONAL: i16 = 16;
const ATTRIBUTE_CONTROL: i16 = 32;
const ATTRIBUTE_APPEND_TIME: i16 = 8;

/// One record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition. Given by the broker; ignored when writing.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Key, if any.
    pub key: Option<Bytes>,
    /// Value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order, doubled keys kept.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Record {
    /// A record without key or headers.
    #[must_use]
    pub fn new(timestamp_ms: i64, value: Option<&[u8]>) -> Self {
        Self { offset: 0, timestamp_ms, key: None, value: value.map(Bytes::copy_from_slice), headers: Vec::new() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, key: &[u8], value: Option<&[u8]>) -> Self {
        self.headers.push((Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice)));
        self
    }

    /// The last header of that name; `Some(None)` is one with a null value.
    #[must_use]
    pub fn header(&self, key: &str) -> Option<Option<&[u8]>> {
        self.headers.iter().rev().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value.as_deref())
    }
}

/// What a batch to be written is made of.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Records in order.
    pub records: Vec<Record>,
    /// How they are packed.
    pub compression: Compression,
}

/// A batch as read: its last offset says where the next one starts, also where it holds no record.
#[derive(Debug)]
pub struct ReadBatch {
    /// The last offset it covers.
    pub last_offset: i64,
    /// Whether it is a control batch (a transaction marker): its records are the broker's, not a producer's.
    pub control: bool,
    /// The records, empty for a control batch.
    pub records: Vec<Record>,
}

impl Batch {
    /// An unpacked batch of these records.
    #[must_use]
    pub fn of(records: Vec<Record>) -> Self {
        Self { records, compression: Compression::None }
    }

    /// The batch's bytes, as a producer without idempotence writes it.
    ///
    /// # Errors
    /// When packing fails or there are more records than fit.
    pub fn encode(&self) -> Result<Bytes, KafkaError> {
        let count = i32::try_from(self.records.len()).map_err(|error| KafkaError::protocol("batch", error))?;
        let first = self.records.first().map_or(0, |record| record.timestamp_ms);
        let latest = self.records.iter().map(|record| record.timestamp_ms).max().unwrap_or(first);
        let mut plain = BytesMut::new();
        for (delta, record) in self.records.iter().enumerate() {
            put_record(&mut plain, i64::try_from(delta).unwrap_or(i64::MAX), first, record);
        }
        let packed = self.compression.pack(&plain)?;

        let mut tail = BytesMut::new();
        tail.put_i16(self.compression.attributes());
        tail.put_i32(count - 1);
        tail.put_i64(first);
        tail.put_i64(latest);
        tail.put_i64(-1); // no producer id
        tail.put_i16(-1);
        tail.put_i32(-1);
        tail.put_i32(count);
        tail.put_slice(&packed);

        let length = HEADER_BYTES - LENGTH_ENDS_AT + packed.len();
        let mut batch = BytesMut::new();
        batch.put_i64(0);
        batch.put_i32(i32::try_from(length).map_err(|error| KafkaError::protocol("batch", error))?);
        batch.put_i32(-1);
        batch.put_i8(2);
        batch.put_u32(crc32c::crc32c(&tail));
        batch.put(tail);
        Ok(batch.freeze())
    }
}

/// Reads all whole batches of a fetch response; a batch cut off at the end is left out, as the protocol allows.
///
/// # Errors
/// When a checksum is wrong or a batch is not what the format says.
pub fn decode_all(mut bytes: Bytes) -> Result<Vec<ReadBatch>, KafkaError> {
    let mut batches = Vec::new();
    while bytes.len() >= HEADER_BYTES {
        let length = (&bytes[8..12]).get_i32();
        let total =
            usize::try_from(length).map_err(|error| KafkaError::protocol("batch length", error))? + LENGTH_ENDS_AT;
        if bytes.len() < total {
            break;
        }
        batches.push(decode_one(&bytes.split_to(total))?);
    }
    Ok(batches)
}

fn decode_one(batch: &[u8]) -> Result<ReadBatch, KafkaError> {
    let mut head = batch;
    let base_offset = head.get_i64();
    head.advance(4 + 4);
    let magic = head.get_i8();
    if magic != 2 {
        return Err(KafkaError::protocol("batch format", magic));
    }
    if head.get_u32() != crc32c::crc32c(&batch[CHECKSUM_FROM..]) {
        return Err(KafkaError::protocol("batch checksum", format!("it is wrong, at offset {base_offset}")));
    }
    let attributes = head.get_i16();
    let last_offset = base_offset + i64::from(head.get_i32());
    let first_timestamp_ms = head.get_i64();
    let latest_timestamp_ms = head.get_i64();
    head.advance(8 + 2 + 4);
    let count = head.get_i32();
    if attributes & ATTRIBUTE_CONTROL != 0 {
        return Ok(ReadBatch { last_offset, control: true, records: Vec::new() });
    }
    let plain = Compression::from_attributes(attributes)?.unpack(head)?;
    let mut reader = Reader { rest: &plain };
    let mut records = Vec::new();
    for _ in 0..count {
        let mut record = reader.record(base_offset, first_timestamp_ms)?;
        if attributes & ATTRIBUTE_APPEND_TIME != 0 {
            record.timestamp_ms = latest_timestamp_ms;
        }
        records.push(record);
    }
    Ok(ReadBatch { last_offset, control: false, records })
}

/// Whether the bytes of a batch say that it belongs to a transaction.
#[must_use]
pub fn is_transactional(batch: &[u8]) -> bool {
    batch.len() > CHECKSUM_FROM + 2 && (&batch[CHECKSUM_FROM..]).get_i16() & ATTRIBUTE_TRANSACTIONAL != 0
}

fn put_record(to: &mut BytesMut, offset_delta: i64, first_timestamp_ms: i64, record: &Record) {
    let mut body = BytesMut::new();
    body.put_i8(0);
    put_varint(&mut body, record.timestamp_ms.wrapping_sub(first_timestamp_ms));
    put_varint(&mut body, offset_delta);
    put_bytes(&mut body, record.key.as_deref());
    put_bytes(&mut body, record.value.as_deref());
    put_varint(&mut body, length(record.headers.len()));
    for (key, value) in &record.headers {
        put_bytes(&mut body, Some(key));
        put_bytes(&mut body, value.as_deref());
    }
    put_varint(to, length(body.len()));
    to.put(body);
}

fn put_bytes(to: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(to, -1),
        Some(bytes) => {
            put_varint(to, length(bytes.len()));
            to.put_slice(bytes);
        }
    }
}

fn length(count: usize) -> i64 {
    i64::try_from(count).expect("no slice is longer than that")
}

/// Zig-zag, then seven bits a byte.
fn put_varint(to: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            to.put_u8(low);
            return;
        }
        to.put_u8(low | 0x80);
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn record(&mut self, base_offset: i64, first_timestamp_ms: i64) -> Result<Record, KafkaError> {
        let _length = self.varint()?;
        let _attributes = self.take(1)?;
        let timestamp_ms = first_timestamp_ms.wrapping_add(self.varint()?);
        let offset = base_offset + self.varint()?;
        let key = self.bytes()?;
        let value = self.bytes()?;
        let mut headers = Vec::new();
        for _ in 0..self.varint()? {
            let key = self.bytes()?.ok_or_else(|| KafkaError::protocol("header", "its key is null"))?;
            headers.push((key, self.bytes()?));
        }
        Ok(Record { offset, timestamp_ms, key, value, headers })
    }

    fn bytes(&mut self) -> Result<Option<Bytes>, KafkaError> {
        match usize::try_from(self.varint()?) {
            Err(_) => Ok(None),
            Ok(count) => self.take(count).map(|bytes| Some(Bytes::copy_from_slice(bytes))),
        }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], KafkaError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or_else(|| KafkaError::protocol("record", "it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<i64, KafkaError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
            }
        }
        Err(KafkaError::protocol("variable-length number", "it has more than ten bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awkward() -> Vec<Record> {
        vec![
            Record::new(1_700_000_000_000, Some(b"{}")),
            Record::new(1_700_000_000_500, None).with_header(b"\xff\xfe", None).with_header(b"a", Some(b"")),
            Record { key: Some(Bytes::from_static(b"k")), ..Record::new(i64::MAX, Some(&[7; 300])) },
            Record::new(-5, Some(b"")),
        ]
    }

    #[test]
    fn what_is_written_is_read_back_in_every_compression() {
        use Compression::{Gzip, Lz4, None, Snappy, Zstd};
        for compression in [None, Gzip, Snappy, Lz4, Zstd] {
            let bytes = Batch { records: awkward(), compression }.encode().unwrap();
            let batches = decode_all(bytes).unwrap();
            assert_eq!(batches.len(), 1);
            assert_eq!(batches[0].last_offset, 3);
            let mut expected = awkward();
            for (offset, record) in expected.iter_mut().enumerate() {
                record.offset = i64::try_from(offset).unwrap();
            }
            assert_eq!(batches[0].records, expected, "{compression:?}");
        }
    }

    #[test]
    fn a_batch_cut_short_is_left_out_and_a_flipped_bit_is_an_error() {
        let bytes = Batch::of(awkward()).encode().unwrap();
        assert!(decode_all(bytes.slice(..bytes.len() - 1)).unwrap().is_empty());
        let mut flipped = bytes.to_vec();
        flipped[70] ^= 1;
        assert!(decode_all(Bytes::from(flipped)).is_err());
    }
}
