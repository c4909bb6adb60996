//! What the consumer gave out besides its state, held against the recount: a dead letter for every rejected record,
//! and every closed window at its last revision. That is what "nothing was lost" means to whoever reads those topics.
//!
//! Both are at-least-once under an identity, so repeats are no difference. What is missing is one only where retention
//! has not touched the topic yet: after that nobody can tell what was lost from what was let go.

use std::collections::BTreeMap;

use common::{
    transaction::OCCURRED_AT_MS_MIN,
    wire::{Reason, parse_ms},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::figures::{Difference, Grid, Share};
use crate::clock::format_time;

/// Most rejected records, and most closed windows, that are remembered in a partition; of more, the first rejected
/// records and the last windows are compared.
const REJECTED_MAX: usize = 1_000_000;
const WINDOWS_MAX: usize = 100_000;

/// How much of a topic was compared, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// How many there should be.
    pub expected: u64,
    /// How many of them are there, as they should be.
    pub there: u64,
    /// Those that are not there count as lost: retention has taken nothing of the topic.
    pub complete: bool,
}

impl Compared {
    /// Adds another partition's.
    pub fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.there += other.there;
        self.complete &= other.complete;
    }
}

/// The records that the recount rejected, in order of offset, and which of them have a dead letter.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    expected: Vec<(i64, Reason)>,
    there: Vec<bool>,
    /// From this offset on rejections are not remembered.
    end: Option<i64>,
}

impl Rejections {
    pub(super) fn add(&mut self, offset: i64, reason: Reason) {
        if self.expected.len() < REJECTED_MAX {
            self.expected.push((offset, reason));
        } else if self.end.is_none() {
            self.end = Some(offset);
        }
    }

    /// Takes note of a dead letter for an offset that was counted again.
    pub(super) fn meet(&mut self, offset: i64, reason: &str, differences: &mut Vec<Difference>) {
        if self.end.is_some_and(|end| offset >= end) {
            return;
        }
        self.there.resize(self.expected.len(), false);
        let name = || format!("dead_letter.{offset}");
        match self.expected.binary_search_by_key(&offset, |&(offset, _)| offset) {
            Ok(place) if self.expected[place].1.code() == reason => self.there[place] = true,
            Ok(place) => {
                differences.push(Difference::new(name(), &reason, &self.expected[place].1.code()));
                self.there[place] = true;
            }
            Err(_) => differences.push(Difference::new(name(), &reason, &"not rejected")),
        }
    }

    /// What was not met. `complete`: the topic still holds everything that was ever written to it.
    pub(super) fn conclude(mut self, complete: bool, differences: &mut Vec<Difference>) -> Compared {
        self.there.resize(self.expected.len(), false);
        if complete {
            let missing = self.expected.iter().zip(&self.there).filter(|(_, there)| !**there);
            differences.extend(missing.map(|((offset, reason), _)| {
                Difference::new(format!("dead_letter.{offset}"), &"not there", &reason.code())
            }));
        }
        compared(&self.there, complete)
    }
}

fn compared(there: &[bool], complete: bool) -> Compared {
    let met = there.iter().filter(|&&there| there).count();
    Compared { expected: there.len() as u64, there: met as u64, complete }
}

/// What a window holds, by each of the two groupings that go out: a digest, for there may be very many windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    by_kind: [u8; 32],
    by_currency: [u8; 32],
}

impl Contents {
    pub(super) fn of(by_kind: &Grid) -> Self {
        let mut by_currency: BTreeMap<&str, Share> = BTreeMap::new();
        for (currency, share) in by_kind.values().flatten() {
            by_currency.entry(currency).or_default().add(share);
        }
        Self { by_kind: digest(by_kind), by_currency: digest(&by_currency) }
    }
}

/// The digest of what is written in one order only: maps here are sorted.
fn digest(cells: &impl Serialize) -> [u8; 32] {
    Sha256::digest(serde_json::to_vec(cells).expect("text and numbers always have a JSON form")).into()
}

/// The windows that closed, at their last revision.
#[derive(Debug, Default)]
pub(super) struct ClosedWindows {
    by_start: BTreeMap<i64, Closed>,
}

#[derive(Debug)]
struct Closed {
    /// The generation that has to have given it out: the one in which it took its last transaction or might have.
    generation: u64,
    revision: u64,
    contents: Contents,
    /// Met by kind, and by currency.
    there: [bool; 2],
}

/// A record of the windows topic, as it is written down.
#[derive(Debug, Deserialize)]
pub(super) struct WindowRecord {
    pub(super) generation: u64,
    pub(super) partition: i32,
    window_start: String,
    grouping: String,
    revision: u64,
    cells: serde_json::Value,
}

impl ClosedWindows {
    pub(super) fn add(&mut self, start_ms: i64, generation: u64, revision: u64, contents: &Contents) {
        // A start before the year 0 has no text; windows go out under the nearest one that has.
        let start_ms = start_ms.max(OCCURRED_AT_MS_MIN);
        self.by_start.insert(start_ms, Closed { generation, revision, contents: *contents, there: [false; 2] });
        if self.by_start.len() > WINDOWS_MAX {
            self.by_start.pop_first();
        }
    }

    /// Takes note of a window that went out. Other revisions than the last, other generations than its last, and windows
    /// that are not known here, are passed over: they belong to what came before or after the part that was counted again.
    pub(super) fn meet(&mut self, record: &WindowRecord, differences: &mut Vec<Difference>) {
        let closed = parse_ms(&record.window_start).and_then(|start_ms| self.by_start.get_mut(&start_ms));
        let is_last =
            |closed: &&mut Closed| (closed.generation, closed.revision) == (record.generation, record.revision);
        let Some(closed) = closed.filter(is_last) else { return };
        let cells = &record.cells;
        let (place, same) = match record.grouping.as_str() {
            "type" => (0, Grid::deserialize(cells).is_ok_and(|cells| digest(&cells) == closed.contents.by_kind)),
            "currency" => {
                let cells = BTreeMap::<String, Share>::deserialize(cells);
                (1, cells.is_ok_and(|cells| digest(&cells) == closed.contents.by_currency))
            }
            _ => return,
        };
        if !same {
            let name = format!("closed_window.{}.{}.{}", record.window_start, record.grouping, record.revision);
            differences.push(Difference::new(name, &record.cells, &"other cells"));
        }
        closed.there[place] = true;
    }

    /// What was not met. `complete`: the topic still holds everything that was ever written to it.
    pub(super) fn conclude(self, complete: bool, differences: &mut Vec<Difference>) -> Compared {
        let mut there = Vec::with_capacity(2 * self.by_start.len());
        for (&start_ms, closed) in &self.by_start {
            for (grouping, met) in ["type", "currency"].into_iter().zip(closed.there) {
                there.push(met);
                if complete && !met {
                    let name = format!("closed_window.{}.{grouping}", format_time(start_ms));
                    let expected = format!("revision {}", closed.revision);
                    differences.push(Difference::new(name, &"not there", &expected));
                }
            }
        }
        compared(&there, complete)
    }
}
