//! Other settings on the way: what they change, from where on, and what they leave as it was.

use consumer::fold::{ClosedWindow, FoldSettings, PartitionState, SNAPSHOT_FORMAT, Snapshot, windows_from};

use common::wire::Reason;

use crate::{
    records::{NOON_MS, Record},
    scene::{Fate, Scene, both_ways, numbered, paid, small, straight_on},
};

/// Windows of 2 s; small otherwise: an allowance of 200 ms, a lateness of 3 s.
fn long() -> FoldSettings {
    FoldSettings { window_ms: 2_000, ..small() }
}

/// Windows of 3 s.
fn longer() -> FoldSettings {
    FoldSettings { window_ms: 3_000, ..small() }
}

/// Generation, start and end after noon, revision.
fn short(window: &ClosedWindow) -> (u64, i64, i64, u64) {
    (window.generation, window.start_ms - NOON_MS, window.end_ms - NOON_MS, window.revision)
}

fn given_out(scene: &mut Scene) -> Vec<(u64, i64, i64, u64)> {
    scene.state.take_closed_windows().iter().map(short).collect()
}

#[test]
fn new_windows_begin_at_a_boundary_of_theirs_behind_every_window_there_is_and_cut_the_last_old_one_off() {
    both_ways(&long(), 0, |scene| {
        scene.fold(paid(1, 500));
        // One window is there, from 0 s to 2 s; windows of 3 s have a boundary at 3 s.
        assert_eq!(scene.migrate(&longer()), Some(3_000));
        for (id, ms) in [(2, 1_999), (3, 2_000), (4, 2_999), (5, 3_000), (6, 5_999)] {
            assert_eq!(scene.fold(paid(id, ms)), Fate::OnTime);
        }
        assert_eq!(scene.snapshot().windows_held(), 2, "2 s to 3 s and 3 s to 6 s; the first was let go");
    });
    straight_on(&long(), 0, |scene| {
        scene.fold(paid(1, 500));
        scene.migrate(&longer());
        let ids = [(2, 2_500), (3, 3_500), (4, 6_200)];
        scene.fold_all(&ids);
        assert_eq!(given_out(scene), [(2, 0, 2_000, 0), (2, 2_000, 3_000, 0), (2, 3_000, 6_000, 0)]);
    });
}

#[test]
fn new_windows_begin_no_earlier_than_the_watermark_so_that_no_window_that_was_let_go_comes_back() {
    both_ways(&FoldSettings { lateness_ms: 0, ..small() }, 0, |scene| {
        scene.fold(paid(1, 0));
        // Its window is let go. The watermark stands at 7.3 s.
        scene.fold(Record { timestamp_ms: NOON_MS + 7_500, ..paid(2, 7_900) });
        assert_eq!(scene.migrate(&longer()), Some(9_000));
    });
}

#[test]
fn where_the_new_length_has_a_boundary_there_no_window_is_cut() {
    straight_on(&small(), 0, |scene| {
        scene.fold(paid(1, 2_100));
        assert_eq!(scene.migrate(&longer()), Some(3_000));
        scene.fold(paid(2, 6_200));
        assert_eq!(given_out(scene), [(2, 2_000, 3_000, 0)]);
    });
}

#[test]
fn all_partitions_get_new_windows_from_the_same_instant_on() {
    let state = |ms| {
        let mut scene = Scene::new(&long(), 0, false);
        scene.fold(paid(1, ms));
        scene.snapshot()
    };
    let [ahead, behind] = [state(7_000), state(500)];
    let from_ms = windows_from(&[behind.clone(), ahead.clone()], &longer());
    assert_eq!(from_ms, Some(NOON_MS + 9_000));
    // A migration that was cut off half-way has got as far as one of them.
    let migrated = ahead.migrated(2, &longer(), Some(NOON_MS + 12_000), 0);
    assert_eq!(windows_from(&[behind, migrated.clone()], &longer()), Some(NOON_MS + 12_000));
    let again = migrated.migrated(3, &longer(), Some(NOON_MS + 15_000), 0);
    assert_eq!(again.migrations[1].windows_from_ms, None, "it has them already");
    assert_eq!(windows_from(&[Scene::new(&long(), 0, false).snapshot()], &longer()), None, "nothing has happened yet");
}

