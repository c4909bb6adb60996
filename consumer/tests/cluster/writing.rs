//! A checkpoint on its way: step by step, each tried again until it is acknowledged or its time is over, as
//! `checkpoint.rs` and `common/src/kafka/writer.rs` have it.

use std::{collections::VecDeque, mem::discriminant, sync::Arc};

use crate::{
    cluster::Cluster,
    counting::writes_of,
    events::{Event, Inner, Step, Writer},
    evidence::{Stored, Write},
    hand::{Duty, Hand, Last},
    process::Process,
};

/// Longest pause between two tries.
const BACKOFF_MS_MAX: i64 = 2_000;
/// The wall clock at virtual time 0: snapshots are stamped with it.
const BEGAN_MS: i64 = 1_795_176_000_000;

/// A checkpoint of which some is not acknowledged yet.
pub(crate) struct Writing {
    made: Stored,
    waiting: VecDeque<Write>,
    sent: Arc<Vec<Write>>,
    attempt: u64,
    tries: u32,
    give_up_ms: i64,
    state_offset: i64,
}

impl Cluster<'_> {
    pub(crate) fn begin_checkpoint(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        let Duty::Working(work) = &mut hand.duty else { return };
        work.is_due = false;
        let (checkpoint, losses) = work.counting.checkpoint(BEGAN_MS + self.queue.now_ms());
        let made = Stored { snapshot: Arc::new(checkpoint.snapshot.clone()), losses };
        let waiting = writes_of(&checkpoint, &made).into();
        let (sent, order) = (Arc::default(), made.snapshot.order());
        let repeats = if work.last.order == Some(order) { work.last.repeats + 1 } else { 0 };
        let last = Last { order: Some(order), is_anchored: true, repeats };
        let before = std::mem::replace(&mut work.last, last);
        self.note(|| format!("process {}: {partition}: checkpoint {order:?}", process.id));
        self.check_made(partition, &made);
        self.check_needed(process, partition, &before, &checkpoint);
        self.topics[partition].evidence.ever_made.push(made.clone());
        work.writing = Some(Writing { made, waiting, sent, attempt: 0, tries: 0, give_up_ms: 0, state_offset: 0 });
        self.write_on(process, partition, hand);
    }

    /// Sends the next step; or shows the snapshot, if there is none left.
    fn write_on(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        let Duty::Working(work) = &mut hand.duty else { return };
        let Some(writing) = &mut work.writing else { return };
        let Some(first) = writing.waiting.front() else {
            let Some(Writing { made, state_offset, .. }) = work.writing.take() else { return };
            process.view.publish(made.snapshot, state_offset);
            return if hand.is_stopping {
                self.drain_on(process, partition, hand);
            } else {
                self.checkpoint_if_wanted(process, partition, hand);
            };
        };
        let kind = discriminant(first);
        let alike = writing.waiting.iter().take_while(|write| discriminant(*write) == kind).count();
        // Many records make several requests.
        let count = if self.dice.chance(300) { 1 + self.dice.below(alike) } else { alike };
        writing.sent = Arc::new(writing.waiting.drain(..count).collect());
        (writing.tries, writing.give_up_ms) = (0, self.queue.now_ms() + self.plan.write_deadline_ms);
        self.try_write(process, partition, hand);
    }

    fn try_write(&mut self, process: &mut Process, partition: usize, hand: &mut Hand) {
        let Duty::Working(work) = &mut hand.duty else { return };
        let Some(writing) = &mut work.writing else { return };
        let (id, number) = (process.id, hand.number);
        if self.is_troubled() && self.dice.chance(self.plan.dies_writing) {
            self.note(|| format!("process {id} dies as it writes to {partition}"));
            self.watch.disturb(self.queue.now_ms());
            self.counts.died_writing += 1;
            process.is_gone = true;
            return;
        }
        let attempt = self.number();
        writing.attempt = attempt;
        let writer = Writer::Hand { process: id, hand: number, attempt };
        let (there_ms, back_ms) = (self.delay_ms(), self.delay_ms());
        let request_ms = self.plan.request_ms;
        let troubled = self.is_troubled() && self.dice.chance(self.plan.unacknowledged);
        let (arrives, reply_ms, fails_ms) = match (troubled, self.dice.below(4)) {
            (false, _) => (true, Some(back_ms), request_ms),
            // Never arrives; is written, but nobody says so; is written, or is not, and is said to have failed.
            (true, 0) => (false, None, request_ms),
            (true, 1) => (true, None, request_ms),
            (true, 2) => (true, None, there_ms + back_ms),
            (true, _) => (false, None, there_ms + back_ms),
        };
        let on_time = reply_ms.is_some() && there_ms + back_ms < request_ms;
        if arrives {
            self.writes_on_way += 1;
            let writes = Arc::clone(&writing.sent);
            self.queue.put(there_ms, Event::Append { partition, writes, writer, reply_ms });
        }
        if !on_time {
            self.counts.unacknowledged += 1;
            self.watch.disturb(self.queue.now_ms() + fails_ms + BACKOFF_MS_MAX);
            self.put_step_in(fails_ms, id, partition, number, Step::Failed { attempt });
        }
    }

    pub(crate) fn failed(&mut self, process: &mut Process, partition: usize, hand: &mut Hand, attempt: u64) {
        let Duty::Working(work) = &mut hand.duty else { return };
        let Some(writing) = work.writing.as_mut().filter(|writing| writing.attempt == attempt) else { return };
        writing.tries += 1;
        let pause_ms = (50 << writing.tries.min(6)).min(BACKOFF_MS_MAX);
        let now_ms = self.queue.now_ms();
        if now_ms + pause_ms < writing.give_up_ms {
            // An answer that comes after all is not heard any more: its connection is gone.
            writing.attempt = self.number();
            let attempt = writing.attempt;
            self.put_step_in(pause_ms, process.id, partition, hand.number, Step::Resend { attempt });
        } else {
            self.note(|| format!("process {}: {partition}: gives its checkpoint up", process.id));
            self.counts.given_up += 1;
            self.watch.disturb(now_ms);
            self.rest(process, partition, hand);
        }
    }

    pub(crate) fn resend(&mut self, process: &mut Process, partition: usize, hand: &mut Hand, attempt: u64) {
        let Duty::Working(work) = &hand.duty else { return };
        if work.writing.as_ref().is_some_and(|writing| writing.attempt == attempt) {
            self.try_write(process, partition, hand);
        }
    }

    pub(crate) fn acknowledged(
        &mut self,
        process: &mut Process,
        partition: usize,
        hand: &mut Hand,
        attempt: u64,
        state_offset: Option<i64>,
    ) {
        let Duty::Working(work) = &mut hand.duty else { return };
        let Some(writing) = work.writing.as_mut().filter(|writing| writing.attempt == attempt) else { return };
        if let Some(state_offset) = state_offset {
            writing.state_offset = state_offset;
        }
        self.write_on(process, partition, hand);
    }

    /// A request to write arrives.
    pub(crate) fn append(&mut self, partition: usize, writes: &[Write], writer: Writer, reply_ms: Option<i64>) {
        self.writes_on_way -= 1;
        let now_ms = self.now_ms();
        let state_offset = self.topics[partition].append(now_ms, writes);
        if let Some(at) = state_offset {
            let order = self.topics[partition].orders.last().copied();
            let buried = self.topics[partition].is_buried();
            self.note(|| {
                format!("{partition}: snapshot {order:?} at {at}{}", if buried { ", behind a higher" } else { "" })
            });
            self.counts.buried += u64::from(buried);
            self.watch.was_buried[partition] |= buried;
            self.wake_tails(partition);
        }
        match writer {
            Writer::Hand { process, hand, attempt } => {
                let waits = |hands: &Process| hands.hands.values().any(|waiting| waiting.number == hand);
                let is_late = !self.processes[process].as_ref().is_some_and(|process| waits(process));
                self.counts.late_writes += u64::from(is_late);
                if let Some(reply_ms) = reply_ms {
                    let step = Step::Acknowledged { attempt, state_offset };
                    self.queue.put(reply_ms, Event::Process(process, Inner::Hand(partition, hand, step)));
                }
            }
            Writer::Reset => {
                self.resets_on_way -= 1;
                self.queue.put(reply_ms.unwrap_or(1), Event::Reset);
            }
        }
    }
}
