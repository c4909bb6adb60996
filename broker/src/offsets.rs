//! Committed offsets of consumer groups: kept in memory, written to one file before a commit is answered.
//!
//! The file is a sequence of entries (length, CRC-32C, contents), the last one for a partition counts. A torn end is cut on
//! start, and the file is written anew when most of it has been overtaken. Like the logs: safe against kill -9, not against
//! a power cut.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut};
use thiserror::Error;
use tracing::warn;

/// Longest metadata that may be stored with an offset, as in Kafka.
pub(crate) const METADATA_BYTES_MAX: usize = 4096;
/// The file is not written anew before it has this many bytes.
const REWRITE_FROM_BYTES: u64 = 1 << 20;
/// Length and checksum in front of an entry.
const ENTRY_HEAD_BYTES: usize = 8;

/// Where a group stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    /// −1 when the client gave none.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

/// A partition by name.
pub(crate) type TopicPartition = (String, i32);

/// A commit that is not kept.
#[derive(Debug, Error)]
pub(crate) enum CommitFault {
    #[error("this broker keeps {0} committed offsets and no more")]
    TooMany(usize),
    #[error("can't write {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// All committed offsets.
#[derive(Debug)]
pub(crate) struct CommittedOffsets {
    path: PathBuf,
    entries_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    bytes: u64,
    groups: BTreeMap<String, BTreeMap<TopicPartition, Committed>>,
}

impl CommittedOffsets {
    /// Reads the file at `path`, or starts an empty one.
    pub(crate) fn open(path: PathBuf, entries_max: usize) -> Result<Self, CommitFault> {
        let failed = |source| CommitFault::Io { path: path.clone(), source };
        let stored = match fs::read(&path) {
            Ok(stored) => stored,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(failed(e)),
        };
        let mut groups = BTreeMap::new();
        let torn = replay(&stored, &mut groups);
        if torn > 0 {
            warn!(
                event = "torn_offsets_tail_cut",
                path = %path.display(), bytes = torn, "cut a torn tail off the committed offsets"
            );
        }
        let (file, bytes) = write_anew(&path, &groups).map_err(failed)?;
        Ok(Self { entries_max, inner: Mutex::new(Inner { file, bytes, groups }), path })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits several offsets of one group; all of them are kept, or none.
    pub(crate) fn commit(&self, group: &str, commits: Vec<(TopicPartition, Committed)>) -> Result<(), CommitFault> {
        let mut inner = self.lock();
        let total: usize = inner.groups.values().map(BTreeMap::len).sum();
        let known = inner.groups.get(group);
        let fresh = commits.iter().filter(|(at, _)| known.is_none_or(|known| !known.contains_key(at))).count();
        if total + fresh > self.entries_max {
            return Err(CommitFault::TooMany(self.entries_max));
        }
        let entries = commits.into_iter().map(|(at, committed)| (group.to_owned(), at, Some(committed)));
        self.apply(&mut inner, entries.collect())
    }

    /// Forgets offsets of one group.
    pub(crate) fn delete(&self, group: &str, partitions: Vec<TopicPartition>) -> Result<(), CommitFault> {
        let entries = partitions.into_iter().map(|at| (group.to_owned(), at, None));
        self.apply(&mut self.lock(), entries.collect())
    }

    /// Forgets a whole group. False if there was nothing to forget.
    pub(crate) fn delete_group(&self, group: &str) -> Result<bool, CommitFault> {
        let partitions: Vec<_> = self.of_group(group).into_keys().collect();
        let any = !partitions.is_empty();
        self.delete(group, partitions).map(|()| any)
    }

    /// Forgets a topic that was deleted, in all groups.
    pub(crate) fn delete_topic(&self, topic: &str) -> Result<(), CommitFault> {
        let mut inner = self.lock();
        let of_topic = |(group, offsets): (&String, &BTreeMap<TopicPartition, Committed>)| {
            let there = offsets.keys().filter(|(name, _)| name == topic);
            there.map(|at| (group.clone(), at.clone(), None)).collect::<Vec<_>>()
        };
        let entries = inner.groups.iter().flat_map(of_topic).collect();
        self.apply(&mut inner, entries)
    }

    /// The groups that have committed anything.
    pub(crate) fn groups(&self) -> Vec<String> {
        self.lock().groups.keys().cloned().collect()
    }

    /// Where a group stands; empty for one that is not known.
    pub(crate) fn of_group(&self, group: &str) -> BTreeMap<TopicPartition, Committed> {
        self.lock().groups.get(group).cloned().unwrap_or_default()
    }

    fn apply(&self, inner: &mut Inner, entries: Vec<Entry>) -> Result<(), CommitFault> {
        let failed = |source| CommitFault::Io { path: self.path.clone(), source };
        let mut encoded = Vec::new();
        entries.iter().for_each(|entry| encode(entry, &mut encoded));
        if let Err(source) = inner.file.write_all(&encoded) {
            // Half an entry may be there now: nothing may be written behind it.
            (inner.file, inner.bytes) = write_anew(&self.path, &inner.groups).map_err(failed)?;
            return Err(failed(source));
        }
        inner.bytes += encoded.len() as u64;
        entries.into_iter().for_each(|entry| put(&mut inner.groups, entry));
        if inner.bytes > REWRITE_FROM_BYTES && inner.bytes > 4 * snapshot(&inner.groups).len() as u64 {
            (inner.file, inner.bytes) = write_anew(&self.path, &inner.groups).map_err(failed)?;
        }
        Ok(())
    }
}

/// Group, partition, and what was committed (none: forgotten).
type Entry = (String, TopicPartition, Option<Committed>);

fn put(groups: &mut BTreeMap<String, BTreeMap<TopicPartition, Committed>>, (group, at, committed): Entry) {
    match committed {
        Some(committed) => {
            groups.entry(group).or_default().insert(at, committed);
        }
        None => {
            if let Some(offsets) = groups.get_mut(&group) {
                offsets.remove(&at);
                if offsets.is_empty() {
                    groups.remove(&group);
                }
            }
        }
    }
}

fn snapshot(groups: &BTreeMap<String, BTreeMap<TopicPartition, Committed>>) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (group, offsets) in groups {
        for (at, committed) in offsets {
            encode(&(group.clone(), at.clone(), Some(committed.clone())), &mut encoded);
        }
    }
    encoded
}

/// Replaces the file and opens the new one for appending.
fn write_anew(path: &Path, groups: &BTreeMap<String, BTreeMap<TopicPartition, Committed>>) -> io::Result<(File, u64)> {
    let encoded = snapshot(groups);
    crate::data_dir::write_atomically(path, &encoded)?;
    Ok((File::options().append(true).open(path)?, encoded.len() as u64))
}

fn encode((group, (topic, partition), committed): &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    out.put_bytes(0, ENTRY_HEAD_BYTES);
    put_text(out, group);
    put_text(out, topic);
    out.put_i32(*partition);
    out.put_u8(u8::from(committed.is_some()));
    if let Some(committed) = committed {
        out.put_i64(committed.offset);
        out.put_i32(committed.leader_epoch);
        put_text(out, &committed.metadata);
    }
    let contents = &out[start + ENTRY_HEAD_BYTES..];
    let length = u32::try_from(contents.len()).expect("names and metadata are limited to a few kilobytes");
    let crc = crc32c::crc32c(contents);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&crc.to_be_bytes());
}

