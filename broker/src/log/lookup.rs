//! Offsets by time: the first record at or after a timestamp, and the youngest record of all.

use crate::log::batch::{BatchHeader, HEADER_BYTES, NO_TIMESTAMP};
use crate::log::compression::decompress;
use crate::log::records::Records;
use crate::log::segment::Span;
use crate::log::{LogError, PartitionLog, ReadFault, io_error};

/// A record's place in the log and in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dated {
    pub(crate) offset: i64,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
}

impl PartitionLog {
    /// The first record whose timestamp is `timestamp` or later. In an lz4 or zstd batch: the batch's first offset.
    pub(crate) fn first_at_or_after(&self, timestamp: i64) -> Result<Option<Dated>, ReadFault> {
        for (span, start) in self.spans(|segment_max| segment_max >= timestamp, timestamp)? {
            let wanted = |header: &BatchHeader| header.max_timestamp >= timestamp && header.last_offset() >= start;
            let Some((position, header)) = span.find(wanted).map_err(io_error("read", &self.dir))? else { continue };
            let found =
                in_batch(&span, position, &header, |dated| dated.timestamp >= timestamp && dated.offset >= start)
                    .map_err(|source| LogError::Io { what: "read", path: self.dir.clone(), source })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The record with the largest timestamp, the first of several.
    pub(crate) fn youngest(&self) -> Result<Option<Dated>, ReadFault> {
        let youngest = self.lock_open()?.segments.iter().map(|segment| segment.max_timestamp).max();
        match youngest {
            Some(timestamp) if timestamp != NO_TIMESTAMP => self.first_at_or_after(timestamp),
            _ => Ok(None),
        }
    }

    /// The segments to look through, each from where `timestamp` can be found first, with the log start offset.
    fn spans(&self, wanted: impl Fn(i64) -> bool, timestamp: i64) -> Result<Vec<(Span, i64)>, LogError> {
        let inner = self.lock_open()?;
        let start = inner.start_offset;
        let segments = inner.segments.iter().filter(|s| wanted(s.max_timestamp) && s.next_offset > start);
        Ok(segments.map(|segment| (segment.span_from_timestamp(timestamp), start)).collect())
    }
}

/// The first record of a batch that `wanted` accepts.
fn in_batch(
    span: &Span,
    position: u64,
    header: &BatchHeader,
    wanted: impl Fn(&Dated) -> bool,
) -> std::io::Result<Option<Dated>> {
    let batch = span.read_batch(position, header)?;
    let plain = header.codec().and_then(|codec| decompress(codec, &batch[HEADER_BYTES..]));
    let Ok(Some(plain)) = plain else {
        return Ok(Some(Dated { offset: header.base_offset, timestamp: header.base_timestamp }));
    };
    let dated = Records::new(*header, &plain)
        .map_while(Result::ok)
        .map(|record| Dated { offset: record.offset, timestamp: record.timestamp });
    Ok({ dated }.find(|dated| wanted(dated)))
}
