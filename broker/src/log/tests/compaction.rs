//! Compaction: the last record of each key stays, offsets stay, and a kill in the middle does no harm.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::{Seen, files, folder, open, read_all};
use crate::log::PartitionLog;
use crate::log::batch::Codec;
use crate::log::settings::LogSettings;
use crate::log::testing::{batch, changed, compressed, settings};

fn compacting() -> LogSettings {
    LogSettings { segment_bytes: 400, compact: true, ..settings() }
}

fn put(log: &PartitionLog, key: &str, value: Option<&str>, at_ms: i64) {
    log.append(&batch(&[(Some(key), value, at_ms)]), at_ms).unwrap();
}

/// Fills a segment, so that what came before is closed.
fn close_segment(log: &PartitionLog) {
    put(log, "filler", Some(&"f".repeat(320)), 1_000);
}

fn offsets_of(log: &PartitionLog, key: &str) -> Vec<i64> {
    read_all(log).iter().filter(|seen| seen.key.as_deref() == Some(key)).map(|seen| seen.offset).collect()
}

#[test]
fn of_each_key_only_the_last_record_stays_and_keeps_its_offset() {
    let dir = folder();
    let log = open(dir.path(), compacting());
    (0..20).for_each(|_| put(&log, "a", Some("old"), 1));
    put(&log, "b", Some("only"), 1);
    put(&log, "a", Some("new"), 1);
    close_segment(&log);
    close_segment(&log);
    let (start, end) = (log.bounds().start, log.bounds().end);
    log.maintain(2_000).unwrap();
    assert_eq!(offsets_of(&log, "a"), [21]);
    assert_eq!(offsets_of(&log, "b"), [20]);
    assert_eq!((log.bounds().start, log.bounds().end), (start, end));
    drop(log);
    let log = open(dir.path(), compacting());
    assert_eq!((offsets_of(&log, "a"), log.bounds().end), (vec![21], end), "the same after a restart");
}

#[test]
fn the_active_segment_is_never_compacted() {
    let dir = folder();
    let log = open(dir.path(), LogSettings { segment_bytes: 1 << 20, ..compacting() });
    (0..10).for_each(|_| put(&log, "a", Some("x"), 1));
    log.maintain(1_000_000).unwrap();
    assert_eq!(offsets_of(&log, "a").len(), 10);
}

#[test]
fn a_tombstone_goes_only_after_its_time_and_a_second_compaction() {
    let dir = folder();
    let log = open(dir.path(), LogSettings { delete_retention_ms: 5_000, ..compacting() });
    put(&log, "gone", Some("x"), 1);
    put(&log, "gone", None, 1);
    close_segment(&log);
    close_segment(&log);
    log.maintain(2_000).unwrap();
    assert_eq!(offsets_of(&log, "gone"), [1], "the tombstone outlives what it deletes");
    close_segment(&log);
    log.maintain(100_000).unwrap();
    assert_eq!(offsets_of(&log, "gone"), Vec::<i64>::new());
}

#[test]
fn small_segments_are_put_together() {
    let dir = folder();
    let log = open(dir.path(), compacting());
    for _ in 0..30 {
        put(&log, "a", Some("x"), 1);
        close_segment(&log);
    }
    log.maintain(2_000).unwrap();
    close_segment(&log);
    log.maintain(2_000).unwrap();
    assert!(files(dir.path()).len() <= 4, "{} files", files(dir.path()).len());
}

#[test]
fn a_batch_that_cannot_be_looked_into_is_kept_whole() {
    let dir = folder();
    let log = open(dir.path(), compacting());
    let zstd = changed(&batch(&[(Some("a"), Some("packed"), 1)]), |header| header.attributes = 4);
    log.append(&zstd, 1).unwrap();
    put(&log, "a", Some("new"), 1);
    close_segment(&log);
    close_segment(&log);
    log.maintain(2_000).unwrap();
    let (batches, _) = log.read(0, 10, true).unwrap();
    assert_eq!(batches.len(), zstd.len(), "the first batch is still the packed one");
}

#[test]
fn an_exchange_that_was_interrupted_is_finished_on_start() {
    let dir = folder();
    let log = open(dir.path(), compacting());
    (0..4).for_each(|_| put(&log, "a", Some("old"), 1));
    put(&log, "a", Some("new"), 1);
    close_segment(&log);
    close_segment(&log);
    let before: Vec<_> = files(dir.path());
    let old: Vec<Vec<u8>> = before.iter().map(|path| fs::read(path).unwrap()).collect();
    log.maintain(2_000).unwrap();
    let expected = read_all(&log);
    drop(log);
    // As a kill leaves it between the two renames: the new file under its middle name, the old segments still there.
    let swap = dir.path().join(format!("{:020}-{:020}.swap", 0, 5));
    fs::rename(&files(dir.path())[0], &swap).unwrap();
    before
        .iter()
        .zip(&old)
        .filter(|(path, _)| !path.exists())
        .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    fs::write(dir.path().join("00000000000000000000.cleaned"), "half").unwrap();
    let log = open(dir.path(), compacting());
    assert_eq!(read_all(&log), expected);
    assert!(!swap.exists() && !dir.path().join("00000000000000000000.cleaned").exists());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn compaction_never_changes_the_last_record_of_a_key(
        writes in proptest::collection::vec((0_u8..6, any::<bool>(), 0_u8..3, any::<bool>()), 1..80)
    ) {
        let dir = folder();
        let mut log = open(dir.path(), LogSettings { delete_retention_ms: i64::MAX, ..compacting() });
        let mut last: BTreeMap<String, Seen> = BTreeMap::new();
        for (at, (key, is_tombstone, codec, maintain)) in (0_i64..).zip(writes) {
            let key = format!("k{key}");
            let plain = batch(&[(Some(&key), (!is_tombstone).then_some("value"), 1), (Some(&key), Some("later"), 1)]);
            let bytes = match codec {
                0 => plain,
                1 => compressed(&plain, Codec::Gzip),
                _ => compressed(&plain, Codec::Snappy),
            };
            log.append(&bytes, 1).unwrap();
            last.insert(key.clone(), Seen { offset: 2 * at + 1, key: Some(key), is_tombstone: false });
            if maintain {
                log.maintain(2_000).unwrap();
            }
        }
        log.maintain(2_000).unwrap();
        log = { drop(log); open(dir.path(), compacting()) };
        let seen = read_all(&log);
        prop_assert!(seen.is_sorted_by_key(|seen| seen.offset));
        for (key, expected) in last {
            prop_assert_eq!(seen.iter().rfind(|seen| seen.key.as_deref() == Some(&key)), Some(&expected));
        }
    }
}
