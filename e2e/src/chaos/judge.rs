//! The end: everything heals, the consumers catch up, and the log is counted twice more.
//!
//! Three opinions have to agree: the consumers' snapshots, `consumer verify`, and the oracle, which shares no code with
//! either and also looks at every dead letter and every closed window. A fourth is the producers' own: what was
//! acknowledged to them has to be in the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::world::{Sent, World};
use crate::oracle::{self, Ends, History, Recount};
use crate::{Checked, Failure, evidence, schema, stage};

/// How long catching up and verifying may take: a long run has a long log.
const VERIFY_DEADLINE: Duration = Duration::from_secs(2 * 3_600);
/// How many differences are told.
const TOLD_MAX: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// What `consumer verify` says: `equal`, or what is wrong.
    pub verify: String,
    /// Records that it counted again.
    pub verified_records: u64,
    /// How long that took.
    pub verify_took: Duration,
    /// Where the oracle and the summary differ, and what else is wrong.
    pub differences: Vec<String>,
    /// Records that the oracle counted.
    pub counted_records: u64,
    /// Of these, sent again by their producers.
    pub redelivered: u64,
    /// Records that the producers know to be acknowledged.
    pub acknowledged: u64,
    /// How long the oracle took.
    pub oracle_took: Duration,
}

impl Verdicts {
    /// Whether everything agrees exactly.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.verify == EQUAL && self.differences.is_empty()
    }
}

/// The verdict of `consumer verify` when every number is the same.
const EQUAL: &str = "equal";

/// Judges what the run has left in Kafka. Everything has been healed, and producers have ended.
///
/// # Errors
/// When something can't be read, or a process ends meanwhile.
pub fn judge(world: &mut World) -> Checked<Verdicts> {
    let mut verdicts = Verdicts::default();
    world.journal.event("verify: waiting until the consumers have caught up, then counting");
    verify(world, &mut verdicts)?;
    let summary = world.stage.summary_from_outside()?;
    world.journal.keep("summary.json", &summary)?;
    world.journal.event("oracle: counting");
    let began = Instant::now();
    let recount = recount(world, &summary, &mut verdicts.differences)?;
    verdicts.oracle_took = began.elapsed();
    let counted = recount.to_json();
    world.journal.keep("oracle.json", &counted)?;
    verdicts.differences.extend(schema::violations(&summary));
    verdicts.differences.extend(oracle::invariants_broken(&summary));
    verdicts.differences.extend(oracle::differences(&counted, &summary));
    verdicts.counted_records = recount.sum(|partition| partition.consumed);
    verdicts.redelivered = recount.sum(|partition| partition.redelivered);
    verdicts.acknowledged = world.sent.iter().map(|sent| sent.acknowledged).sum();
    let missing = recount.sum(|partition| partition.missing_from_sequence);
    if missing > 0 {
        verdicts.differences.push(format!("{missing} records are missing from their producers' sequences"));
    }
    verdicts.differences.extend(unaccounted(&world.sent, &recount));
    if !verdicts.agree() {
        world.journal.keep("differences.txt", verdicts.differences.join("\n"))?;
        verdicts.differences.truncate(TOLD_MAX);
    }
    Ok(verdicts)
}

fn verify(world: &mut World, verdicts: &mut Verdicts) -> Checked {
    let patience = VERIFY_DEADLINE.as_secs().to_string();
    let mut process =
        world.stage.consumer(&["verify", "--until-caught-up", "--catch-up-timeout-s", &patience, "--json"])?;
    world.until("the end of consumer verify", VERIFY_DEADLINE, |_| !process.runs())?;
    let code = process.wait(Duration::ZERO)?;
    let said = process.last_json().map_err(|failure| failure.during(&format!("verify, exit code {code}")))?;
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    verdicts.verify = match (code, text("verdict").as_str()) {
        (0, EQUAL) => EQUAL.to_owned(),
        (_, verdict) => format!("{verdict} (exit code {code}): {} {}", text("reason"), differences(&said)),
    };
    verdicts.verified_records = said["records"].as_u64().unwrap_or_default();
    verdicts.verify_took = Duration::from_millis(said["elapsed_ms"].as_u64().unwrap_or_default());
    Ok(())
}

