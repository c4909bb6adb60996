//! The log of one partition: batches appended at the end, read from anywhere, removed from the front or compacted.
//!
//! ```text
//!   admission ─► append ─► │ segment │ segment │ active segment │ ─► read
//!                          └ retention ┘
//!                          └──── compaction ───┘
//! ```
//!
//! Promises: an append that returned survives the end of the process, kill -9 included, because the bytes are with the
//! operating system; it does not survive a power cut (nothing waits for the disk). Offsets are never given twice. Readers
//! see whole batches only. A torn tail is cut when the log is opened. All calls block on files and belong on a thread that
//! may block.

pub(crate) mod admission;
pub(crate) mod batch;
mod compaction;
pub(crate) mod compression;
mod exchange;
mod lookup;
pub(crate) mod producers;
mod records;
mod recovery;
mod retention;
mod rewrite;
pub(crate) mod segment;
pub(crate) mod settings;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use thiserror::Error;

use crate::data_dir::write_atomically;
use crate::log::admission::{Refused, admit};
use crate::log::producers::{ProducerTable, SequenceFault, Verdict};
use crate::log::segment::{Segment, Span};
use crate::log::settings::LogSettings;

/// The only leader epoch there is: one node, no elections.
pub(crate) const LEADER_EPOCH: i32 = 0;
/// Holds the log start offset once records were deleted on request.
const START_FILE: &str = "log-start-offset";
/// Holds the offset up to which the log has been compacted.
const COMPACTED_FILE: &str = "compacted-to-offset";

/// The log can't be opened, read or written.
#[derive(Debug, Error)]
pub(crate) enum LogError {
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} is damaged at byte {at}, and it is not the end of the log; move the topic's folder away or restore it",
        path.display()
    )]
    Damaged { path: PathBuf, at: u64 },
    #[error("the log is closed: its topic was deleted or the broker stops")]
    Closed,
}

