//! The worker of one partition, as `worker.rs`, `restore.rs` and `shift.rs` have it: restored from the highest snapshot,
//! folding what comes, drained before it is let go.

use std::sync::Arc;

use consumer::fold::{Highest, PartitionState};

use crate::{
    cluster::Cluster,
    coordinator::ProcessId,
    counting::{Counting, written_and_read},
    events::{Event, Inner, Step},
    evidence::Stored,
    plan::small_settings,
    process::Process,
    topics::InState,
    writing::Writing,
};

const SNAPSHOT_INTERVAL_MS: i64 = 1_000;
/// Records after which a snapshot is made even before its time.
const SNAPSHOT_RECORDS: u64 = 12;
const DRAIN_MS: i64 = 3_000;
pub(crate) const RESTART_PAUSE_MS: i64 = 1_000;
/// Records of the state topic that one fetch brings at most.
const STATE_FETCH_RECORDS: usize = 4;
/// Records of the log that one fetch brings at most.
const FETCH_RECORDS: usize = 8;

pub(crate) struct Hand {
    pub(crate) number: u64,
    pub(crate) is_stopping: bool,
    /// The partition is still this process's, for all that it knows: its commits are for it to make.
    pub(crate) is_held: bool,
    pub(crate) duty: Duty,
    /// What a worker of this process had made of the partition before.
    parked: Option<Counting>,
}

pub(crate) enum Duty {
    Restoring(Option<Reading>),
    Working(Box<Work>),
    /// A pause after a fault.
    Resting,
    Ended,
}

/// A restore that is reading the state topic.
pub(crate) struct Reading {
    state_end: i64,
    offset: i64,
    highest: Highest<InState>,
}

pub(crate) struct Work {
    pub(crate) counting: Counting,
    /// When it began.
    pub(crate) since_ms: i64,
    pub(crate) is_due: bool,
    /// There was nothing more to read.
    is_waiting: bool,
    pub(crate) writing: Option<Writing>,
    pub(crate) last: Last,
}

/// The snapshot that a worker has come from or made last.
pub(crate) struct Last {
    pub(crate) order: Option<(u64, i64)>,
    pub(crate) is_anchored: bool,
    /// How often it was made again.
    pub(crate) repeats: u32,
}

impl Hand {
    pub(crate) fn new(number: u64, parked: Option<Counting>) -> Self {
        Self { number, is_stopping: false, is_held: true, duty: Duty::Restoring(None), parked }
    }
}

/// The partition, as the consumer numbers it.
pub(crate) fn numbered(partition: usize) -> i32 {
    i32::try_from(partition).expect("a few partitions")
}

