//! Several consumers: partitions that move while money flows.

use std::collections::BTreeSet;
use std::time::Duration;

use super::counting::ALL_FAULTS;
use crate::cluster::jars;
use crate::process::{Process, Signal};
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, Failure, claim, claim_eq, wait};

/// How long a drain may take, so that no supervisor loses patience.
pub(super) const DRAIN: Duration = Duration::from_secs(5);
pub(super) const OFTEN: [&str; 2] = ["--snapshot-interval-ms", "100"];

pub(super) fn partitions_move_with_every_join_leave_and_kill(stage: &mut Stage<'_>) -> Checked {
    partitions_move(stage, &[])
}

pub(super) fn partitions_move_by_kip_848_as_well(stage: &mut Stage<'_>) -> Checked {
    partitions_move(stage, &["--consumer-group-protocol", "consumer"])
}

fn partitions_move(stage: &mut Stage<'_>, protocol: &[&str]) -> Checked {
    stage.use_short_windows();
    let mut producer = stage.producer(&[&["--rate", "3000", "--seed", "40"], ALL_FAULTS.as_slice()].concat())?;
    producer.wait_ready(READY_DEADLINE)?;
    let start = || stage.consumer(&[&OFTEN, protocol].concat());
    let first = start()?;
    wait_shares(&[&first], 6, 6)?;
    let (mut second, third) = (start()?, start()?);
    wait_shares(&[&first, &second, &third], 6, 2)?;
    second.kill9()?;
    wait_shares(&[&first, &third], 6, 3)?;
    let fourth = start()?;
    wait_shares(&[&first, &third, &fourth], 6, 2)?;
    let mut leaving = third;
    leaving.terminate(DRAIN)?;
    wait_shares(&[&first, &fourth], 6, 3)?;

    // One sleeps for longer than the group waits, and wakes beside those who took over from it.
    let mut sleeping = first;
    sleeping.signal(Signal::Stop)?;
    wait_shares(&[&fourth], 6, 6)?;
    sleeping.signal(Signal::Continue)?;
    wait_shares(&[&sleeping, &fourth], 6, 3)?;

    producer.terminate(DRAIN)?;
    let mut left = [sleeping, fourth];
    for consumer in &mut left {
        consumer.terminate(DRAIN)?;
    }
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim!(recount.sum(|partition| partition.accepted) > 5_000, "hardly anything was there to count");
    claim_eq!(summary["ledger"]["missing_from_sequence"], 0, "missing from the sequence");
    Ok(())
}

/// Waits until these consumers own all `partitions` between them, `each` of them so many and none of them twice.
pub(super) fn wait_shares(consumers: &[&Process], partitions: usize, each: usize) -> Checked {
    wait::until_true(&format!("{} consumers with {each} partitions each", consumers.len()), READY_DEADLINE, || {
        let shares: Vec<BTreeSet<i32>> = consumers.iter().map(|consumer| consumer.owned()).collect();
        let all: BTreeSet<i32> = shares.iter().flatten().copied().collect();
        all.len() == partitions && shares.iter().all(|share| share.len() == each)
    })
}

pub(super) fn a_member_without_partitions_stands_by_and_answers_for_all(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    let working = stage.consumer(&OFTEN)?;
    wait_shares(&[&working], 1, 1)?;
    let mut standing_by = stage.consumer(&OFTEN)?;
    standing_by.wait_ready(READY_DEADLINE)?;
    stage.produce(&["--count", &scaled(2_000).to_string(), "--rate", "0", "--seed", "41"])?;
    let counted =
        |consumer: &Process| consumer.summary().is_some_and(|summary| summary["ledger"]["consumed"] == scaled(2_000));
    wait::until_true("both knowing of all records", RUN_DEADLINE, || {
        [&working, &standing_by].into_iter().all(counted)
    })?;
    // Which of the two works is the group's affair.
    let owners = [&working, &standing_by].into_iter().filter(|consumer| !consumer.owned().is_empty());
    claim_eq!(owners.count(), 1, "consumers at work");
    let from_standby = standing_by.summary().ok_or_else(|| Failure::new("no summary"))?;
    stage.claim_agreement(&from_standby).map(drop)
}

pub(super) fn partitions_fixed_by_settings_need_no_group(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(4)?;
    stage.produce(&["--count", &scaled(2_000).to_string(), "--rate", "0", "--seed", "42"])?;
    let one = stage.consumer(&["--consumer-partitions", "0,2-3"])?;
    wait_shares(&[&one], 3, 3)?;
    let other = stage.consumer(&["--consumer-partitions", "1"])?;
    wait_shares(&[&other], 1, 1)?;
    wait::until_true("both knowing of all records", RUN_DEADLINE, || {
        [&one, &other]
            .into_iter()
            .all(|consumer| consumer.summary().is_some_and(|summary| summary["ledger"]["consumed"] == scaled(2_000)))
    })?;
    for mut consumer in [one, other] {
        consumer.terminate(DRAIN)?;
    }
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary).map(drop)
}

