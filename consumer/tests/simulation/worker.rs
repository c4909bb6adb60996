//! One process that works, or believes it does, on the partition.
//!
//! It folds and makes checkpoints with the consumer's own [`Folding`] and in the consumer's own order
//! ([`Checkpoint::steps`]). Its writes wait in a queue and go out one by one, so that a crash or a pause can fall
//! between any two; meanwhile it may go on folding.
//!
//! [`Checkpoint::steps`]: consumer::checkpoint::Checkpoint::steps

use std::collections::VecDeque;

use common::wire::Reason;
use consumer::{
    checkpoint::Step,
    fingerprint::fingerprint,
    fold::{ClosedWindow, LastRecord, PartitionState, Snapshot},
    folding::Folding,
};

use crate::{log::Log, records::Record};

/// The topic of all simulations.
const TOPIC: &str = "transactions";

/// What a state can't know any more, because the log had lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Records deleted before they were read.
    Skipped { from: i64, to: i64 },
    /// A restart at `at` read the id window again, but found nothing `before` that offset.
    Forgot { at: i64, before: i64 },
}

impl Loss {
    pub(crate) fn at(&self) -> i64 {
        match *self {
            Self::Skipped { from, .. } => from,
            Self::Forgot { at, .. } => at,
        }
    }
}

/// What is known of a dead letter by its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) generation: u64,
    pub(crate) offset: i64,
    pub(crate) reason: Reason,
}

/// A snapshot as it is read from the state topic, and (for the verdict only) what its state had lost.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) snapshot: Snapshot,
    pub(crate) losses: Vec<Loss>,
}

/// One record on its way out.
pub(crate) enum Write {
    DeadLetter(DeadLetter),
    Window(ClosedWindow),
    Anchor(Box<Snapshot>),
    Snapshot(Box<Stored>),
    Commit(i64),
}

/// The process.
pub(crate) struct Worker {
    folding: Folding,
    losses: Vec<Loss>,
    pub(crate) writes: VecDeque<Write>,
}

impl Worker {
    pub(crate) fn begin(state: PartitionState) -> Self {
        Self { folding: Folding::begin(TOPIC, state), losses: Vec::new(), writes: VecDeque::new() }
    }

    pub(crate) fn restore(stored: &Stored, log: &Log, log_start: i64) -> Self {
        let snapshot = &stored.snapshot;
        if let Some(last) = &snapshot.last_record
            && last.offset >= log_start
        {
            assert_eq!(log.from(last.offset).first().map(|entry| describe(&entry.record)).as_ref(), Some(last));
        }
        let mut state = PartitionState::restore(snapshot, 3).expect("its own version wrote it");
        let mut losses = stored.losses.clone();
        let (from, at) = (state.id_window_start(), state.next_offset());
        if from < log_start {
            losses.push(Loss::Forgot { at, before: log_start });
        }
        for entry in log.from(from.max(log_start)).iter().take_while(|entry| entry.record.offset < at) {
            state.remember(&entry.record.view());
        }
        Self { folding: Folding::resume(TOPIC, state, snapshot), losses, writes: VecDeque::new() }
    }

    pub(crate) fn fold(&mut self, log: &Log, log_start: i64, records: usize, into_hole: i64) {
        let from = self.folding.state().next_offset();
        if from < log_start {
            self.losses.push(Loss::Skipped { from, to: log_start });
            self.folding.skip_to(log_start);
        }
        let ahead = log.from(self.folding.state().next_offset());
        let batch = ahead.iter().take(records);
        let after_batch = batch.clone().next_back().map_or(from.max(log_start), |entry| entry.record.offset + 1);
        let next_record = ahead.get(records).map_or(log.end_offset, |entry| entry.record.offset);
        let next_offset = after_batch.saturating_add(into_hole).min(next_record);
        self.folding.fold(batch.map(|entry| entry.record.view()), next_offset, i64::MAX, |_| {});
    }

    /// Queues what has to go out, in the order it has to.
    pub(crate) fn checkpoint(&mut self, written_at_ms: i64) -> Stored {
        let checkpoint = self.folding.checkpoint(written_at_ms);
        let value = checkpoint.snapshot.to_value();
        let snapshot = Snapshot::parse(&value).expect("what a worker wrote can be read");
        let made = Stored { snapshot, losses: self.losses.clone() };
        let generation = made.snapshot.generation;
        for step in checkpoint.steps() {
            match step {
                Step::DeadLetters(letters) => self.writes.extend(letters.iter().map(|letter| {
                    Write::DeadLetter(DeadLetter { generation, offset: letter.offset(), reason: letter.reason() })
                })),
                Step::Windows(windows) => self.writes.extend(windows.iter().cloned().map(Write::Window)),
                Step::Anchor(_) => self.writes.push_back(Write::Anchor(Box::new(made.snapshot.clone()))),
                Step::Snapshot(_) => self.writes.push_back(Write::Snapshot(Box::new(made.clone()))),
            }
        }
        self.writes.push_back(Write::Commit(made.snapshot.next_offset));
        made
    }
}

/// A record, recognisable.
pub(crate) fn describe(record: &Record) -> LastRecord {
    fingerprint(&record.view())
}
