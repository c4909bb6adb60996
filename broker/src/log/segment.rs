//! One file of a partition's log: batches end to end, named after the offset of the first.
//!
//! Promises: a reader that holds a [`Span`] sees unchanging bytes, even while the segment is compacted or deleted, because
//! it holds the open file. The index is sparse (one entry for every 32 KiB), lives in memory only and is rebuilt by a scan
//! when the broker starts; 1 GiB of log costs under 1 MiB of it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::log::batch::{BatchHeader, HEADER_BYTES, NO_TIMESTAMP};

/// Bytes of log between two entries of the index.
const INDEX_INTERVAL_BYTES: u64 = 32 << 10;
/// Bytes read at a time while looking for a batch; steady readers find theirs in the first.
const SEEK_CHUNK_BYTES: u64 = 4 << 10;
/// Bytes read at a time while scanning a whole file.
const SCAN_BUFFER_BYTES: usize = 256 << 10;

/// A batch whose place is known.
#[derive(Debug, Clone, Copy)]
struct IndexEntry {
    base_offset: i64,
    position: u64,
    /// Largest timestamp of all batches before this one.
    max_timestamp_before: i64,
}

/// One file of the log and what is known about it.
#[derive(Debug)]
pub(crate) struct Segment {
    /// No record here has a smaller offset.
    pub(crate) base_offset: i64,
    /// One more than the largest offset ever written here.
    pub(crate) next_offset: i64,
    /// Bytes of whole batches; the file may be longer for the time of a write.
    pub(crate) size: u64,
    /// Largest timestamp of its batches, −1 when there is none.
    pub(crate) max_timestamp: i64,
    /// Timestamp of the first batch that has one: from it the segment's age is counted.
    pub(crate) first_timestamp: Option<i64>,
    pub(crate) path: PathBuf,
    file: Arc<File>,
    index: Vec<IndexEntry>,
    indexed_to: u64,
}

/// Bytes of a segment that may be read without holding any lock.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) file: Arc<File>,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// How much of a segment a scan looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Headers only.
    Headers,
    /// Every byte: the checksum of each batch.
    Checksums,
}

/// The file name of the segment that starts at `base_offset`.
pub(crate) fn file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.log")
}

