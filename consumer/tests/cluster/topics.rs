//! Kafka's topics, as far as they matter: the log that grows and loses its beginning, the compacted state topic, and
//! the topics that only grow.

use std::sync::Arc;

use consumer::fold::{Highest, Snapshot};

use crate::{
    evidence::{Evidence, Stored, Write},
    log::Log,
};

/// One partition of all topics.
pub(crate) struct Topics<'a> {
    pub(crate) log: &'a Log,
    /// Records of the log that are there by now.
    produced: usize,
    pub(crate) log_start: i64,
    pub(crate) state: Vec<InState>,
    state_end: i64,
    /// The order of every snapshot that was ever in the state topic.
    pub(crate) orders: Vec<(u64, i64)>,
    pub(crate) evidence: Evidence<'a>,
}

/// A record of the state topic.
#[derive(Clone)]
pub(crate) struct InState {
    pub(crate) offset: i64,
    at_ms: i64,
    pub(crate) stored: Stored,
}

impl<'a> Topics<'a> {
    pub(crate) fn new(log: &'a Log) -> Self {
        Self {
            log,
            produced: 0,
            log_start: log.first_offset,
            state: Vec::new(),
            state_end: 0,
            orders: Vec::new(),
            evidence: Evidence::of(log),
        }
    }

    /// Lets so many more records be there. Gives whether more are to come.
    pub(crate) fn produce(&mut self, records: usize) -> bool {
        self.produced = (self.produced + records).min(self.log.entries.len());
        self.produced < self.log.entries.len()
    }

    /// The offset after the last one that can be read.
    pub(crate) fn log_end(&self) -> i64 {
        match self.produced {
            0 => self.log.first_offset,
            all if all == self.log.entries.len() => self.log.end_offset,
            some => self.log.entries[some - 1].record.offset + 1,
        }
    }

    pub(crate) fn retain(&mut self, offsets: i64) {
        self.log_start = (self.log_start + offsets).min(self.log_end());
    }

    /// Appends one request's records. Gives the state topic's offset, where it was a snapshot.
    pub(crate) fn append(&mut self, now_ms: i64, writes: &[Write]) -> Option<i64> {
        let mut state_offset = None;
        for write in writes {
            match write {
                Write::DeadLetter(letter) => self.evidence.dead_letters.push(letter.clone()),
                Write::Window(window) => self.evidence.windows.push(Arc::clone(window)),
                Write::Anchor(snapshot) => self.evidence.anchors.push(Arc::clone(snapshot)),
                Write::Snapshot(stored) => {
                    self.orders.push(stored.snapshot.order());
                    self.state.push(InState { offset: self.state_end, at_ms: now_ms, stored: stored.clone() });
                    state_offset = Some(self.state_end);
                    self.state_end += 1;
                }
            }
        }
        state_offset
    }

    pub(crate) fn state_end(&self) -> i64 {
        self.state_end
    }

    /// Up to `most` records from an offset on, as a fetch gives them: at a hole, those behind it.
    pub(crate) fn read_state(&self, offset: i64, most: usize) -> impl Iterator<Item = &InState> {
        let from = self.state.partition_point(|record| record.offset < offset);
        self.state[from..].iter().take(most)
    }

    /// Keeps the last of the records that are older than `lag_ms`, and all that are not. Gives whether the highest
    /// snapshot is still there.
    pub(crate) fn compact(&mut self, now_ms: i64, lag_ms: i64) -> bool {
        let before = self.highest_order();
        let seen = self.state.partition_point(|record| record.at_ms <= now_ms - lag_ms);
        self.state.drain(..seen.saturating_sub(1));
        self.highest_order() == before
    }

    pub(crate) fn highest(&self) -> Option<&InState> {
        let mut highest = Highest::default();
        self.state.iter().for_each(|record| highest.offer(record.stored.snapshot.order(), || record));
        highest.take()
    }

    /// A snapshot that was in the topic once, with what its state had lost.
    pub(crate) fn as_made(&self, snapshot: Arc<Snapshot>) -> Stored {
        let mut made = self.evidence.ever_made.iter();
        let losses = made.find(|made| made.snapshot == snapshot).map(|made| made.losses.clone());
        Stored { snapshot, losses: losses.expect("nothing is shown that nobody made") }
    }

    /// Computed apart from the consumer's own rule.
    pub(crate) fn highest_order(&self) -> Option<(u64, i64)> {
        self.state.iter().map(|record| (record.stored.snapshot.generation, record.stored.snapshot.next_offset)).max()
    }

    /// Whether a lower snapshot stands behind the highest one.
    pub(crate) fn is_buried(&self) -> bool {
        self.state.last().map(|last| last.stored.snapshot.order()) != self.highest_order()
    }
}
