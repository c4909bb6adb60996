//! The global view of each process: it follows the whole state topic, with the consumer's own [`Intake`] and its own
//! view.

use std::sync::Arc;

use consumer::intake::Intake;

use crate::{
    cluster::Cluster,
    events::{Event, Inner},
    hand::numbered,
    process::Process,
};

/// Snapshots that one fetch brings at most.
const FETCH_RECORDS: usize = 5;
/// Longest time until a tail hears of a new snapshot.
const LATE_MS_MAX: i64 = 800;

impl Cluster<'_> {
    /// Reads on in one partition of the state topic.
    pub(crate) fn tail(&mut self, process: &mut Process, partition: usize) {
        let tail = &mut process.tails[partition];
        let topics = &self.topics[partition];
        let mut intake = Intake::default();
        for found in topics.read_state(tail.offset, FETCH_RECORDS) {
            intake.offer(found.stored.snapshot.order(), found.offset, || Arc::clone(&found.stored.snapshot));
            tail.offset = found.offset + 1;
        }
        intake.show(&process.view, numbered(partition), Some);
        tail.is_reading = tail.offset < topics.state_end();
        if tail.is_reading {
            self.put_for(process.id, Inner::Tail(partition));
        }
    }

    /// Whoever waits for more of the state topic hears of it.
    pub(crate) fn wake_tails(&mut self, partition: usize) {
        for id in 0..self.processes.len() {
            let Some(process) = &mut self.processes[id] else { continue };
            if !std::mem::replace(&mut process.tails[partition].is_reading, true) {
                // Now and then late enough for several to come at once.
                let most_ms = if self.dice.chance(300) { LATE_MS_MAX } else { 20 };
                let after_ms = self.dice.between(1, most_ms);
                self.queue.put(after_ms, Event::Process(id, Inner::Tail(partition)));
            }
        }
    }
}
