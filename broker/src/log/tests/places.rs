//! Finding places in the log: by offset over a sparse index, by time, and idempotent batches after a restart.

use super::{folder, open, read_all};
use crate::log::lookup::Dated;
use crate::log::settings::LogSettings;
use crate::log::testing::{batch, changed, compressed, settings};
use crate::log::{AppendFault, batch::Codec};

#[test]
fn every_offset_is_found_across_many_index_entries_and_segments() {
    let dir = folder();
    let log = open(dir.path(), LogSettings { segment_bytes: 200 << 10, ..settings() });
    let value = "v".repeat(3_000);
    for at in 0..200 {
        log.append(&batch(&[(None, Some(&value), at)]), at).unwrap();
    }
    for offset in 0..200 {
        let (batches, _) = log.read(offset, 10, true).unwrap();
        assert_eq!(i64::from_be_bytes(*batches.first_chunk().unwrap()), offset);
    }
    assert_eq!(read_all(&log).len(), 200);
}

#[test]
fn the_first_record_at_or_after_a_time_is_found_inside_its_batch() {
    let dir = folder();
    let log = open(dir.path(), LogSettings { segment_bytes: 300, ..settings() });
    for at in 0..40 {
        let plain = batch(&[(None, Some("x"), 10 * at), (None, Some("y"), 10 * at + 5)]);
        let bytes = if at % 2 == 0 { plain } else { compressed(&plain, Codec::Snappy) };
        log.append(&bytes, 0).unwrap();
    }
    let find = |timestamp| log.first_at_or_after(timestamp).unwrap();
    assert_eq!(find(0), Some(Dated { offset: 0, timestamp: 0 }));
    assert_eq!(find(101), Some(Dated { offset: 21, timestamp: 105 }));
    assert_eq!(find(110), Some(Dated { offset: 22, timestamp: 110 }));
    assert_eq!(find(395), Some(Dated { offset: 79, timestamp: 395 }));
    assert_eq!(find(396), None);
    assert_eq!(log.youngest().unwrap(), Some(Dated { offset: 79, timestamp: 395 }));
    log.delete_records(60).unwrap();
    assert_eq!(find(0), Some(Dated { offset: 60, timestamp: 300 }), "deleted records are not found");
}

#[test]
fn an_empty_log_has_no_youngest_record() {
    let dir = folder();
    assert_eq!(open(dir.path(), settings()).youngest().unwrap(), None);
}

#[test]
fn a_batch_sent_again_is_recognised_also_after_a_restart() {
    let dir = folder();
    let numbered = |sequence| {
        changed(&batch(&[(None, Some("x"), 1)]), |header| {
            (header.producer_id, header.producer_epoch, header.base_sequence) = (4, 0, sequence);
        })
    };
    let log = open(dir.path(), settings());
    assert_eq!(log.append(&numbered(0), 1).unwrap().base_offset, 0);
    assert_eq!(log.append(&numbered(1), 1).unwrap().base_offset, 1);
    assert_eq!(log.append(&numbered(0), 1).unwrap().base_offset, 0);
    drop(log);
    let log = open(dir.path(), settings());
    assert_eq!(log.append(&numbered(1), 1).unwrap().base_offset, 1);
    assert_eq!(log.bounds().end, 2);
    assert!(matches!(log.append(&numbered(3), 1), Err(AppendFault::Sequence(_))));
}
