//! What a producer's sequences prove: a resend, or a loss.

use common::wire::Reason;
use consumer::fold::SEQUENCE_JUMP_MAX;

use crate::{
    records::Record,
    scene::{Fate, both_ways, numbered, paid, small, straight_on},
};

#[test]
fn a_sequence_up_to_the_last_one_seen_is_redelivered() {
    both_ways(&small(), 0, |scene| {
        for number in 1..=3 {
            assert_eq!(scene.fold(numbered(paid(number.into(), 0), 7, number)), Fate::OnTime);
        }
        for (id, number) in [(11, 3), (12, 2), (13, 1)] {
            assert_eq!(scene.fold(numbered(paid(id, 0), 7, number)), Fate::Redelivered, "sequence {number}");
        }
        assert_eq!(scene.fold(numbered(paid(14, 0), 7, 4)), Fate::OnTime);
        assert_eq!(scene.fold(numbered(paid(15, 0), 8, 1)), Fate::OnTime, "another producer's count is its own");
        assert_eq!(scene.state.ledger().missing_from_sequence, 0);
    });
}

#[test]
fn a_rejected_record_advances_the_sequence() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, 1)), Fate::OnTime);
        let tombstone = Record { value: None, ..paid(2, 0) };
        assert_eq!(scene.fold(numbered(tombstone, 7, 2)), Fate::Rejected(Reason::Empty));
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, 2)), Fate::Redelivered);
        assert_eq!(scene.fold(numbered(paid(3, 0), 7, 3)), Fate::OnTime);
        assert_eq!(scene.state.ledger().missing_from_sequence, 0);
    });
}

#[test]
fn so_does_a_repeated_one() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, 1)), Fate::OnTime);
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, 2)), Fate::Repeated);
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, 2)), Fate::Redelivered);
    });
}

#[test]
fn jumps_add_up_to_what_is_missing() {
    both_ways(&small(), 0, |scene| {
        for (id, incarnation, number, missing) in [(1, 7, 1, 0), (2, 7, 4, 2), (3, 8, 3, 4), (4, 7, 5, 4), (5, 8, 5, 5)]
        {
            assert_eq!(scene.fold(numbered(paid(id, 0), incarnation, number)), Fate::OnTime);
            assert_eq!(scene.state.ledger().missing_from_sequence, missing, "after {incarnation}:{number}");
        }
        assert_eq!(scene.fold(numbered(paid(6, 0), 7, 2)), Fate::Redelivered, "a gap doesn't open again");
        assert_eq!(scene.state.ledger().missing_from_sequence, 5);
    });
}

#[test]
fn a_first_sequence_above_one_is_a_loss_only_where_the_partition_is_known_from_offset_0() {
    for (first_offset, missing) in [(0, 40), (1, 0), (1_000, 0)] {
        both_ways(&small(), first_offset, |scene| {
            assert_eq!(scene.fold(numbered(paid(1, 0), 7, 41)), Fate::OnTime);
            assert_eq!(scene.fold(numbered(paid(2, 0), 7, 43)), Fate::OnTime);
            assert_eq!(scene.state.ledger().missing_from_sequence, missing + 1, "from {first_offset}");
        });
    }
}

#[test]
fn a_jump_too_far_is_an_invalid_header_and_does_not_advance() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, 1)), Fate::OnTime);
        for number in [SEQUENCE_JUMP_MAX + 3, u64::MAX] {
            let fate = scene.fold(numbered(paid(u128::from(number), 0), 7, number));
            assert_eq!(fate, Fate::Rejected(Reason::InvalidHeader), "sequence {number}");
        }
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, 2)), Fate::OnTime);
        assert_eq!(scene.state.ledger().missing_from_sequence, 0);
        assert_eq!(scene.fold(numbered(paid(3, 0), 7, SEQUENCE_JUMP_MAX + 3)), Fate::OnTime, "the longest jump");
        assert_eq!(scene.state.ledger().missing_from_sequence, SEQUENCE_JUMP_MAX);
    });
}

#[test]
fn a_first_sequence_too_far_is_an_invalid_header_where_it_would_count_as_a_loss() {
    both_ways(&small(), 0, |scene| {
        let forged = numbered(paid(1, 0), 7, SEQUENCE_JUMP_MAX + 2);
        assert_eq!(scene.fold(forged), Fate::Rejected(Reason::InvalidHeader));
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, 1)), Fate::OnTime);
        assert_eq!(scene.state.ledger().missing_from_sequence, 0);
    });
    both_ways(&small(), 1, |scene| {
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, u64::MAX)), Fate::OnTime);
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, u64::MAX)), Fate::Redelivered);
    });
}

#[test]
fn the_4_097th_producer_takes_the_place_of_the_one_silent_for_longest() {
    for restarted in [false, true] {
        straight_on(&small(), 0, |scene| {
            for producer in 0..4_096_u64 {
                assert_eq!(scene.fold(numbered(paid(producer.into(), 0), producer, 1)), Fate::OnTime);
            }
            // Producer 0 is heard again, if only by a resend, so producer 1 is the one silent for longest.
            assert_eq!(scene.fold(numbered(paid(0, 0), 0, 1)), Fate::Redelivered);
            if restarted {
                scene.restart();
            }
            assert_eq!(scene.fold(numbered(paid(5_000, 0), 5_000, 1)), Fate::OnTime);
            if restarted {
                scene.restart();
            }
            assert_eq!(scene.fold(numbered(paid(5_001, 0), 0, 1)), Fate::Redelivered, "producer 0 is remembered");
            assert_eq!(scene.fold(numbered(paid(5_002, 0), 1, 90)), Fate::OnTime, "producer 1 is not");
            assert_eq!(scene.state.ledger().missing_from_sequence, 0, "and opens no gap");
            assert_eq!(scene.fold(numbered(paid(5_003, 0), 2, 1)), Fate::OnTime, "it took the place of producer 2");
        });
    }
}
