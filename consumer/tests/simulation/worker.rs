//! One process that works, or believes it does, on the partition.
//!
//! It is what the consumer is: restore, fold, and checkpoint in the order dead letters → closed windows → snapshot →
//! group commit. Its writes wait in a queue and go out one by one, so that a crash or a pause can fall between any
//! two; meanwhile it may go on folding.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

use common::wire::Reason;
use consumer::fold::{ClosedWindow, LastRecord, PartitionState, Snapshot, Verdict};

use crate::{log::Log, records::Record};

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
    Snapshot(Box<Stored>),
    Commit(i64),
}

/// The process.
pub(crate) struct Worker {
    state: PartitionState,
    losses: Vec<Loss>,
    last_record: Option<LastRecord>,
    dead_letters: Vec<DeadLetter>,
    pub(crate) writes: VecDeque<Write>,
}

impl Worker {
    pub(crate) fn of(state: PartitionState) -> Self {
        Self { state, losses: Vec::new(), last_record: None, dead_letters: Vec::new(), writes: VecDeque::new() }
    }

    pub(crate) fn restore(stored: &Stored, log: &Log, log_start: i64) -> Self {
        let snapshot = &stored.snapshot;
        if let Some(last) = &snapshot.last_record
            && last.offset >= log_start
        {
            assert_eq!(log.from(last.offset).first().map(|entry| describe(&entry.record)).as_ref(), Some(last));
        }
        let mut worker = Self::of(PartitionState::restore(snapshot, 3).expect("its own version wrote it"));
        worker.losses.clone_from(&stored.losses);
        worker.last_record.clone_from(&snapshot.last_record);
        let (from, at) = (worker.state.id_window_start(), worker.state.next_offset());
        if from < log_start {
            worker.losses.push(Loss::Forgot { at, before: log_start });
        }
        for entry in log.from(from.max(log_start)).iter().take_while(|entry| entry.record.offset < at) {
            worker.state.remember(&entry.record.view());
        }
        worker
    }

    pub(crate) fn fold(&mut self, log: &Log, log_start: i64, records: usize, into_hole: i64) {
        let from = self.state.next_offset();
        if from < log_start {
            self.losses.push(Loss::Skipped { from, to: log_start });
            self.state.skip_to(log_start);
        }
        let ahead = log.from(self.state.next_offset());
        for entry in ahead.iter().take(records) {
            let record = &entry.record;
            if let Verdict::Rejected(reason) = self.state.fold(&record.view()) {
                let generation = self.state.generation();
                self.dead_letters.push(DeadLetter { generation, offset: record.offset, reason });
            }
            self.last_record = Some(describe(record));
        }
        let next_record = ahead.get(records).map_or(log.end_offset, |entry| entry.record.offset);
        self.state.advance_to(self.state.next_offset().saturating_add(into_hole).min(next_record));
    }

    /// Queues what has to go out, in the order it has to.
    pub(crate) fn checkpoint(&mut self, written_at_ms: i64) -> Stored {
        self.writes.extend(self.dead_letters.drain(..).map(Write::DeadLetter));
        self.writes.extend(self.state.take_closed_windows().into_iter().map(Write::Window));
        let value = self.state.snapshot(self.last_record.clone(), written_at_ms).to_value();
        let snapshot = Snapshot::parse(&value).expect("what a worker wrote can be read");
        let made = Stored { snapshot, losses: self.losses.clone() };
        self.writes.push_back(Write::Snapshot(Box::new(made.clone())));
        self.writes.push_back(Write::Commit(self.state.next_offset()));
        made
    }
}

/// A record, recognisable. Any digest does for a simulation.
pub(crate) fn describe(record: &Record) -> LastRecord {
    let mut hasher = DefaultHasher::new();
    record.value.hash(&mut hasher);
    let sha256 = format!("{:016x}", hasher.finish());
    LastRecord { offset: record.offset, timestamp_ms: record.timestamp_ms, sha256 }
}