pub(super) fn who_begins_beside_an_owner_at_work_does_not_take_the_log_for_another(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    let mut working = stage.consumer(&["--snapshot-interval-ms", "50", "--consumer-partitions", "0"])?;
    let mut producer = stage.producer(&["--rate", "2000", "--seed", "47"])?;
    working.wait_ready(READY_DEADLINE)?;
    producer.wait_ready(READY_DEADLINE)?;
    // Between any two of its looks at Kafka there are new records, and often a new snapshot.
    for _ in 0..10 {
        stage.consume_to_end(&["--consumer-partitions", "0"])?;
    }
    producer.terminate(DRAIN)?;
    working.terminate(DRAIN)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary).map(drop)
}

pub(super) fn partitions_that_a_topic_gains_are_taken_up_without_a_restart(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    stage.produce(&["--count", &scaled(1_000).to_string(), "--rate", "0", "--seed", "43"])?;
    let (mut one, mut other) = (stage.consumer(&OFTEN)?, stage.consumer(&OFTEN)?);
    wait_shares(&[&one, &other], 2, 1)?;
    stage.client().grow_topic(stage.topic(), 6)?;
    stage.produce(&["--count", &scaled(1_000).to_string(), "--rate", "0", "--seed", "44"])?;
    wait_shares(&[&one, &other], 6, 3)?;
    wait::until_true("all records being counted", RUN_DEADLINE, || {
        one.summary().is_some_and(|summary| summary["ledger"]["consumed"] == scaled(2_000))
    })?;
    one.terminate(DRAIN)?;
    other.terminate(DRAIN)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary).map(drop)
}

pub(super) fn a_reset_is_followed_by_those_at_work_and_survives_an_old_snapshot(stage: &mut Stage<'_>) -> Checked {
    let count = scaled(2_000);
    stage.produce(&["--count", &count.to_string(), "--rate", "0", "--seed", "45"])?;
    let mut consumer = stage.consumer(&OFTEN)?;
    let all_of = |consumer: &Process, generation: u64| {
        consumer.summary().is_some_and(|summary| {
            let partitions = summary["partitions"].as_array().into_iter().flatten();
            summary["ledger"]["consumed"] == count
                && partitions.map(|partition| &partition["generation"]).all(|found| *found == generation)
        })
    };
    wait::until_true("the first count", RUN_DEADLINE, || all_of(&consumer, 1))?;
    let mut client = stage.client();
    let state = stage.topic_of("state");
    let old = client.read_topic(&state)?.into_iter().last().ok_or_else(|| Failure::new("no snapshot"))?;
    stage.consumer(&["reset", "--yes"])?.expect_exit(0, RUN_DEADLINE)?;
    wait::until_true("the second count", RUN_DEADLINE, || all_of(&consumer, 2))?;

    // An old snapshot lands last, as a consumer's might that had slept: the owner writes its own behind it.
    let (partition, record) = old;
    let end = client.append(&state, partition, &crate::kafka::Batch::of(vec![record]))?;
    wait::until_true("a snapshot behind the old one", RUN_DEADLINE, || {
        client.log_end(&state, partition).is_ok_and(|now| now > end + 1)
    })?;
    // So does what is no snapshot, which compaction would keep instead of one.
    let key = bytes::Bytes::from(partition.to_string());
    for value in [Some(b"no snapshot".as_slice()), None] {
        let record = crate::kafka::Record {
            key: Some(key.clone()),
            ..crate::kafka::Record::new(crate::handmade::now_ms(), value)
        };
        let end = client.append(&state, partition, &crate::kafka::Batch::of(vec![record]))?;
        wait::until_true("a snapshot behind what is none", RUN_DEADLINE, || {
            client.log_end(&state, partition).is_ok_and(|now| now > end + 1)
        })?;
    }
    consumer.terminate(DRAIN)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary).map(drop)
}

