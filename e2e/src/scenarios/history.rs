//! Logs and state topics that are no longer what they were.

use std::time::Duration;

use crate::process::Process;
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, claim, claim_eq, wait};

const PARTITIONS: i32 = 6;
/// How long a broker may take to compact, or to delete a topic.
const BROKER_DEADLINE: Duration = Duration::from_secs(60);
/// How long a drain may take, so that no supervisor loses patience.
const DRAIN: Duration = Duration::from_secs(5);
/// The exit code for "refused: log and state do not belong together".
const REFUSED: i32 = 4;

pub(super) fn a_compacted_state_topic_restores_the_state(stage: &mut Stage<'_>) -> Checked {
    // As the program would make it, but with a broker that rolls and compacts at once.
    let eager = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("max.compaction.lag.ms", "200"),
    ];
    stage.create(&stage.topic_of("state"), PARTITIONS, &eager)?;
    let mut consumer = stage.consumer(&[])?;
    consumer.wait_ready(READY_DEADLINE)?;
    let mut producer = stage.producer(&["--rate", "2000", "--seed", "6"])?;
    wait::until_true("compaction having removed snapshots", BROKER_DEADLINE, || {
        has_holes(stage, &stage.topic_of("state")).unwrap_or(false)
    })?;
    consumer.kill9()?;
    producer.terminate(RUN_DEADLINE)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    let outside = stage.summary_from_outside()?;
    claim_eq!(outside["ledger"], summary["ledger"], "the summary from outside reads the compacted topic too");
    Ok(())
}

/// Whether a topic has offsets without records.
fn has_holes(stage: &Stage<'_>, topic: &str) -> Checked<bool> {
    let mut client = stage.client();
    let records = i64::try_from(client.read_topic(topic)?.len())?;
    let mut offsets = 0;
    for partition in 0..PARTITIONS {
        offsets += client.log_end(topic, partition)?;
    }
    Ok(records < offsets)
}

pub(super) fn records_that_retention_took_are_counted_as_skipped(stage: &mut Stage<'_>) -> Checked {
    let count = scaled(6_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "11"])?;
    let before = stage.consume_to_end(&[])?;
    let mut recount = stage.claim_agreement(&before)?;

    stage.produce(&["--count", &count, "--rate", "0", "--seed", "12"])?;
    let mut client = stage.client();
    for (&index, partition) in &recount.0 {
        let end = client.log_end(stage.topic(), index)?;
        client.delete_records(stage.topic(), index, partition.next_offset + (end - partition.next_offset) / 2)?;
    }
    let mut consumer = stage.consumer(&["--until-end", "--json"])?;
    consumer.expect_exit(0, RUN_DEADLINE)?;
    let after = consumer.last_json()?;
    recount.go_on(&mut client, stage.topic())?;
    stage.claim_agreement_with(&after, &recount)?;
    claim!(recount.sum(|partition| partition.skipped) > 0, "nothing was skipped");
    claim!(consumer.stderr().contains("WARN"), "such a hole has to be said loudly");
    Ok(())
}

pub(super) fn a_topic_made_again_behind_a_snapshot_is_refused(stage: &mut Stage<'_>) -> Checked {
    counted_then_made_again(stage, "13", scaled(1_000))?;
    // Longer than before, so that only the records themselves tell it apart.
    let count = scaled(5_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "14"])?;
    claim_refused(stage, "log diverged")?;
    let before = lengths(stage)?;
    let mut migrate = stage.consumer(&["migrate", "--yes", "--window-ms", "300000"])?;
    claim!(migrate.wait(RUN_DEADLINE)? != 0, "a migration of a state without its log must not succeed");
    claim!(migrate.output().contains("log diverged"), "it doesn't say why");
    claim_eq!(lengths(stage)?, before, "a refused migration writes nothing");
    Ok(())
}

pub(super) fn a_topic_made_again_with_fewer_partitions_is_named_and_mended_as_it_says(
    stage: &mut Stage<'_>,
) -> Checked {
    stage.create(stage.topic(), PARTITIONS + 1, &[])?;
    counted_then_made_again(stage, "17", scaled(500))?;
    let before = lengths(stage)?;
    let mut reset = stage.consumer(&["reset", "--yes"])?;
    claim!(reset.wait(RUN_DEADLINE)? != 0, "a reset of a state with more partitions than the log must not succeed");
    claim!(reset.output().contains("delete the state topic"), "it doesn't say what to do");
    claim_eq!(lengths(stage)?, before, "a refused reset writes nothing");

    let (mut client, state) = (stage.client(), stage.topic_of("state"));
    client.delete_topic(&state)?;
    let is_gone = || matches!(client.partition_count(&state), Ok(None));
    wait::until_true("the state topic being gone", BROKER_DEADLINE, is_gone)?;
    stage.consumer(&["reset", "--yes"])?.expect_exit(0, RUN_DEADLINE)?;
    let count = scaled(1_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "18"])?;
    let summary = stage.consume_to_end(&[])?;
    claim_eq!(summary["ledger"]["consumed"].as_u64(), Some(scaled(1_000)), "consumed");
    super::verify::claim_verified(stage).map(drop)
}

