//! Removing old segments: by age, by size, and those wholly below the log start offset.
//!
//! Whole segments only, oldest first, and the end offset is never lost: a new active segment is started before the last
//! one goes.

use tracing::info;

use crate::log::segment::Segment;
use crate::log::settings::LogSettings;
use crate::log::{Inner, LogError, PartitionLog, io_error, recovery};

/// Removes what `now_ms` and the settings allow to remove.
pub(super) fn apply(log: &PartitionLog, now_ms: i64) -> Result<(), LogError> {
    let mut inner = log.lock_open()?;
    let settings = inner.settings.clone();
    let expired = if settings.delete { count_expired(&inner, &settings, now_ms)? } else { 0 };
    let count = expired.max(count_below_start(&inner));
    if count == 0 {
        return Ok(());
    }
    if count == inner.segments.len() {
        inner.roll(&log.dir)?;
    }
    let removed: Vec<Segment> = inner.segments.drain(..count).collect();
    inner.start_offset = inner.start_offset.max(inner.segments[0].base_offset);
    let start = inner.start_offset;
    drop(inner);
    recovery::remove(&removed)?;
    info!(
        event = "segments_removed",
        dir = %log.dir.display(), segments = count, log_start_offset = start, "removed old segments"
    );
    Ok(())
}

/// How many segments from the front are too old or too much.
fn count_expired(inner: &Inner, settings: &LogSettings, now_ms: i64) -> Result<usize, LogError> {
    let mut total: u64 = inner.segments.iter().map(|segment| segment.size).sum();
    let mut count = 0;
    for segment in inner.segments.iter().filter(|segment| segment.size > 0) {
        let youngest_ms = segment.youngest_ms().map_err(io_error("look at", &segment.path))?;
        let too_old = settings.retention_ms.is_some_and(|keep_ms| now_ms.saturating_sub(youngest_ms) > keep_ms);
        let too_much = settings.retention_bytes.is_some_and(|keep| total.saturating_sub(segment.size) >= keep);
        if !too_old && !too_much {
            break;
        }
        total -= segment.size;
        count += 1;
    }
    Ok(count)
}

/// How many segments from the front hold nothing that can still be read. The active one always stays.
fn count_below_start(inner: &Inner) -> usize {
    inner.segments.iter().skip(1).take_while(|next| next.base_offset <= inner.start_offset).count()
}
