//! The log against what it promises.

mod admission;
mod compaction;
mod model;
mod places;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::log::batch::{BatchHeader, HEADER_BYTES};
use crate::log::compression::decompress;
use crate::log::records::Records;
use crate::log::settings::LogSettings;
use crate::log::testing::{batch, settings};
use crate::log::{PartitionLog, ReadFault};

/// A record as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    offset: i64,
    key: Option<String>,
    is_tombstone: bool,
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(dir: &Path, settings: LogSettings) -> PartitionLog {
    PartitionLog::open(dir.to_owned(), Arc::new(settings)).expect("opens")
}

fn append(log: &PartitionLog, value: &str) -> i64 {
    log.append(&batch(&[(None, Some(value), 5)]), 5).expect("appends").base_offset
}

fn append_times(count: usize, log: &PartitionLog, value: &str) {
    for _ in 0..count {
        append(log, value);
    }
}

/// Everything there is, read as a client reads: fetch after fetch.
fn read_all(log: &PartitionLog) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    let mut offset = log.bounds().start;
    while offset < log.bounds().end {
        let (batches, _) = log.read(offset, 200, true).expect("reads");
        if batches.is_empty() {
            break;
        }
        let mut rest = batches.as_slice();
        while !rest.is_empty() {
            let header = BatchHeader::parse(rest).expect("whole batches only");
            let (one, later) = rest.split_at(header.size());
            BatchHeader::parse_whole(one).expect("sound batches only");
            let plain = decompress(header.codec().expect("known"), &one[HEADER_BYTES..]).expect("sound");
            for record in Records::new(header, &plain.expect("readable")) {
                let record = record.expect("sound records only");
                if record.offset >= offset {
                    let key = record.key.map(|key| String::from_utf8_lossy(key).into_owned());
                    seen.push(Seen { offset: record.offset, key, is_tombstone: record.value_is_null });
                }
            }
            offset = header.last_offset() + 1;
            rest = later;
        }
    }
    seen
}

/// The segment files, in order.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    super::recovery::segment_files(dir).expect("lists").into_iter().map(|(_, path)| path).collect()
}

#[test]
fn a_torn_tail_is_cut_on_start_and_what_was_whole_stays() {
    let dir = folder();
    let log = open(dir.path(), settings());
    append(&log, "whole");
    append(&log, "torn");
    drop(log);
    let file = std::fs::File::options().write(true).open(&files(dir.path())[0]).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let log = open(dir.path(), settings());
    assert_eq!(log.bounds().end, 1);
    assert_eq!(append(&log, "next"), 1, "the offset of what was torn is given again");
    assert_eq!(read_all(&log).len(), 2);
}

#[test]
fn a_flipped_bit_in_the_last_segment_ends_the_log_there() {
    let dir = folder();
    let log = open(dir.path(), settings());
    let size = batch(&[(None, Some("one"), 5)]).len();
    append_times(3, &log, "one");
    drop(log);
    let path = &files(dir.path())[0];
    let mut bytes = std::fs::read(path).unwrap();
    bytes[2 * size - 1] ^= 1;
    std::fs::write(path, bytes).unwrap();
    assert_eq!(open(dir.path(), settings()).bounds().end, 1);
}

#[test]
fn damage_before_the_last_segment_is_refused_with_the_place() {
    let dir = folder();
    let small = LogSettings { segment_bytes: 200, ..settings() };
    let log = open(dir.path(), small.clone());
    append_times(3, &log, &"x".repeat(60));
    drop(log);
    let path = files(dir.path())[1].clone();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(30).unwrap();
    let error = PartitionLog::open(dir.path().to_owned(), Arc::new(small)).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("byte 0"), "{error}");
}

#[test]
fn a_reader_outside_the_log_is_told_where_it_is() {
    let dir = folder();
    let log = open(dir.path(), settings());
    append_times(4, &log, "x");
    log.delete_records(2).unwrap();
    assert!(matches!(log.read(1, 100, true), Err(ReadFault::OutOfRange { offset: 1, start: 2, end: 4 })));
    assert!(matches!(log.read(5, 100, true), Err(ReadFault::OutOfRange { offset: 5, .. })));
    assert!(log.read(4, 100, true).unwrap().0.is_empty(), "the end itself is where a reader waits");
}

#[test]
fn deleted_records_stay_deleted_after_a_restart() {
    let dir = folder();
    let small = LogSettings { segment_bytes: 200, ..settings() };
    let log = open(dir.path(), small.clone());
    append_times(4, &log, &"x".repeat(60));
    assert_eq!(log.delete_records(3).unwrap(), 3);
    assert_eq!(log.delete_records(1).unwrap(), 3, "the start never goes back");
    assert!(log.delete_records(9).is_err());
    log.maintain(0).unwrap();
    assert_eq!(files(dir.path()).len(), 1, "the files of deleted segments are gone");
    drop(log);
    assert_eq!(open(dir.path(), small).bounds(), crate::log::Bounds { start: 3, end: 4 });
}

#[test]
fn deleting_everything_keeps_the_end_offset_across_a_restart() {
    let dir = folder();
    let expiring = LogSettings { delete: true, retention_ms: Some(10), ..settings() };
    let log = open(dir.path(), expiring.clone());
    append_times(4, &log, "x");
    log.maintain(1_000).unwrap();
    assert_eq!(log.bounds(), crate::log::Bounds { start: 4, end: 4 });
    drop(log);
    assert_eq!(append(&open(dir.path(), expiring), "x"), 4);
}

#[test]
fn retention_by_size_keeps_at_least_that_much() {
    let dir = folder();
    let small = LogSettings { segment_bytes: 150, delete: true, retention_bytes: Some(300), ..settings() };
    let log = open(dir.path(), small);
    append_times(10, &log, &"x".repeat(60));
    log.maintain(0).unwrap();
    let kept: u64 = files(dir.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!((300..450).contains(&kept), "{kept} bytes kept");
    assert_eq!(log.bounds().end, 10);
}

#[test]
fn a_closed_log_takes_nothing_and_gives_nothing() {
    let dir = folder();
    let log = open(dir.path(), settings());
    append(&log, "x");
    log.close();
    assert!(log.append(&batch(&[(None, None, 0)]), 0).is_err());
    assert!(log.read(0, 100, true).is_err());
}

#[test]
fn records_without_timestamps_are_as_old_as_their_file() {
    let dir = folder();
    let expiring = LogSettings { delete: true, retention_ms: Some(60_000), segment_ms: 1_000, ..settings() };
    let log = open(dir.path(), expiring);
    for _ in 0..3 {
        log.append(&batch(&[(None, Some("x"), -1)]), 5).unwrap();
    }
    assert_eq!(files(dir.path()).len(), 1, "no age, so nothing to roll by");
    log.maintain(crate::clock::now_ms()).unwrap();
    assert_eq!(log.bounds().start, 0);
    log.maintain(crate::clock::now_ms() + 120_000).unwrap();
    assert_eq!(log.bounds().start, 3);
}
