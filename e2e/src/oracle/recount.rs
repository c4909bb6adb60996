//! A whole topic, counted.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicI32, Ordering};

use serde_json::{Value, json};

use super::{History, Partition, Totals};
use crate::Checked;
use crate::kafka::{Client, KafkaError};

/// Most partitions that are counted at the same time: each has its ids in memory.
const AT_ONCE_MAX: usize = 4;

/// Up to where a topic is counted.
#[derive(Debug, Clone)]
pub enum Ends {
    /// To where each partition ends now, for a reader that waits for open transactions.
    Now,
    /// To these offsets, by partition.
    At(BTreeMap<i32, i64>),
}

/// A counted topic.
#[derive(Debug, Clone)]
pub struct Recount(pub BTreeMap<i32, Partition>);

/// Counts `topic` from its log start.
///
/// # Errors
/// When the topic can't be read.
pub fn recount(client: &mut Client, topic: &str, ends: &Ends, history: &History) -> Result<Recount, KafkaError> {
    let mut partitions = BTreeMap::new();
    for index in 0..count(client, topic)? {
        partitions.insert(index, recount_partition(client, topic, index, ends, history)?);
    }
    Ok(Recount(partitions))
}

/// Counts `topic` from its log start, several partitions at a time, and closes each after `each` has looked at it, so
/// that memory doesn't grow with the log.
///
/// # Errors
/// When the topic can't be read, or the first failure of `each`.
pub fn recount_each(
    bootstrap: &str,
    topic: &str,
    ends: &Ends,
    history: &History,
    each: impl Fn(&mut Client, i32, &Partition) -> Checked + Sync,
) -> Checked<Recount> {
    let count = count(&mut Client::new(bootstrap), topic)?;
    let next = AtomicI32::new(0);
    let work = || -> Checked<Vec<(i32, Partition)>> {
        let mut client = Client::new(bootstrap);
        let mut counted = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(counted);
            }
            let mut partition = recount_partition(&mut client, topic, index, ends, history)?;
            each(&mut client, index, &partition)?;
            partition.close();
            counted.push((index, partition));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(AT_ONCE_MAX);
    let counted: Checked<Vec<_>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("counting doesn't panic")).collect()
    });
    Ok(Recount(counted?.into_iter().flatten().collect()))
}

fn count(client: &mut Client, topic: &str) -> Result<i32, KafkaError> {
    client.partition_count(topic)?.ok_or_else(|| KafkaError::NoPartition { topic: topic.to_owned(), partition: 0 })
}

fn recount_partition(
    client: &mut Client,
    topic: &str,
    index: i32,
    ends: &Ends,
    history: &History,
) -> Result<Partition, KafkaError> {
    let mut partition = Partition::through(client.log_start(topic, index)?, history.settings(), history.changes(index));
    let end = match ends {
        Ends::Now => client.stable_end(topic, index)?,
        Ends::At(ends) => ends.get(&index).copied().unwrap_or(partition.first_offset),
    };
    client.read_range(topic, index, partition.first_offset, end, |record| partition.take(&record))?;
    partition.pass_to(end.max(partition.next_offset));
    Ok(partition)
}

impl Recount {
    /// Counts on to where the topic ends now; what retention has removed meanwhile is skipped.
    ///
    /// # Errors
    /// When the topic can't be read.
    pub fn go_on(&mut self, client: &mut Client, topic: &str) -> Result<(), KafkaError> {
        for (&index, partition) in &mut self.0 {
            let start = client.log_start(topic, index)?;
            if start > partition.next_offset {
                partition.skip_to(start);
            }
            let end = client.stable_end(topic, index)?;
            client.read_range(topic, index, partition.next_offset, end, |record| partition.take(&record))?;
            partition.pass_to(end.max(partition.next_offset));
        }
        Ok(())
    }

    /// Totals of all partitions.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut all = Totals::default();
        self.0.values().for_each(|partition| all.join(&partition.totals));
        all
    }

    /// A column of the ledger, summed over the partitions.
    pub fn sum(&self, column: impl Fn(&Partition) -> u64) -> u64 {
        self.0.values().map(column).sum()
    }

    /// In the shape of the summary, `age_ms` left out because it is no property of the log.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut rejected: BTreeMap<&str, u64> = BTreeMap::new();
        for (reason, count) in self.0.values().flat_map(|partition| &partition.rejected) {
            *rejected.entry(reason).or_default() += count;
        }
        let without_record: i64 = self.0.values().map(Partition::offsets_without_record).sum();
        let partitions: Vec<Value> = self.0.iter().map(|(&index, partition)| one_partition(index, partition)).collect();
        json!({
            "ledger": {
                "consumed": self.sum(|partition| partition.consumed),
                "accepted": self.sum(|partition| partition.accepted),
                "redelivered": self.sum(|partition| partition.redelivered),
                "repeated": self.sum(|partition| partition.repeated),
                "rejected": rejected,
                "on_time": self.sum(|partition| partition.on_time),
                "revised": self.sum(|partition| partition.revised),
                "too_late": self.sum(|partition| partition.too_late),
                "offsets_without_record": without_record,
                "missing_from_sequence": self.sum(|partition| partition.missing_from_sequence),
                "mended": self.sum(|partition| partition.mended),
            },
            "totals": self.totals().to_json(),
            "partitions": partitions,
        })
    }
}

fn one_partition(index: i32, partition: &Partition) -> Value {
    let mut counted = json!({
        "partition": index,
        "first_offset": partition.first_offset,
        "next_offset": partition.next_offset,
        "skipped": partition.skipped,
        "watermark": rfc3339(partition.watermark_ms),
    });
    if !partition.changes().is_empty() {
        let passed = partition.changes().iter().zip(&partition.watermarks_at_changes);
        counted["migrations"] = passed
            .map(|(change, watermark_ms)| json!({ "offset": change.offset, "watermark": rfc3339(*watermark_ms) }))
            .collect();
    }
    counted
}

fn rfc3339(at_ms: Option<i64>) -> Option<String> {
    let at = at_ms.and_then(chrono::DateTime::from_timestamp_millis)?;
    Some(at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}
