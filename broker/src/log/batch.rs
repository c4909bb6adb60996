//! One record batch, format v2, as it travels and as it lies on disk.
//!
//! ```text
//!  0 base offset (8)      12 leader epoch (4)   21 attributes (2)          43 producer id (8)
//!  8 batch length (4)     16 magic = 2 (1)      23 last offset delta (4)   51 producer epoch (2)
//!                         17 CRC-32C (4)        27 base timestamp (8)      53 base sequence (4)
//!                            of all from 21 on  35 max timestamp (8)       57 record count (4)   61 records…
//! ```
//!
//! The broker assigns base offset and leader epoch, which the CRC does not cover; so a batch is stored as its producer
//! sent it. Parsing never allocates and never trusts a length.

use thiserror::Error;

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: usize = 61;
/// Bytes that the batch length field doesn't count: the base offset and the length itself.
const LENGTH_EXCLUDES: usize = 12;
/// Where the part covered by the CRC starts.
const CRC_COVERS_FROM: usize = 21;
/// "No timestamp was given."
pub(crate) const NO_TIMESTAMP: i64 = -1;

const CODEC_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// What is wrong with a batch.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BatchFault {
    #[error("{0} bytes are too few for a record batch")]
    Short(usize),
    #[error("the batch says it has {said} bytes, there are {present}")]
    Length { said: i64, present: usize },
    #[error("record batch format {0}; only format 2 (Kafka 0.11 and later) is kept here")]
    Magic(i8),
    #[error("the batch's checksum is {found:08x}, its bytes give {computed:08x}")]
    Checksum { found: u32, computed: u32 },
    #[error("{count} records with a last offset delta of {last_offset_delta}")]
    Count { count: i32, last_offset_delta: i32 },
    #[error("compression code {0} is unknown")]
    Codec(i16),
    #[error("record {index} of the batch: {what}")]
    Record { index: i32, what: &'static str },
    #[error("the records don't decompress: {0}")]
    Decompress(String),
}

/// The fixed part of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// Offset of the first record (or of the first one there was, once compacted).
    pub(crate) base_offset: i64,
    /// Bytes after the length field; negative values never leave [`BatchHeader::parse`].
    pub(crate) batch_length: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) magic: i8,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    /// Offset of the last record minus `base_offset`; compaction keeps it.
    pub(crate) last_offset_delta: i32,
    /// Milliseconds since the epoch.
    pub(crate) base_timestamp: i64,
    /// Milliseconds since the epoch, the largest of the batch.
    pub(crate) max_timestamp: i64,
    /// −1 without idempotence.
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`. Only lengths and the magic byte are checked.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BatchFault> {
        let Some((head, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(BatchFault::Short(bytes.len()));
        };
        let header = Self {
            base_offset: i64::from_be_bytes(field(head, 0)),
            batch_length: i32::from_be_bytes(field(head, 8)),
            leader_epoch: i32::from_be_bytes(field(head, 12)),
            magic: i8::from_be_bytes(field(head, 16)),
            crc: u32::from_be_bytes(field(head, 17)),
            attributes: i16::from_be_bytes(field(head, 21)),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: i64::from_be_bytes(field(head, 27)),
            max_timestamp: i64::from_be_bytes(field(head, 35)),
            producer_id: i64::from_be_bytes(field(head, 43)),
            producer_epoch: i16::from_be_bytes(field(head, 51)),
            base_sequence: i32::from_be_bytes(field(head, 53)),
            record_count: i32::from_be_bytes(field(head, 57)),
        };
        if header.magic != 2 {
            return Err(BatchFault::Magic(header.magic));
        }
        if usize::try_from(header.batch_length).is_ok_and(|length| length + LENGTH_EXCLUDES >= HEADER_BYTES) {
            Ok(header)
        } else {
            Err(BatchFault::Length { said: i64::from(header.batch_length), present: bytes.len() })
        }
    }

    /// Reads the header of the one batch that fills `bytes` and checks its length, checksum and counts.
    pub(crate) fn parse_whole(bytes: &[u8]) -> Result<Self, BatchFault> {
        let header = Self::parse(bytes)?;
        if header.size() != bytes.len() {
            return Err(BatchFault::Length { said: i64::from(header.batch_length) + 12, present: bytes.len() });
        }
        let computed = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
        if computed != header.crc {
            return Err(BatchFault::Checksum { found: header.crc, computed });
        }
        header.codec()?;
        if header.record_count < 0 || header.last_offset_delta < 0 {
            return Err(header.count_fault());
        }
        Ok(header)
    }

    /// The fault of a header whose counts make no sense.
    pub(crate) fn count_fault(&self) -> BatchFault {
        BatchFault::Count { count: self.record_count, last_offset_delta: self.last_offset_delta }
    }

    /// Bytes of the whole batch.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.batch_length).expect("parse refuses negative lengths") + LENGTH_EXCLUDES
    }

    /// Offset of the last record (or of the last one there was).
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub(crate) fn codec(&self) -> Result<Codec, BatchFault> {
        match self.attributes & CODEC_MASK {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            other => Err(BatchFault::Codec(other)),
        }
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Marks the batch as stamped by the broker at `now_ms`; the CRC must be taken anew.
    pub(crate) fn stamp(&mut self, now_ms: i64) {
        self.attributes |= LOG_APPEND_TIME;
        self.max_timestamp = now_ms;
    }

    /// Marks the batch as stamped by its producer; the CRC must be taken anew if that changes anything.
    pub(crate) fn unstamp(&mut self) {
        self.attributes &= !LOG_APPEND_TIME;
    }

    /// The header for `records`, with length and checksum computed.
    pub(crate) fn seal(mut self, records: &[u8]) -> Result<[u8; HEADER_BYTES], BatchFault> {
        let length = HEADER_BYTES - LENGTH_EXCLUDES + records.len();
        self.batch_length =
            i32::try_from(length).map_err(|_| BatchFault::Length { said: -1, present: records.len() })?;
        let covered = crc32c::crc32c(&self.to_bytes()[CRC_COVERS_FROM..]);
        self.crc = crc32c::crc32c_append(covered, records);
        Ok(self.to_bytes())
    }

    /// The header as bytes, exactly as it stands.
    pub(crate) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        out[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        out[12..16].copy_from_slice(&self.leader_epoch.to_be_bytes());
        out[16..17].copy_from_slice(&self.magic.to_be_bytes());
        out[17..21].copy_from_slice(&self.crc.to_be_bytes());
        out[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        out
    }
}

fn field<const N: usize>(head: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    *head[at..].first_chunk().expect("every field lies inside the header")
}
