//! What is left behind of one partition's history, for the verdict: its topics as they are at the end, and every
//! snapshot that was ever made, with what its state had lost.

use std::sync::Arc;

use common::wire::Reason;
use consumer::{
    fingerprint::fingerprint,
    fold::{ClosedWindow, Highest, LastRecord, Snapshot},
};

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
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) losses: Vec<Loss>,
}

/// One record that goes out.
#[derive(Debug)]
pub(crate) enum Write {
    DeadLetter(DeadLetter),
    Window(Arc<ClosedWindow>),
    Anchor(Arc<Snapshot>),
    Snapshot(Stored),
}

/// Everything that was written about one partition.
pub(crate) struct Evidence<'a> {
    pub(crate) log: &'a Log,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) windows: Vec<Arc<ClosedWindow>>,
    pub(crate) anchors: Vec<Arc<Snapshot>>,
    pub(crate) state_topic: Vec<Stored>,
    /// Every snapshot that was ever made, written or not.
    pub(crate) ever_made: Vec<Stored>,
}

impl<'a> Evidence<'a> {
    pub(crate) fn of(log: &'a Log) -> Self {
        Self {
            log,
            dead_letters: Vec::new(),
            windows: Vec::new(),
            anchors: Vec::new(),
            state_topic: Vec::new(),
            ever_made: Vec::new(),
        }
    }

    /// The snapshot in the state topic that counts.
    pub(crate) fn newest(&self) -> Option<&Stored> {
        let mut highest = Highest::default();
        self.state_topic.iter().for_each(|stored| highest.offer(stored.snapshot.order(), || stored));
        highest.take()
    }
}

/// A record, recognisable.
pub(crate) fn describe(record: &Record) -> LastRecord {
    fingerprint(&record.view())
}
