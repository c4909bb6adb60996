//! Opening a partition's log: finishes what was interrupted, rebuilds what lives in memory, cuts a torn tail.
//!
//! The end of the last segment is where a killed broker may have stopped inside a write, so there every checksum is
//! computed and what is not whole is cut off. Earlier segments were complete before the last one began; damage there is
//! not an interrupted write, and the broker refuses to guess.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use crate::log::exchange::finish_interrupted;
use crate::log::producers::ProducerTable;
use crate::log::segment::{Depth, Segment};
use crate::log::settings::LogSettings;
use crate::log::{COMPACTED_FILE, Inner, LogError, START_FILE, io_error};

/// Opens everything in `dir`, which is made if it isn't there.
pub(super) fn open(dir: &Path, settings: Arc<LogSettings>) -> Result<Inner, LogError> {
    fs::create_dir_all(dir).map_err(io_error("create", dir))?;
    finish_interrupted(dir)?;
    let mut producers = ProducerTable::default();
    let mut segments = open_segments(dir, &mut producers)?;
    let stored_start = load_offset(dir, START_FILE)?.unwrap_or(0);
    let end = segments.last().map_or(0, |last| last.next_offset);
    if stored_start > end {
        // The tail was lost behind records that had been deleted: nothing that is left may be read.
        remove(&std::mem::take(&mut segments))?;
    }
    if segments.is_empty() {
        segments.push(Segment::create(dir, stored_start).map_err(io_error("start a segment in", dir))?);
    }
    let start_offset = stored_start.max(segments[0].base_offset);
    let compacted_to = load_offset(dir, COMPACTED_FILE)?.unwrap_or(0);
    Ok(Inner { settings, segments, start_offset, compacted_to, producers, closed: false })
}

/// Removes segments from the disk.
pub(super) fn remove(segments: &[Segment]) -> Result<(), LogError> {
    segments.iter().try_for_each(|segment| fs::remove_file(&segment.path).map_err(io_error("remove", &segment.path)))
}

fn open_segments(dir: &Path, producers: &mut ProducerTable) -> Result<Vec<Segment>, LogError> {
    let files = segment_files(dir)?;
    let mut segments = Vec::with_capacity(files.len());
    for (index, (base_offset, path)) in files.iter().enumerate() {
        let is_last = index + 1 == files.len();
        let depth = if is_last { Depth::Checksums } else { Depth::Headers };
        let mut segment = Segment::open(path.clone(), *base_offset, depth, |header| producers.record(header))
            .map_err(io_error("open", path))?;
        if is_last {
            let torn = segment.cut_tail().map_err(io_error("cut the tail of", path))?;
            if torn > 0 {
                warn!(
                    event = "torn_log_tail_cut",
                    path = %path.display(), bytes = torn, "cut a torn tail: the broker had been killed inside a write"
                );
            }
        } else if fs::metadata(path).map_err(io_error("look at", path))?.len() != segment.size {
            return Err(LogError::Damaged { path: path.clone(), at: segment.size });
        }
        segments.push(segment);
    }
    Ok(segments)
}

/// The segments of a log on disk, in order.
pub(super) fn segment_files(dir: &Path) -> Result<Vec<(i64, PathBuf)>, LogError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let path = entry.map_err(io_error("list", dir))?.path();
        let base_offset = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".log"))
            .and_then(|digits| digits.parse().ok());
        if let Some(base_offset) = base_offset {
            files.push((base_offset, path));
        }
    }
    files.sort();
    Ok(files)
}

fn load_offset(dir: &Path, name: &str) -> Result<Option<i64>, LogError> {
    let path = dir.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(offset) => Ok(Some(offset)),
            Err(_) => Err(LogError::Damaged { path, at: 0 }),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error("read", &path)(e)),
    }
}
