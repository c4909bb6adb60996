//! The four compressions of a record batch, in pure Rust.

use std::io::{Cursor, Read, Write};

use super::KafkaError;

/// Kafka's numbers for what a batch's records are packed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy, in the framing of the Java client.
    Snappy,
    /// LZ4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

/// What the Java client puts before its blocks of snappy ("xerial" framing): magic, version, compatible version.
const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;

impl Compression {
    /// From the lowest three bits of a batch's attributes.
    pub(super) fn from_attributes(attributes: i16) -> Result<Self, KafkaError> {
        match attributes & 7 {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            other => Err(KafkaError::protocol("compression of a batch", other)),
        }
    }

    /// The bits that say so in a batch's attributes.
    pub(super) fn attributes(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    pub(super) fn pack(self, plain: &[u8]) -> Result<Vec<u8>, KafkaError> {
        let broken = |error: &dyn std::fmt::Display| KafkaError::protocol("packing a batch", error);
        match self {
            Self::None => Ok(plain.to_vec()),
            Self::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                writer.write_all(plain).map_err(|error| broken(&error))?;
                writer.finish().map_err(|error| broken(&error))
            }
            Self::Snappy => {
                let block = snap::raw::Encoder::new().compress_vec(plain).map_err(|error| broken(&error))?;
                let size = u32::try_from(block.len()).map_err(|error| broken(&error))?;
                let mut framed = [XERIAL_MAGIC, &1_u32.to_be_bytes(), &1_u32.to_be_bytes()].concat();
                framed.extend_from_slice(&size.to_be_bytes());
                framed.extend_from_slice(&block);
                Ok(framed)
            }
            Self::Lz4 => {
                let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
                writer.write_all(plain).map_err(|error| broken(&error))?;
                writer.finish().map_err(|error| broken(&error))
            }
            Self::Zstd => {
                Ok(ruzstd::encoding::compress_to_vec(Cursor::new(plain), ruzstd::encoding::CompressionLevel::Fastest))
            }
        }
    }

    pub(super) fn unpack(self, packed: &[u8]) -> Result<Vec<u8>, KafkaError> {
        let broken = |error: &dyn std::fmt::Display| KafkaError::protocol("unpacking a batch", error);
        let mut plain = Vec::new();
        match self {
            Self::None => plain.extend_from_slice(packed),
            Self::Gzip => {
                flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut plain).map_err(|error| broken(&error))?;
            }
            Self::Snappy => plain = unpack_snappy(packed)?,
            Self::Lz4 => {
                lz4_flex::frame::FrameDecoder::new(packed).read_to_end(&mut plain).map_err(|error| broken(&error))?;
            }
            Self::Zstd => {
                let mut reader = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|error| broken(&error))?;
                reader.read_to_end(&mut plain).map_err(|error| broken(&error))?;
            }
        }
        Ok(plain)
    }
}

/// Snappy comes bare (librdkafka, rskafka's raw mode) or in the Java client's framing: blocks, each with its length.
fn unpack_snappy(packed: &[u8]) -> Result<Vec<u8>, KafkaError> {
    let block = |bytes: &[u8]| {
        snap::raw::Decoder::new().decompress_vec(bytes).map_err(|error| KafkaError::protocol("snappy block", error))
    };
    if !packed.starts_with(XERIAL_MAGIC) {
        return block(packed);
    }
    let mut plain = Vec::new();
    let mut rest = packed.get(XERIAL_HEADER_BYTES..).unwrap_or_default();
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        let bytes = after.get(..size).ok_or_else(|| KafkaError::protocol("snappy frame", "it is cut short"))?;
        plain.extend(block(bytes)?);
        rest = &after[size..];
    }
    Ok(plain)
}
