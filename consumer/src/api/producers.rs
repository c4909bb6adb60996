//! Which producer processes have sent something, and how far each has come in each partition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::page;
use crate::{fold::Snapshot, summary::partitions_missing};

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
    /// Partitions that have no snapshot yet: nothing of theirs is counted here.
    pub partitions_missing: Vec<i32>,
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
    /// From one snapshot a partition, of a topic that has so many `partitions`.
    #[must_use]
    pub fn of(snapshots: &[impl AsRef<Snapshot>], partitions: i32, query: &ProducersQuery) -> Self {
        let (mut missing_from_sequence, mut evicted) = (0, 0);
        let mut found: BTreeMap<&str, Vec<ProducerPartition>> = BTreeMap::new();
        for snapshot in snapshots.iter().map(AsRef::as_ref) {
            missing_from_sequence += snapshot.ledger.missing_from_sequence;
            evicted += snapshot.producers_evicted();
            let partition = snapshot.partition;
            for (incarnation, last_sequence, last_offset) in snapshot.producers() {
                if incarnation > query.after.as_str() {
                    let place = ProducerPartition { partition, last_sequence, last_offset };
                    found.entry(incarnation).or_default().push(place);
                    // Whoever comes after a whole page and one more is not on it, wherever else it is found.
                    if found.len() > query.limit + 1 {
                        found.pop_last();
                    }
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
        let partitions_missing =
            partitions_missing(snapshots.iter().map(|snapshot| snapshot.as_ref().partition), partitions);
        Self { missing_from_sequence, evicted, producers, next_after, partitions_missing }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::fold::{FoldSettings, PartitionState};

    /// A partition that producers have sent to: incarnation, last sequence, last offset.
    fn snapshot(partition: i32, sequences: &[(&str, u64, i64)]) -> Arc<Snapshot> {
        let state = PartitionState::new(1, partition, FoldSettings::default(), 0, 0).snapshot(None, 0);
        let mut value: Value = serde_json::from_slice(&state.to_value()).unwrap();
        value["sequences"] = json!(sequences);
        Arc::new(Snapshot::parse(value.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn producers_come_in_order_page_by_page_with_all_partitions_of_each() {
        let partitions = [snapshot(0, &[("bb", 5, 9), ("aa", 1, 3)]), snapshot(1, &[("bb", 2, 4), ("cc", 7, 8)])];
        let mut query = ProducersQuery { after: String::new(), limit: 2 };
        let first = ProducersAnswer::of(&partitions, 3, &query);
        let names: Vec<&str> = first.producers.iter().map(|producer| producer.incarnation.as_str()).collect();
        assert_eq!(
            (names, first.next_after.as_deref(), first.partitions_missing),
            (vec!["aa", "bb"], Some("bb"), vec![2])
        );
        let places: Vec<(i32, u64)> =
            first.producers[1].partitions.iter().map(|place| (place.partition, place.last_sequence)).collect();
        assert_eq!(places, [(0, 5), (1, 2)]);
        query.after = "bb".to_owned();
        let second = ProducersAnswer::of(&partitions, 3, &query);
        assert_eq!((second.producers[0].incarnation.as_str(), second.next_after), ("cc", None));
    }
}
