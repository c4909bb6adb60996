//! What can happen, and to whom.

use std::sync::Arc;

use crate::{
    coordinator::{Answer, ProcessId, Request},
    evidence::Write,
};

pub(crate) enum Event {
    /// Something goes wrong, or somebody comes or goes.
    Fault,
    /// Nothing goes wrong any more.
    Heal,
    /// Records are appended to a partition's log.
    Produce(usize),
    /// The coordinator looks at its clock, and the simulation at whether all is as it has to be.
    Look,
    /// A request reaches the coordinator.
    Ask(Request),
    /// A request to write reaches its broker. What becomes of it is told after `reply_ms`, if it is.
    Append { partition: usize, writes: Arc<Vec<Write>>, writer: Writer, reply_ms: Option<i64> },
    /// `consumer reset` goes on.
    Reset,
    /// A process that was paused goes on.
    Resume(ProcessId),
    /// Something for a process: dropped if there is none any more, and put off while it is paused.
    Process(ProcessId, Inner),
}

/// Who waits for a write.
#[derive(Clone, Copy)]
pub(crate) enum Writer {
    Hand { process: ProcessId, hand: u64, attempt: u64 },
    Reset,
}

/// What happens in a process.
pub(crate) enum Inner {
    /// Time for a heartbeat.
    Beat,
    /// Time for a commit.
    Commit,
    /// The coordinator has answered.
    Answer(Answer),
    /// There may be more in a partition of the state topic.
    Tail(usize),
    /// Something for the worker of a partition; of no concern to any but the one of that number.
    Hand(usize, u64, Step),
}

/// What happens to a worker.
pub(crate) enum Step {
    /// Restoring goes on.
    Restore,
    /// Records may have come.
    Fetch,
    /// A checkpoint is due.
    Tick,
    /// A write was acknowledged; a snapshot's offset in the state topic.
    Acknowledged { attempt: u64, state_offset: Option<i64> },
    /// A write was not acknowledged.
    Failed { attempt: u64 },
    /// It is tried again.
    Resend { attempt: u64 },
    /// The pause after a fault is over.
    TakeUp,
    /// Draining takes too long.
    DrainEnds,
}
