//! Makes a partition's progress durable, in the one order that loses nothing:
//!
//! ```text
//!   dead letters ─▶ closed windows ─▶ anchor (now and then) ─▶ snapshot ─▶ (group commit, for those who watch)
//! ```
//!
//! [`Checkpoint::steps`] is that order; the simulation crashes between any two of them. A crash between any two steps repeats
//! what went out before the snapshot, under the same identity; it never skips any of it.

use std::time::Duration;

use common::{
    kafka::{Cluster, Fault, PartitionWriter, Record, WriteError},
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
    /// Whether a copy of the snapshot goes to where compaction doesn't reach it.
    pub anchor: bool,
    /// The state that covers them.
    pub snapshot: Snapshot,
}

/// One thing that goes out, whole, before the next one may.
pub enum Step<'c> {
    /// What was rejected.
    DeadLetters(&'c [DeadLetter]),
    /// Windows that closed or were revised.
    Windows(&'c [ClosedWindow]),
    /// A copy of the snapshot that outlives it.
    Anchor(&'c Snapshot),
    /// What covers all of it.
    Snapshot(&'c Snapshot),
}

impl Checkpoint {
    /// What goes out, in order.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        [
            Some(Step::DeadLetters(&self.dead_letters)),
            Some(Step::Windows(&self.windows)),
            self.anchor.then_some(Step::Anchor(&self.snapshot)),
            Some(Step::Snapshot(&self.snapshot)),
        ]
        .into_iter()
        .flatten()
    }
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
    anchors: PartitionWriter,
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
            anchors: writer(&names.anchors),
            state: writer(&names.state),
            deadline,
        }
    }

    /// Writes a checkpoint; every step is acknowledged before the next one begins. Gives the offset of the snapshot in
    /// the state topic.
    ///
    /// # Errors
    /// [`CheckpointError`]; what was written before stays written.
    pub async fn write(&mut self, checkpoint: &Checkpoint) -> Result<i64, CheckpointError> {
        let (partition, next_offset) = (self.partition, checkpoint.snapshot.next_offset);
        let failed = |what| move |cause| CheckpointError { partition, next_offset, what, cause };
        let now_ms = checkpoint.snapshot.written_at_ms;
        let deadline = self.deadline;
        let mut state_offset = 0;
        for step in checkpoint.steps() {
            match step {
                Step::DeadLetters(letters) => {
                    self.write_dead_letters(letters, &checkpoint.source, now_ms)
                        .await
                        .map_err(failed("dead letters"))?;
                }
                Step::Windows(windows) => {
                    let windows = window_records(windows, now_ms);
                    for chunk in chunks(&windows, Record::approximate_size) {
                        let written = self.windows.write_records(chunk, deadline).await;
                        written.map_err(failed("closed windows"))?;
                    }
                }
                Step::Anchor(snapshot) => {
                    write_snapshot(&mut self.anchors, snapshot, deadline).await.map_err(failed("anchor"))?;
                }
                Step::Snapshot(snapshot) => {
                    let written = write_snapshot(&mut self.state, snapshot, deadline).await;
                    state_offset = written.map_err(failed("snapshot"))?;
                }
            }
        }
        Ok(state_offset)
    }

    /// Writes dead letters, in smaller requests where the broker finds one too large.
    async fn write_dead_letters(
        &mut self,
        letters: &[DeadLetter],
        source: &Source,
        now_ms: i64,
    ) -> Result<(), WriteError> {
        let mut waiting: Vec<&[DeadLetter]> = chunks(letters, DeadLetter::bytes).collect();
        waiting.reverse();
        while let Some(chunk) = waiting.pop() {
            let records: Vec<Record> = chunk.iter().map(|letter| letter.to_record(source, now_ms)).collect();
            match self.dead_letters.write_records(&records, self.deadline).await {
                Ok(_) => {}
                Err(WriteError::TooLarge(_)) if chunk.len() > 1 => {
                    let (first, second) = chunk.split_at(chunk.len() / 2);
                    waiting.extend([second, first]);
                }
                Err(WriteError::TooLarge(fault)) => self.write_cut(&chunk[0], source, now_ms, fault).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what a topic takes of one dead letter: somebody has set the topic's limit below what was agreed.
    async fn write_cut(
        &mut self,
        letter: &DeadLetter,
        source: &Source,
        now_ms: i64,
        mut refused: Fault,
    ) -> Result<(), WriteError> {
        let mut cut = letter.clone();
        while cut.halve() {
            let record = cut.to_record(source, now_ms);
            match self.dead_letters.write_records(&[record], self.deadline).await {
                Ok(_) => return Ok(()),
                Err(WriteError::TooLarge(fault)) => refused = fault,
                Err(error) => return Err(error),
            }
        }
        Err(WriteError::TooLarge(refused))
    }
}

/// Writes a snapshot to its partition of a topic that holds snapshots. Gives its offset there.
///
/// # Errors
/// [`WriteError`].
pub async fn write_snapshot(
    topic: &mut PartitionWriter,
    snapshot: &Snapshot,
    deadline: Duration,
) -> Result<i64, WriteError> {
    let record = Record {
        key: Some(snapshot.partition.to_string().into_bytes()),
        value: Some(snapshot.to_value()),
        headers: Vec::new(),
        // The wall clock: a compacted topic rolls its segments by record time, and would never be compacted by ours.
        timestamp_ms: snapshot.written_at_ms,
    };
    topic.write_records(&[record], deadline).await
}

fn window_records(windows: &[ClosedWindow], now_ms: i64) -> Vec<Record> {
    let records = windows.iter().flat_map(ClosedWindow::to_records);
    let to_record = |(key, value): (String, _)| Record {
        timestamp_ms: now_ms,
        key: Some(key.into_bytes()),
        value: Some(value),
        headers: Vec::new(),
    };
    records.map(to_record).collect()
}

/// Cuts what is to be written into requests that brokers take; one that is larger by itself has a request to itself.
pub(crate) fn chunks<T>(items: &[T], bytes_of: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
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
        Record { value: Some(vec![0; bytes]), ..Record::default() }
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