/// The first differences that a verification names.
fn differences(said: &Value) -> String {
    let partitions = said["partitions"].as_array().into_iter().flatten();
    let each = partitions
        .filter(|part| part["verdict"] != EQUAL)
        .map(|part| format!("partition {}: {} {}", part["partition"], part["reason"], part["differences"]));
    each.take(TOLD_MAX).collect::<Vec<_>>().join("; ")
}

/// Counts the topic up to where the summary stands, which must be its end, and holds dead letters and windows against it.
fn recount(world: &World, summary: &Value, differences: &mut Vec<String>) -> Checked<Recount> {
    let stage = &world.stage;
    let mut client = stage.client();
    let mut ends = BTreeMap::new();
    for partition in summary["partitions"].as_array().into_iter().flatten() {
        let number = i32::try_from(partition["partition"].as_i64().unwrap_or(-1))?;
        let next_offset = partition["next_offset"].as_i64().unwrap_or(-1);
        let end = client.log_end(stage.topic(), number)?;
        if next_offset != end {
            differences.push(format!("partition {number} is counted up to {next_offset}, the log ends at {end}"));
        }
        ends.insert(number, next_offset);
    }
    let history = History::of(stage.fold(), summary)?;
    let found = Mutex::new(Vec::new());
    let (bootstrap, topic) = (stage.cluster().bootstrap(), stage.topic());
    let recount = oracle::recount_each(bootstrap, topic, &Ends::At(ends), &history, |client, index, counted| {
        let generation = stage::generation(summary, index);
        let mut wrong = evidence::dead_letters(client, topic, generation, index, counted)?;
        wrong.extend(evidence::windows(client, topic, generation, index, counted)?);
        found.lock().unwrap_or_else(PoisonError::into_inner).extend(wrong);
        Ok(())
    })?;
    differences.extend(found.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(recount)
}

/// Producers whose acknowledged records are not all in the log. Sequences have no gaps (that is looked at elsewhere), so
/// the last one of an incarnation in each partition tells how many of its records are there.
fn unaccounted(sent: &[Sent], recount: &Recount) -> Vec<String> {
    let mut in_log: HashMap<u64, u64> = HashMap::new();
    for (incarnation, last) in recount.0.values().flat_map(|partition| partition.last_sequences()) {
        *in_log.entry(incarnation).or_default() += last;
    }
    let wrong = sent.iter().filter_map(|producer| {
        let there = producer.incarnation.map_or(0, |incarnation| in_log.get(&incarnation).copied().unwrap_or(0));
        let Sent { log, acknowledged, unnumbered, exact, .. } = producer;
        let numbered = acknowledged.saturating_sub(*unnumbered);
        let fits = if *exact { there == numbered } else { there >= numbered };
        (!fits)
            .then(|| format!("{numbered} numbered records were acknowledged to {log}, {there} of its are in the log"))
    });
    wrong.collect()
}

/// Nobody may be left without a word: a failure that says all there is to say.
///
/// # Errors
/// Unless all agree.
pub fn demand(verdicts: &Verdicts) -> Checked {
    if verdicts.agree() {
        return Ok(());
    }
    let differences = verdicts.differences.join("\n  ");
    Err(Failure::new(format!(
        "verify: {}; oracle: {} differences\n  {differences}",
        verdicts.verify,
        verdicts.differences.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Record;
    use crate::oracle::{Partition, Settings};

    #[test]
    fn acknowledged_records_that_are_not_in_the_log_are_found_out() {
        let mut partition = Partition::new(0, Settings::default());
        for (offset, header) in [(0, "00000000000000aa:1"), (1, "00000000000000aa:2"), (2, "00000000000000bb:1")] {
            let record = Record { offset, ..Record::new(0, Some(b"{}")) };
            partition.take(&record.with_header(b"tally-seq", Some(header.as_bytes())));
        }
        let recount = Recount(BTreeMap::from([(0, partition)]));
        let sent = |incarnation, acknowledged, exact| {
            let log = "p".to_owned();
            Sent { log, incarnation, acknowledged, unnumbered: 1, exact }
        };
        let fitting = [sent(Some(0xaa), 3, true), sent(Some(0xbb), 1, false), sent(None, 0, true)];
        assert_eq!(unaccounted(&fitting, &recount), Vec::<String>::new());
        for lost in [sent(Some(0xaa), 4, true), sent(Some(0xaa), 2, true), sent(Some(0xbb), 3, false)] {
            assert_eq!(unaccounted(&[lost], &recount).len(), 1);
        }
    }
}
