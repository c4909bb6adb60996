//! Compaction: of each key only the last record is kept. Offsets stay what they were, so holes appear.
//!
//! Closed segments only; the active one is never touched, so the newest records are always there as written. A tombstone
//! goes once it has been through a compaction before and its own timestamp is `delete.retention.ms` old. lz4 and zstd
//! batches can't be looked into and are kept whole. Memory is bounded: what the keys of one pass don't leave room for
//! waits for the next.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use tracing::info;

use crate::log::batch::{BatchHeader, HEADER_BYTES};
use crate::log::compression::decompress;
use crate::log::exchange::exchange;
use crate::log::records::{RecordView, Records};
use crate::log::rewrite::rewrite;
use crate::log::segment::{Segment, Span};
use crate::log::settings::LogSettings;
use crate::log::{COMPACTED_FILE, Inner, LogError, PartitionLog, store_offset};

/// Memory for the keys of one pass, in bytes.
const KEYS_BYTES_MAX: usize = 32 << 20;
/// What one key costs beside its own bytes.
const KEY_OVERHEAD_BYTES: usize = 64;

/// Offset of the last record of each key.
type LastOffsets = HashMap<Box<[u8]>, i64>;

/// A closed segment as it was when the pass began.
pub(super) struct Closed {
    pub(super) base_offset: i64,
    pub(super) next_offset: i64,
    pub(super) size: u64,
    first_timestamp: i64,
    pub(super) span: Span,
    pub(super) path: PathBuf,
}

/// What a pass decides by.
pub(super) struct Plan {
    segments: Vec<Closed>,
    /// Offset of the last record of each key, of the records from `compacted_to` on and before `mapped_to`.
    last_offsets: LastOffsets,
    pub(super) mapped_to: i64,
    compacted_to: i64,
    /// Tombstones with a smaller timestamp may go, in milliseconds.
    tombstones_before_ms: i64,
}

impl Plan {
    /// Whether a record stays.
    pub(super) fn keeps(&self, record: &RecordView<'_>) -> bool {
        if record.offset >= self.mapped_to {
            return true;
        }
        // A record without a key can't be the last of its key: it is from before the topic was compacted.
        let Some(key) = record.key else { return false };
        let is_last = self.last_offsets.get(key).is_none_or(|last| record.offset >= *last);
        let is_spent =
            record.value_is_null && record.offset < self.compacted_to && record.timestamp < self.tombstones_before_ms;
        is_last && !is_spent
    }
}

/// Compacts `log` if its policy asks for it and enough of it is new.
pub(super) fn apply(log: &PartitionLog, now_ms: i64) -> Result<(), LogError> {
    let Some(plan) = plan(log, now_ms)? else { return Ok(()) };
    let segment_bytes = log.settings().segment_bytes;
    let (mut bytes_before, mut bytes_after) = (0, 0);
    for group in groups(&plan, segment_bytes) {
        bytes_before += group.iter().map(|segment| segment.size).sum::<u64>();
        let cleaned = rewrite(&log.dir, group, &plan)?;
        bytes_after += exchange(log, group, &cleaned)?;
    }
    store_offset(&log.dir, COMPACTED_FILE, plan.mapped_to)?;
    log.lock_open()?.compacted_to = plan.mapped_to;
    info!(
        event = "log_compacted",
        dir = %log.dir.display(), bytes_before, bytes_after, compacted_to = plan.mapped_to, "compacted"
    );
    Ok(())
}

fn plan(log: &PartitionLog, now_ms: i64) -> Result<Option<Plan>, LogError> {
    let (segments, compacted_to, settings) = {
        let inner = log.lock_open()?;
        if !worth_it(&inner, now_ms) {
            return Ok(None);
        }
        (closed_segments(&inner, now_ms), inner.compacted_to, inner.settings.clone())
    };
    let (last_offsets, mapped_to) = last_offsets(&segments, compacted_to, KEYS_BYTES_MAX)
        .map_err(|source| LogError::Io { what: "read for compaction", path: log.dir.clone(), source })?;
    if mapped_to <= compacted_to {
        return Ok(None);
    }
    let tombstones_before_ms = now_ms.saturating_sub(settings.delete_retention_ms);
    Ok(Some(Plan { segments, last_offsets, mapped_to, compacted_to, tombstones_before_ms }))
}

