//! `consumer verify`: equal where it should be, and not where it shouldn't.

use std::time::Duration;

use serde_json::{Value, json};

use super::counting::ALL_FAULTS;
use crate::handmade::record;
use crate::kafka::{Batch, Compression, Record};
use crate::process::{Process, Signal};
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, Failure, claim, claim_eq, schema};

const EQUAL: i32 = 0;
const DIFFERENT: i32 = 1;
const COULD_NOT_CHECK: i32 = 2;
/// How long a program may take to end when it is asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Claims that a verification ends well, and gives what it says.
pub(super) fn claim_verified(stage: &Stage<'_>) -> Checked<Value> {
    let verification = verify(stage, &[], EQUAL)?;
    claim_eq!(verification["verdict"], "equal", "verdict");
    for what in ["dead_letters", "closed_windows"] {
        for part in parts(&verification) {
            claim_eq!(part[what]["there"], part[what]["expected"], "{what} of partition {}", part["partition"]);
        }
    }
    Ok(verification)
}

/// Runs a verification that must end with this code, and gives what it says.
fn verify(stage: &Stage<'_>, flags: &[&str], code: i32) -> Checked<Value> {
    let mut process = stage.consumer(&[&["verify", "--json"], flags].concat())?;
    process.expect_exit(code, RUN_DEADLINE)?;
    said(&process)
}

fn said(process: &Process) -> Checked<Value> {
    let verification = process.last_json()?;
    let wrong = schema::violations_of_verification(&verification);
    if wrong.is_empty() { Ok(verification) } else { Err(Failure::new(wrong.join("\n  "))) }
}

fn parts(verification: &Value) -> impl Iterator<Item = &Value> {
    verification["partitions"].as_array().into_iter().flatten()
}

pub(super) fn verify_is_equal_at_rest_after_every_kind_of_fault(stage: &mut Stage<'_>) -> Checked {
    stage.use_short_windows();
    let (count, rate) = (scaled(24_000).to_string(), scaled(6_000).to_string());
    let flags = ["--count", &count, "--rate", &rate, "--seed", "31"];
    stage.produce(&[flags.as_slice(), ALL_FAULTS.as_slice()].concat())?;
    let mut client = stage.client();
    for (number, compression) in (0..).zip([Compression::Lz4, Compression::Zstd, Compression::None]) {
        let odd = vec![record(2 * number), record(2 * number + 1).with_header(b"\xff", None)];
        client.append(stage.topic(), 0, &Batch { records: odd, compression })?;
    }
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;

    let verification = claim_verified(stage)?;
    claim_eq!(verification["records"], summary["ledger"]["consumed"], "records counted again");
    claim_eq!(verification["summary"]["ledger"], summary["ledger"], "the ledger it prints");
    let sum = |pointer| parts(&verification).filter_map(|part| part.pointer(pointer)?.as_u64()).sum::<u64>();
    let rejected = summary["ledger"]["rejected"].as_object().into_iter().flatten();
    let rejected: u64 = rejected.filter_map(|(_, count)| count.as_u64()).sum();
    claim_eq!(sum("/dead_letters/there"), rejected, "dead letters");
    claim!(rejected > 0 && sum("/closed_windows/there") > 10, "little was given out: {verification}");
    for part in parts(&verification) {
        claim_eq!(part["from_offset"], 0, "where partition {} was counted from", part["partition"]);
        claim_eq!(part["from_anchor"], false, "partition {}", part["partition"]);
    }

    // For people: the same ledger as elsewhere, and the answer in words.
    let mut process = stage.consumer(&["verify", "--partitions", "0,2-3"])?;
    process.expect_exit(EQUAL, RUN_DEADLINE)?;
    let text = process.stdout();
    for words in ["Ledger", "The ledger balances.", "in 3 partitions", "Every number is the same"] {
        claim!(text.contains(words), "{words:?} is not in what it says: {text}");
    }
    Ok(())
}

