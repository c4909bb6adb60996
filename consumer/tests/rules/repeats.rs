//! The id window: the same id at one of the K offsets before (here 4), at most an age older (here 1 s).

use common::wire::Reason;
use consumer::fold::{FoldSettings, SEQUENCE_JUMP_MAX};

use crate::{
    records::{NOON_MS, Record},
    scene::{Fate, both_ways, numbered, paid, small},
};

#[test]
fn an_id_is_known_at_the_k_offsets_after_it_and_no_further() {
    for (distance, fate) in [(1, Fate::Repeated), (4, Fate::Repeated), (5, Fate::OnTime)] {
        both_ways(&small(), 0, |scene| {
            assert_eq!(scene.fold_at(10, paid(1, 0)), Fate::OnTime);
            for offset in 11..10 + distance {
                assert_eq!(scene.fold_at(offset, paid(100 + offset.unsigned_abs() as u128, 0)), Fate::OnTime);
            }
            assert_eq!(scene.fold_at(10 + distance, paid(1, 0)), fate, "{distance} offsets later");
        });
    }
}

#[test]
fn offsets_without_a_record_count_as_offsets() {
    for (distance, fate) in [(4, Fate::Repeated), (5, Fate::OnTime), (1_000, Fate::OnTime)] {
        both_ways(&small(), 0, |scene| {
            assert_eq!(scene.fold_at(10, paid(1, 0)), Fate::OnTime);
            assert_eq!(scene.fold_at(10 + distance, paid(1, 0)), fate, "{distance} offsets later");
        });
    }
}

#[test]
fn a_repeat_is_itself_remembered() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold_at(0, paid(1, 0)), Fate::OnTime);
        assert_eq!(scene.fold_at(4, paid(1, 0)), Fate::Repeated);
        assert_eq!(scene.fold_at(8, paid(1, 0)), Fate::Repeated);
        assert_eq!(scene.fold_at(13, paid(1, 0)), Fate::OnTime);
    });
}

#[test]
fn an_id_is_known_up_to_the_age_by_kafka_timestamp_and_however_far_back_in_time() {
    for (later_ms, fate) in
        [(1_000, Fate::Repeated), (1_001, Fate::OnTime), (-1_001, Fate::Repeated), (-9_000_000, Fate::Repeated)]
    {
        both_ways(&FoldSettings { future_skew_ms: i64::MAX, ..small() }, 0, |scene| {
            assert_eq!(scene.fold(paid(1, 0)), Fate::OnTime);
            let again = Record { timestamp_ms: NOON_MS + later_ms, ..paid(1, 0) };
            assert_eq!(scene.fold(again), fate, "{later_ms} ms later");
        });
    }
}

#[test]
fn the_youngest_of_several_places_decides() {
    both_ways(&small(), 0, |scene| {
        let stamped = |ms| Record { timestamp_ms: NOON_MS + ms, ..paid(1, 0) };
        assert_eq!(scene.fold(stamped(1_500)), Fate::OnTime);
        assert_eq!(scene.fold(stamped(0)), Fate::Repeated);
        assert_eq!(scene.fold(stamped(2_500)), Fate::Repeated, "1 000 ms after the first, 2 500 after the second");
        assert_eq!(scene.fold(stamped(3_501)), Fate::OnTime);
    });
}

#[test]
fn timestamps_at_the_ends_of_what_can_be_written_change_no_rule() {
    both_ways(&small(), 0, |scene| {
        let stamped = |timestamp_ms| Record { timestamp_ms, ..paid(1, 0) };
        assert_eq!(scene.fold(stamped(i64::MAX)), Fate::OnTime);
        assert_eq!(scene.fold(stamped(i64::MIN)), Fate::Rejected(Reason::FutureDated));
        assert_eq!(scene.fold(stamped(NOON_MS)), Fate::Repeated);
        assert_eq!(scene.fold(stamped(i64::MAX)), Fate::Repeated);
    });
}

#[test]
fn an_id_stands_in_the_window_whatever_became_of_its_valid_record() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, 1)), Fate::OnTime);
        // Another transaction under a sequence that was there: not counted, but its id was seen.
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, 1)), Fate::Redelivered);
        assert_eq!(scene.fold(paid(2, 0)), Fate::Repeated);
        // A jump too far is a fault of the sequence, which can't be told when the window is read again.
        let forged = numbered(paid(3, 0), 7, SEQUENCE_JUMP_MAX + 3);
        assert_eq!(scene.fold(forged), Fate::Rejected(Reason::InvalidHeader));
        assert_eq!(scene.fold(paid(3, 0)), Fate::Repeated);
        // Too late for its window, and known all the same.
        assert_eq!(scene.fold(paid(4, 100_000)), Fate::OnTime);
        let late = Record { timestamp_ms: NOON_MS + 100_000, ..paid(5, 0) };
        assert_eq!(scene.fold(late.clone()), Fate::TooLate);
        assert_eq!(scene.fold(late), Fate::Repeated);
    });
}

#[test]
fn an_id_does_not_stand_in_the_window_when_its_record_was_not_valid() {
    both_ways(&small(), 0, |scene| {
        let bad_header = Record { sequence: Some(b"?".to_vec()), ..paid(1, 0) };
        assert_eq!(scene.fold(bad_header), Fate::Rejected(Reason::InvalidHeader));
        let future = Record { timestamp_ms: NOON_MS - 501, ..paid(1, 0) };
        assert_eq!(scene.fold(future), Fate::Rejected(Reason::FutureDated));
        let undecodable = Record { undecodable: true, ..paid(1, 0) };
        assert_eq!(scene.fold(undecodable), Fate::Rejected(Reason::Undecodable));
        assert_eq!(scene.fold(paid(1, 0)), Fate::OnTime);
    });
}

#[test]
fn an_id_is_its_128_bits_in_either_case() {
    both_ways(&small(), 0, |scene| {
        let id = 0xabcd_ef00_0000_0000_0000_0000_0000_0001;
        assert_eq!(scene.fold(paid(id, 0)), Fate::OnTime);
        let text = String::from_utf8(paid(id, 0).value.unwrap()).unwrap();
        let capitals = Record { value: Some(text.replace("abcdef00", "ABCDEF00").into_bytes()), ..paid(id, 0) };
        assert_eq!(scene.fold(capitals), Fate::Repeated);
    });
}

#[test]
fn after_a_restart_the_window_is_read_from_k_offsets_back_but_not_from_before_the_first() {
    for (first_offset, next_offset, from) in [(0, 2, 0), (0, 10, 6), (100, 102, 100), (100, 110, 106)] {
        both_ways(&small(), first_offset, |scene| {
            scene.state.advance_to(next_offset);
            assert_eq!(scene.state.id_window_start(), from);
        });
    }
}
