//! Taking the records of a batch out of their compression, never into more memory than is allowed for it: a few
//! kilobytes can hold gigabytes.

use std::io::Read;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// What the Java client puts before its blocks of snappy ("xerial" framing): magic, version, compatible version. Other
/// clients write one block with nothing around it.
const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
/// The least room to read into.
const GROWN_BYTES_MIN: usize = 64 << 10;

/// Unpacks what `codec` (the lowest three bits of a batch's attributes, 1 to 7) has packed, to at most `bytes_max` bytes.
/// `Err` says why that can't be done.
pub(super) fn unpack(codec: i16, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, String> {
    match codec {
        1 => read_to_end(flate2::read::MultiGzDecoder::new(packed), "gzip", bytes_max),
        2 => unpack_snappy(packed, bytes_max),
        3 => read_to_end(lz4_flex::frame::FrameDecoder::new(packed), "lz4", bytes_max),
        4 => unpack_zstd(packed, bytes_max),
        other => Err(format!("compression {other} is unknown")),
    }
}

/// Reads until the end, into no more memory than is needed: half of it at the last step of growing.
fn read_to_end(mut packed: impl Read, name: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let mut length = 0;
    loop {
        if length == plain.len() {
            // One byte more than allowed tells too much from just enough.
            plain.resize((2 * length).clamp(GROWN_BYTES_MIN, (bytes_max + 1).max(GROWN_BYTES_MIN)), 0);
        }
        match packed.read(&mut plain[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) => return Err(format!("{name}: {error}")),
        }
        if length > bytes_max {
            return Err(too_large(bytes_max));
        }
    }
    plain.truncate(length);
    Ok(plain)
}

/// Not by its streaming decoder: that holds a whole window back, which a frame may declare to be 128 MiB.
fn unpack_zstd(mut packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut decoder = FrameDecoder::new();
    let mut plain = Vec::new();
    while !packed.is_empty() {
        decoder.init(&mut packed).map_err(|error| format!("zstd: {error}"))?;
        let left = bytes_max - plain.len();
        let decoded = decoder.decode_blocks(&mut packed, BlockDecodingStrategy::UptoBytes(left + 1));
        let is_whole = decoded.map_err(|error| format!("zstd: {error}"))?;
        if is_whole {
            plain.append(&mut decoder.collect().unwrap_or_default());
        }
        if !is_whole || plain.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
    }
    Ok(plain)
}

fn unpack_snappy(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    if !packed.starts_with(XERIAL_MAGIC) {
        unpack_block(packed, bytes_max, &mut plain)?;
        return Ok(plain);
    }
    let mut rest = packed.get(XERIAL_HEADER_BYTES..).ok_or("snappy: the frame is cut short")?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or("snappy: the frame is cut short")?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) = after.split_at_checked(length).ok_or("snappy: the frame is cut short")?;
        unpack_block(block, bytes_max, &mut plain)?;
        rest = after;
    }
    Ok(plain)
}

fn unpack_block(block: &[u8], bytes_max: usize, plain: &mut Vec<u8>) -> Result<(), String> {
    let said = |error: snap::Error| format!("snappy: {error}");
    let start = plain.len();
    // A block says in front how long it will be.
    let end = start + snap::raw::decompress_len(block).map_err(said)?;
    if end > bytes_max {
        return Err(too_large(bytes_max));
    }
    plain.resize(end, 0);
    snap::raw::Decoder::new().decompress(block, &mut plain[start..]).map_err(said)?;
    Ok(())
}

fn too_large(bytes_max: usize) -> String {
    format!("unpacked it would have more than {bytes_max} bytes")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Packed by each codec, with its number.
    fn packed(plain: &[u8]) -> Vec<(i16, Vec<u8>)> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(plain).expect("packs");
        let block = snap::raw::Encoder::new().compress_vec(plain).expect("packs");
        let length = u32::try_from(block.len()).expect("short").to_be_bytes();
        let framed = [XERIAL_MAGIC, &[0, 0, 0, 1, 0, 0, 0, 1], &length, &block, &length, &block].concat();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(plain).expect("packs");
        let zstd = ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest);
        vec![(1, gzip.finish().expect("packs")), (2, block), (2, framed), (3, lz4.finish().expect("packs")), (4, zstd)]
    }

    #[test]
    fn every_codec_is_unpacked_up_to_the_limit_and_not_a_byte_beyond() {
        let plain = b"transactions ".repeat(1_000);
        for (number, (codec, packed)) in packed(&plain).into_iter().enumerate() {
            // The framed one has the same block twice.
            let expected = if number == 2 { plain.repeat(2) } else { plain.clone() };
            assert_eq!(unpack(codec, &packed, expected.len()), Ok(expected.clone()), "codec {codec}");
            let refused = unpack(codec, &packed, expected.len() - 1).expect_err("one byte too many");
            assert!(refused.contains("more than"), "codec {codec}: {refused}");
        }
    }

    #[test]
    fn zstd_comes_in_several_frames_too() {
        let frame =
            |plain: &[u8]| ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest);
        let packed = [frame(b"one "), frame(b"and another")].concat();
        assert_eq!(unpack(4, &packed, 15), Ok(b"one and another".to_vec()));
        assert!(unpack(4, &packed, 14).is_err());
    }

    #[test]
    fn what_is_cut_short_or_unknown_is_refused_with_a_cause() {
        for (codec, packed) in packed(b"some transactions, some more transactions") {
            let cut = &packed[..packed.len() / 2];
            assert!(unpack(codec, cut, 1_000).is_err(), "codec {codec}");
        }
        assert_eq!(unpack(5, b"", 10), Err("compression 5 is unknown".to_owned()));
    }
}