/// An append that did not happen.
#[derive(Debug, Error)]
pub(crate) enum AppendFault {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Sequence(#[from] SequenceFault),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A read that gave nothing.
#[derive(Debug, Error)]
pub(crate) enum ReadFault {
    #[error("offset {offset} lies outside [{start}, {end}]")]
    OutOfRange { offset: i64, start: i64, end: i64 },
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Where a batch went (or had gone already, for a repeat of an idempotent producer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// The broker's timestamp in milliseconds, −1 where the producer's counts.
    pub(crate) log_append_time_ms: i64,
    pub(crate) start_offset: i64,
}

/// The first offset there is and the one that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// One partition's log. Shared by all connections; one lock, held for microseconds.
#[derive(Debug)]
pub(crate) struct PartitionLog {
    dir: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Arc<LogSettings>,
    /// Ordered by base offset, never empty; the last one is appended to.
    segments: Vec<Segment>,
    start_offset: i64,
    /// Below this offset every key occurs once (but for batches that can't be compacted).
    compacted_to: i64,
    producers: ProducerTable,
    closed: bool,
}

impl PartitionLog {
    /// Opens the log in `dir`, or starts an empty one there.
    pub(crate) fn open(dir: PathBuf, settings: Arc<LogSettings>) -> Result<Self, LogError> {
        let inner = recovery::open(&dir, settings)?;
        Ok(Self { dir, inner: Mutex::new(inner) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("whoever holds this lock does not panic")
    }

    fn lock_open(&self) -> Result<MutexGuard<'_, Inner>, LogError> {
        let inner = self.lock();
        if inner.closed { Err(LogError::Closed) } else { Ok(inner) }
    }

    /// Appends the one batch that `batch` holds.
    pub(crate) fn append(&self, batch: &[u8], now_ms: i64) -> Result<Appended, AppendFault> {
        let settings = Arc::clone(&self.lock().settings);
        let admitted = admit(batch, &settings, now_ms)?;
        let mut header = admitted.header;
        let log_append_time_ms = if header.is_log_append_time() { now_ms } else { -1 };

        let mut inner = self.lock_open()?;
        let start_offset = inner.start_offset;
        if let Verdict::Duplicate(base_offset) = inner.producers.check(&header)? {
            return Ok(Appended { base_offset, log_append_time_ms, start_offset });
        }
        if inner.active().must_roll(&header, &settings) {
            inner.roll(&self.dir)?;
        }
        header.base_offset = inner.end();
        header.leader_epoch = LEADER_EPOCH;
        let active = inner.active_mut();
        active.append(&header, &header.to_bytes(), admitted.records).map_err(io_error("append to", &active.path))?;
        inner.producers.record(&header);
        Ok(Appended { base_offset: header.base_offset, log_append_time_ms, start_offset })
    }

    /// Whole batches from the one that holds `offset` on, cut at a segment's end: at most `bytes_max`, but with
    /// `at_least_one` never nothing while there is something.
    pub(crate) fn read(
        &self,
        offset: i64,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<(Vec<u8>, Bounds), ReadFault> {
        let mut from = offset;
        loop {
            let (span, path, next_base, bounds) = self.locate(offset, from)?;
            let batches = span.read_batches(offset, bytes_max, at_least_one).map_err(io_error("read", &path))?;
            match (batches, next_base) {
                (Some(batches), _) => return Ok((batches, bounds)),
                // A hole that compaction left at the segment's end: what comes next is in the next one.
                (None, Some(next)) => from = next,
                (None, None) => return Ok((Vec::new(), bounds)),
            }
        }
    }

    /// The part of a segment where `from` is to be looked for, and where the next segment starts.
    fn locate(&self, offset: i64, from: i64) -> Result<(Span, PathBuf, Option<i64>, Bounds), ReadFault> {
        let inner = self.lock_open()?;
        let bounds = inner.bounds();
        if offset < bounds.start || offset > bounds.end {
            return Err(ReadFault::OutOfRange { offset, start: bounds.start, end: bounds.end });
        }
        let at = inner.segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        let segment = &inner.segments[at];
        let next_base = inner.segments.get(at + 1).map(|next| next.base_offset);
        Ok((segment.span_from(from), segment.path.clone(), next_base, bounds))
    }

    /// At most this many bytes can be read from `offset` on (32 KiB too many at worst); 0 outside the log.
    pub(crate) fn readable_bytes(&self, offset: i64) -> u64 {
        let inner = self.lock();
        if offset < inner.start_offset || offset >= inner.end() {
            return 0;
        }
        let at = inner.segments.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1);
        let (here, later) = (&inner.segments[at], &inner.segments[at + 1..]);
        let span = here.span_from(offset);
        span.to - span.from + later.iter().map(|segment| segment.size).sum::<u64>()
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.lock().bounds()
    }

    /// Makes `before` the first offset that can be read (−1: the end). Returns the log start offset from now on. The files
    /// go with the next [`PartitionLog::maintain`].
    pub(crate) fn delete_records(&self, before: i64) -> Result<i64, ReadFault> {
        let mut inner = self.lock_open()?;
        let Bounds { start, end } = inner.bounds();
        let before = if before == -1 { end } else { before };
        if before < 0 || before > end {
            return Err(ReadFault::OutOfRange { offset: before, start, end });
        }
        if before > start {
            store_offset(&self.dir, START_FILE, before)?;
            inner.start_offset = before;
        }
        Ok(inner.start_offset)
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<LogSettings> {
        Arc::clone(&self.lock().settings)
    }

    /// Puts new settings in force.
    pub(crate) fn configure(&self, settings: Arc<LogSettings>) {
        self.lock().settings = settings;
    }

    /// Removes what retention allows to remove and compacts what is worth it.
    pub(crate) fn maintain(&self, now_ms: i64) -> Result<(), LogError> {
        retention::apply(self, now_ms)?;
        compaction::apply(self, now_ms)
    }

    /// Ends all appends, reads and maintenance; used before the files are deleted or another broker may open them.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Pushes everything to the disk itself.
    pub(crate) fn flush(&self) -> Result<(), LogError> {
        self.lock().segments.iter().try_for_each(|segment| segment.flush().map_err(io_error("flush", &segment.path)))
    }
}

impl Inner {
    fn active(&self) -> &Segment {
        self.segments.last().expect("a log always has an active segment")
    }

    fn active_mut(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a log always has an active segment")
    }

    fn end(&self) -> i64 {
        self.active().next_offset
    }

    fn bounds(&self) -> Bounds {
        Bounds { start: self.start_offset, end: self.end() }
    }

    /// Closes the active segment and starts a new one.
    fn roll(&mut self, dir: &Path) -> Result<(), LogError> {
        let next = Segment::create(dir, self.end()).map_err(io_error("start a segment in", dir))?;
        self.segments.push(next);
        Ok(())
    }
}

impl Segment {
    /// Kafka's rule: a full segment, or one whose first record is `segment.ms` older than the record that comes. A record
    /// that must be compacted in time must also leave the active segment in time.
    fn must_roll(&self, coming: &batch::BatchHeader, settings: &LogSettings) -> bool {
        let age_max_ms = if settings.compact {
            settings.segment_ms.min(settings.max_compaction_lag_ms)
        } else {
            settings.segment_ms
        };
        let full = self.size + coming.size() as u64 > settings.segment_bytes;
        let aged = self.first_timestamp.is_some_and(|first| coming.max_timestamp.saturating_sub(first) > age_max_ms);
        self.size > 0 && (full || aged)
    }
}

fn store_offset(dir: &Path, name: &str, offset: i64) -> Result<(), LogError> {
    let path = dir.join(name);
    write_atomically(&path, offset.to_string().as_bytes()).map_err(io_error("write", &path))
}

fn io_error<'a>(what: &'static str, path: &'a Path) -> impl Fn(io::Error) -> LogError + 'a {
    move |source| LogError::Io { what, path: path.to_owned(), source }
}
