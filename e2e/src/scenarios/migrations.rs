//! `consumer migrate`: other settings from now on, and the count goes on.

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::counting::ALL_FAULTS;
use super::groups::{DRAIN, OFTEN, wait_shares};
use super::verify::{claim_verified, highest_snapshot, plant};
use crate::oracle::Settings;
use crate::process::Process;
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, Failure, claim, claim_eq, wait};

const REFUSED: i32 = 4;
const UNCONFIRMED: i32 = 2;

pub(super) fn a_migration_under_load_keeps_the_totals_and_changes_windows_from_then_on(
    stage: &mut Stage<'_>,
) -> Checked {
    stage.use_short_windows();
    let mut producer = stage.producer(&[&["--rate", "2000", "--seed", "61"], ALL_FAULTS.as_slice()].concat())?;
    let mut before = stage.consumer(&OFTEN)?;
    wait_shares(&[&before], 6, 6)?;
    wait::until_true("windows of each partition having closed", RUN_DEADLINE, || all_past(&before, 1, |_| None))?;

    // A rolling update with other settings: the new one says so and follows, until somebody migrates.
    let new =
        Settings { window_ms: 5_000, lateness_ms: 120_000, out_of_order_ms: 700, skew_ms: 30_000, ..stage.fold() };
    stage.fold_with(new);
    let mut after = stage.consumer(&OFTEN)?;
    wait_shares(&[&before, &after], 6, 3)?;
    after.wait_for_words("fold settings differ from the state's; the state's are followed", RUN_DEADLINE)?;
    let mut asked = stage.consumer(&["migrate"])?;
    asked.expect_exit(UNCONFIRMED, RUN_DEADLINE)?;
    claim!(asked.output().contains("WINDOW_MS 5000 instead of 2000"), "it doesn't say what would change");
    claim!(asked.output().contains("--yes"), "it doesn't say how to confirm");
    stage.consumer(&["migrate", "--yes"])?.expect_exit(0, RUN_DEADLINE)?;
    for consumer in [&before, &after] {
        wait::until_true("a consumer going over without a restart", RUN_DEADLINE, || all_past(consumer, 2, |_| None))?;
    }
    // In the middle of it, between the old windows and the new.
    before.kill9()?;
    wait_shares(&[&after], 6, 6)?;
    let from = |partition: &Value| {
        let from = DateTime::parse_from_rfc3339(partition["migrations"][0]["windows_from"].as_str()?).ok()?;
        Some(from + TimeDelta::milliseconds(2 * new.window_ms))
    };
    wait::until_true("new windows of each partition having closed", RUN_DEADLINE, || all_past(&after, 2, from))?;
    producer.terminate(DRAIN)?;
    after.terminate(DRAIN)?;

    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim_verified(stage)?;
    let migrations = || partitions(&summary).map(|partition| &partition["migrations"]);
    claim!(migrations().all(|all| all.as_array().is_some_and(|all| all.len() == 1)), "not one migration each");
    let windows_from = migrations().next().map(|all| all[0]["windows_from"].clone()).unwrap_or_default();
    claim!(windows_from.is_string(), "windows begin at {windows_from}");
    claim!(migrations().all(|all| all[0]["windows_from"] == windows_from), "partitions have windows of their own");
    claim!(migrations().all(|all| all[0]["from"]["window_ms"] == 2_000), "another length before");
    claim!(migrations().all(|all| all[0]["offset"].as_i64() > Some(100)), "little was counted before");
    for partition in recount.0.values() {
        let has =
            |length_ms| partition.closed_windows().any(|(start_ms, window)| window.end_ms - start_ms == length_ms);
        claim!(has(2_000) && has(5_000), "no windows of both lengths");
    }
    Ok(())
}

fn partitions(summary: &Value) -> impl Iterator<Item = &Value> {
    summary["partitions"].as_array().into_iter().flatten()
}

/// Whether the six partitions are of a generation and have got as far in event time as `mark` says for each.
fn all_past(
    consumer: &Process,
    generation: u64,
    mark: impl Fn(&Value) -> Option<DateTime<chrono::FixedOffset>>,
) -> bool {
    let Some(summary) = consumer.summary() else { return false };
    let is_past = |partition: &Value| {
        let watermark = partition["watermark"].as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        partition["generation"] == generation
            && watermark.is_some_and(|watermark| mark(partition).is_none_or(|mark| watermark > mark))
    };
    partitions(&summary).filter(|partition| is_past(partition)).count() == 6
}