pub(super) fn verify_is_equal_while_producer_and_consumer_run(stage: &mut Stage<'_>) -> Checked {
    stage.use_short_windows();
    let mut consumer = stage.consumer(&["--snapshot-interval-ms", "100"])?;
    let mut producer = stage.producer(&[&["--rate", "3000", "--seed", "32"], ALL_FAULTS.as_slice()].concat())?;
    consumer.wait_ready(READY_DEADLINE)?;
    producer.wait_ready(READY_DEADLINE)?;
    let mut before = 0;
    for _ in 0..4 {
        let verification = verify(stage, &["--until-caught-up"], EQUAL)?;
        let records = verification["records"].as_u64().unwrap_or_default();
        claim!(records > before, "{records} records were counted again after {before}: nothing moves");
        before = records;
    }
    producer.terminate(STOP_DEADLINE)?;
    consumer.terminate(STOP_DEADLINE)?;
    Ok(())
}

pub(super) fn verify_begins_at_an_anchor_where_retention_took_the_beginning(stage: &mut Stage<'_>) -> Checked {
    stage.use_short_windows();
    stage.create_topic(1)?;
    stage.consume_to_end(&[])?;
    // A generation that looks back 500 offsets only, so that a short log is long enough.
    plant(stage, "state", &highest_snapshot(stage)?, |snapshot| {
        snapshot["generation"] = json!(2);
        snapshot["settings"]["id_window_offsets"] = json!(500);
    })?;
    let count = scaled(4_000).to_string();
    let mut anchors = Vec::new();
    for seed in ["33", "34", "35"] {
        let flags = ["--count", &count, "--rate", "8000", "--seed", seed];
        stage.produce(&[flags.as_slice(), &ALL_FAULTS].concat())?;
        stage.consume_to_end(&[])?;
        anchors.push(highest_snapshot(stage)?);
    }
    claim_verified(stage)?;

    let offset_of = |anchor: &Value| anchor["next_offset"].as_i64().unwrap_or_default();
    let (first, second) = (offset_of(&anchors[0]), offset_of(&anchors[1]));
    stage.client().delete_records(stage.topic(), 0, first - 400)?;
    let verification = verify(stage, &[], COULD_NOT_CHECK)?;
    let reason = verification["partitions"][0]["reason"].as_str().unwrap_or_default();
    claim!(reason.contains("nothing to start from"), "the reason is {reason:?}");

    // The first reaches back too far, by a hundred offsets; the second doesn't.
    for anchor in &anchors {
        plant(stage, "anchors", anchor, |_| {})?;
    }
    let verification = claim_verified(stage)?;
    claim_eq!(verification["partitions"][0]["from_offset"].as_i64(), Some(second), "where it began");
    claim_eq!(verification["partitions"][0]["from_anchor"], true, "from an anchor");
    Ok(())
}

pub(super) fn verify_finds_a_doctored_snapshot_and_names_the_number(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    let count = scaled(2_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "36"])?;
    stage.consume_to_end(&[])?;
    claim_verified(stage)?;
    let honest = highest_snapshot(stage)?;
    plant(stage, "state", &honest, |snapshot| {
        snapshot["generation"] = json!(2);
        let cents = &mut snapshot["totals"]["country"]["DE"]["EUR"]["sum_minor"];
        let sum = cents.as_str().and_then(|sum| sum.parse::<i128>().ok()).unwrap_or_default();
        *cents = json!((sum + 1).to_string());
        // A currency for which there is no such cell yet makes one, with a count that is not there either.
        snapshot["totals"]["country"]["DE"]["EUR"]["count"] =
            json!(snapshot["totals"]["country"]["DE"]["EUR"]["count"].as_u64().unwrap_or_default());
    })?;
    let verification = verify(stage, &[], DIFFERENT)?;
    claim_eq!(verification["verdict"], "different", "verdict");
    let differences = verification["partitions"][0]["differences"].as_array().cloned().unwrap_or_default();
    let named = differences.iter().find(|difference| difference["name"] == "totals.country.DE.EUR.sum_minor");
    let Some(named) = named else { return Err(Failure::new(format!("not named: {differences:?}"))) };
    let number = |side: &str| named[side].as_str().and_then(|sum| sum.parse::<i128>().ok()).unwrap_or_default();
    claim_eq!(number("found"), number("recounted") + 1, "one cent");

    let mut process = stage.consumer(&["verify"])?;
    process.expect_exit(DIFFERENT, RUN_DEADLINE)?;
    let text = process.stdout();
    claim!(text.contains("partition 0: totals.country.DE.EUR.sum_minor: found"), "not named: {text}");
    claim!(text.lines().count() < 100, "too many lines: {}", text.lines().count());
    Ok(())
}

