//! When a checkpoint leaves a copy of its snapshot behind for `verify`.

use common::kafka::RecordView;
use consumer::{
    fold::{FoldSettings, PartitionState},
    folding::Folding,
};

use crate::records::NOON_MS;

const HOUR_MS: i64 = 3_600_000;

/// Folds so many tombstones.
fn fold(folding: &mut Folding, count: i64) {
    let from = folding.state().next_offset();
    let records = (from..from + count).map(|offset| RecordView { offset, ..RecordView::default() });
    folding.fold(records, from + count, i64::MAX, |_, _| ());
}

fn anchors(folding: &mut Folding, now_ms: i64) -> bool {
    folding.checkpoint(now_ms).anchor
}

#[test]
fn a_partition_is_anchored_at_first_then_every_hour_and_every_250_000_records() {
    let state = PartitionState::new(1, 0, FoldSettings::default(), 0, 1);
    let mut folding = Folding::begin("transactions", state);
    assert!(anchors(&mut folding, NOON_MS), "the first snapshot");
    fold(&mut folding, 1_000);
    assert!(!anchors(&mut folding, NOON_MS + HOUR_MS - 1));
    fold(&mut folding, 1);
    assert!(anchors(&mut folding, NOON_MS + HOUR_MS));

    // A busy partition, within the next hour.
    for thousands in 1..=500 {
        fold(&mut folding, 1_000);
        assert_eq!(anchors(&mut folding, NOON_MS + HOUR_MS + thousands), thousands % 250 == 0, "{thousands}");
    }
}
