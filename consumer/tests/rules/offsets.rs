//! Every offset is accounted for: `next_offset - first_offset = consumed + offsets_without_record + skipped`.

use crate::scene::{Scene, both_ways, paid, small, straight_on};

fn columns(scene: &mut Scene) -> (i64, u64, u64, i64) {
    let snapshot = scene.snapshot();
    let (consumed, without) = (snapshot.ledger.consumed, snapshot.ledger.offsets_without_record);
    let in_all = consumed + without + snapshot.skipped.unsigned_abs();
    assert_eq!((snapshot.next_offset - snapshot.first_offset).unsigned_abs(), in_all);
    (snapshot.next_offset, consumed, without, snapshot.skipped)
}

#[test]
fn holes_and_what_retention_took_have_columns_of_their_own() {
    both_ways(&small(), 100, |scene| {
        assert_eq!(columns(scene), (100, 0, 0, 0));
        scene.fold_at(100, paid(1, 0));
        assert_eq!(columns(scene), (101, 1, 0, 0));
        scene.fold_at(104, paid(2, 0));
        assert_eq!(columns(scene), (105, 2, 3, 0));
        scene.state.advance_to(107);
        assert_eq!(columns(scene), (107, 2, 5, 0));
        scene.state.skip_to(200);
        assert_eq!(columns(scene), (200, 2, 5, 93));
        scene.fold_at(200, paid(3, 0));
        scene.fold_at(202, paid(4, 0));
        assert_eq!(columns(scene), (203, 4, 6, 93));
    });
}

#[test]
fn going_to_where_the_state_is_changes_nothing() {
    both_ways(&small(), 100, |scene| {
        scene.fold(paid(1, 0));
        let before = scene.snapshot();
        scene.state.advance_to(101);
        scene.state.skip_to(101);
        assert_eq!(scene.snapshot(), before);
    });
}

#[test]
fn the_last_record_is_the_last_one_read_whatever_lies_after_it() {
    both_ways(&small(), 100, |scene| {
        assert_eq!(scene.state.last_offset(), None);
        scene.fold(paid(1, 0));
        scene.state.advance_to(105);
        scene.state.skip_to(110);
        scene.restart();
        assert_eq!(scene.state.last_offset(), Some(100));
    });
}

#[test]
#[should_panic(expected = "offset 100 comes after 100 has been folded")]
fn a_record_is_never_folded_twice() {
    straight_on(&small(), 100, |scene| {
        scene.fold_at(100, paid(1, 0));
        scene.fold_at(100, paid(1, 0));
    });
}

#[test]
#[should_panic(expected = "can't skip back to 99")]
fn nothing_is_skipped_backwards() {
    straight_on(&small(), 100, |scene| scene.state.skip_to(99));
}
