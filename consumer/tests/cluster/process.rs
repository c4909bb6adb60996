//! A process: its view, its membership, and one worker for each partition of its share, as `crew.rs` and
//! `common/src/kafka/group.rs` have them.

use std::collections::BTreeMap;

use consumer::view::View;

use crate::{
    cluster::Cluster,
    coordinator::{Answer, ProcessId, Request},
    counting::Counting,
    events::{Event, Inner},
    hand::{Duty, Hand},
};

const BEAT_MS: i64 = 1_000;
const COMMIT_MS: i64 = 1_000;

pub(crate) struct Process {
    pub(crate) id: ProcessId,
    pub(crate) view: View,
    pub(crate) tails: Vec<Tail>,
    pub(crate) hands: BTreeMap<usize, Hand>,
    /// What ended workers had made of their partitions, until the next share is known.
    pub(crate) parked: BTreeMap<usize, Counting>,
    pub(crate) member: Member,
    /// Its workers are being stopped, and what comes when they have.
    release: Option<Then>,
    /// A share that came meanwhile.
    next_share: Option<Vec<usize>>,
    pub(crate) is_stopping: bool,
    pub(crate) is_paused: bool,
    pub(crate) is_gone: bool,
    /// What happened while it was paused.
    pub(crate) put_off: Vec<Inner>,
}

/// How far one partition of the state topic was read.
#[derive(Clone, Default)]
pub(crate) struct Tail {
    pub(crate) offset: i64,
    pub(crate) is_reading: bool,
}

/// What it believes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Joining,
    In(u32),
    /// It gives its share up, to join again.
    Releasing(u32),
}

/// What comes after the workers have stopped.
#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    Join,
    Leave,
}

impl Process {
    pub(crate) fn is_releasing(&self) -> bool {
        self.release.is_some()
    }
}

impl Cluster<'_> {
    pub(crate) fn start_process(&mut self) {
        let id = self.processes.len();
        self.note(|| format!("process {id} starts"));
        self.processes.push(Some(Box::new(Process {
            id,
            view: View::default(),
            tails: vec![Tail { offset: 0, is_reading: true }; self.topics.len()],
            hands: BTreeMap::new(),
            parked: BTreeMap::new(),
            member: Member::Joining,
            release: None,
            next_share: None,
            is_stopping: false,
            is_paused: false,
            is_gone: false,
            put_off: Vec::new(),
        })));
        for partition in 0..self.topics.len() {
            self.put_for(id, Inner::Tail(partition));
        }
        self.send(Request::Join(id));
        self.queue.put(BEAT_MS, Event::Process(id, Inner::Beat));
        self.queue.put(COMMIT_MS, Event::Process(id, Inner::Commit));
    }

    fn send(&mut self, request: Request) {
        let delay_ms = self.delay_ms();
        self.queue.put(delay_ms, Event::Ask(request));
    }

    /// Lets something come to a process by the network.
    pub(crate) fn put_for(&mut self, id: ProcessId, inner: Inner) {
        let delay_ms = self.delay_ms();
        self.queue.put(delay_ms, Event::Process(id, inner));
    }

    pub(crate) fn beat(&mut self, process: &Process) {
        self.queue.put(BEAT_MS, Event::Process(process.id, Inner::Beat));
        let (Member::In(generation) | Member::Releasing(generation)) = process.member else { return };
        if self.is_troubled() && self.dice.chance(self.plan.lost_beats) {
            self.watch.disturb(self.now_ms());
            return;
        }
        self.send(Request::Beat(process.id, generation));
    }

    pub(crate) fn commit_on_time(&mut self, process: &Process) {
        self.queue.put(COMMIT_MS, Event::Process(process.id, Inner::Commit));
        if !process.is_releasing() {
            self.commit(process);
        }
    }

    /// Tells the group how far the workers' snapshots have come.
    fn commit(&mut self, process: &Process) {
        let (Member::In(generation) | Member::Releasing(generation)) = process.member else { return };
        let offset = |partition: &usize| {
            let shown = process.view.snapshot(i32::try_from(*partition).expect("a few partitions"))?;
            Some((*partition, shown.next_offset))
        };
        let held = process.hands.iter().filter(|(_, hand)| hand.is_held);
        let offsets: Vec<_> = held.filter_map(|(partition, _)| offset(partition)).collect();
        if !offsets.is_empty() {
            self.send(Request::Commit(process.id, generation, offsets));
        }
    }

    /// The coordinator's answers, as `group.rs` hands them on.
    pub(crate) fn follow(&mut self, process: &mut Process, answer: Answer) {
        let id = process.id;
        if process.is_stopping {
            return;
        }
        match (answer, process.member) {
            (Answer::Assigned(generation, share), Member::Joining) => {
                self.note(|| format!("process {id} is given {share:?} in group generation {generation}"));
                process.member = Member::In(generation);
                if process.is_releasing() {
                    process.next_share = Some(share);
                } else {
                    self.start_hands(process, &share);
                }
            }
            (Answer::Rebalance(generation), Member::In(mine)) if generation == mine => {
                self.note(|| format!("process {id} gives its share up"));
                self.counts.revoked += 1;
                process.member = Member::Releasing(mine);
                self.let_go(process, Then::Join);
            }
            (Answer::Unknown(generation), Member::In(mine)) if generation == mine => {
                self.note(|| format!("process {id} has lost its share, and joins again"));
                self.counts.lost += 1;
                process.member = Member::Joining;
                process.hands.values_mut().for_each(|hand| hand.is_held = false);
                self.send(Request::Join(id));
                self.let_go(process, Then::Nothing);
            }
            _ => {}
        }
    }

    /// SIGTERM.
    pub(crate) fn stop_process(&mut self, process: &mut Process) {
        let id = process.id;
        self.note(|| format!("process {id} is told to stop"));
        process.is_stopping = true;
        self.let_go(process, Then::Leave);
    }

    fn start_hands(&mut self, process: &mut Process, share: &[usize]) {
        for &partition in share {
            let number = self.number();
            self.check_alone(process.id, process.member, partition);
            process.hands.insert(partition, Hand::new(number, process.parked.remove(&partition)));
            self.put_step(process.id, partition, number, crate::events::Step::Restore);
        }
        process.parked.clear();
    }

    /// Stops all workers.
    fn let_go(&mut self, process: &mut Process, then: Then) {
        process.release = Some(then);
        process.next_share = None;
        let partitions: Vec<usize> = process.hands.keys().copied().collect();
        for partition in partitions {
            let mut hand = process.hands.remove(&partition).expect("its key was just seen");
            self.stop_hand(process, partition, &mut hand);
            process.hands.insert(partition, hand);
        }
        self.check_released(process);
    }

    /// Goes on once all workers have stopped.
    pub(crate) fn check_released(&mut self, process: &mut Process) {
        let Some(then) = process.release else { return };
        if process.is_gone || !process.hands.values().all(|hand| matches!(hand.duty, Duty::Ended)) {
            return;
        }
        process.release = None;
        match then {
            Then::Nothing => {}
            Then::Join => {
                self.commit(process);
                process.member = Member::Joining;
                self.send(Request::Join(process.id));
            }
            Then::Leave => {
                self.commit(process);
                self.send(Request::Leave(process.id));
                process.is_gone = true;
            }
        }
        process.hands.clear();
        if let Some(share) = process.next_share.take() {
            self.start_hands(process, &share);
        }
    }
}
