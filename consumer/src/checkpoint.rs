//! Makes a partition's progress durable, in the one order that loses nothing:
//!
//! ```text
//!   dead letters ─▶ closed windows ─▶ snapshot ─▶ (group commit, for those who watch)
//! ```
//!
//! A crash between any two steps repeats what went out before the snapshot, under the same identity; it never skips
//! any of it.

use std::time::Duration;

use chrono::DateTime;
use common::{
    kafka::{Cluster, Compression, PartitionWriter, Record, WriteError},
    topics::TopicNames,
};

use crate::{
    dead_letter::{DeadLetter, Source},
    fold::{ClosedWindow, Snapshot},
};

/// Most bytes of one produce request, before compression: below the brokers' default limit of 1 MiB.
const REQUEST_BYTES_MAX: usize = 800_000;
/// Most records of one produce request: a dead letter of an empty record has some 500 bytes of headers.
const REQUEST_RECORDS_MAX: usize = 1_000;

/// What has to be durable before a partition's progress is.
pub struct Checkpoint {
    /// Where the rejected records stand.
    pub source: Source,
    /// Rejected since the checkpoint before.
    pub dead_letters: Vec<DeadLetter>,
    /// Closed or revised since the checkpoint before.
    pub windows: Vec<ClosedWindow>,
    /// The state that covers them.
    pub snapshot: Snapshot,
}

/// Why a checkpoint could not be made.
#[derive(Debug, thiserror::Error)]
#[error("checkpoint of partition {partition} at offset {next_offset}: {what}: {cause}")]
pub struct CheckpointError {
    partition: i32,
    next_offset: i64,
    what: &'static str,
    cause: WriteError,
}

impl CheckpointError {
    /// Whether trying again may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.cause, WriteError::Unacknowledged(_))
    }
}

/// The writing ends of one partition's derived topics.
pub struct Checkpointer {
    partition: i32,
    dead_letters: PartitionWriter,
    windows: PartitionWriter,
    state: PartitionWriter,
    deadline: Duration,
}

impl Checkpointer {
    /// Names the topics. Each write may take up to `deadline`.
    #[must_use]
    pub fn new(cluster: &Cluster, names: &TopicNames, partition: i32, deadline: Duration) -> Self {
        let writer = |topic: &str| PartitionWriter::new(cluster, topic, partition);
        Self {
            partition,
            dead_letters: writer(&names.dead_letters),
            windows: writer(&names.windows),
            state: writer(&names.state),
            deadline,
        }
    }

    /// Writes a checkpoint; every step is acknowledged before the next one begins.
    ///
    /// # Errors
    /// [`CheckpointError`]; what was written before stays written.
    pub async fn write(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let Checkpoint { source, dead_letters, windows, snapshot } = checkpoint;
        let (partition, next_offset) = (self.partition, snapshot.next_offset);
        let failed = |what| move |cause| CheckpointError { partition, next_offset, what, cause };
        let deadline = self.deadline;
        let now_ms = snapshot.written_at_ms;
        for chunk in chunks(dead_letters, DeadLetter::bytes) {
            let records = || chunk.iter().map(|letter| letter.to_record(source, now_ms)).collect();
            let written = self.dead_letters.write(records, Compression::Snappy, deadline).await;
            written.map_err(failed("dead letters"))?;
        }
        let windows = window_records(windows, now_ms);
        for chunk in chunks(&windows, Record::approximate_size) {
            let written = self.windows.write(|| chunk.to_vec(), Compression::Snappy, deadline).await;
            written.map_err(failed("closed windows"))?;
        }
        write_snapshot(&mut self.state, snapshot, deadline).await.map_err(failed("snapshot"))
    }
}

/// Writes a snapshot to its partition of the state topic.
///
/// # Errors
/// [`WriteError`].
pub async fn write_snapshot(
    state: &mut PartitionWriter,
    snapshot: &Snapshot,
    deadline: Duration,
) -> Result<(), WriteError> {
    let record = Record {
        key: Some(snapshot.partition.to_string().into_bytes()),
        value: Some(snapshot.to_value()),
        headers: [].into(),
        // The wall clock: a compacted topic rolls its segments by record time, and would never be compacted by ours.
        timestamp: DateTime::from_timestamp_millis(snapshot.written_at_ms).unwrap_or_default(),
    };
    state.write(|| vec![record.clone()], Compression::Snappy, deadline).await.map(drop)
}

fn window_records(windows: &[ClosedWindow], now_ms: i64) -> Vec<Record> {
    let timestamp = DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
    let records = windows.iter().flat_map(ClosedWindow::to_records);
    records
        .map(|(key, value)| Record { key: Some(key.into_bytes()), value: Some(value), headers: [].into(), timestamp })
        .collect()
}

/// Cuts what is to be written into requests that brokers take; one that is larger by itself has a request to itself.
fn chunks<T>(items: &[T], bytes_of: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest.iter().take(REQUEST_RECORDS_MAX).take_while(|item| {
            bytes += bytes_of(item);
            bytes <= REQUEST_BYTES_MAX
        });
        let count = fitting.count().max(1).min(rest.len());
        let (chunk, remaining) = rest.split_at(count);
        rest = remaining;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: usize) -> Record {
        Record { key: None, value: Some(vec![0; bytes]), headers: [].into(), timestamp: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn requests_stay_below_the_limit_and_a_record_above_it_goes_alone() {
        let records = [record(500_000), record(300_000), record(1), record(900_000), record(2)];
        let sizes: Vec<Vec<usize>> = chunks(&records, Record::approximate_size)
            .map(|chunk| chunk.iter().map(Record::approximate_size).collect())
            .collect();
        assert_eq!(sizes, [vec![500_000, 300_000], vec![1], vec![900_000], vec![2]]);
        assert_eq!(chunks(&[], Record::approximate_size).count(), 0);
    }
}
