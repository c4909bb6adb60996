//! What the programs say when they can't or won't run.

use std::time::Duration;

use crate::handmade::{now_ms, record};
use crate::kafka::{Batch, Record};
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage};
use crate::{Checked, binaries::binaries, claim, claim_eq, ports};

/// Exit code for a configuration that can't be run with.
const CONFIGURATION: i32 = 2;
/// Exit code for topics that aren't as they have to be.
const REFUSED: i32 = 4;
/// How long an error message may take to come.
const WORDS_DEADLINE: Duration = Duration::from_secs(40);

pub(super) fn every_wrong_setting_is_named_at_once(stage: &mut Stage<'_>) -> Checked {
    let wrong = [("KAFKA_BOOTSTRAP_SERVERS", "localhost"), ("KAFKA_TOPIC", "no spaces here"), ("LOG_FORMAT", "loud")];
    let programs = [("producer", &binaries()?.producer), ("consumer", &binaries()?.consumer)];
    for (name, path) in programs {
        let mut process = stage.program(name, path, &["--http-listen", "nowhere"], &wrong)?;
        process.expect_exit(CONFIGURATION, RUN_DEADLINE)?;
        let said = process.stderr();
        for setting in wrong.map(|(setting, _)| setting).iter().chain(&["HTTP_LISTEN"]) {
            let flag = format!("--{}", setting.to_lowercase().replace('_', "-"));
            claim!(said.contains(setting) || said.contains(&flag), "{name} doesn't name {setting}: {said}");
        }
        claim_eq!(process.stdout(), "", "{name} prints results only");
    }
    Ok(())
}

pub(super) fn an_unreachable_broker_is_named_while_not_ready(stage: &mut Stage<'_>) -> Checked {
    let bootstrap = format!("127.0.0.1:{}", ports::free());
    for (name, path) in [("producer", &binaries()?.producer), ("consumer", &binaries()?.consumer)] {
        let mut process = stage.program(name, path, &[], &[("KAFKA_BOOTSTRAP_SERVERS", &bootstrap)])?;
        process.wait_for_words(&bootstrap, WORDS_DEADLINE)?;
        claim_eq!(process.get("/readyz").map(|answer| answer.status), Some(503), "{name}: /readyz");
        claim_eq!(process.get("/livez").map(|answer| answer.status), Some(200), "{name}: /livez");
        claim!(process.runs(), "{name} gave up at once");
        process.terminate(Duration::from_secs(5))?;
    }
    Ok(())
}

pub(super) fn a_host_name_of_compose_gets_a_hint(stage: &mut Stage<'_>) -> Checked {
    for (name, path) in [("producer", &binaries()?.producer), ("consumer", &binaries()?.consumer)] {
        let mut process = stage.program(name, path, &[], &[("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")])?;
        process.wait_for_words("KAFKA_BOOTSTRAP_SERVERS=localhost:9092", WORDS_DEADLINE)?;
        claim_eq!(process.get("/readyz").map(|answer| answer.status), Some(503), "{name}: /readyz");
        process.terminate(Duration::from_secs(5))?;
    }
    Ok(())
}

pub(super) fn a_state_topic_with_too_many_partitions_is_refused(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(3)?;
    stage.create(&stage.topic_of("state"), 5, &[("cleanup.policy", "compact")])?;
    claim_refused(stage, &[&stage.topic_of("state"), "5 partitions", "3"])
}

pub(super) fn a_state_topic_with_too_few_partitions_grows(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(4)?;
    let state = stage.topic_of("state");
    stage.create(&state, 2, &[("cleanup.policy", "compact")])?;
    stage.produce(&["--count", "500", "--rate", "0", "--seed", "19"])?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    claim_eq!(stage.client().partition_count(&state)?, Some(4), "partitions of the state topic");
    Ok(())
}

pub(super) fn a_state_topic_that_is_not_compacted_is_refused(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    stage.create(&stage.topic_of("state"), 1, &[("cleanup.policy", "delete")])?;
    claim_refused(stage, &[&stage.topic_of("state"), "--add-config cleanup.policy=compact"])
}

pub(super) fn broker_timestamps_are_refused(stage: &mut Stage<'_>) -> Checked {
    let configs = [("message.timestamp.type", "LogAppendTime")];
    stage.create(stage.topic(), 1, &configs)?;
    claim_refused(stage, &[stage.topic(), "--add-config message.timestamp.type=CreateTime"])
}

pub(super) fn a_dead_letter_topic_that_takes_too_little_is_raised(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    // Both were made by somebody who thought that messages are small.
    stage.create(&stage.topic_of("dlq"), 1, &[("max.message.bytes", "1000")])?;
    stage.create(&stage.topic_of("state"), 1, &[("cleanup.policy", "compact"), ("max.message.bytes", "100")])?;
    let bad = Record::new(now_ms(), Some(&[b'x'; 50_000]));
    stage.client().append(stage.topic(), 0, &Batch::of(vec![record(1), bad, record(2)]))?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    claim_eq!(stage.length_of("dlq")?, Some(1), "dead letters");
    Ok(())
}

/// Claims that the consumer ends, refusing, with each of these words.
fn claim_refused(stage: &Stage<'_>, words: &[&str]) -> Checked {
    let mut consumer = stage.consumer(&["--until-end", "--json"])?;
    consumer.expect_exit(REFUSED, READY_DEADLINE)?;
    let said = consumer.output();
    for word in words {
        claim!(said.contains(word), "{word:?} is not in what it says: {said}");
    }
    Ok(())
}
