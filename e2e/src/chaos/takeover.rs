//! How long partitions are without an owner: from the signal that ends a consumer until every partition is owned by a
//! consumer that is up, and its snapshot has moved on.
//!
//! Asked from outside: a consumer's `/metrics` name the partitions it works on, and how many records their durable
//! snapshots hold.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::{Checked, Failure};

/// How often the consumers are asked while something is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A takeover that takes so long will never end. Broker faults in between prolong it, so this is generous.
const LONGEST: Duration = Duration::from_secs(180);
/// So long after the last change everything in the group has come to rest.
pub const REST: Duration = Duration::from_secs(6);

/// How a consumer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `kill -9`.
    Killed,
    /// SIGTERM.
    Terminated,
}

impl Cause {
    /// How it is named.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Killed => "kill -9",
            Self::Terminated => "SIGTERM",
        }
    }
}

/// One takeover that came to its end.
#[derive(Debug, Clone, Copy)]
pub struct Takeover {
    /// What began it.
    pub cause: Cause,
    /// Whether nothing else happened to consumers and brokers, just before and until its end.
    pub alone: bool,
    /// From the signal to the first snapshot of the last partition.
    pub took: Duration,
}

/// Takeovers under way, and those that have come to their end.
#[derive(Debug)]
pub struct Takeovers {
    partitions: usize,
    pending: Vec<Pending>,
    /// Finished ones.
    pub done: Vec<Takeover>,
    looked: Instant,
    disturbed: Instant,
}

#[derive(Debug)]
struct Pending {
    cause: Cause,
    alone: bool,
    since: Instant,
    /// By partition: its owner, what the durable snapshot held when it was first seen, and whether that has grown.
    owned: BTreeMap<i32, (u32, u64, bool)>,
}

impl Takeovers {
    /// Nothing awaited yet.
    #[must_use]
    pub fn of(partitions: usize) -> Self {
        let now = Instant::now();
        Self { partitions, pending: Vec::new(), done: Vec::new(), looked: now, disturbed: now }
    }

    /// A consumer has just been ended. `calm`: no consumer is frozen and no broker hurt.
    pub fn begin(&mut self, cause: Cause, calm: bool) {
        let alone = calm && self.pending.is_empty() && self.disturbed.elapsed() >= REST;
        self.disturb();
        self.pending.push(Pending { cause, alone, since: Instant::now(), owned: BTreeMap::new() });
    }

    /// Something else happens to consumers or brokers.
    pub fn disturb(&mut self) {
        self.disturbed = Instant::now();
        self.pending.iter_mut().for_each(|pending| pending.alone = false);
    }

    /// Whether none is awaited.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.pending.is_empty()
    }

    /// Asks the consumers that are up, if it is time to; says what has come to its end.
    ///
    /// # Errors
    /// When one takes longer than any should.
    pub fn look<'p>(&mut self, up: impl Iterator<Item = (u32, &'p Process)>) -> Checked<Vec<Takeover>> {
        if self.pending.is_empty() || self.looked.elapsed() < LOOK_EVERY {
            return Ok(Vec::new());
        }
        let mut found = BTreeMap::new();
        for (consumer, process) in up {
            let metrics = process.get("/metrics").map(|answer| answer.body).unwrap_or_default();
            found.extend(owned(&metrics).into_iter().map(|(partition, records)| (partition, (consumer, records))));
        }
        self.looked = Instant::now();
        let partitions = self.partitions;
        let mut finished = Vec::new();
        for pending in &mut self.pending {
            pending.see(&found);
            if pending.is_over(partitions) {
                let Pending { cause, alone, since, .. } = *pending;
                finished.push(Takeover { cause, alone, took: since.elapsed() });
            } else if pending.since.elapsed() > LONGEST {
                return Err(Failure::new(format!(
                    "{} s after a consumer was ended not every partition is worked on: {:?} of {partitions}",
                    LONGEST.as_secs(),
                    pending.owned
                )));
            }
        }
        self.pending.retain(|pending| !pending.is_over(partitions));
        self.done.extend(&finished);
        Ok(finished)
    }
}

impl Pending {
    fn see(&mut self, found: &BTreeMap<i32, (u32, u64)>) {
        self.owned.retain(|partition, (owner, _, _)| found.get(partition).is_some_and(|(now, _)| now == owner));
        for (&partition, &(owner, records)) in found {
            let (_, first, moved) = self.owned.entry(partition).or_insert((owner, records, false));
            *moved |= records > *first;
        }
    }

    fn is_over(&self, partitions: usize) -> bool {
        self.owned.len() == partitions && self.owned.values().all(|(_, _, moved)| *moved)
    }
}

/// The partitions that a consumer works on, with the records in their durable snapshots.
fn owned(metrics: &str) -> BTreeMap<i32, u64> {
    let mut owned = BTreeMap::new();
    for line in metrics.lines() {
        if let Some(partition) = partition_of(line, "tally_consumer_lag_records{") {
            owned.entry(partition).or_insert(0);
        }
    }
    for line in metrics.lines() {
        if let Some(partition) = partition_of(line, "tally_consumer_records_total{")
            && let Some(records) = owned.get_mut(&partition)
        {
            *records += line.rsplit_once(' ').and_then(|(_, count)| count.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    owned
}

fn partition_of(line: &str, metric: &str) -> Option<i32> {
    let labels = line.strip_prefix(metric)?;
    labels.split_once("partition=\"")?.1.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_owned_where_its_lag_is_told_and_holds_the_sum_of_all_outcomes() {
        let metrics = "\
# TYPE tally_consumer_records counter
tally_consumer_records_total{partition=\"0\",outcome=\"accepted\"} 10
tally_consumer_records_total{partition=\"0\",outcome=\"rejected\"} 2
tally_consumer_records_total{partition=\"5\",outcome=\"accepted\"} 7
tally_consumer_lag_records{partition=\"0\"} 3
tally_consumer_lag_records{partition=\"4\"} 0
";
        assert_eq!(owned(metrics), BTreeMap::from([(0, 12), (4, 0)]));
    }

    #[test]
    fn a_takeover_is_over_when_all_partitions_have_moved_on_in_the_same_hands() {
        let mut pending = Pending { cause: Cause::Killed, alone: true, since: Instant::now(), owned: BTreeMap::new() };
        pending.see(&BTreeMap::from([(0, (1, 10)), (1, (1, 10))]));
        assert!(!pending.is_over(2), "nothing has moved");
        pending.see(&BTreeMap::from([(0, (1, 11)), (1, (2, 11))]));
        assert!(!pending.is_over(2), "partition 1 has a new owner, whose first snapshot is awaited");
        pending.see(&BTreeMap::from([(0, (1, 11)), (1, (2, 12))]));
        assert!(pending.is_over(2));
        pending.see(&BTreeMap::from([(0, (1, 11))]));
        assert!(!pending.is_over(2), "partition 1 is nobody's");
    }
}