/// Applies what is stored; returns how many bytes at the end are not whole entries.
fn replay(mut stored: &[u8], groups: &mut BTreeMap<String, BTreeMap<TopicPartition, Committed>>) -> usize {
    while let Some((entry, rest)) = decode(stored) {
        put(groups, entry);
        stored = rest;
    }
    stored.len()
}

fn decode(stored: &[u8]) -> Option<(Entry, &[u8])> {
    let (mut head, rest) = stored.split_at_checked(ENTRY_HEAD_BYTES)?;
    let (length, crc) = (usize::try_from(head.get_u32()).ok()?, head.get_u32());
    let (mut contents, rest) = rest.split_at_checked(length)?;
    if crc32c::crc32c(contents) != crc {
        return None;
    }
    let (group, topic) = (get_text(&mut contents)?, get_text(&mut contents)?);
    let partition = contents.try_get_i32().ok()?;
    let committed = if contents.try_get_u8().ok()? == 1 {
        let (offset, leader_epoch) = (contents.try_get_i64().ok()?, contents.try_get_i32().ok()?);
        Some(Committed { offset, leader_epoch, metadata: get_text(&mut contents)? })
    } else {
        None
    };
    Some(((group, (topic, partition), committed), rest))
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u16(u16::try_from(text.len()).expect("strings on the wire are at most 32 767 bytes long"));
    out.put_slice(text.as_bytes());
}

fn get_text(contents: &mut &[u8]) -> Option<String> {
    let length = usize::from(contents.try_get_u16().ok()?);
    let (text, rest) = contents.split_at_checked(length)?;
    *contents = rest;
    String::from_utf8(text.to_vec()).ok()
}