pub(super) fn a_migration_says_what_it_would_change_and_refuses_what_it_cannot_do(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    migrate(stage, &["--yes"], REFUSED, "No consumer has run on this topic yet")?;
    let count = scaled(2_000).to_string();
    stage.produce(&[&["--count", &count, "--rate", "0", "--seed", "62"], ALL_FAULTS.as_slice()].concat())?;
    let mut half = stage.consumer(&["--until-end", "--consumer-partitions", "0"])?;
    half.wait(RUN_DEADLINE)?;
    migrate(stage, &["--yes", "--window-ms", "300000"], REFUSED, "partition 1 of")?;

    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    let written = stage.length_of("state")?;
    migrate(stage, &["--yes"], 0, "Nothing to migrate")?;
    migrate(stage, &["--window-ms", "300000"], UNCONFIRMED, "WINDOW_MS 300000 instead of 60000")?;
    claim_eq!(stage.length_of("state")?, written, "snapshots written meanwhile");

    // At rest, where nothing comes that would have the next snapshot made.
    migrate(stage, &["--yes", "--window-ms", "300000"], 0, "Generation 2 of")?;
    // Its windows are given out again by whoever goes over first, which nobody has yet.
    claim_verified(stage)?;
    stage.fold_with(Settings { window_ms: 300_000, ..stage.fold() });
    let migrated = stage.consume_to_end(&[])?;
    stage.claim_agreement(&migrated)?;
    claim_eq!(migrated["totals"], summary["totals"], "totals");
    claim_eq!(migrated["ledger"], summary["ledger"], "ledger");
    claim_verified(stage)?;
    migrate(stage, &["--yes"], 0, "Nothing to migrate")?;

    // And once more, on top of it.
    stage.fold_with(Settings { window_ms: 120_000, skew_ms: 60_000, ..stage.fold() });
    migrate(stage, &["--yes"], 0, "Generation 3 of")?;
    stage.produce(&[&["--count", &count, "--rate", "0", "--seed", "63"], ALL_FAULTS.as_slice()].concat())?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    let verification = claim_verified(stage)?;
    claim_eq!(verification["records"], json!(2 * scaled(2_000)), "records counted again");
    Ok(())
}

pub(super) fn an_owner_makes_way_for_a_snapshot_of_a_newer_version_until_a_reset(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    let count = scaled(2_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "64"])?;
    let mut owner = stage.consumer(&OFTEN)?;
    owner.wait_ready(READY_DEADLINE)?;
    wait::until_true("everything being counted", RUN_DEADLINE, || {
        owner.summary().is_some_and(|summary| summary["ledger"]["consumed"] == scaled(2_000))
    })?;
    // As a rolling update may leave it: the newer version has migrated, and this one is still at work.
    plant(stage, "state", &highest_snapshot(stage)?, |snapshot| {
        snapshot["format"] = json!(99);
        snapshot["generation"] = json!(2);
    })?;
    wait::until_true("the owner making way", RUN_DEADLINE, || {
        owner.get("/readyz").is_some_and(|answer| answer.status == 503 && answer.body.contains("newer version"))
    })?;
    let written = stage.length_of("state")?;
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "65"])?;
    claim!(owner.runs(), "the owner ended");
    claim_eq!(stage.length_of("state")?, written, "snapshots written meanwhile");

    stage.consumer(&["reset", "--yes"])?.expect_exit(0, RUN_DEADLINE)?;
    wait::until_true("the owner counting anew", RUN_DEADLINE, || {
        owner.summary().is_some_and(|summary| summary["ledger"]["consumed"] == 2 * scaled(2_000))
    })?;
    owner.terminate(DRAIN)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    Ok(())
}

/// Runs a migration that must end with this code and say these words.
fn migrate(stage: &Stage<'_>, flags: &[&str], code: i32, words: &str) -> Checked {
    let mut process = stage.consumer(&[&["migrate"], flags].concat())?;
    process.expect_exit(code, READY_DEADLINE)?;
    if process.output().contains(words) {
        Ok(())
    } else {
        Err(Failure::new(format!("{words:?} is not in what it says")))
    }
}