pub(super) fn verify_finds_a_lost_dead_letter_and_a_changed_window(stage: &mut Stage<'_>) -> Checked {
    stage.use_short_windows();
    stage.create_topic(1)?;
    let count = scaled(4_000).to_string();
    let flags = ["--count", &count, "--rate", "1000", "--seed", "37"];
    stage.produce(&[flags.as_slice(), &ALL_FAULTS].concat())?;
    stage.consume_to_end(&[])?;
    claim_verified(stage)?;
    // The same state as another generation: none of what it gave out is there.
    let honest = highest_snapshot(stage)?;
    plant(stage, "state", &honest, |snapshot| snapshot["generation"] = json!(2))?;
    let verification = verify(stage, &[], DIFFERENT)?;
    let part = &verification["partitions"][0];
    claim_eq!(part["dead_letters"]["there"], 0, "dead letters of generation 2");
    let names: Vec<&str> =
        part["differences"].as_array().into_iter().flatten().filter_map(|found| found["name"].as_str()).collect();
    claim!(names.iter().any(|name| name.starts_with("dead_letter.")), "no dead letter is missed: {names:?}");

    // All of it, but for one letter and one cell of one window, is given out under the new generation.
    let mut client = stage.client();
    let letters: Vec<Record> = client
        .read_topic(&stage.topic_of("dlq"))?
        .into_iter()
        .map(|(_, record)| Record {
            headers: (record.headers.into_iter())
                .map(|(name, value)| if name == "tally-generation" { (name, Some("2".into())) } else { (name, value) })
                .collect(),
            ..record
        })
        .collect();
    client.append(&stage.topic_of("dlq"), 0, &Batch::of(letters[1..].to_vec()))?;
    let windows = client.read_topic(&stage.topic_of("windows"))?.into_iter();
    let mut windows = windows
        .map(|(_, record)| Ok((serde_json::from_slice(record.value.as_deref().unwrap_or_default())?, record)))
        .collect::<Checked<Vec<(Value, Record)>>>()?;
    let first = windows.iter().filter_map(|(window, _)| window["window_start"].as_str()).min();
    let first = first.unwrap_or_default().to_owned();
    for (window, record) in &mut windows {
        window["generation"] = json!(2);
        if window["window_start"] == *first && window["grouping"] == "currency" {
            for (_, cell) in window["cells"].as_object_mut().into_iter().flatten() {
                cell["count"] = json!(cell["count"].as_u64().unwrap_or_default() + 1);
            }
        }
        record.value = Some(window.to_string().into_bytes().into());
    }
    for some in windows.chunks(100) {
        let records = some.iter().map(|(_, record)| record.clone()).collect();
        client.append(&stage.topic_of("windows"), 0, &Batch::of(records))?;
    }
    let verification = verify(stage, &[], DIFFERENT)?;
    let part = &verification["partitions"][0];
    let names: Vec<&str> =
        part["differences"].as_array().into_iter().flatten().filter_map(|found| found["name"].as_str()).collect();
    let first_lost = letters[0].key.as_deref().and_then(|key| std::str::from_utf8(key).ok()?.split_once('/'));
    let lost = format!("dead_letter.{}", first_lost.map_or("", |(_, offset)| offset));
    claim!(names.contains(&lost.as_str()), "{lost} is not missed: {names:?}");
    let window = format!("closed_window.{first}.currency.");
    claim!(names.iter().any(|name| name.starts_with(&window)), "{window} is not found: {names:?}");
    claim_eq!(names.len(), 2, "what is there is missed: {names:?}");
    Ok(())
}