impl Segment {
    /// Creates an empty segment; an unused file of that name is overwritten.
    pub(crate) fn create(dir: &Path, base_offset: i64) -> io::Result<Self> {
        let path = dir.join(file_name(base_offset));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self::empty(path, file, base_offset))
    }

    fn empty(path: PathBuf, file: File, base_offset: i64) -> Self {
        Self {
            base_offset,
            next_offset: base_offset,
            size: 0,
            max_timestamp: NO_TIMESTAMP,
            first_timestamp: None,
            path,
            file: Arc::new(file),
            index: Vec::new(),
            indexed_to: 0,
        }
    }

    /// Opens a segment and scans it; `visit` sees the header of every sound batch in order. The segment's `size` ends at
    /// the first byte that is not part of a sound batch; what follows is left alone.
    pub(crate) fn open(
        path: PathBuf,
        base_offset: i64,
        depth: Depth,
        mut visit: impl FnMut(&BatchHeader),
    ) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut segment = Self::empty(path, file, base_offset);
        let file = Arc::clone(&segment.file);
        let length = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(SCAN_BUFFER_BYTES, &*file);
        reader.seek(SeekFrom::Start(0))?;
        let mut batch = Vec::new();
        while length - segment.size >= HEADER_BYTES as u64 {
            batch.resize(HEADER_BYTES, 0);
            reader.read_exact(&mut batch)?;
            let Ok(header) = BatchHeader::parse(&batch) else { break };
            let body = header.size() - HEADER_BYTES;
            if segment.size + header.size() as u64 > length || header.base_offset < segment.next_offset {
                break;
            }
            if depth == Depth::Checksums {
                batch.resize(header.size(), 0);
                reader.read_exact(&mut batch[HEADER_BYTES..])?;
                if BatchHeader::parse_whole(&batch).is_err() {
                    break;
                }
            } else {
                reader.seek_relative(i64::try_from(body).expect("a batch is smaller than 2 GiB"))?;
            }
            visit(&header);
            segment.account(&header);
        }
        Ok(segment)
    }

    /// Cuts what follows the last sound batch off the file. Returns how many bytes that were.
    pub(crate) fn cut_tail(&mut self) -> io::Result<u64> {
        let torn = self.file.metadata()?.len() - self.size;
        if torn > 0 {
            self.file.set_len(self.size)?;
        }
        Ok(torn)
    }

    /// Writes one batch behind the last. On an error nothing has happened: the next append writes over what was begun.
    pub(crate) fn append(&mut self, header: &BatchHeader, head: &[u8; HEADER_BYTES], records: &[u8]) -> io::Result<()> {
        debug_assert_eq!(header.size(), head.len() + records.len(), "a header that belongs to these records");
        self.file.write_all_at(head, self.size)?;
        self.file.write_all_at(records, self.size + head.len() as u64)?;
        self.account(header);
        Ok(())
    }

    fn account(&mut self, header: &BatchHeader) {
        if self.index.is_empty() || self.size - self.indexed_to >= INDEX_INTERVAL_BYTES {
            let (base_offset, position) = (header.base_offset, self.size);
            self.index.push(IndexEntry { base_offset, position, max_timestamp_before: self.max_timestamp });
            self.indexed_to = position;
        }
        if header.max_timestamp > NO_TIMESTAMP {
            self.first_timestamp.get_or_insert(header.max_timestamp);
        }
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
        self.next_offset = header.last_offset().saturating_add(1);
        self.size += header.size() as u64;
    }

    /// All of it.
    pub(crate) fn span(&self) -> Span {
        Span { file: Arc::clone(&self.file), from: 0, to: self.size }
    }

    /// From a batch at or before `offset` to the end.
    pub(crate) fn span_from(&self, offset: i64) -> Span {
        let after = self.index.partition_point(|entry| entry.base_offset <= offset);
        let from = after.checked_sub(1).map_or(0, |at| self.index[at].position);
        Span { from, ..self.span() }
    }

    /// From a batch at or before the first whose largest timestamp reaches `timestamp` to the end.
    pub(crate) fn span_from_timestamp(&self, timestamp: i64) -> Span {
        let after = self.index.partition_point(|entry| entry.max_timestamp_before < timestamp);
        let from = after.checked_sub(1).map_or(0, |at| self.index[at].position);
        Span { from, ..self.span() }
    }

    /// When its youngest record was made; for records without timestamps, when the file was last written to.
    pub(crate) fn youngest_ms(&self) -> io::Result<i64> {
        if self.max_timestamp > NO_TIMESTAMP {
            return Ok(self.max_timestamp);
        }
        let modified = self.file.metadata()?.modified()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Pushes what was written to the disk itself.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Span {
    /// The first batch that `wanted` accepts, as its position and header.
    pub(crate) fn find(&self, wanted: impl Fn(&BatchHeader) -> bool) -> io::Result<Option<(u64, BatchHeader)>> {
        let mut chunk = Vec::new();
        let (mut chunk_from, mut position) = (self.from, self.from);
        while position < self.to {
            let rest = usize::try_from(position - chunk_from).ok().and_then(|at| chunk.get(at..)).unwrap_or(&[]);
            if rest.len() < HEADER_BYTES {
                chunk = self.read_at(position, SEEK_CHUNK_BYTES)?;
                chunk_from = position;
                if chunk.len() < HEADER_BYTES {
                    return Err(damaged(position));
                }
                continue;
            }
            let header = BatchHeader::parse(rest).map_err(|_| damaged(position))?;
            if wanted(&header) {
                return Ok(Some((position, header)));
            }
            position += header.size() as u64;
        }
        Ok(None)
    }

    /// Whole batches from the one that holds `offset` (or the next there is) on: at most `bytes_max`, but with `at_least_one`
    /// the first batch whatever its size. None when the span holds nothing from `offset` on.
    pub(crate) fn read_batches(
        &self,
        offset: i64,
        bytes_max: usize,
        at_least_one: bool,
    ) -> io::Result<Option<Vec<u8>>> {
        let Some((position, first)) = self.find(|header| header.last_offset() >= offset)? else {
            return Ok(None);
        };
        if first.size() > bytes_max && !at_least_one {
            return Ok(Some(Vec::new()));
        }
        let mut batches = self.read_at(position, bytes_max.max(first.size()) as u64)?;
        let mut whole = 0;
        while let Ok(header) = BatchHeader::parse(&batches[whole..]) {
            if header.size() > batches.len() - whole {
                break;
            }
            whole += header.size();
        }
        if whole == 0 {
            return Err(damaged(position));
        }
        batches.truncate(whole);
        Ok(Some(batches))
    }

    /// The one batch at `position`.
    pub(crate) fn read_batch(&self, position: u64, header: &BatchHeader) -> io::Result<Vec<u8>> {
        self.read_at(position, header.size() as u64)
    }

    /// Up to `bytes_max` bytes from `position` on, cut at the end of the span.
    fn read_at(&self, position: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
        let length = bytes_max.min(self.to.saturating_sub(position));
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, position)?;
        Ok(bytes)
    }
}

fn damaged(position: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no record batch where one should be, at byte {position}"))
}
