//! Windows of 1 s, an allowance of 200 ms, a lateness of 3 s: what closes when, and what is given out.

use std::collections::BTreeMap;

use consumer::fold::{ClosedWindow, FoldSettings};

use crate::{
    records::{NOON_MS, Record},
    scene::{Fate, Scene, both_ways, numbered, paid, small, straight_on},
};

fn watermark(scene: &mut Scene) -> Option<i64> {
    scene.snapshot().watermark_ms.map(|ms| ms - NOON_MS)
}

#[test]
fn a_window_is_open_while_its_end_lies_after_the_watermark() {
    for (newest_ms, fate) in [
        (1_199, Fate::OnTime),
        (1_200, Fate::Revised),
        (4_199, Fate::Revised),
        (4_200, Fate::TooLate),
        (9_999, Fate::TooLate),
    ] {
        both_ways(&small(), 0, |scene| {
            assert_eq!(scene.fold(paid(1, 0)), Fate::OnTime);
            assert_eq!(scene.fold(paid(2, newest_ms)), Fate::OnTime);
            assert_eq!(watermark(scene), Some(newest_ms - 200));
            assert_eq!(scene.fold(paid(3, 0)), fate, "the first instant of the window, after {newest_ms}");
            assert_eq!(scene.fold(paid(4, 999)), fate, "the last instant of the window, after {newest_ms}");
            assert_eq!(scene.euros().0, 4, "late or not, all of them count");
        });
    }
}

#[test]
fn before_the_first_accepted_record_nothing_is_late() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(watermark(scene), None);
        scene.fold(Record { value: None, ..paid(1, 9_000) });
        assert_eq!(watermark(scene), None);
        // Written long after it occurred; the watermark follows the earlier of the two.
        assert_eq!(scene.fold(Record { timestamp_ms: NOON_MS + 9_000, ..paid(2, 0) }), Fate::OnTime);
        assert_eq!(watermark(scene), Some(-200));
    });
}

#[test]
fn a_record_dated_ahead_does_not_make_honest_ones_late() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold(Record { timestamp_ms: NOON_MS + 900, ..paid(1, 1_400) }), Fate::OnTime);
        assert_eq!(watermark(scene), Some(700));
        assert_eq!(scene.fold(paid(2, 950)), Fate::OnTime);
    });
}

#[test]
fn the_watermark_never_goes_back() {
    both_ways(&small(), 0, |scene| {
        scene.fold(paid(1, 1_200));
        assert_eq!(scene.fold(paid(2, 100)), Fate::Revised);
        assert_eq!(watermark(scene), Some(1_000));
        assert_eq!(scene.fold(paid(3, 200)), Fate::Revised);
    });
}

#[test]
fn only_accepted_records_move_the_watermark() {
    both_ways(&FoldSettings { id_window_age_ms: 100_000, ..small() }, 0, |scene| {
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, 1)), Fate::OnTime);
        assert_eq!(scene.fold(numbered(paid(2, 50_000), 7, 1)), Fate::Redelivered);
        assert_eq!(scene.fold(paid(1, 50_000)), Fate::Repeated);
        scene.fold(Record { timestamp_ms: NOON_MS, ..paid(3, 50_000) });
        assert_eq!(watermark(scene), Some(-200));
        assert_eq!(scene.fold(paid(4, 0)), Fate::OnTime);
        assert_eq!(scene.state.closed_windows_waiting(), 0);
    });
}

#[test]
fn windows_begin_at_multiples_of_their_length_before_1970_too() {
    straight_on(&small(), 0, |scene| {
        let text = String::from_utf8(paid(1, 0).value.unwrap()).unwrap();
        let old = text.replace("2026-11-20T12:00:00.000Z", "1969-12-31T23:59:59.999Z");
        assert_eq!(scene.fold(Record { value: Some(old.into_bytes()), ..paid(1, 0) }), Fate::OnTime);
        assert_eq!(scene.fold(paid(2, 0)), Fate::OnTime);
        let closed = scene.state.take_closed_windows();
        assert_eq!((closed[0].start_ms, closed[0].end_ms), (-1_000, 0));
    });
}

/// A window given out, in short: start after noon, revision, count and sum of its cells.
fn short(window: &ClosedWindow) -> (i64, u64, u64, i128) {
    let sum = |(count, sum_minor), cell: &consumer::fold::Cell| (count + cell.count, sum_minor + cell.sum_minor);
    let (count, sum_minor) = window.grid.cells().map(|(_, _, cell)| cell).fold((0, 0), sum);
    (window.start_ms - NOON_MS, window.revision, count, sum_minor)
}

#[test]
fn a_window_is_given_out_as_it_closes_and_again_for_what_comes_late() {
    straight_on(&small(), 0, |scene| {
        let mut fold = |id, ms| {
            scene.fold(paid(id, ms));
            scene.state.take_closed_windows().iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(fold(1, 0), []);
        assert_eq!(fold(2, 999), []);
        assert_eq!(fold(3, 1_200), [(0, 0, 2, 200)]);
        assert_eq!(fold(4, 500), [(0, 1, 3, 300)]);
        assert_eq!(fold(5, 501), [(0, 2, 4, 400)]);
        assert_eq!(fold(6, 3_500), [(1_000, 0, 1, 100),], "the window of the second 2 is empty and never closes");
        assert_eq!(fold(7, 2_000), [(2_000, 1, 1, 100)], "late from its first transaction on");
        assert_eq!(fold(8, 4_200), [(3_000, 0, 1, 100)]);
        assert_eq!(fold(9, 502), [], "too late");
    });
}

/// Closings, revisions, a window that is late from the start, and several let go at once.
const STORY_MS: [i64; 11] = [0, 400, 1_200, 100, 700, 2_400, 1_900, 4_150, 900, 9_000, 8_000];

/// Everything given out when windows are taken after those records whose bit is set, and at the end.
fn given_out(cuts: u32, restarts: bool) -> BTreeMap<(i64, u64), ClosedWindow> {
    let mut out = BTreeMap::new();
    let mut scene = Scene::new(&small(), 0, false);
    for (place, &ms) in STORY_MS.iter().enumerate() {
        scene.fold(paid(place as u128, ms));
        if cuts & 1 << place != 0 || place + 1 == STORY_MS.len() {
            let taken = scene.state.take_closed_windows();
            out.extend(taken.into_iter().map(|window| ((window.start_ms, window.revision), window)));
            if restarts {
                scene.restart();
            }
        }
    }
    out
}

#[test]
fn a_revision_of_a_window_has_the_same_contents_however_the_takes_are_cut() {
    let all = given_out(u32::MAX, false);
    let newest = |given: &BTreeMap<(i64, u64), ClosedWindow>| {
        given.iter().map(|(&(start_ms, revision), _)| (start_ms, revision)).collect::<BTreeMap<_, _>>()
    };
    assert!(all.len() > newest(&all).len() && newest(&all).len() >= 4, "the story has revisions and windows: {all:?}");
    for cuts in 0..1 << STORY_MS.len() {
        for restarts in [false, true] {
            let given = given_out(cuts, restarts);
            for (identity, window) in &given {
                assert_eq!(Some(window), all.get(identity), "cuts {cuts:b}");
            }
            assert_eq!(newest(&given), newest(&all), "cuts {cuts:b}");
        }
    }
}
