//! Putting a compacted file in the place of the segments it was made from, so that a kill at any point does no harm.
//!
//! ```text
//!   N.cleaned  ──rename──►  N-M.swap  ──remove the old segments in [N, M)──►  ──rename──►  N.log
//!   thrown away on start    from here on it is the truth: finished on start
//! ```

use std::fs;
use std::path::Path;

use tracing::warn;

use crate::log::compaction::Closed;
use crate::log::recovery::segment_files;
use crate::log::rewrite::CLEANED_SUFFIX;
use crate::log::segment::{Depth, Segment, file_name};
use crate::log::{LogError, PartitionLog, io_error};

/// Puts `cleaned` in the place of `group`, on disk and in memory. Returns the bytes it has.
pub(super) fn exchange(log: &PartitionLog, group: &[Closed], cleaned: &Path) -> Result<u64, LogError> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(0) };
    let mut inner = log.lock_open()?;
    let at = inner.segments.partition_point(|segment| segment.base_offset < first.base_offset);
    let still_there = inner.segments[at..].iter().take(group.len()).map(|segment| segment.base_offset);
    if !still_there.eq(group.iter().map(|closed| closed.base_offset)) {
        warn!(
            event = "compaction_dropped",
            path = %cleaned.display(), "the segments changed during compaction; its result is dropped"
        );
        fs::remove_file(cleaned).map_err(io_error("remove", cleaned))?;
        return Ok(0);
    }
    let swap = log.dir.join(swap_name(first.base_offset, last.next_offset));
    fs::rename(cleaned, &swap).map_err(io_error("rename", cleaned))?;
    for old in group {
        fs::remove_file(&old.path).map_err(io_error("remove", &old.path))?;
    }
    let path = log.dir.join(file_name(first.base_offset));
    fs::rename(&swap, &path).map_err(io_error("rename", &swap))?;
    let mut segment = Segment::open(path.clone(), first.base_offset, Depth::Headers, |_| {})
        .map_err(io_error("open the compacted", &path))?;
    segment.next_offset = last.next_offset;
    let size = segment.size;
    inner.segments.splice(at..at + group.len(), [segment]);
    Ok(size)
}

/// Finishes or forgets an exchange that a kill interrupted.
pub(super) fn finish_interrupted(dir: &Path) -> Result<(), LogError> {
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let path = entry.map_err(io_error("list", dir))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.ends_with(CLEANED_SUFFIX) {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        } else if let Some((from, to)) = swap_range(name) {
            for (_, old) in segment_files(dir)?.iter().filter(|(base_offset, _)| (from..to).contains(base_offset)) {
                fs::remove_file(old).map_err(io_error("remove", old))?;
            }
            fs::rename(&path, dir.join(file_name(from))).map_err(io_error("put in place", &path))?;
        }
    }
    Ok(())
}

fn swap_name(from: i64, to: i64) -> String {
    format!("{from:020}-{to:020}.swap")
}

fn swap_range(name: &str) -> Option<(i64, i64)> {
    let (from, to) = name.strip_suffix(".swap")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}
