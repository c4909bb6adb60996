//! What the consumer leaves in Kafka besides its state: dead letters and closed windows, held against the oracle.
//!
//! Both are at-least-once with an identity, so repeats are dropped first, and repeats must be equal. Nothing may be
//! missing and nothing may be there that the oracle doesn't know of. What an earlier generation of the state gave out is
//! no part of the count any more.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::Checked;
use crate::kafka::{Client, Record};
use crate::oracle::{Recount, Totals};

const PARTITION_HEADER: &str = "__streams.errors.partition";
const OFFSET_HEADER: &str = "__streams.errors.offset";
const REASON_HEADER: &str = "tally-reason";
const GENERATION_HEADER: &str = "tally-generation";
/// How many differences of one kind are told.
const TOLD_MAX: usize = 10;

/// Differences between the dead-letter topic and what the oracle rejected: one letter for each, with the reason and, as
/// long as the log still holds it, the bytes of the rejected record.
///
/// # Errors
/// When a topic can't be read.
pub fn dead_letters(client: &mut Client, topic: &str, generation: u64, recount: &Recount) -> Checked<Vec<String>> {
    let mut wrong = Vec::new();
    let mut letters: BTreeMap<(i32, i64), Letter> = BTreeMap::new();
    for (_, record) in client.read_topic(&format!("{topic}.dlq"))? {
        let Some(letter) = Letter::read(record) else {
            wrong.push("a dead letter doesn't say whence it comes and why".to_owned());
            continue;
        };
        let at = letter.at;
        if letter.generation != generation {
            continue;
        }
        if let Some(first) = letters.insert(at, letter.clone())
            && first != letter
        {
            wrong.push(format!("two dead letters of {topic}/{}@{} differ", at.0, at.1));
        }
    }
    for (&index, partition) in &recount.0 {
        let start = client.log_start(topic, index)?;
        let mut rejected: BTreeMap<i64, Option<Bytes>> = BTreeMap::new();
        let end = partition.next_offset;
        client.read_range(topic, index, start.min(end), end, |record| {
            rejected.insert(record.offset, record.value);
        })?;
        for &(offset, reason) in &partition.rejected_offsets {
            match letters.remove(&(index, offset)) {
                None => wrong.push(format!("{topic}/{index}@{offset} ({reason}) has no dead letter")),
                Some(letter) if letter.reason != reason => {
                    wrong.push(format!(
                        "{topic}/{index}@{offset}: counted {reason}, the dead letter says {}",
                        letter.reason
                    ));
                }
                Some(letter) if rejected.get(&offset).is_some_and(|value| *value != letter.value) => {
                    wrong.push(format!("the dead letter of {topic}/{index}@{offset} doesn't have its bytes"));
                }
                Some(_) => {}
            }
        }
    }
    wrong.extend(letters.values().map(|letter| format!("a dead letter of {:?} that nobody rejected", letter.at)));
    Ok(shortened(wrong))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Letter {
    at: (i32, i64),
    generation: u64,
    reason: String,
    value: Option<Bytes>,
}

impl Letter {
    fn read(record: Record) -> Option<Self> {
        let text = |name| std::str::from_utf8(record.header(name)??).ok();
        let at = (text(PARTITION_HEADER)?.parse().ok()?, text(OFFSET_HEADER)?.parse().ok()?);
        let (reason, generation) = (text(REASON_HEADER)?.to_owned(), text(GENERATION_HEADER)?.parse().ok()?);
        Some(Self { at, generation, reason, value: record.value })
    }
}

/// Differences between the windows topic, highest revision of each partition's share, and the oracle's closed windows.
///
/// # Errors
/// When a topic can't be read.
pub fn windows(client: &mut Client, topic: &str, generation: u64, recount: &Recount) -> Checked<Vec<String>> {
    let mut wrong = Vec::new();
    // By what identifies them; then the highest revision of each.
    let mut shares: BTreeMap<(i64, String, String), BTreeMap<u64, Value>> = BTreeMap::new();
    for (_, record) in client.read_topic(&format!("{topic}.windows"))? {
        let share: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default())?;
        if share["generation"] != generation {
            continue;
        }
        let text = |name: &str| share[name].as_str().unwrap_or_default().to_owned();
        let identity = (share["partition"].as_i64().unwrap_or(-1), text("window_start"), text("grouping"));
        let revision = share["revision"].as_u64().unwrap_or(u64::MAX);
        if let Some(first) = shares.entry(identity.clone()).or_default().insert(revision, share.clone())
            && first != share
        {
            wrong.push(format!("window {identity:?} revision {revision} was given out with two contents"));
        }
    }
    for (&index, partition) in &recount.0 {
        for (start_ms, totals) in partition.closed_windows() {
            let start = rfc3339(start_ms);
            for grouping in ["currency", "type"] {
                let identity = (i64::from(index), start.clone(), grouping.to_owned());
                match shares.remove(&identity).and_then(|mut revisions| revisions.pop_last()) {
                    None => wrong.push(format!("window {identity:?} has closed but was not given out")),
                    Some((_, share)) => {
                        let counted = cells(totals, grouping);
                        if share["cells"] != counted {
                            wrong.push(format!("window {identity:?}: counted {counted}, given out {}", share["cells"]));
                        }
                    }
                }
            }
        }
    }
    wrong.extend(shares.keys().map(|identity| format!("window {identity:?} was given out but is not closed")));
    Ok(shortened(wrong))
}

/// A window's totals in the form in which they are given out.
fn cells(totals: &Totals, grouping: &str) -> Value {
    let mut cells = totals.to_json()[grouping].take();
    if grouping == "currency" {
        // Smallest and largest are only kept in the overall totals.
        for cell in cells.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            cell.as_object_mut()
                .into_iter()
                .for_each(|cell| cell.retain(|name, _| !name.ends_with("_minor") || name == "sum_minor"));
        }
    }
    cells
}

fn rfc3339(at_ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn shortened(mut wrong: Vec<String>) -> Vec<String> {
    if wrong.len() > TOLD_MAX {
        let more = wrong.len() - TOLD_MAX;
        wrong.truncate(TOLD_MAX);
        wrong.push(format!("… and {more} more of that kind"));
    }
    wrong
}