pub(super) fn a_reset_after_a_refusal_counts_the_log_anew(stage: &mut Stage<'_>) -> Checked {
    let faults = ["--malformed-ratio", "0.02", "--late-ratio", "0.02"];
    let count = scaled(2_000).to_string();
    for seed in ["21", "22"] {
        let flags = ["--count", &count, "--rate", "0", "--seed", seed];
        stage.produce(&[flags.as_slice(), &faults].concat())?;
        if seed == "21" {
            let summary = stage.consume_to_end(&[])?;
            stage.claim_agreement(&summary)?;
            make_again(stage)?;
        }
    }
    claim_refused(stage, "log diverged")?;
    let before = lengths(stage)?;
    let mut unconfirmed = stage.consumer(&["reset"])?;
    claim!(unconfirmed.wait(RUN_DEADLINE)? != 0, "a reset without --yes must not succeed");
    claim!(unconfirmed.output().contains("--yes"), "it doesn't say how to confirm");
    claim_eq!(lengths(stage)?, before, "an unconfirmed reset writes nothing");

    // One that refuses goes on by itself once it is reset.
    let mut waiting = stage.consumer(&[])?;
    wait_refused(&waiting, "log diverged")?;
    stage.consumer(&["reset", "--yes"])?.expect_exit(0, RUN_DEADLINE)?;
    waiting.wait_ready(READY_DEADLINE)?;
    wait::until_true("the log being counted anew", RUN_DEADLINE, || {
        waiting.summary().is_some_and(|summary| summary["ledger"]["consumed"] == scaled(2_000))
    })?;
    waiting.terminate(DRAIN)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    claim_eq!(summary["ledger"]["consumed"].as_u64(), Some(scaled(2_000)), "consumed");
    Ok(())
}

pub(super) fn a_log_that_does_not_begin_at_zero_is_adopted_without_a_gap(stage: &mut Stage<'_>) -> Checked {
    let count = scaled(3_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "23"])?;
    let mut client = stage.client();
    for partition in 0..PARTITIONS {
        let end = client.log_end(stage.topic(), partition)?;
        client.delete_records(stage.topic(), partition, end / 2)?;
    }
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim!(recount.0.values().all(|partition| partition.first_offset > 0), "a partition begins at zero");
    claim_eq!(summary["ledger"]["missing_from_sequence"], 0, "what was gone before is not missing");
    Ok(())
}

pub(super) fn a_truncated_log_is_refused(stage: &mut Stage<'_>) -> Checked {
    let start = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let count = scaled(2_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "15", "--start-time", &start])?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    make_again(stage)?;
    // The same transactions, but only the first half of them: the snapshot stands beyond the end.
    let half = (scaled(2_000) / 2).to_string();
    stage.produce(&["--count", &half, "--rate", "0", "--seed", "15", "--start-time", &start])?;
    claim_refused(stage, "log diverged")
}

fn counted_then_made_again(stage: &Stage<'_>, seed: &str, count: u64) -> Checked {
    stage.produce(&["--count", &count.to_string(), "--rate", "0", "--seed", seed])?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    make_again(stage)
}

fn make_again(stage: &Stage<'_>) -> Checked {
    let mut client = stage.client();
    client.delete_topic(stage.topic())?;
    wait::until_true("the topic being gone", BROKER_DEADLINE, || {
        matches!(client.partition_count(stage.topic()), Ok(None))
    })?;
    // Its files go a little later than its name.
    wait::until_true("the topic being made again", BROKER_DEADLINE, || {
        stage.create(stage.topic(), PARTITIONS, &[]).is_ok()
    })
}

pub(super) fn a_lost_state_topic_is_refused_and_points_to_reset(stage: &mut Stage<'_>) -> Checked {
    let count = scaled(1_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "16"])?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    let mut client = stage.client();
    for partition in summary["partitions"].as_array().into_iter().flatten() {
        let index = i32::try_from(partition["partition"].as_i64().unwrap_or_default())?;
        let committed = client.committed(&stage.group(), stage.topic(), index)?;
        claim_eq!(committed, partition["next_offset"].as_i64(), "what the group committed for partition {index}");
    }
    let state = stage.topic_of("state");
    client.delete_topic(&state)?;
    wait::until_true("the state topic being gone", BROKER_DEADLINE, || {
        matches!(client.partition_count(&state), Ok(None))
    })?;
    claim_refused(stage, "consumer reset")
}

/// Claims that a consumer ends refusing, says these words, and has written nothing.
fn claim_refused(stage: &Stage<'_>, words: &str) -> Checked {
    let before = lengths(stage)?;
    let mut consumer = stage.consumer(&["--until-end", "--json"])?;
    consumer.expect_exit(REFUSED, RUN_DEADLINE)?;
    claim!(consumer.output().contains(words), "{words:?} is not in what it says");
    claim!(consumer.output().contains("consumer reset"), "it doesn't say what to do");
    let after = lengths(stage)?;
    claim_eq!(after, before, "nothing was written to state, dead letters and windows");

    // Without a bound it stays, is not ready, says so where a probe looks, and waits for somebody to mend it.
    let mut consumer = stage.consumer(&[])?;
    wait_refused(&consumer, words)?;
    consumer.terminate(DRAIN)?;
    claim_eq!(lengths(stage)?, before, "nothing was written to state, dead letters and windows");
    Ok(())
}

fn wait_refused(consumer: &Process, words: &str) -> Checked {
    wait::until_true("a probe being told why it is not ready", READY_DEADLINE, || {
        consumer.get("/readyz").is_some_and(|answer| answer.status == 503 && answer.body.contains(words))
    })
}

/// How many records the derived topics hold; none for one that isn't there (yet).
fn lengths(stage: &Stage<'_>) -> Checked<Vec<usize>> {
    ["state", "dlq", "windows"].into_iter().map(|what| Ok(stage.length_of(what)?.unwrap_or(0))).collect()
}
