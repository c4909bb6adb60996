//! The count of one partition as a worker makes it: the consumer's own [`Folding`] and its own order of writing
//! ([`Checkpoint::steps`]), with a note of what retention took from it.

use std::sync::Arc;

use consumer::{
    checkpoint::{Checkpoint, Step},
    fold::{PartitionState, Snapshot},
    folding::Folding,
};

use crate::{
    evidence::{DeadLetter, Loss, Stored, Write, describe},
    log::Log,
};

/// The topic of all simulations.
const TOPIC: &str = "transactions";

/// A partition's state, and what it has lost.
pub(crate) struct Counting {
    pub(crate) folding: Folding,
    pub(crate) losses: Vec<Loss>,
}

impl Counting {
    pub(crate) fn begin(state: PartitionState) -> Self {
        Self { folding: Folding::begin(TOPIC, state), losses: Vec::new() }
    }

    /// Goes on from a snapshot, as it is read from its bytes.
    pub(crate) fn restore(stored: &Stored, log: &Log, log_start: i64) -> Self {
        let snapshot = &*stored.snapshot;
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
        Self { folding: Folding::resume(TOPIC, state, snapshot), losses }
    }

    /// Folds the next records before `end`, and `into_hole` offsets behind the last of them if they are empty.
    pub(crate) fn fold(&mut self, log: &Log, log_start: i64, end: i64, records: usize, into_hole: i64) {
        let from = self.folding.state().next_offset();
        if from < log_start {
            self.losses.push(Loss::Skipped { from, to: log_start });
            self.folding.skip_to(log_start);
        }
        let ahead = log.from(self.folding.state().next_offset());
        let batch = ahead.iter().take_while(|entry| entry.record.offset < end).take(records);
        let (mut folded, mut after_batch) = (0, from.max(log_start));
        for entry in batch.clone() {
            (folded, after_batch) = (folded + 1, entry.record.offset + 1);
        }
        let next_record = ahead.get(folded).map_or(end, |entry| entry.record.offset.min(end));
        let next_offset = after_batch.saturating_add(into_hole).min(next_record);
        self.folding.fold(batch.map(|entry| entry.record.view()), next_offset, i64::MAX, |_, _| {});
    }

    /// What has to go out, and the snapshot that covers it.
    pub(crate) fn checkpoint(&mut self, written_at_ms: i64) -> (Checkpoint, Vec<Loss>) {
        (self.folding.checkpoint(written_at_ms), self.losses.clone())
    }
}

/// A snapshot once it has been bytes.
pub(crate) fn written_and_read(snapshot: &Snapshot) -> Arc<Snapshot> {
    Arc::new(Snapshot::parse(&snapshot.to_value()).expect("what a worker wrote can be read"))
}

/// The records of a checkpoint, in the order in which they go out; `made` is its snapshot.
pub(crate) fn writes_of(checkpoint: &Checkpoint, made: &Stored) -> Vec<Write> {
    let generation = made.snapshot.generation;
    let mut writes = Vec::new();
    for step in checkpoint.steps() {
        match step {
            Step::DeadLetters(letters) => writes.extend(letters.iter().map(|letter| {
                Write::DeadLetter(DeadLetter { generation, offset: letter.offset(), reason: letter.reason() })
            })),
            Step::Windows(windows) => writes.extend(windows.iter().cloned().map(Arc::new).map(Write::Window)),
            Step::Anchor(_) => writes.push(Write::Anchor(Arc::clone(&made.snapshot))),
            Step::Snapshot(_) => writes.push(Write::Snapshot(made.clone())),
        }
    }
    writes
}