#[test]
fn a_window_keeps_the_lateness_that_it_began_with() {
    for (newest_ms, old, new) in [
        (4_999, Fate::Revised, Fate::OnTime),
        (5_200, Fate::TooLate, Fate::OnTime),
        (6_200, Fate::TooLate, Fate::Revised),
    ] {
        both_ways(&long(), 0, |scene| {
            scene.fold(paid(1, 500));
            assert_eq!(scene.migrate(&FoldSettings { lateness_ms: 100_000, ..longer() }), Some(3_000));
            scene.fold(paid(2, newest_ms));
            assert_eq!(scene.fold(paid(3, 1_000)), old, "its window took transactions up to 5 s");
            assert_eq!(scene.fold(paid(4, 3_100)), new);
        });
    }
    // The other way round, a younger window is let go before an older one.
    both_ways(&FoldSettings { lateness_ms: 100_000, ..long() }, 0, |scene| {
        scene.fold(paid(1, 500));
        scene.migrate(&FoldSettings { lateness_ms: 0, ..longer() });
        scene.fold(paid(2, 4_000));
        scene.fold(paid(3, 20_000));
        assert_eq!(scene.fold(paid(4, 5_000)), Fate::TooLate);
        assert_eq!(scene.fold(paid(5, 1_000)), Fate::Revised);
        assert_eq!(scene.snapshot().windows_held(), 2);
    });
}

#[test]
fn the_watermark_stays_and_the_new_allowance_holds_from_the_next_record_on() {
    let watermark = |scene: &mut Scene| scene.snapshot().watermark_ms.map(|ms| ms - NOON_MS);
    both_ways(&small(), 0, |scene| {
        scene.fold(paid(1, 1_000));
        assert_eq!(scene.migrate(&FoldSettings { out_of_order_ms: 700, ..small() }), None, "no window changes");
        assert_eq!(watermark(scene), Some(800));
        scene.fold(paid(2, 1_400));
        assert_eq!(watermark(scene), Some(800), "it never goes back");
        scene.fold(paid(3, 1_600));
        assert_eq!(watermark(scene), Some(900));
        scene.migrate(&FoldSettings { out_of_order_ms: 0, ..small() });
        scene.fold(paid(4, 1_600));
        assert_eq!(watermark(scene), Some(1_600));
    });
}

#[test]
fn ids_are_recognised_as_far_back_as_the_settings_at_the_later_record_say() {
    for (offsets, age_ms, fate) in [
        (4, 1_000, Fate::OnTime),
        (5, 1_000, Fate::OnTime),
        (6, 1_000, Fate::Repeated),
        (100, 1_000, Fate::Repeated),
        (100, 5, Fate::OnTime),
    ] {
        both_ways(&FoldSettings { id_window_age_ms: 10, ..small() }, 0, |scene| {
            scene.fold_all(&[(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]);
            scene.fold(Record { value: None, ..paid(9, 0) });
            scene.migrate(&FoldSettings { id_window_offsets: offsets, id_window_age_ms: age_ms, ..small() });
            assert_eq!(scene.fold(paid(0, 10)), fate, "{offsets} offsets, {age_ms} ms");
        });
    }
    both_ways(&small(), 0, |scene| {
        scene.fold(paid(1, 0));
        scene.fold(paid(2, 0));
        scene.migrate(&FoldSettings { id_window_offsets: 1, ..small() });
        assert_eq!(scene.fold(paid(1, 0)), Fate::OnTime, "two offsets back");
        assert_eq!(scene.fold(paid(1, 0)), Fate::Repeated, "one offset back");
    });
}

#[test]
fn how_far_ahead_a_record_may_be_dated_is_asked_by_the_settings_at_its_offset_for_ever() {
    let ahead = |id| Record { timestamp_ms: NOON_MS, ..paid(id, 800) };
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold(ahead(1)), Fate::Rejected(Reason::FutureDated));
        scene.migrate(&FoldSettings { future_skew_ms: 800, ..small() });
        assert_eq!(scene.fold(ahead(1)), Fate::OnTime, "it stood in no valid record before");
        assert_eq!(scene.fold(ahead(1)), Fate::Repeated);
        scene.migrate(&small());
        assert_eq!(scene.fold(ahead(2)), Fate::Rejected(Reason::FutureDated));
        assert_eq!(scene.fold(paid(1, 0)), Fate::Repeated, "what was valid then stays so");
    });
}

#[test]
fn totals_ledger_and_sequences_go_on() {
    both_ways(&small(), 0, |scene| {
        scene.fold(numbered(paid(1, 0), 7, 3));
        let before = scene.snapshot();
        scene.migrate(&longer());
        let after = scene.snapshot();
        assert_eq!((after.generation, after.next_offset), (2, 1));
        assert_eq!(
            (&after.totals, &after.ledger, &after.last_record),
            (&before.totals, &before.ledger, &before.last_record)
        );
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, 3)), Fate::Redelivered);
        scene.fold(numbered(paid(3, 0), 7, 5));
        assert_eq!((scene.euros(), scene.state.ledger().missing_from_sequence), ((2, 200), 3));
    });
}