pub(super) fn verify_says_when_nobody_catches_up_and_ends_when_asked_to(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    let verification = verify(stage, &[], COULD_NOT_CHECK)?;
    let reason = verification["reason"].as_str().unwrap_or_default();
    claim!(reason.contains("No consumer has run"), "the reason is {reason:?}");

    stage.produce(&["--count", "500", "--rate", "0", "--seed", "38"])?;
    stage.consume_to_end(&[])?;
    verify(stage, &["--until-caught-up"], EQUAL)?;
    stage.produce(&["--count", "500", "--rate", "0", "--seed", "39"])?;
    let verification = verify(stage, &["--until-caught-up", "--catch-up-timeout-s", "1"], COULD_NOT_CHECK)?;
    let reason = verification["reason"].as_str().unwrap_or_default();
    claim!(reason.contains("partition 0 stands at"), "the reason is {reason:?}");
    claim_eq!(verify(stage, &["--partitions", "2"], COULD_NOT_CHECK)?["verdict"], "unchecked", "no such partition");

    let before = (stage.length_of("state")?, stage.length_of("windows")?, stage.length_of("dlq")?);
    let mut waiting = stage.consumer(&["verify", "--until-caught-up", "--json"])?;
    waiting.wait_for_words("waiting until", READY_DEADLINE)?;
    waiting.signal(Signal::Term)?;
    waiting.expect_exit(COULD_NOT_CHECK, STOP_DEADLINE)?;
    claim_eq!(said(&waiting)?["verdict"], "unchecked", "verdict");
    let after = (stage.length_of("state")?, stage.length_of("windows")?, stage.length_of("dlq")?);
    claim_eq!(after, before, "a verification writes nothing");
    Ok(())
}

pub(super) fn verify_without_a_broker_could_not_check(stage: &mut Stage<'_>) -> Checked {
    let verification = verify(stage, &[], COULD_NOT_CHECK)?;
    let reason = verification["reason"].as_str().unwrap_or_default();
    claim!(reason.contains(stage.cluster().bootstrap()), "the reason is {reason:?}");
    Ok(())
}

/// The highest snapshot of partition 0.
pub(super) fn highest_snapshot(stage: &Stage<'_>) -> Checked<Value> {
    let records = stage.client().read_topic(&stage.topic_of("state"))?;
    let snapshots = records.iter().filter(|(partition, _)| *partition == 0);
    let read = snapshots.filter_map(|(_, record)| serde_json::from_slice::<Value>(record.value.as_deref()?).ok());
    let order = |snapshot: &Value| (snapshot["generation"].as_u64(), snapshot["next_offset"].as_i64());
    read.max_by_key(order).ok_or_else(|| Failure::new("partition 0 has no snapshot".to_owned()))
}

/// Writes a changed copy of a snapshot of partition 0 to a topic.
pub(super) fn plant(stage: &Stage<'_>, what: &str, snapshot: &Value, change: impl FnOnce(&mut Value)) -> Checked {
    let mut copy = snapshot.clone();
    change(&mut copy);
    let mut record = Record::new(crate::handmade::now_ms(), Some(copy.to_string().as_bytes()));
    record.key = Some("0".into());
    stage.client().append(&stage.topic_of(what), 0, &Batch::of(vec![record])).map(drop)?;
    Ok(())
}
