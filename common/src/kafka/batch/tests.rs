//! What is made of the bytes of a fetch: whole batches, damaged ones, and ones that somebody has tampered with.

use proptest::prelude::*;

use super::*;
use crate::kafka::{BatchBuilder, Compression};

const CONTROL: i16 = 0x20;

/// A batch at an offset whose records have the values.
fn batch(base_offset: i64, values: &[&[u8]]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    for (timestamp_ms, value) in (1_000..).zip(values) {
        builder.push(timestamp_ms, Some(b"key"), Some(value), &[("tally-seq", b"1"), ("other", b"2")]);
    }
    let mut bytes = builder.finish().to_vec();
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
    bytes
}

/// Writes over a place in the batch and makes the checksum fit again.
fn altered(mut batch: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let checksum = crc32c::crc32c(&batch[CHECKED_FROM..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
    batch
}

fn read(offset: i64, batches: &[Vec<u8>]) -> Result<Batch, Unreadable> {
    let records = batches.concat();
    // What comes before the records in an answer is none of ours.
    let bytes = [b"frame".to_vec(), records.clone()].concat();
    Batch::of(Answer { bytes, records: 5..5 + records.len(), offset, high_watermark: 1_000 })
}

fn offsets(batch: &Batch) -> Vec<i64> {
    batch.iter().map(|record| record.offset).collect()
}

#[test]
fn records_of_all_batches_come_in_order_from_the_offset_asked_for() {
    let found = read(11, &[batch(10, &[b"a", b"b"]), batch(14, &[b"c"])]).expect("readable");
    assert_eq!(offsets(&found), [11, 14]);
    assert_eq!((found.next_offset(), found.high_watermark()), (15, 1_000));
    let record = found.iter().next().expect("the first");
    assert_eq!((record.timestamp_ms, record.key, record.value), (1_001, Some(&b"key"[..]), Some(&b"b"[..])));
    assert_eq!((record.sequence, record.headers.get("other")), (Some(&b"1"[..]), Some(&b"2"[..])));
}

#[test]
fn an_answer_that_ends_within_a_batch_gives_the_whole_ones() {
    let (first, second) = (batch(0, &[b"a"]), batch(1, &[b"b"]));
    for cut in 0..second.len() {
        let found = read(0, &[first.clone(), second[..cut].to_vec()]).expect("readable");
        assert_eq!((offsets(&found), found.next_offset()), (vec![0], 1), "{cut}");
    }
    assert!(matches!(read(0, &[first[..first.len() - 1].to_vec()]), Err(Unreadable::Answer(_))));
    let nothing = read(7, &[]).expect("readable");
    assert_eq!((offsets(&nothing), nothing.next_offset()), (vec![], 7));
}

#[test]
fn markers_of_transactions_and_emptied_batches_are_passed_over() {
    let marker = altered(batch(1, &[b"marker"]), 21, &CONTROL.to_be_bytes());
    // Compaction keeps the header of a batch whose records are all gone.
    let mut emptied = batch(2, &[b"a", b"b"])[..HEADER_BYTES].to_vec();
    let length = i32::try_from(HEADER_BYTES - LENGTH_END).expect("short");
    emptied[8..12].copy_from_slice(&length.to_be_bytes());
    let emptied = altered(emptied, 57, &0_i32.to_be_bytes());
    let found = read(0, &[batch(0, &[b"x"]), marker.clone(), emptied.clone()]).expect("readable");
    assert_eq!((offsets(&found), found.next_offset()), (vec![0], 4));
    let nothing_else = read(1, &[marker, emptied]).expect("readable");
    assert_eq!((offsets(&nothing_else), nothing_else.next_offset()), (vec![], 4));
}

#[test]
fn a_batch_with_the_brokers_time_gives_it_to_every_record() {
    let stamped = altered(batch(0, &[b"a", b"b"]), 35, &77_i64.to_be_bytes());
    let stamped = altered(stamped, 21, &8_i16.to_be_bytes());
    let found = read(0, &[stamped]).expect("readable");
    assert_eq!(found.iter().map(|record| record.timestamp_ms).collect::<Vec<_>>(), [77, 77]);
}

#[test]
fn every_bit_that_is_wrong_in_what_the_checksum_covers_is_noticed() {
    let sound = batch(5, &[b"value"]);
    for bit in (CHECKED_FROM * 8)..(sound.len() * 8) {
        let mut spoilt = sound.clone();
        spoilt[bit / 8] ^= 1 << (bit % 8);
        let found = read(5, &[spoilt]);
        assert!(matches!(found, Err(Unreadable::Batch { is_spoilt: true, .. })), "bit {bit}: {found:?}");
    }
}

#[test]
fn a_batch_that_does_not_hold_what_it_says_is_bad_as_a_whole() {
    let whole = batch(5, &[b"a", b"b"]);
    for (at, bytes) in [
        (57, 1_i32.to_be_bytes().to_vec()),    // fewer records than there are
        (57, 3_i32.to_be_bytes().to_vec()),    // more
        (57, (-1_i32).to_be_bytes().to_vec()), // a number that is none
        (HEADER_BYTES, vec![0x7f]),            // a record that ends behind the batch
        (HEADER_BYTES + 3, vec![8]),           // an offset behind the last one
        (HEADER_BYTES + 3, vec![1]),           // an offset before the first one
        (21, 1_i16.to_be_bytes().to_vec()),    // gzip, which it isn't
        (21, 7_i16.to_be_bytes().to_vec()),    // a compression that there isn't
    ] {
        let found = read(5, &[altered(whole.clone(), at, &bytes)]);
        match found {
            Err(Unreadable::Batch { next_offset: 7, is_spoilt: false, .. }) => {}
            other => panic!("{bytes:?} at {at}: {other:?}"),
        }
    }
    assert!(matches!(read(5, &[altered(whole, 16, &[1])]), Err(Unreadable::Batch { next_offset: 6, .. })), "format 1");
}

#[test]
fn what_stands_before_a_bad_batch_is_given_out_and_the_bad_one_then_offset_by_offset() {
    let bad = altered(batch(6, &[b"a", b"b", b"c"]), 57, &1_i32.to_be_bytes());
    let before = read(5, &[batch(5, &[b"x"]), bad.clone()]).expect("readable");
    assert_eq!((offsets(&before), before.next_offset()), (vec![5], 6));
    let Err(Unreadable::Batch { next_offset, .. }) = read(6, &[bad]) else { panic!("bad") };
    let given_up = Batch::given_up(6, next_offset, 1_000);
    assert_eq!((offsets(&given_up), given_up.next_offset()), (vec![6, 7, 8], 9));
    assert!(given_up.iter().all(|record| record.undecodable));
}

#[test]
fn no_more_offsets_are_given_up_at_once_than_fit_into_memory_and_none_behind_the_end() {
    let given_up = Batch::given_up(10, i64::MAX, 1_000_000);
    assert_eq!(given_up.next_offset(), 10 + GIVEN_UP_OFFSETS_MAX);
    assert_eq!(Batch::given_up(10, i64::MAX, 12).next_offset(), 12);
    assert_eq!(Batch::given_up(10, 5, 12).next_offset(), 11, "always one further");
}

#[test]
fn a_spoilt_batch_ends_where_the_next_one_begins_whatever_it_says_itself() {
    for said in [0_i32, 1 << 20] {
        let mut spoilt = batch(5, &[b"a", b"b"]);
        spoilt[23..27].copy_from_slice(&said.to_be_bytes());
        let found = read(5, &[spoilt, batch(7, &[b"c"])]);
        assert!(matches!(found, Err(Unreadable::Batch { next_offset: 7, is_spoilt: true, .. })), "{said}: {found:?}");
    }
}

#[test]
fn an_answer_that_does_not_come_to_the_offset_asked_for_is_a_fault() {
    assert!(matches!(read(9, &[batch(5, &[b"a", b"b"])]), Err(Unreadable::Answer(_))));
}

proptest! {
    #[test]
    fn whatever_bytes_come_nothing_panics_and_no_offset_is_gone_back_to(
        changes in proptest::collection::vec((0_usize..400, any::<u8>()), 0..6),
        mend_checksums: bool,
        offset in 0_i64..12,
    ) {
        let mut batches = vec![batch(3, &[b"one", b"another"]), batch(5, &[b"third"]), batch(9, &[b"", b"x", b"y"])];
        for (place, byte) in changes {
            let which = place % 3;
            let length = batches[which].len();
            batches[which][place % length] = byte;
            if mend_checksums {
                batches[which] = altered(std::mem::take(&mut batches[which]), 61, &[]);
            }
        }
        match read(offset, &batches) {
            Ok(found) => {
                prop_assert!(found.next_offset() >= offset);
                let offsets = offsets(&found);
                prop_assert!(offsets.is_sorted_by(|one, other| one < other), "{offsets:?}");
                prop_assert!(offsets.iter().all(|found_at| (offset..found.next_offset()).contains(found_at)));
            }
            Err(Unreadable::Batch { next_offset, .. }) => {
                let given_up = Batch::given_up(offset, next_offset, 1_000);
                prop_assert!(given_up.next_offset() > offset);
            }
            Err(Unreadable::Answer(_)) => {}
        }
    }
}

#[test]
fn lengths_that_can_not_be_are_a_fault_of_the_answer() {
    for length in [-1_i32, 0, 4] {
        let mut bytes = batch(0, &[b"a"]);
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        assert!(matches!(read(0, &[bytes]), Err(Unreadable::Answer(_))), "{length}");
    }
    assert!(matches!(read(0, &[batch(5, &[b"a"]), batch(5, &[b"b"])]), Err(Unreadable::Answer(_))), "out of order");
    assert!(matches!(read(0, &[altered(batch(0, &[b"a"]), 16, &[3])]), Err(Unreadable::Answer(_))), "format 3");
}

#[test]
fn compressed_batches_are_unpacked_and_together_within_the_limit() {
    let mut builder = BatchBuilder::new(Compression::Snappy);
    let large = vec![b'v'; UNPACKED_BYTES_MAX / 2];
    builder.push(0, None, Some(&large), &[]);
    let packed = |base_offset: i64| {
        let mut bytes = builder.clone().finish().to_vec();
        bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        bytes
    };
    let found = read(0, &[packed(0), packed(1)]).expect("readable");
    assert_eq!((offsets(&found), found.next_offset()), (vec![0], 1), "the second one would be too much");
    assert_eq!(offsets(&read(1, &[packed(1)]).expect("readable")), [1], "by itself it isn't");
    builder.push(0, None, Some(&large), &[]);
    let bomb = builder.finish().to_vec();
    assert!(matches!(read(0, &[bomb]), Err(Unreadable::Batch { next_offset: 2, is_spoilt: false, .. })));
}
