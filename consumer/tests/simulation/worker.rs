//! One process that works, or believes it does, on the partition.
//!
//! Its writes wait in a queue and go out one by one, so that a crash or a pause can fall between any two; meanwhile it
//! may go on folding.

use std::collections::VecDeque;

use consumer::fold::PartitionState;

use crate::{
    counting::{Counting, writes_of, written_and_read},
    evidence::{Stored, Write},
    log::Log,
};

/// One thing on its way out.
pub(crate) enum Out {
    Write(Write),
    Commit(i64),
}

/// The process.
pub(crate) struct Worker {
    pub(crate) counting: Counting,
    pub(crate) writes: VecDeque<Out>,
}

impl Worker {
    pub(crate) fn begin(state: PartitionState) -> Self {
        Self { counting: Counting::begin(state), writes: VecDeque::new() }
    }

    pub(crate) fn restore(stored: &Stored, log: &Log, log_start: i64) -> Self {
        Self { counting: Counting::restore(stored, log, log_start), writes: VecDeque::new() }
    }

    /// Queues what has to go out, in the order it has to.
    pub(crate) fn checkpoint(&mut self, written_at_ms: i64) -> Stored {
        let (checkpoint, losses) = self.counting.checkpoint(written_at_ms);
        let made = Stored { snapshot: written_and_read(&checkpoint.snapshot), losses };
        self.writes.extend(writes_of(&checkpoint, &made).into_iter().map(Out::Write));
        self.writes.push_back(Out::Commit(made.snapshot.next_offset));
        made
    }
}
