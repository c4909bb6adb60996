//! What an owner makes of what others have written to the state topic meanwhile.

use std::sync::Arc;

use consumer::{
    fold::{PartitionState, Snapshot},
    folding::Folding,
    intake::Intake,
    view::View,
};

use crate::scene::small;

const PARTITION: i32 = 5;

fn snapshot(generation: u64, next_offset: i64) -> Arc<Snapshot> {
    let mut state = PartitionState::new(generation, PARTITION, small(), 0, 1);
    state.advance_to(next_offset);
    Arc::new(state.snapshot(None, 0))
}

fn gone_on_from(snapshot: &Snapshot) -> Folding {
    Folding::resume("transactions", PartitionState::restore(snapshot, 1).expect("this version made it"), snapshot)
}

/// Shows snapshots of one read, at the offsets from `from` on.
fn show(view: &View, from: i64, snapshots: &[Arc<Snapshot>]) {
    let mut intake = Intake::default();
    for (snapshot, state_offset) in snapshots.iter().zip(from..) {
        intake.offer(snapshot.order(), state_offset, || Arc::clone(snapshot));
    }
    intake.show(view, PARTITION, Some);
}

#[test]
fn a_buried_snapshot_is_asked_for_until_one_is_written_behind_the_older_one() {
    let view = View::default();
    let highest = snapshot(1, 10);
    show(&view, 3, &[Arc::clone(&highest), snapshot(1, 4)]);
    // Whoever begins to write it may fail, and begin anew from the highest.
    for _ in 0..2 {
        let mut owner = gone_on_from(&highest);
        assert!(!owner.heed(&view));
        assert!(owner.is_unsaved());
        assert_eq!(owner.checkpoint(0).snapshot.order(), (1, 10));
    }
    view.publish(Arc::clone(&highest), 5);
    let mut owner = gone_on_from(&highest);
    assert!(!owner.heed(&view));
    assert!(!owner.is_unsaved());
}

#[test]
fn an_older_snapshot_buries_the_highest_whether_they_are_read_together_or_not() {
    let (highest, older) = (snapshot(1, 10), snapshot(1, 4));
    for reads in [vec![vec![0, 1]], vec![vec![0], vec![1]]] {
        let view = View::default();
        let mut at = 0;
        for read in reads {
            let read: Vec<_> = read.iter().map(|which| [&highest, &older][*which]).map(Arc::clone).collect();
            show(&view, at, &read);
            at += i64::try_from(read.len()).unwrap();
        }
        assert!(view.is_buried(PARTITION));
        assert_eq!(view.snapshot(PARTITION).unwrap().order(), (1, 10));
    }
    let view = View::default();
    show(&view, 0, &[older, highest]);
    assert!(!view.is_buried(PARTITION), "it stands in front");
}

#[test]
fn who_is_behind_the_highest_snapshot_does_not_bury_it_once_more() {
    let view = View::default();
    show(&view, 3, &[snapshot(1, 10), snapshot(1, 4)]);
    let mut behind = gone_on_from(&snapshot(1, 4));
    assert!(!behind.heed(&view));
    assert!(!behind.is_unsaved());
}

#[test]
fn a_higher_generation_is_made_way_for_and_a_lower_one_is_not() {
    let view = View::default();
    show(&view, 0, &[snapshot(2, 3)]);
    assert!(gone_on_from(&snapshot(1, 99)).heed(&view));
    assert!(!gone_on_from(&snapshot(2, 3)).heed(&view));
    assert!(!gone_on_from(&snapshot(3, 0)).heed(&view));
}

#[test]
fn the_view_says_only_what_is_above_a_snapshot() {
    let view = View::default();
    show(&view, 7, &[snapshot(2, 3)]);
    let above = |order| view.above(PARTITION, order).map(|(known, at)| (known.order(), at));
    assert_eq!(above((1, 99)), Some(((2, 3), 7)));
    assert_eq!(above((2, 2)), Some(((2, 3), 7)));
    assert_eq!(above((2, 3)), None);
    assert_eq!(above((2, 4)), None);
}

#[test]
fn something_unreadable_has_an_owner_restore_once() {
    let view = View::default();
    let highest = snapshot(1, 10);
    view.publish(Arc::clone(&highest), 3);
    let mut owner = gone_on_from(&highest);
    view.set_unreadable(PARTITION + 1);
    assert!(!owner.heed(&view), "of another partition");
    view.set_unreadable(PARTITION);
    assert!(owner.heed(&view), "it may be of a higher generation");
    assert!(!owner.heed(&view), "whoever has restored knows");
}