/// Kafka's rule: a large enough share of the closed bytes is new, or something new is too old to wait.
fn worth_it(inner: &Inner, now_ms: i64) -> bool {
    let settings: &LogSettings = &inner.settings;
    if !settings.compact {
        return false;
    }
    let (mut clean, mut dirty, mut oldest) = (0_u64, 0_u64, i64::MAX);
    for closed in closed_segments(inner, now_ms) {
        if closed.next_offset <= inner.compacted_to {
            clean += closed.size;
        } else {
            dirty += closed.size;
            oldest = oldest.min(closed.first_timestamp);
        }
    }
    let overdue = now_ms.saturating_sub(oldest) > settings.max_compaction_lag_ms;
    #[allow(clippy::cast_precision_loss)] // a ratio for a threshold
    let ratio = dirty as f64 / (clean + dirty).max(1) as f64;
    dirty > 0 && (overdue || ratio >= settings.min_cleanable_dirty_ratio)
}

/// Closed segments that are old enough, from the front.
fn closed_segments(inner: &Inner, now_ms: i64) -> Vec<Closed> {
    let lag_ms = inner.settings.min_compaction_lag_ms;
    let old_enough = |segment: &Segment| lag_ms <= 0 || now_ms.saturating_sub(segment.max_timestamp) > lag_ms;
    let next_bases = inner.segments.iter().skip(1).map(|next| next.base_offset);
    let closed = inner.segments.iter().zip(next_bases).take_while(|(segment, _)| old_enough(segment));
    closed.map(|(segment, next_offset)| Closed::new(segment, next_offset)).collect()
}

impl Closed {
    fn new(segment: &Segment, next_offset: i64) -> Self {
        Self {
            base_offset: segment.base_offset,
            next_offset,
            size: segment.size,
            first_timestamp: segment.first_timestamp.unwrap_or(i64::MAX),
            span: segment.span(),
            path: segment.path.clone(),
        }
    }
}

/// Neighbours that fit into one segment together are rewritten together, or the log would end as many tiny files.
fn groups(plan: &Plan, segment_bytes: u64) -> Vec<&[Closed]> {
    let count = plan.segments.partition_point(|segment| segment.base_offset < plan.mapped_to);
    let (mut groups, mut rest) = (Vec::new(), &plan.segments[..count]);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|segment| {
            bytes += segment.size;
            bytes <= segment_bytes
        });
        let (group, later) = rest.split_at(fitting.count().max(1));
        groups.push(group);
        rest = later;
    }
    groups
}

/// The last offset of every key from `compacted_to` on, and the offset before which all are known.
fn last_offsets(segments: &[Closed], compacted_to: i64, bytes_max: usize) -> io::Result<(LastOffsets, i64)> {
    let mut last = LastOffsets::new();
    let (mut bytes, mut mapped_to) = (0, compacted_to);
    for segment in segments.iter().filter(|segment| segment.next_offset > compacted_to) {
        let mut full_at = None;
        for_each_batch(&segment.span, |header, batch| {
            let plain = header.codec().and_then(|codec| decompress(codec, &batch[HEADER_BYTES..]));
            let Ok(Some(plain)) = plain else { return Ok(true) };
            for record in Records::new(*header, &plain).map_while(Result::ok) {
                let Some(key) = record.key.filter(|_| record.offset >= compacted_to) else { continue };
                if let Some(known) = last.get_mut(key) {
                    *known = record.offset;
                    continue;
                }
                bytes += key.len() + KEY_OVERHEAD_BYTES;
                if bytes > bytes_max && !last.is_empty() {
                    full_at = Some(record.offset);
                    return Ok(false);
                }
                last.insert(key.into(), record.offset);
            }
            Ok(true)
        })?;
        if let Some(full_at) = full_at {
            return Ok((last, full_at));
        }
        mapped_to = segment.next_offset;
    }
    Ok((last, mapped_to))
}

/// Calls `visit` with every batch of a span until it says false.
pub(super) fn for_each_batch(
    span: &Span,
    mut visit: impl FnMut(&BatchHeader, &[u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut rest = span.clone();
    while let Some((position, header)) = rest.find(|_| true)? {
        let batch = rest.read_batch(position, &header)?;
        if !visit(&header, &batch)? {
            break;
        }
        rest.from = position + batch.len() as u64;
    }
    Ok(())
}
