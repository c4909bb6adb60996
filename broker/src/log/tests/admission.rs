//! Which batches a log takes.

use super::{folder, open};
use crate::log::admission::{Refused, admit};
use crate::log::batch::{BatchFault, BatchHeader, Codec, HEADER_BYTES};
use crate::log::settings::LogSettings;
use crate::log::testing::{batch, changed, compressed, settings};

fn fault(bytes: &[u8], settings: &LogSettings) -> Refused {
    admit(bytes, settings, 10_000).expect_err("refused")
}

fn good() -> Vec<u8> {
    batch(&[(Some("key"), Some("value"), 9_000), (None, None, 9_500)])
}

#[test]
fn every_flipped_bit_behind_the_length_is_noticed() {
    let good = good();
    // Base offset and leader epoch are the broker's to write, so they carry no meaning in what a producer sends.
    for byte in (8..12).chain(16..good.len()) {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[byte] ^= 1 << bit;
            assert!(admit(&bad, &settings(), 10_000).is_err(), "bit {bit} of byte {byte}");
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    let good = good();
    for length in 0..good.len() {
        assert!(admit(&good[..length], &settings(), 10_000).is_err(), "{length} bytes");
    }
}

#[test]
fn one_request_holds_one_batch_for_a_partition() {
    let two = [good(), good()].concat();
    assert!(matches!(fault(&two, &settings()), Refused::Invalid(_)));
}

#[test]
fn the_old_formats_are_refused_by_name() {
    let old = changed(&good(), |header| header.magic = 1);
    assert!(matches!(fault(&old, &settings()), Refused::Corrupt(BatchFault::Magic(1))));
}

#[test]
fn a_batch_larger_than_the_topic_allows_is_refused() {
    let small = LogSettings { batch_bytes_max: 80, ..settings() };
    assert!(matches!(fault(&good(), &small), Refused::TooLarge { bytes_max: 80, .. }));
}

#[test]
fn counts_that_do_not_fit_the_records_are_refused() {
    for (count, delta) in [(2, 2), (1, 1), (3, 2), (0, -1), (i32::MAX, i32::MAX - 1)] {
        let lying = changed(&good(), |header| {
            header.record_count = count;
            header.last_offset_delta = delta;
        });
        assert!(matches!(fault(&lying, &settings()), Refused::Corrupt(_)), "{count} records, delta {delta}");
    }
}

#[test]
fn control_and_transactional_batches_are_refused() {
    assert!(matches!(fault(&changed(&good(), |h| h.attributes |= 1 << 5), &settings()), Refused::Invalid(_)));
    assert!(matches!(fault(&changed(&good(), |h| h.attributes |= 1 << 4), &settings()), Refused::Transactional));
}

#[test]
fn a_compacted_topic_wants_a_key_on_every_record_also_inside_compressed_batches() {
    let compacted = LogSettings { compact: true, ..settings() };
    let keyed = batch(&[(Some("a"), Some("x"), 1)]);
    for codec in [Codec::Gzip, Codec::Snappy] {
        assert!(matches!(fault(&compressed(&good(), codec), &compacted), Refused::Invalid(_)), "{codec:?}");
        assert!(admit(&compressed(&keyed, codec), &compacted, 1).is_ok(), "{codec:?}");
    }
    assert!(matches!(fault(&good(), &compacted), Refused::Invalid(_)));
}

#[test]
fn timestamps_too_far_from_the_clock_are_refused() {
    let strict = LogSettings { timestamp_after_max_ms: 100, timestamp_before_max_ms: 5_000, ..settings() };
    let at = |timestamp| batch(&[(None, Some("x"), timestamp)]);
    assert!(admit(&at(10_100), &strict, 10_000).is_ok());
    assert!(matches!(fault(&at(10_101), &strict), Refused::Timestamp { side: "after", .. }));
    assert!(admit(&at(5_000), &strict, 10_000).is_ok());
    assert!(matches!(fault(&at(4_999), &strict), Refused::Timestamp { side: "before", .. }));
}

#[test]
fn a_largest_timestamp_that_the_records_do_not_have_is_put_right() {
    let lying = changed(&good(), |header| header.max_timestamp = i64::MAX);
    let admitted = admit(&lying, &LogSettings { timestamp_after_max_ms: 100, ..settings() }, 10_000).unwrap();
    assert_eq!(admitted.header.max_timestamp, 9_500);
    let whole = [admitted.header.to_bytes().as_slice(), admitted.records].concat();
    assert!(BatchHeader::parse_whole(&whole).is_ok(), "with a checksum that fits");
}

#[test]
fn with_log_append_time_the_broker_stamps_the_batch() {
    let dir = folder();
    let log = open(dir.path(), LogSettings { log_append_time: true, ..settings() });
    assert_eq!(log.append(&good(), 77_000).unwrap().log_append_time_ms, 77_000);
    let (stored, _) = log.read(0, 1_000, true).unwrap();
    let header = BatchHeader::parse_whole(&stored).unwrap();
    assert!(header.is_log_append_time() && header.max_timestamp == 77_000);
    assert_eq!(stored[HEADER_BYTES..], good()[HEADER_BYTES..]);
}
