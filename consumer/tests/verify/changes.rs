//! Migrations at any place of a log, to any settings.

use consumer::{
    fold::{FoldSettings, Snapshot, windows_from},
    verify::start::{Search, Start},
};
use proptest::{prelude::*, sample::select};

use crate::{
    differences,
    log::{Draft, Log},
    small, snapshots_through,
};

/// A migration, still without its place in a log.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    share: f64,
    pub(crate) offset: i64,
    settings: FoldSettings,
    /// How many windows of its own length it begins later than this partition needs, for another may need it.
    later: i64,
}

/// The offset at this share of a log.
pub(crate) fn place(log: &Log, share: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any offset will do")]
    let offsets = ((log.end_offset - log.first_offset) as f64 * share) as i64;
    log.first_offset + offsets
}

impl Change {
    pub(crate) fn strategy() -> impl Strategy<Value = Self> {
        let windows = (select(vec![700, 1_000, 2_500]), select(vec![0, 3_000, 6_000]), select(vec![0, 200, 1_000]));
        let records = (1..20_u32, select(vec![500, 1_500, 5_000]), select(vec![0, 500, 2_000]));
        (0.0..1.0_f64, windows, records, 0..3_i64).prop_map(|(share, windows, records, later)| {
            let (window_ms, lateness_ms, out_of_order_ms) = windows;
            let (id_window_offsets, id_window_age_ms, future_skew_ms) = records;
            let settings = FoldSettings {
                window_ms,
                out_of_order_ms,
                lateness_ms,
                future_skew_ms,
                id_window_offsets,
                id_window_age_ms,
                ..small()
            };
            Self { share, offset: 0, settings, later }
        })
    }

    pub(crate) fn in_order(mut changes: Vec<Self>, log: &Log) -> Vec<Self> {
        changes.iter_mut().for_each(|change| change.offset = place(log, change.share));
        changes.sort_by_key(|change| change.offset);
        changes
    }

    pub(crate) fn applied_to(&self, snapshot: &Snapshot) -> Snapshot {
        let earliest_ms = windows_from(std::slice::from_ref(snapshot), &self.settings);
        let from_ms = earliest_ms.map(|earliest_ms| earliest_ms + self.later * self.settings.window_ms);
        snapshot.migrated(snapshot.generation + 1, &self.settings, from_ms, 0)
    }
}

/// A log that goes on while windows close, and two migrations on its way.
fn migrated() -> (Log, Vec<Snapshot>) {
    // One every half second.
    let draft = Draft { sender: 0, content: 0, clock: 60, stamp: 0, hole: 0, who: 0, detail: 0, time: 2 };
    let drafts = [draft; 60];
    let log = Log::of(0, &drafts, 0);
    let change = |offset, window_ms, id_window_offsets| Change {
        share: 0.0,
        offset,
        settings: FoldSettings { window_ms, id_window_offsets, ..small() },
        later: 0,
    };
    let taken = snapshots_through(&log, &small(), &[change(20, 700, 30), change(40, 2_500, 3)], &[10, 30, 60]);
    (log, taken)
}

/// The snapshot as it might stand at another offset.
fn at(snapshot: &Snapshot, next_offset: i64) -> Snapshot {
    let mut moved = snapshot.clone();
    moved.next_offset = next_offset;
    moved
}

#[test]
fn a_watermark_that_was_not_reached_where_a_migration_says_is_found() {
    let (log, taken) = migrated();
    let mut doctored = taken[2].clone();
    assert_eq!(differences(&log, &doctored, None, 10), vec![]);
    doctored.migrations[0].watermark_ms = doctored.migrations[0].watermark_ms.map(|ms| ms + 1);
    let found = differences(&log, &doctored, None, 10);
    assert_eq!(found[0].name, "migrations.20.watermark_ms", "{found:?}");
}

#[test]
fn a_migration_that_is_said_to_be_elsewhere_is_found() {
    let (log, taken) = migrated();
    let mut elsewhere = taken[2].clone();
    elsewhere.migrations[0].offset -= 1;
    assert!(!differences(&log, &elsewhere, None, 10).is_empty());
}

#[test]
fn a_recount_begins_at_an_anchor_of_any_leg_and_reaches_back_as_far_as_the_widest_id_window_ahead() {
    let (_, taken) = migrated();
    let start = |log_start: i64, anchor: &Snapshot| {
        let mut search = Search::new(&taken[2], log_start);
        search.offer(anchor.clone());
        match search.conclude() {
            Ok(Start::Anchor(anchor)) => Some(anchor.next_offset),
            _ => None,
        }
    };
    // K is 8 up to offset 20, 30 up to offset 40, 3 from there on.
    assert_eq!((taken[0].migrations.len(), taken[1].migrations.len()), (0, 1));
    assert_eq!((start(1, &taken[0]), start(1, &taken[1]), start(1, &taken[2])), (None, None, Some(60)));
    let later = at(&taken[1], 35);
    assert_eq!((start(5, &later), start(6, &later)), (Some(35), None));
}

#[test]
fn what_was_written_by_somebody_who_had_not_heard_of_a_migration_is_no_anchor() {
    let (_, taken) = migrated();
    let is_anchor = |next_offset| {
        let mut narrow = taken[2].clone();
        narrow.migrations[1].from.id_window_offsets = 8;
        let mut search = Search::new(&narrow, 1);
        search.offer(at(&taken[0], next_offset));
        matches!(search.conclude(), Ok(Start::Anchor(_)))
    };
    // The first generation ended at offset 20.
    assert!(is_anchor(20) && !is_anchor(21));
}
