//! Decompressing and compressing the records of a batch, for what has to look inside: compaction, look-ups by time and the
//! key check of compacted topics.
//!
//! gzip and snappy only, in pure Rust. lz4 and zstd batches are stored and served like any other; whoever has to look
//! inside one gets `Ok(None)` and leaves it whole.

use std::borrow::Cow;
use std::io::{Read, Write};

use crate::log::batch::{BatchFault, Codec};

/// Largest size of a batch's records after decompression, in bytes: a bomb is refused.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;
/// How a snappy stream made by the Java client starts; after it two version numbers of four bytes each, then blocks.
const JAVA_MAGIC: &[u8] = b"\x82SNAPPY\0";
const JAVA_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// Bytes of records in one block of such a stream.
const JAVA_BLOCK_BYTES: usize = 32 << 10;

/// The records as they were before compression; none for a codec that is not read here.
pub(crate) fn decompress(codec: Codec, records: &[u8]) -> Result<Option<Cow<'_, [u8]>>, BatchFault> {
    match codec {
        Codec::None => Ok(Some(Cow::Borrowed(records))),
        Codec::Gzip => gunzip(records, DECOMPRESSED_BYTES_MAX).map(|plain| Some(Cow::Owned(plain))),
        Codec::Snappy => unsnap(records).map(|plain| Some(Cow::Owned(plain))),
        Codec::Lz4 | Codec::Zstd => Ok(None),
    }
}

/// The records compressed again; none for a codec that is not written here.
pub(crate) fn compress(codec: Codec, plain: &[u8]) -> Result<Option<Vec<u8>>, BatchFault> {
    match codec {
        Codec::None => Ok(Some(plain.to_vec())),
        Codec::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(plain)
                .and_then(|()| out.finish())
                .map(Some)
                .map_err(|e| BatchFault::Decompress(e.to_string()))
        }
        Codec::Snappy => snap_blocks(plain).map(Some),
        Codec::Lz4 | Codec::Zstd => Ok(None),
    }
}

fn gunzip(records: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchFault> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(records)
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|e| BatchFault::Decompress(e.to_string()))?;
    within_limit(plain.len(), bytes_max)?;
    Ok(plain)
}

fn unsnap(records: &[u8]) -> Result<Vec<u8>, BatchFault> {
    let Some(stream) = records.strip_prefix(JAVA_MAGIC) else {
        return unsnap_block(records);
    };
    let mut blocks = stream.get(JAVA_VERSIONS.len()..).ok_or_else(|| cut_off("a snappy stream"))?;
    let mut plain = Vec::new();
    while !blocks.is_empty() {
        let (length, rest) = blocks.split_first_chunk::<4>().ok_or_else(|| cut_off("a snappy block's length"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (block, rest) = rest.split_at_checked(length).ok_or_else(|| cut_off("a snappy block"))?;
        let block = unsnap_block(block)?;
        within_limit(plain.len() + block.len(), DECOMPRESSED_BYTES_MAX)?;
        plain.extend_from_slice(&block);
        blocks = rest;
    }
    Ok(plain)
}

fn unsnap_block(block: &[u8]) -> Result<Vec<u8>, BatchFault> {
    // The length stands in front of the block, so a bomb is seen before it is unpacked.
    let length = snap::raw::decompress_len(block).map_err(|e| BatchFault::Decompress(e.to_string()))?;
    within_limit(length, DECOMPRESSED_BYTES_MAX)?;
    snap::raw::Decoder::new().decompress_vec(block).map_err(|e| BatchFault::Decompress(e.to_string()))
}

fn snap_blocks(plain: &[u8]) -> Result<Vec<u8>, BatchFault> {
    let mut out = [JAVA_MAGIC, &JAVA_VERSIONS].concat();
    let mut encoder = snap::raw::Encoder::new();
    for block in plain.chunks(JAVA_BLOCK_BYTES) {
        let packed = encoder.compress_vec(block).map_err(|e| BatchFault::Decompress(e.to_string()))?;
        let length = u32::try_from(packed.len()).expect("a block of 32 KiB stays far below 4 GiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(out)
}

fn within_limit(length: usize, bytes_max: usize) -> Result<(), BatchFault> {
    if length > bytes_max {
        return Err(BatchFault::Decompress(format!("more than {bytes_max} bytes once unpacked")));
    }
    Ok(())
}

fn cut_off(what: &str) -> BatchFault {
    BatchFault::Decompress(format!("{what} is cut off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy] {
            let packed = compress(codec, &plain).unwrap().unwrap();
            assert_eq!(decompress(codec, &packed).unwrap().unwrap(), plain, "{codec:?}");
        }
        let raw = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
        assert_eq!(decompress(Codec::Snappy, &raw).unwrap().unwrap(), plain, "snappy without the Java frame");
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let packed = compress(Codec::Gzip, &[0; 5_000]).unwrap().unwrap();
        assert!(gunzip(&packed, 5_000).is_ok());
        assert!(gunzip(&packed, 4_999).is_err());
        // A snappy block says its size in front: here 2^32 - 1 bytes.
        assert!(decompress(Codec::Snappy, &[255, 255, 255, 255, 15, 0]).is_err());
    }

    #[test]
    fn cut_and_wrong_streams_are_errors() {
        for codec in [Codec::Gzip, Codec::Snappy] {
            let packed = compress(codec, &[7; 1_000]).unwrap().unwrap();
            // A snappy stream of no blocks is a whole one, of no records: the count in the batch's header won't fit it.
            for length in (1..packed.len()).filter(|length| codec == Codec::Gzip || *length != 16) {
                assert!(decompress(codec, &packed[..length]).is_err(), "{codec:?}, {length} bytes");
            }
        }
    }

    #[test]
    fn codecs_that_are_not_read_here_say_so() {
        assert!(decompress(Codec::Zstd, b"anything").unwrap().is_none());
        assert!(compress(Codec::Lz4, b"anything").unwrap().is_none());
    }
}
