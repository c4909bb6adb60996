//! What a producer's batch must be before it may enter a log. Pure: bytes, settings and the time in, a verdict out.
//!
//! Uncompressed records are walked to the last byte. Records of gzip and snappy batches are looked at only where the topic
//! is compacted (each needs a key); those of lz4 and zstd batches never are.

use thiserror::Error;

use crate::log::batch::{BatchFault, BatchHeader, Codec, HEADER_BYTES, NO_TIMESTAMP};
use crate::log::compression::decompress;
use crate::log::records::Records;
use crate::log::settings::LogSettings;

/// Why a batch is refused.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Corrupt(#[from] BatchFault),
    #[error("the batch has {bytes} bytes, the topic allows {bytes_max} (max.message.bytes)")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("the batch has {bytes} bytes, a segment of the topic {segment_bytes} (segment.bytes)")]
    LargerThanSegment { bytes: usize, segment_bytes: u64 },
    #[error("{0}")]
    Invalid(&'static str),
    #[error("this development broker has no transactions")]
    Transactional,
    #[error(
        "timestamp {timestamp} is out of range: the broker's clock says {now_ms} (message.timestamp.{side}.max.ms)"
    )]
    Timestamp { timestamp: i64, now_ms: i64, side: &'static str },
}

/// A batch that may be appended once offset and epoch are put in.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    pub(crate) header: BatchHeader,
    pub(crate) records: &'a [u8],
}

/// Checks `batch`, the bytes of exactly one batch, for a log with `settings` at `now_ms`.
pub(crate) fn admit<'a>(batch: &'a [u8], settings: &LogSettings, now_ms: i64) -> Result<Admitted<'a>, Refused> {
    if batch.len() > settings.batch_bytes_max {
        return Err(Refused::TooLarge { bytes: batch.len(), bytes_max: settings.batch_bytes_max });
    }
    if batch.len() as u64 > settings.segment_bytes {
        return Err(Refused::LargerThanSegment { bytes: batch.len(), segment_bytes: settings.segment_bytes });
    }
    let mut header = match BatchHeader::parse_whole(batch) {
        Err(BatchFault::Length { said, present }) if usize::try_from(said).is_ok_and(|said| said < present) => {
            return Err(Refused::Invalid("more than one record batch for one partition in one request"));
        }
        parsed => parsed?,
    };
    if header.record_count == 0 || header.last_offset_delta != header.record_count - 1 {
        return Err(header.count_fault().into());
    }
    if header.is_control() {
        return Err(Refused::Invalid("control batches are the broker's to write"));
    }
    if header.is_transactional() {
        return Err(Refused::Transactional);
    }
    if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(Refused::Invalid("a producer id without sequence or epoch"));
    }
    let records = &batch[HEADER_BYTES..];
    let (oldest, newest) = walk(&header, records, settings)?;
    if settings.log_append_time {
        header.stamp(now_ms);
        reseal(&mut header, records)?;
    } else {
        check_timestamps(oldest, newest, settings, now_ms)?;
        if header.is_log_append_time() || header.max_timestamp != newest {
            header.unstamp();
            header.max_timestamp = newest;
            reseal(&mut header, records)?;
        }
    }
    Ok(Admitted { header, records })
}

/// Checks the records as far as they are looked at; returns the smallest and the largest timestamp given.
fn walk(header: &BatchHeader, records: &[u8], settings: &LogSettings) -> Result<(i64, i64), Refused> {
    let codec = header.codec()?;
    if codec != Codec::None && !settings.compact {
        return Ok((header.base_timestamp, header.max_timestamp));
    }
    let Some(plain) = decompress(codec, records)? else {
        return Ok((header.base_timestamp, header.max_timestamp));
    };
    let (mut oldest, mut newest) = (i64::MAX, NO_TIMESTAMP);
    for (offset, record) in (header.base_offset..).zip(Records::new(*header, &plain)) {
        let record = record?;
        if record.offset != offset {
            return Err(Refused::Invalid("offsets inside the batch don't count up by one"));
        }
        if settings.compact && record.key.is_none() {
            return Err(Refused::Invalid("a record without a key for a compacted topic"));
        }
        oldest = oldest.min(record.timestamp);
        newest = newest.max(record.timestamp);
    }
    Ok((oldest, newest))
}

fn check_timestamps(oldest: i64, newest: i64, settings: &LogSettings, now_ms: i64) -> Result<(), Refused> {
    if newest != NO_TIMESTAMP && newest.saturating_sub(now_ms) > settings.timestamp_after_max_ms {
        return Err(Refused::Timestamp { timestamp: newest, now_ms, side: "after" });
    }
    if oldest != NO_TIMESTAMP && now_ms.saturating_sub(oldest) > settings.timestamp_before_max_ms {
        return Err(Refused::Timestamp { timestamp: oldest, now_ms, side: "before" });
    }
    Ok(())
}

/// Takes the CRC anew after a change to the header.
fn reseal(header: &mut BatchHeader, records: &[u8]) -> Result<(), BatchFault> {
    *header = BatchHeader::parse(&header.seal(records)?)?;
    Ok(())
}
