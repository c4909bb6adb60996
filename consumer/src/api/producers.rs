//! Which producer processes have sent something, and how far each has come in each partition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::page;
use crate::fold::Snapshot;

/// What is asked for, as it stands in the URL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProducersAsked {
    after: Option<String>,
    limit: Option<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducersQuery {
    /// Only those whose incarnation comes after this text.
    pub after: String,
    /// At most so many.
    pub limit: usize,
}

/// Producer processes, in order of their incarnation.
#[derive(Clone, Debug, Serialize)]
pub struct ProducersAnswer {
    /// Records that producers numbered and that never came, of all of them.
    pub missing_from_sequence: u64,
    /// Producers that were forgotten to make room for others, counted in each partition.
    pub evicted: u64,
    /// One entry each.
    pub producers: Vec<ProducerAnswer>,
    /// Ask for those after this one next; null where there are no more.
    pub next_after: Option<String>,
}

/// One producer process.
#[derive(Clone, Debug, Serialize)]
pub struct ProducerAnswer {
    /// The id that it drew at its start.
    pub incarnation: String,
    /// Where it has sent to.
    pub partitions: Vec<ProducerPartition>,
}

/// What one producer process has sent to one partition.
#[derive(Clone, Debug, Serialize)]
pub struct ProducerPartition {
    /// The partition.
    pub partition: i32,
    /// The highest number that came.
    pub last_sequence: u64,
    /// Where its last record stands.
    pub last_offset: i64,
}

impl ProducersQuery {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(asked: &ProducersAsked) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let limit = page::limit(asked.limit.as_deref(), &mut wrong);
        let after = asked.after.clone().unwrap_or_default();
        if wrong.is_empty() { Ok(Self { after, limit }) } else { Err(wrong) }
    }
}

impl ProducersAnswer {
    /// From one snapshot a partition.
    pub fn of<'s>(snapshots: impl IntoIterator<Item = &'s Snapshot>, query: &ProducersQuery) -> Self {
        let (mut missing_from_sequence, mut evicted) = (0, 0);
        let mut found: BTreeMap<&str, Vec<ProducerPartition>> = BTreeMap::new();
        for snapshot in snapshots {
            missing_from_sequence += snapshot.ledger.missing_from_sequence;
            evicted += snapshot.producers_evicted();
            let partition = snapshot.partition;
            for (incarnation, last_sequence, last_offset) in snapshot.producers() {
                if incarnation > query.after.as_str() {
                    let place = ProducerPartition { partition, last_sequence, last_offset };
                    found.entry(incarnation).or_default().push(place);
                }
            }
        }
        let more = found.len() > query.limit;
        let producers: Vec<ProducerAnswer> = found
            .into_iter()
            .take(query.limit)
            .map(|(incarnation, partitions)| ProducerAnswer { incarnation: incarnation.to_owned(), partitions })
            .collect();
        let next_after = producers.last().filter(|_| more).map(|last| last.incarnation.clone());
        Self { missing_from_sequence, evicted, producers, next_after }
    }
}
