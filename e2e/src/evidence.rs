//! What the consumer leaves in Kafka besides its state: dead letters and closed windows, held against the oracle.
//!
//! Both are at-least-once with an identity, so repeats are dropped, and repeats must be equal. Nothing may be
//! missing and nothing may be there that the oracle doesn't know of. What an earlier generation of the state gave out is
//! no part of the count any more; but where settings were changed and the count went on, each generation's part is: its
//! dead letters up to the offset where it ended, and the windows that took nothing more from there on. One partition is looked at
//! at a time, record after record: the topics may be large.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Checked;
use crate::kafka::{Client, Record};
use crate::oracle::{Partition, Totals, digest};

const PARTITION_HEADER: &str = "__streams.errors.partition";
const OFFSET_HEADER: &str = "__streams.errors.offset";
const REASON_HEADER: &str = "tally-reason";
const GENERATION_HEADER: &str = "tally-generation";
/// How many differences of one kind are told.
const TOLD_MAX: usize = 10;

/// Differences between the dead letters of one partition and what the oracle rejected there: one letter for each, with
/// the reason and the bytes of the rejected record.
///
/// # Errors
/// When the topic can't be read.
pub fn dead_letters(
    client: &mut Client,
    topic: &str,
    generation: u64,
    index: i32,
    counted: &Partition,
) -> Checked<Vec<String>> {
    let mut wrong = Told::default();
    let mut there = vec![false; counted.rejected_records.len()];
    read_partition(client, &format!("{topic}.dlq"), index, |record| {
        let Some(letter) = Letter::read(&record) else {
            return wrong.tell(|| "a dead letter doesn't say whence it comes and why".to_owned());
        };
        if letter.generation != counted.generation_at(letter.offset, generation) {
            return;
        }
        let of = format!("{topic}/{}@{}", letter.partition, letter.offset);
        let found = counted.rejected_records.binary_search_by_key(&letter.offset, |rejected| rejected.offset);
        match found.ok().filter(|_| letter.partition == index) {
            None => wrong.tell(|| format!("a dead letter of {of}, that nobody rejected")),
            Some(at) => {
                let rejected = &counted.rejected_records[at];
                there[at] = true;
                if rejected.reason != letter.reason {
                    wrong.tell(|| format!("{of}: counted {}, the dead letter says {}", rejected.reason, letter.reason));
                }
                if rejected.digest != letter.digest {
                    wrong.tell(|| format!("the dead letter of {of} doesn't have its bytes"));
                }
            }
        }
    })?;
    for (rejected, _) in counted.rejected_records.iter().zip(there).filter(|(_, there)| !there) {
        wrong.tell(|| format!("{topic}/{index}@{} ({}) has no dead letter", rejected.offset, rejected.reason));
    }
    Ok(wrong.into_lines())
}

#[derive(Debug)]
struct Letter {
    partition: i32,
    offset: i64,
    generation: u64,
    reason: String,
    digest: u64,
}

impl Letter {
    fn read(record: &Record) -> Option<Self> {
        let text = |name| std::str::from_utf8(record.header(name)??).ok();
        Some(Self {
            partition: text(PARTITION_HEADER)?.parse().ok()?,
            offset: text(OFFSET_HEADER)?.parse().ok()?,
            generation: text(GENERATION_HEADER)?.parse().ok()?,
            reason: text(REASON_HEADER)?.to_owned(),
            digest: digest(record.value.as_deref()),
        })
    }
}

/// What was given out of one partition's share of a window, by grouping.
#[derive(Debug, Default)]
struct Share {
    /// A digest of the contents of each revision: one that is given out twice must be the same.
    revisions: BTreeMap<u64, u64>,
    /// The contents of the highest.
    cells: Value,
}

/// Differences between one partition's windows, each at its highest revision, and the oracle's closed windows.
///
/// # Errors
/// When the topic can't be read, or a record isn't JSON.
pub fn windows(
    client: &mut Client,
    topic: &str,
    generation: u64,
    index: i32,
    counted: &Partition,
) -> Checked<Vec<String>> {
    let mut wrong = Told::default();
    let since = counted.changes().first().map_or(generation, |first| first.from_generation);
    let mut shares: BTreeMap<(u64, String, String), Share> = BTreeMap::new();
    read_partition(client, &format!("{topic}.windows"), index, |record| {
        let bytes = record.value.as_deref().unwrap_or_default();
        let Ok(mut given_out) = serde_json::from_slice::<Value>(bytes) else {
            return wrong.tell(|| format!("a window of partition {index} is no JSON"));
        };
        let of = given_out["generation"].as_u64().unwrap_or_default();
        if of != generation && counted.changes().iter().all(|change| change.from_generation != of) {
            return;
        }
        if given_out["since_generation"].as_u64().unwrap_or(of) != since {
            wrong.tell(|| {
                format!("a window of partition {index} doesn't say that it goes on from {since}: {given_out}")
            });
        }
        if given_out["partition"] != index {
            return wrong.tell(|| format!("a window of partition {} among those of {index}", given_out["partition"]));
        }
        let text = |name: &str| given_out[name].as_str().unwrap_or_default().to_owned();
        let identity = (of, text("window_start"), text("grouping"));
        let revision = given_out["revision"].as_u64().unwrap_or(u64::MAX);
        let contents = digest(Some(given_out.to_string().as_bytes()));
        let share = shares.entry(identity.clone()).or_default();
        if share.revisions.last_key_value().is_none_or(|(highest, _)| *highest <= revision) {
            share.cells = given_out["cells"].take();
        }
        if share.revisions.insert(revision, contents).is_some_and(|first| first != contents) {
            wrong.tell(|| format!("window {identity:?} revision {revision} was given out with two contents"));
        }
    })?;
    for (start_ms, window) in counted.closed_windows() {
        let start = rfc3339(start_ms);
        for grouping in ["currency", "type"] {
            let identity = (window.generation.unwrap_or(generation), start.clone(), grouping.to_owned());
            let Some(share) = shares.remove(&identity) else {
                wrong.tell(|| format!("window {identity:?} of partition {index} has closed but was not given out"));
                continue;
            };
            let counted = cells(&window.totals, grouping);
            if share.cells != counted {
                wrong.tell(|| {
                    format!("window {identity:?} of partition {index}: counted {counted}, given out {}", share.cells)
                });
            }
        }
    }
    // What an earlier generation gave out of windows that it could still change is given out again by the next.
    let counts_no_more = |&(of, ref start, _): &(u64, String, String)| {
        let start = chrono::DateTime::parse_from_rfc3339(start).map_or(i64::MIN, |start| start.timestamp_millis());
        counted.could_change(of, start) == Some(true)
    };
    for identity in shares.keys().filter(|identity| !counts_no_more(identity)) {
        wrong.tell(|| format!("window {identity:?} of partition {index} was given out but is not closed"));
    }
    Ok(wrong.into_lines())
}

/// Hands every record that a partition holds now to `each`.
fn read_partition(client: &mut Client, topic: &str, index: i32, each: impl FnMut(Record)) -> Checked {
    let (from, to) = (client.log_start(topic, index)?, client.log_end(topic, index)?);
    Ok(client.read_range(topic, index, from, to, each)?)
}

/// The first differences of a kind in words, and how many there are.
#[derive(Debug, Default)]
struct Told {
    lines: Vec<String>,
    more: usize,
}

impl Told {
    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < TOLD_MAX {
            self.lines.push(line());
        } else {
            self.more += 1;
        }
    }

    fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("… and {} more of that kind", self.more));
        }
        self.lines
    }
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
