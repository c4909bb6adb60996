//! Snapshots in which one number was changed: each must be found, and by its name.

use consumer::{fold::Snapshot, verify::figures::Figures};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::{differences, log, log::Log, small, snapshots};

/// What a recount takes from the snapshot, because nothing in the log could say it.
const TAKEN_FOR_GRANTED: [&str; 6] =
    ["/format", "/generation", "/settings", "/partition", "/written_at_ms", "/anchored_at_ms"];

/// Does something to the form of a snapshot.
type Doctor = fn(&mut Value);

/// A log with something of everything, and its snapshot.
fn full() -> (Log, Snapshot) {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let logs = log::strategy(100).prop_filter("counted from offset 0", |log| log.first_offset == 0);
    loop {
        let log = logs.new_tree(&mut runner).expect("most logs pass").current();
        let snapshot = snapshots(&log, &small(), &[log.end_offset]).remove(0);
        let form = form(&snapshot);
        let some = |pointer: &str| form.pointer(pointer).and_then(Value::as_u64).is_some_and(|number| number > 0);
        let has_windows = |closed| {
            let windows = form["windows"].as_array().into_iter().flatten();
            windows.filter(|window| window["closed"] == closed && window["cells"] != json!({})).count() > 0
        };
        let columns = ["consumed", "accepted", "redelivered", "repeated", "on_time", "revised", "too_late"];
        let more = ["offsets_without_record", "missing_from_sequence", "mended"];
        if columns.iter().chain(&more).all(|column| some(&format!("/ledger/{column}")))
            && has_windows(true)
            && has_windows(false)
            && form["sequences"].as_array().is_some_and(|sequences| sequences.len() > 1)
        {
            return (log, snapshot);
        }
    }
}

fn form(snapshot: &Snapshot) -> Value {
    serde_json::from_slice(&snapshot.to_value()).expect("a snapshot is JSON")
}

/// The places of all values that are no lists and no objects.
fn leaves(pointer: String, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| leaves(format!("{pointer}/{name}"), value, found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| leaves(format!("{pointer}/{index}"), value, found));
        }
        _ => found.push(pointer),
    }
}

/// The value next to this one.
fn next_to(value: &Value) -> Value {
    match value {
        Value::Bool(yes) => json!(!yes),
        Value::Number(number) => number.as_u64().map_or_else(
            || json!(number.as_i64().expect("no number of a snapshot is a fraction") + 1),
            |number| json!(number + 1),
        ),
        Value::String(text) if text.parse::<i128>().is_ok() => {
            json!((text.parse::<i128>().expect("just parsed") + 1).to_string())
        }
        // A hash or an incarnation.
        Value::String(text) => json!(format!("{}{}", if text.starts_with('0') { '1' } else { '0' }, &text[1..])),
        other => panic!("{other} has no value next to it"),
    }
}

#[test]
fn every_single_number_that_is_one_off_is_found_and_named() {
    let (log, snapshot) = full();
    assert_eq!(differences(&log, &snapshot, None, 10), vec![]);
    let form = form(&snapshot);
    let mut places = Vec::new();
    leaves(String::new(), &form, &mut places);
    places.retain(|place| !TAKEN_FOR_GRANTED.iter().any(|granted| place.starts_with(granted)));
    assert!(places.len() > 80, "a snapshot with so few numbers proves little: {places:?}");
    for place in places {
        let mut doctored = form.clone();
        let value = doctored.pointer_mut(&place).expect("it was found there");
        *value = next_to(value);
        let doctored = Snapshot::parse(doctored.to_string().as_bytes()).expect("its form is as before");
        // The recount of a snapshot that claims to begin or to end elsewhere begins or ends there.
        let found = differences(&log, &doctored, None, 10);
        let unbalanced = Figures::of(&doctored).expect("its form is as before").unbalanced();
        assert!(!found.is_empty() || unbalanced.is_some(), "{place} was one off, and nothing was found");
        let last = place.rsplit('/').find(|part| part.parse::<usize>().is_err()).expect("a name");
        let by_balance = ["first_offset", "next_offset", "skipped"].contains(&last);
        let named = found.iter().any(|difference| difference.name.contains(last));
        assert!(by_balance || named, "{place} was one off, and this was found instead: {found:?}");
    }
}

#[test]
fn what_is_missing_or_twice_is_found() {
    let (log, snapshot) = full();
    let changes: [(&str, Doctor); 6] = [
        ("windows.", |form| drop(form["windows"].as_array_mut().unwrap().remove(0))),
        ("(again)", |form| {
            let windows = form["windows"].as_array_mut().unwrap();
            windows.push(windows[0].clone());
        }),
        ("sequences.", |form| drop(form["sequences"].as_array_mut().unwrap().remove(0))),
        ("(again)", |form| {
            let sequences = form["sequences"].as_array_mut().unwrap();
            sequences.push(sequences[0].clone());
        }),
        ("watermark_ms", |form| form["watermark_ms"] = Value::Null),
        ("totals.country.AQ", |form| {
            form["totals"]["country"]["AQ"] = json!({"EUR": {"count": 1, "sum_minor": "1"}});
        }),
    ];
    for (name, change) in changes {
        let mut doctored = form(&snapshot);
        change(&mut doctored);
        let doctored = Snapshot::parse(doctored.to_string().as_bytes()).expect("its form is as before");
        let found = differences(&log, &doctored, None, 10);
        assert!(found.iter().any(|difference| difference.name.contains(name)), "{name}: {found:?}");
    }
}

#[test]
fn a_record_more_or_less_or_another_is_found() {
    let (log, snapshot) = full();
    for place in 0..log.entries.len() {
        let mut shorter = log.clone();
        shorter.entries.remove(place);
        assert!(!differences(&shorter, &snapshot, None, 10).is_empty(), "without record {place}");
    }
}
