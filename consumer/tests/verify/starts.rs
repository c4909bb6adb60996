//! Where a recount may begin.

use consumer::{
    fold::{PartitionState, Snapshot},
    verify::{
        Unchecked,
        start::{Search, Start},
    },
};

use crate::small;

/// A snapshot of generation 2 at this offset, counted from offset 10. K is 8.
fn at(next_offset: i64) -> Snapshot {
    let mut snapshot = PartitionState::new(2, 3, small(), 10, 0).snapshot(None, 0);
    snapshot.next_offset = next_offset;
    snapshot
}

fn start(snapshot: &Snapshot, log_start: i64, anchors: &[Snapshot]) -> Result<Option<i64>, Unchecked> {
    let mut search = Search::new(snapshot, log_start);
    anchors.iter().for_each(|anchor| search.offer(anchor.clone()));
    search.conclude().map(|start| match start {
        Start::TheFirst => None,
        Start::Anchor(anchor) => Some(anchor.next_offset),
    })
}

#[test]
fn a_whole_log_is_counted_from_the_first_offset_whatever_anchors_there_are() {
    assert_eq!(start(&at(100), 10, &[at(50)]).unwrap(), None);
    assert_eq!(start(&at(100), 0, &[]).unwrap(), None);
}

#[test]
fn the_oldest_anchor_is_taken_whose_id_window_is_still_in_the_log() {
    let anchors = [at(80), at(40), at(60), at(48), at(47)];
    assert_eq!(start(&at(100), 40, &anchors).unwrap(), Some(48));
    assert_eq!(start(&at(100), 41, &anchors).unwrap(), Some(60));
    // No id from before the first offset is needed, but records behind it are.
    assert_eq!(start(&at(100), 11, &[at(18)]).err().map(|_| ()), Some(()));
    assert_eq!(start(&at(100), 11, &[at(19)]).unwrap(), Some(19));
    assert_eq!(start(&at(100), 92, &[at(100)]).unwrap(), Some(100));
}

#[test]
fn an_anchor_of_another_count_is_none() {
    let change = |change: fn(&mut Snapshot)| {
        let mut anchor = at(60);
        change(&mut anchor);
        start(&at(100), 40, &[anchor])
    };
    assert_eq!(change(|_| {}).unwrap(), Some(60));
    let others: [fn(&mut Snapshot); 5] = [
        |anchor| anchor.generation = 1,
        |anchor| anchor.partition = 4,
        |anchor| anchor.first_offset = 9,
        |anchor| anchor.settings.window_ms += 1,
        |anchor| anchor.next_offset = 101,
    ];
    for other in others {
        assert!(matches!(change(other), Err(Unchecked::NothingToStartFrom { .. })));
    }
}

#[test]
fn a_count_with_a_hole_is_checked_from_behind_the_hole_only() {
    let mut snapshot = at(100);
    snapshot.skipped = 5;
    let mut behind = at(70);
    behind.skipped = 5;
    // The log is whole again as far as anybody can see, and yet the hole was not counted.
    assert_eq!(start(&snapshot, 0, &[at(30), behind.clone()]).unwrap(), Some(70));
    let refused = start(&snapshot, 0, &[at(30)]).expect_err("nothing behind the hole");
    let said = refused.to_string();
    assert!(said.contains("5 offsets were skipped") && said.contains("none of 1 anchors"), "{said}");
    assert_eq!(start(&snapshot, 62, &[behind.clone()]).unwrap(), Some(70));
    assert!(start(&snapshot, 63, &[behind]).is_err());
}