impl Cluster<'_> {
    pub(crate) fn put_step(&mut self, id: ProcessId, partition: usize, number: u64, step: Step) {
        self.put_for(id, Inner::Hand(partition, number, step));
    }

    pub(crate) fn put_step_in(&mut self, after_ms: i64, id: ProcessId, partition: usize, number: u64, step: Step) {
        self.queue.put(after_ms, Event::Process(id, Inner::Hand(partition, number, step)));
    }

    pub(crate) fn with_hand(&mut self, process: &mut Process, partition: usize, number: u64, step: Step) {
        let Some(mut hand) = process.hands.remove(&partition) else { return };
        if hand.number == number {
            self.hand_on(process, partition, &mut hand, step);
        }
        process.hands.insert(partition, hand);
        self.check_released(process);
    }

    fn hand_on(&mut self, process: &mut Process, partition: usize, hand: &mut Hand, step: Step) {
        match (step, &mut hand.duty) {
            (Step::Restore, Duty::Restoring(_)) => self.restore_on(process, partition, hand),
            (Step::Fetch, Duty::Working(_)) if !hand.is_stopping => self.fetch(process, partition, hand),
            (Step::Tick, Duty::Working(_)) if !hand.is_stopping => self.tick(process, partition, hand),
            (Step::Acknowledged { attempt, state_offset }, Duty::Working(_)) => {
                self.acknowledged(process, partition, hand, attempt, state_offset);
            }
            (Step::Failed { attempt }, Duty::Working(_)) => self.failed(process, partition, hand, attempt),
            (Step::Resend { attempt }, Duty::Working(_)) => self.resend(process, partition, hand, attempt),
            (Step::TakeUp, Duty::Resting) => {
                hand.duty = Duty::Restoring(None);
                self.put_step(process.id, partition, hand.number, Step::Restore);
            }
            (Step::DrainEnds, Duty::Working(_)) => {
                self.note(|| format!("process {}: {partition}: was not drained in time", process.id));
                hand.duty = Duty::Ended;
            }
            _ => {}
        }
    }

    fn restore_on(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        let Duty::Restoring(reading) = &mut hand.duty else { return };
        let topics = &self.topics[partition];
        let reading = reading.get_or_insert_with(|| Reading {
            state_end: topics.state_end(),
            offset: 0,
            highest: Highest::default(),
        });
        if reading.offset < reading.state_end {
            for found in topics.read_state(reading.offset, STATE_FETCH_RECORDS) {
                reading.highest.offer(found.stored.snapshot.order(), || found.clone());
                reading.offset = found.offset + 1;
            }
            let fetch_ms = if self.healed_ms.is_some() { 20 } else { self.plan.state_fetch_ms };
            let read_ms = self.dice.between(1, fetch_ms);
            self.put_step_in(read_ms, process.id, partition, hand.number, Step::Restore);
            return;
        }
        let (log_end, found) = (topics.log_end(), std::mem::take(&mut reading.highest).take());
        self.begin_work(process, partition, hand, log_end, found);
    }

    fn begin_work(
        &mut self,
        process: &mut Process,
        partition: usize,
        hand: &mut Hand,
        log_end: i64,
        found: Option<InState>,
    ) {
        let (id, number) = (process.id, hand.number);
        let (counting, last) = match found {
            None => {
                let committed = self.coordinator.committed[partition];
                self.hold(committed.is_none(), || {
                    format!("{partition} is refused as lost: {committed:?} is committed")
                });
                let start = self.topics[partition].log_start;
                self.note(|| format!("process {id}: {partition}: begins at {start}"));
                let state = PartitionState::new(1, numbered(partition), small_settings(), start, 1);
                (Counting::begin(state), Last { order: None, is_anchored: false, repeats: 0 })
            }
            Some(found) => {
                let known = process.view.above(numbered(partition), found.stored.snapshot.order());
                let is_known = known.is_some();
                let (stored, offset) = match known {
                    Some((snapshot, offset)) => (self.topics[partition].as_made(snapshot), offset),
                    None => (found.stored, found.offset),
                };
                let order = stored.snapshot.order();
                let whence = if is_known { "memory" } else { "the topic" };
                self.note(|| format!("process {id}: {partition}: restored from {order:?} at {offset}, by {whence}"));
                self.hold(order.1 <= log_end, || {
                    format!("process {id}: {partition}: refused as diverged: {order:?}, but the log ends at {log_end}")
                });
                // Now and then by way of its bytes: that they say the same is the simulation's business next door.
                let snapshot = if self.dice.chance(100) { written_and_read(&stored.snapshot) } else { stored.snapshot };
                let stored = Stored { snapshot, losses: stored.losses };
                let topics = &self.topics[partition];
                let counting = match hand.parked.take().filter(|parked| parked.folding.stands_at(&stored.snapshot)) {
                    Some(parked) => {
                        self.counts.unparked += 1;
                        parked
                    }
                    None => Counting::restore(&stored, topics.log, topics.log_start),
                };
                process.view.publish(Arc::clone(&stored.snapshot), offset);
                let is_anchored = stored.snapshot.anchored_at_ms.is_some();
                (counting, Last { order: Some(order), is_anchored, repeats: 0 })
            }
        };
        self.counts.restored += 1;
        let since_ms = self.now_ms();
        let work = Work { counting, since_ms, is_due: false, is_waiting: false, writing: None, last };
        hand.duty = Duty::Working(Box::new(work));
        self.put_step(id, partition, number, Step::Fetch);
        self.put_step_in(0, id, partition, number, Step::Tick);
    }

    fn fetch(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        let Duty::Working(work) = &mut hand.duty else { return };
        let records = 1 + self.dice.below(FETCH_RECORDS);
        let into_hole = self.dice.between(0, 3);
        let topics = &self.topics[partition];
        let end = topics.log_end();
        work.counting.fold(topics.log, topics.log_start, end, records, into_hole);
        work.is_waiting = work.counting.folding.state().next_offset() >= end;
        if !work.is_waiting {
            self.put_step(process.id, partition, hand.number, Step::Fetch);
        }
        self.checkpoint_if_wanted(process, partition, hand);
    }

    /// Records have come.
    pub(crate) fn wake_hand(&mut self, process: &mut Process, partition: usize) {
        let Some(hand) = process.hands.get_mut(&partition) else { return };
        if let Duty::Working(work) = &mut hand.duty
            && std::mem::take(&mut work.is_waiting)
        {
            let number = hand.number;
            self.put_step(process.id, partition, number, Step::Fetch);
        }
    }

    fn tick(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        let Duty::Working(work) = &mut hand.duty else { return };
        work.is_due = true;
        if work.counting.folding.heed(&process.view) {
            self.note(|| format!("process {}: {partition}: goes over to another generation", process.id));
            self.counts.superseded += 1;
            self.rest(process, partition, hand);
            return;
        }
        self.put_step_in(SNAPSHOT_INTERVAL_MS, process.id, partition, hand.number, Step::Tick);
        self.checkpoint_if_wanted(process, partition, hand);
    }

    /// Drops everything, to restore after a pause.
    pub(crate) fn rest(&mut self, process: &Process, partition: usize, hand: &mut Hand) {
        hand.duty = if hand.is_stopping { Duty::Ended } else { Duty::Resting };
        // Of its own number from here on: whatever was on its way is of no concern any more.
        hand.number = self.number();
        self.put_step_in(RESTART_PAUSE_MS, process.id, partition, hand.number, Step::TakeUp);
    }

    pub(crate) fn checkpoint_if_wanted(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        let Duty::Working(work) = &mut hand.duty else { return };
        if work.writing.is_none() && work.counting.folding.wants_checkpoint(work.is_due, SNAPSHOT_RECORDS) {
            self.begin_checkpoint(process, partition, hand);
        }
    }

    pub(crate) fn stop_hand(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        if hand.is_stopping {
            return;
        }
        hand.is_stopping = true;
        if !matches!(hand.duty, Duty::Working(_)) {
            hand.duty = Duty::Ended;
            return;
        }
        self.put_step_in(DRAIN_MS, process.id, partition, hand.number, Step::DrainEnds);
        self.drain_on(process, partition, hand);
    }

    /// Makes the last records durable, and ends.
    pub(crate) fn drain_on(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        let Duty::Working(work) = &mut hand.duty else { return };
        if work.writing.is_some() {
            return;
        }
        let is_over = work.counting.folding.heed(&process.view);
        if !is_over && work.counting.folding.is_unsaved() {
            self.begin_checkpoint(process, partition, hand);
            return;
        }
        if !is_over {
            self.check_drained(partition, hand);
            self.counts.drained += 1;
        }
        if let Duty::Working(work) = std::mem::replace(&mut hand.duty, Duty::Ended) {
            process.parked.insert(partition, work.counting);
        }
    }
}