#[test]
fn a_migration_before_the_windows_of_another_have_begun_takes_their_place() {
    both_ways(&long(), 0, |scene| {
        scene.fold(paid(1, 500));
        assert_eq!(scene.migrate(&FoldSettings { window_ms: 60_000, ..small() }), Some(60_000));
        scene.fold(paid(2, 1_500));
        assert_eq!(scene.migrate(&longer()), Some(3_000));
        scene.fold_all(&[(3, 2_500), (4, 3_200)]);
        assert_eq!(scene.fold(paid(5, 2_600)), Fate::Revised, "its window was cut off at 3 s");
        scene.fold_all(&[(6, 59_000), (7, 61_000)]);
        // 57 s to 60 s takes transactions still, 60 s to 63 s is open; everything before is gone.
        assert_eq!(scene.snapshot().windows_held(), 2);
    });
}

#[test]
fn where_nothing_is_in_a_window_yet_new_windows_begin_at_a_boundary_of_theirs_all_the_same() {
    // Another partition has had these begin at 3 s; here nothing has come.
    let state = PartitionState::new(1, 0, long(), 0, 1).snapshot(None, 0);
    let migrated = state.migrated(2, &longer(), Some(NOON_MS + 3_000), 0);
    assert_eq!(windows_from(&[migrated], &long()), Some(NOON_MS + 4_000), "3 s is no boundary of windows of 2 s");
    assert_eq!(windows_from(&[state], &longer()), None);
}

#[test]
fn windows_of_three_lengths_stand_side_by_side() {
    straight_on(&FoldSettings { lateness_ms: 60_000, ..small() }, 0, |scene| {
        let lateness_ms = 60_000;
        scene.fold(paid(1, 500));
        assert_eq!(scene.migrate(&FoldSettings { lateness_ms, ..long() }), Some(2_000));
        scene.fold(paid(2, 3_500));
        assert_eq!(scene.migrate(&FoldSettings { lateness_ms, ..longer() }), Some(6_000));
        let ids = [(3, 5_500), (4, 6_500), (5, 9_200), (6, 1_500)];
        scene.fold_all(&ids);
        let ends: Vec<_> = given_out(scene).into_iter().map(|(_, start_ms, end_ms, _)| (start_ms, end_ms)).collect();
        // The first one went out before.
        assert_eq!(ends, [(1_000, 2_000), (2_000, 4_000), (4_000, 6_000), (6_000, 9_000)]);
    });
}

#[test]
fn windows_that_had_closed_go_out_again_under_the_new_generation_and_once_only() {
    straight_on(&small(), 0, |scene| {
        scene.fold_all(&[(1, 500), (2, 2_500), (3, 700)]);
        assert_eq!(given_out(scene), [(1, 0, 1_000, 1)]);
        scene.snapshot();
        let migrated = scene.snapshot().migrated(5, &longer(), Some(NOON_MS + 3_000), 0);
        let mut state = PartitionState::restore(&migrated, 0).unwrap();
        let again = state.take_closed_windows();
        assert_eq!(again.iter().map(short).collect::<Vec<_>>(), [(5, 0, 1_000, 1)]);
        assert_eq!(again[0].since_generation, 1);
        state.advance_to(10);
        let later = PartitionState::restore(&state.snapshot(None, 0), 0).unwrap();
        assert_eq!(later.closed_windows_waiting(), 0);
    });
}

#[test]
fn a_snapshot_says_the_lowest_format_that_it_can_be_read_by() {
    let mut scene = Scene::new(&small(), 0, false);
    scene.fold(paid(1, 0));
    // As every version since the first has written it: no member is added.
    let plain: serde_json::Value = serde_json::from_slice(&scene.snapshot().to_value()).unwrap();
    assert_eq!((&plain["format"], plain.get("migrations")), (&1.into(), None));
    // Who knows format 1 only would pass the list over and put transactions into the wrong windows: it refuses this.
    scene.migrate(&longer());
    let migrated = scene.snapshot();
    assert_eq!((migrated.format, SNAPSHOT_FORMAT), (2, 2));
    assert_eq!(Snapshot::parse(&migrated.to_value()).unwrap(), migrated);
}

#[test]
fn a_snapshot_with_settings_of_a_newer_version_in_its_past_is_refused() {
    let mut scene = Scene::new(&small(), 0, false);
    scene.migrate(&longer());
    let mut migrated = scene.snapshot();
    migrated.migrations[0].from.fold_version = 2;
    let refused = Snapshot::parse(&migrated.to_value()).unwrap_err().to_string();
    assert!(refused.contains("fold version 2"), "{refused}");
    migrated.migrations[0].from = FoldSettings { window_ms: 0, ..small() };
    assert!(Snapshot::parse(&migrated.to_value()).is_err());
}