pub(super) fn a_reset_may_begin_at_the_end_or_at_a_time(stage: &mut Stage<'_>) -> Checked {
    let count = scaled(1_000).to_string();
    stage.produce(&["--count", &count, "--rate", "0", "--seed", "47", "--start-time", "2026-11-20T10:00:00Z"])?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    stage.consumer(&["reset", "--to", "latest", "--yes"])?.expect_exit(0, RUN_DEADLINE)?;
    let summary = stage.consume_to_end(&[])?;
    claim_eq!(summary["ledger"]["consumed"], 0, "consumed from the end on");

    stage.produce(&["--count", &count, "--rate", "0", "--seed", "48", "--start-time", "2026-11-20T11:00:00Z"])?;
    stage.consumer(&["reset", "--to", "2026-11-20T11:00:00Z", "--yes"])?.expect_exit(0, RUN_DEADLINE)?;
    let summary = stage.consume_to_end(&[])?;
    claim_eq!(summary["ledger"]["consumed"].as_u64(), Some(scaled(1_000)), "consumed from a time on");
    let mut unclear = stage.consumer(&["reset", "--to", "yesterday", "--yes"])?;
    unclear.expect_exit(2, RUN_DEADLINE)?;
    claim!(unclear.output().contains("earliest, latest"), "it doesn't say what it takes");
    Ok(())
}

pub(super) fn two_settings_alive_count_one_and_the_same_thing(stage: &mut Stage<'_>) -> Checked {
    let mut producer = stage.producer(&[&["--rate", "2000", "--seed", "49"], ALL_FAULTS.as_slice()].concat())?;
    let mut before = stage.consumer(&OFTEN)?;
    wait_shares(&[&before], 6, 6)?;
    wait::until_true("every partition having a snapshot", RUN_DEADLINE, || {
        before.summary().is_some_and(|summary| summary["partitions_missing"] == serde_json::json!([]))
    })?;
    // What a rolling update with a changed setting looks like while both are there, and after it.
    let mut after = stage.consumer(&[OFTEN.as_slice(), &["--window-ms", "5000", "--lateness-ms", "1000"]].concat())?;
    wait_shares(&[&before, &after], 6, 3)?;
    after.wait_for_words("fold settings differ from the state's; the state's are followed", RUN_DEADLINE)?;
    before.terminate(DRAIN)?;
    wait_shares(&[&after], 6, 6)?;
    producer.terminate(DRAIN)?;
    after.terminate(DRAIN)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary).map(drop)
}

pub(super) fn a_foreign_member_of_the_group_is_named_and_waited_out(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    // A Java consumer that knows another way of sharing only: the group has no way in common with ours.
    let mut foreign = jars().map_err(Failure::new)?.tool("org.apache.kafka.tools.consumer.ConsoleConsumer");
    foreign.args(["--bootstrap-server", stage.cluster().bootstrap(), "--topic", stage.topic()]);
    foreign.args(["--group", &stage.group(), "--command-property"]);
    foreign.arg("partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
    let mut foreign = Process::spawn(foreign, "foreign", stage.folder())?;
    let members = |stage: &Stage<'_>| stage.client().group_members(&stage.group()).unwrap_or(0);
    wait::until_true("the foreign member having joined", RUN_DEADLINE, || members(stage) == 1)?;
    let mut consumer = stage.consumer(&OFTEN)?;
    wait::until_true("a probe being told of the group", READY_DEADLINE, || {
        consumer
            .get("/readyz")
            .is_some_and(|answer| answer.status == 503 && answer.body.contains("InconsistentGroupProtocol"))
    })?;
    foreign.kill9()?;
    wait_shares(&[&consumer], 2, 2)?;
    consumer.terminate(DRAIN).map(drop)
}

pub(super) fn kafkas_own_tool_shows_members_and_lag(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(3)?;
    let (mut one, mut other) = (stage.consumer(&OFTEN)?, stage.consumer(&OFTEN)?);
    stage.produce(&["--count", &scaled(1_000).to_string(), "--rate", "0", "--seed", "46"])?;
    wait::until_true("all records being counted", RUN_DEADLINE, || {
        one.summary().is_some_and(|summary| summary["ledger"]["consumed"] == scaled(1_000))
    })?;
    let shown = wait::until("the tool showing three partitions of two members without lag", RUN_DEADLINE, || {
        let mut tool = jars().ok()?.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand");
        tool.args(["--bootstrap-server", stage.cluster().bootstrap(), "--describe", "--group", &stage.group()]);
        let text = String::from_utf8(tool.output().ok()?.stdout).ok()?;
        let rows = text.lines().filter(|line| line.contains(stage.topic())).map(|line| {
            let columns: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            columns
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let members: BTreeSet<&String> = rows.iter().filter_map(|row| row.get(6)).collect();
        let no_lag = rows.iter().all(|row| row.get(5).is_some_and(|lag| lag == "0"));
        (rows.len() == 3 && members.len() == 2 && no_lag).then_some(text)
    })?;
    claim!(shown.contains("CONSUMER-ID"), "the tool's table has changed: {shown}");
    one.terminate(DRAIN)?;
    other.terminate(DRAIN).map(drop)
}
