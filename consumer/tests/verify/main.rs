//! The recount of `consumer verify`: equal to the fold on whatever a log may hold, and blind to no number.
//!
//! The logs are those of the simulation. `PROPTEST_CASES=1000000 cargo test --release -p consumer --test verify` goes on
//! for longer.

mod changes;
mod doctored;
mod forgotten;
#[path = "../simulation/log.rs"]
#[allow(dead_code, reason = "the truth about each record is for the simulation's oracle")]
mod log;
#[path = "../records/mod.rs"]
mod records;
mod starts;

use consumer::{
    fingerprint::fingerprint,
    fold::{FoldSettings, LastRecord, PartitionState, Snapshot},
    verify::{
        figures::{Difference, Figures},
        recount::Recount,
    },
};
use proptest::prelude::*;

use changes::Change;
use log::Log;

/// Settings small enough that every boundary is crossed within a few records.
fn small() -> FoldSettings {
    FoldSettings {
        window_ms: 1_000,
        out_of_order_ms: 200,
        lateness_ms: 3_000,
        future_skew_ms: 500,
        id_window_offsets: 8,
        id_window_age_ms: 1_500,
        value_bytes_max: 1_024,
        ..FoldSettings::default()
    }
}

/// The consumer's snapshot of a log at each of `stops`, in order.
fn snapshots(log: &Log, settings: &FoldSettings, stops: &[i64]) -> Vec<Snapshot> {
    snapshots_through(log, settings, &[], stops)
}

/// The same, of a state that is migrated on the way.
fn snapshots_through(log: &Log, settings: &FoldSettings, changes: &[Change], stops: &[i64]) -> Vec<Snapshot> {
    let mut state = PartitionState::new(1, 3, settings.clone(), log.first_offset, 7);
    let mut last: Option<LastRecord> = None;
    let mut fold_to = |state: &mut PartitionState, stop: i64| {
        for entry in log.from(state.next_offset()).iter().take_while(|entry| entry.record.offset < stop) {
            state.fold(&entry.record.view());
            last = Some(fingerprint(&entry.record.view()));
        }
        state.advance_to(stop);
        state.take_closed_windows();
        state.snapshot(last.clone(), 0)
    };
    let mut changes = changes.iter().peekable();
    let mut taken = Vec::new();
    for &stop in stops {
        while let Some(change) = changes.next_if(|change| change.offset <= stop) {
            let migrated = change.applied_to(&fold_to(&mut state, change.offset));
            state = PartitionState::restore(&migrated, 9).expect("this version made it");
            let before = log.from(state.id_window_start()).iter();
            let before = before.take_while(|entry| entry.record.offset < change.offset);
            before.for_each(|entry| state.remember(&entry.record.view()));
        }
        taken.push(fold_to(&mut state, stop));
    }
    taken
}

/// What differs between a snapshot and the recount of its log, from the first offset or from an anchor. The recount
/// gets its records in pieces of `piece`, as fetches would bring them.
fn differences(log: &Log, snapshot: &Snapshot, anchor: Option<&Snapshot>, piece: usize) -> Vec<Difference> {
    let mut recount = match anchor {
        None => Recount::from_the_first(snapshot),
        Some(anchor) => {
            let figures = Figures::of(anchor).expect("this version wrote it");
            Recount::from_figures(snapshot, figures).expect("and it counts what this version knows")
        }
    };
    let (from, end) = (recount.next_offset(), snapshot.next_offset);
    let before = log.from(recount.ids_from()).iter().take_while(|entry| entry.record.offset < from);
    before.for_each(|entry| recount.remember(&entry.record.view()));
    let counted = log.from(from).iter().take_while(|entry| entry.record.offset < end);
    for entries in counted.collect::<Vec<_>>().chunks(piece) {
        recount.count(entries.iter().map(|entry| entry.record.view()));
    }
    Figures::of(snapshot).expect("this version wrote it").differences_from(&recount.figures_at(end))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(3_000),
        // The logs' seeds are kept by the simulation.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn fold_and_recount_come_to_the_same_from_the_first_offset_and_from_any_anchor(
        log in log::strategy(100),
        changes in prop::collection::vec(Change::strategy(), 0..4),
        anchor_at in 0.0..1.0_f64,
        piece in 1_usize..40,
    ) {
        let changes = Change::in_order(changes, &log);
        let stops = [changes::place(&log, anchor_at), log.end_offset];
        let taken = snapshots_through(&log, &small(), &changes, &stops);
        let (anchor, snapshot) = (&taken[0], &taken[1]);
        prop_assert_eq!(differences(&log, snapshot, None, piece), vec![]);
        prop_assert_eq!(differences(&log, anchor, None, piece), vec![]);
        prop_assert_eq!(differences(&log, snapshot, Some(anchor), piece), vec![]);
        let unbalanced = Figures::of(snapshot).expect("this version wrote it").unbalanced();
        prop_assert_eq!(unbalanced, None);
    }
}
