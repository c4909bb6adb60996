//! What a snapshot carries, which one counts, and which are refused.

use consumer::fold::{FoldSettings, PartitionState, Snapshot, SnapshotError};
use serde_json::{Value, json};

use crate::{
    records::Record,
    scene::{Fate, Scene, both_ways, numbered, paid, small, straight_on},
};

/// A snapshot with something in every member.
fn full() -> Snapshot {
    let mut scene = Scene::new(&small(), 0, false);
    scene.fold_at(2, numbered(paid(1, 0), 0xfeed, 3));
    scene.fold(paid(1, 0));
    scene.fold(Record { value: None, ..paid(2, 0) });
    scene.fold(paid(3, 1_500));
    scene.fold(paid(4, 100));
    scene.state.skip_to(20);
    scene.snapshot()
}

fn changed(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::from_slice(&full().to_value()).expect("a snapshot is JSON");
    change(&mut value);
    value.to_string().into_bytes()
}

#[test]
fn a_snapshot_comes_back_as_it_was_written() {
    let snapshot = full();
    assert_eq!(Snapshot::parse(&snapshot.to_value()).unwrap(), snapshot);
}

#[test]
fn a_state_goes_on_with_the_settings_it_began_with() {
    let settings = FoldSettings { window_ms: 6_000, lateness_ms: 60_000, id_window_offsets: 2, ..small() };
    both_ways(&settings, 0, |scene| {
        scene.fold(paid(1, 0));
        assert_eq!(scene.fold(paid(2, 6_200)), Fate::OnTime);
        assert_eq!(scene.fold(paid(3, 5_999)), Fate::Revised);
        assert_eq!(scene.fold(paid(4, 5_999)), Fate::Revised);
        assert_eq!(scene.fold(paid(4, 0)), Fate::Repeated);
        assert_eq!(scene.snapshot().settings, settings);
    });
}

#[test]
fn a_higher_generation_counts_more_than_a_higher_offset() {
    let at = |generation, next_offset| {
        let mut snapshot = full();
        (snapshot.generation, snapshot.next_offset) = (generation, next_offset);
        snapshot.order()
    };
    assert!(at(1, 1_000) < at(2, 0) && at(2, 0) < at(2, 1));
}

#[test]
fn a_snapshot_of_a_newer_version_is_refused_and_says_so() {
    for (what, value) in [
        ("snapshot format 3", changed(|value| value["format"] = json!(3))),
        // Of a layout that is known, but not as it is known: not to be passed over as if it were no snapshot.
        ("generation", br#"{"format":1}"#.to_vec()),
        ("too_pretty", changed(|value| value["ledger"]["rejected"]["too_pretty"] = json!(1))),
        // Above it no reset could begin another.
        ("generation 18446744073709551615", changed(|value| value["generation"] = json!(u64::MAX))),
        // Nothing else of a newer layout need be readable.
        ("snapshot format 9", br#"{"format":9,"states":[]}"#.to_vec()),
        ("fold version 2", changed(|value| value["settings"]["fold_version"] = json!(2))),
    ] {
        match Snapshot::parse(&value) {
            Err(error @ (SnapshotError::TooNew(_) | SnapshotError::Damaged(_))) => {
                assert!(error.to_string().contains(what), "{error}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn what_a_snapshot_counts_under_a_name_unknown_here_is_refused_not_dropped() {
    let cell = json!({"count": 1, "sum_minor": "1"});
    for (name, value) in [
        ("XBT", changed(|value| value["totals"]["type"]["purchase"]["XBT"] = cell.clone())),
        ("barter", changed(|value| value["totals"]["type"]["barter"] = json!({"EUR": cell}))),
        ("time_travel", changed(|value| value["totals"]["category"]["time_travel"] = json!({"EUR": cell}))),
        ("QQ", changed(|value| value["totals"]["country"]["QQ"] = json!({"EUR": cell}))),
        ("pigeon", changed(|value| value["totals"]["channel"]["pigeon"] = json!({"EUR": cell}))),
        ("swap", changed(|value| value["windows"][0]["cells"]["swap"] = json!({"EUR": cell}))),
    ] {
        let snapshot = Snapshot::parse(&value).unwrap();
        match PartitionState::restore(&snapshot, 0) {
            Err(error @ SnapshotError::TooNew(_)) => assert!(error.to_string().contains(name), "{error}"),
            Err(error) => panic!("{name}: {error}"),
            Ok(_) => panic!("{name} was dropped"),
        }
    }
}

#[test]
fn what_is_no_snapshot_is_refused() {
    for value in [&b""[..], b"{}", b"[]", b"null", b"\xff", br#"{"format":-1}"#] {
        assert!(matches!(Snapshot::parse(value), Err(SnapshotError::Malformed(_))), "{value:?}");
    }
    let whole = full().to_value();
    assert!(Snapshot::parse(&whole[..whole.len() - 1]).is_err(), "cut short");
}

#[test]
#[should_panic(expected = "closed windows go out before the snapshot that covers them")]
fn a_snapshot_is_not_made_while_closed_windows_wait() {
    straight_on(&small(), 0, |scene| {
        scene.fold(paid(1, 0));
        scene.fold(paid(2, 5_000));
        let _ = scene.state.snapshot(None, 0);
    });
}
