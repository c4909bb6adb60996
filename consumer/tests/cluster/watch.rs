//! What has to hold at every moment, and what has to hold once all is at rest.

use consumer::{checkpoint::Checkpoint, fold::PartitionState};

use crate::{
    cluster::Cluster,
    coordinator::ProcessId,
    counting::Counting,
    evidence::Stored,
    hand::{Duty, Hand, Last, numbered},
    process::{Member, Process},
    verdict::{self, timeless},
};

/// Longest time for which a partition has no owner after the last disturbance: the session timeout; for those who stay,
/// a heartbeat to hear of it and the time to drain; and all of it again, for a member that died while it waited for its
/// share is found out only after it was given one.
const TAKEOVER_MS_MAX: i64 = 2 * (6_000 + 1_000 + 3_000);
/// Longest time for which a lower snapshot stands behind the highest one while an undisturbed owner works: the tail hears
/// of it at once, the next tick makes a checkpoint, and one may be on its way already.
const BURIED_MS_MAX: i64 = 3_000;
/// Nothing is on its way for so long: all is at rest. Long enough for whatever a tick brings up.
const REST_MS: i64 = 5_000;
/// All is at rest within this time after everything was mended.
const HEALED_MS_MAX: i64 = 150_000;

pub(crate) struct Watch {
    /// The last disturbance, or the end of the one that goes on.
    disturbed_ms: i64,
    /// When not all was at rest last.
    restless_ms: i64,
    /// When each partition had an owner last.
    owned_ms: Vec<i64>,
    /// When each partition was seen without a lower snapshot behind its highest.
    unburied_ms: Vec<i64>,
    /// A lower snapshot has come behind a higher one, sometime.
    pub(crate) was_buried: Vec<bool>,
    /// Compaction took the highest snapshot.
    lost_highest: Vec<bool>,
}

impl Watch {
    pub(crate) fn new(partitions: usize) -> Self {
        let zero = vec![0; partitions];
        Self {
            disturbed_ms: 0,
            restless_ms: 0,
            owned_ms: zero.clone(),
            unburied_ms: zero,
            was_buried: vec![false; partitions],
            lost_highest: vec![false; partitions],
        }
    }

    /// Something goes wrong, until then at least.
    pub(crate) fn disturb(&mut self, until_ms: i64) {
        self.disturbed_ms = self.disturbed_ms.max(until_ms);
    }

    pub(crate) fn highest_was_lost(&mut self, partition: usize) {
        self.lost_highest[partition] = true;
    }
}

impl Hand {
    /// Everything is folded, and durable.
    fn is_done(&self, end: i64) -> bool {
        let Duty::Working(work) = &self.duty else { return false };
        let folding = &work.counting.folding;
        work.writing.is_none() && !folding.is_unsaved() && folding.state().next_offset() == end
    }
}

impl Process {
    /// Whether it is at work on a partition, for all that the group knows.
    fn owner_of(&self, partition: usize, generation: u32) -> Option<&Hand> {
        let works = !self.is_paused && !self.is_stopping && self.member == Member::In(generation);
        self.hands.get(&partition).filter(|hand| works && !hand.is_stopping)
    }
}

impl Cluster<'_> {
    /// Now and then: who owns what, and whether any old snapshot stands in front.
    pub(crate) fn look(&mut self) {
        let now_ms = self.now_ms();
        let generation = self.coordinator.generation;
        let anybody = self.processes.iter().flatten().any(|process| !process.is_paused && !process.is_stopping);
        for partition in 0..self.topics.len() {
            let mut owners =
                self.processes.iter().flatten().filter_map(|process| process.owner_of(partition, generation));
            let owner = owners.next();
            let since_ms = owner.and_then(|hand| match &hand.duty {
                Duty::Working(work) => Some(work.since_ms),
                _ => None,
            });
            let (is_owned, is_alone) = (owner.is_some(), owners.next().is_none());
            self.hold(is_alone, || format!("{partition} has two owners in one generation of the group"));
            if is_owned || !anybody {
                self.watch.owned_ms[partition] = now_ms;
            }
            let unowned_ms = now_ms - self.watch.owned_ms[partition].max(self.watch.disturbed_ms);
            self.hold(unowned_ms <= TAKEOVER_MS_MAX, || format!("{partition} has had no owner for {unowned_ms} ms"));
            if !self.topics[partition].is_buried() {
                self.watch.unburied_ms[partition] = now_ms;
            }
            if let Some(since_ms) = since_ms {
                let calm_ms = self.watch.unburied_ms[partition].max(self.watch.disturbed_ms).max(since_ms);
                let buried_ms = now_ms - calm_ms;
                self.hold(buried_ms <= BURIED_MS_MAX, || {
                    format!("{partition}: a lower snapshot stands behind the highest for {buried_ms} ms")
                });
            }
        }
        let Some(healed_ms) = self.healed_ms else { return };
        if let Some(unrest) = self.unrest() {
            self.watch.restless_ms = now_ms;
            self.hold(now_ms - healed_ms <= HEALED_MS_MAX, || format!("not at rest: {unrest}"));
        } else if now_ms - self.watch.restless_ms.max(healed_ms) >= REST_MS {
            self.finish();
        }
    }

    /// A worker starts on a partition, of a process that believes to be `member`: if it is right, nobody else may be at
    /// work on it whom the group still counts in.
    pub(crate) fn check_alone(&mut self, id: ProcessId, member: Member, partition: usize) {
        if member != Member::In(self.coordinator.generation) {
            return;
        }
        let members = self.processes.iter().flatten().filter(|other| other.id != id && !other.is_stopping);
        let other = members
            .filter(|other| self.coordinator.is_member(other.id) && !self.coordinator.given_up.contains(&other.id))
            .find(|other| other.hands.get(&partition).is_some_and(|hand| !matches!(hand.duty, Duty::Ended)))
            .map(|other| other.id);
        self.hold(other.is_none(), || {
            format!("process {id} starts on {partition} beside its owner, process {other:?}")
        });
    }

    /// A worker was drained, and nothing went wrong meanwhile: its successor has nothing to count again.
    pub(crate) fn check_drained(&mut self, partition: usize, hand: &Hand) {
        let Duty::Working(work) = &hand.duty else { return };
        let state = work.counting.folding.state();
        let order = (state.generation(), state.next_offset());
        let durable = self.topics[partition].orders.contains(&order);
        self.hold(durable, || format!("{partition} was drained at {order:?}, of which there is no snapshot"));
    }

    /// Every snapshot ever made balances.
    pub(crate) fn check_made(&mut self, partition: usize, made: &Stored) {
        let snapshot = &made.snapshot;
        let ledger = &snapshot.ledger;
        self.hold(ledger.is_balanced(), || format!("{partition}: the ledger does not balance: {ledger:?}"));
        let offsets = ledger.consumed + ledger.offsets_without_record + snapshot.skipped.unsigned_abs();
        let span = (snapshot.next_offset - snapshot.first_offset).unsigned_abs();
        self.hold(offsets == span, || format!("{partition}: {offsets} offsets are accounted for, of {span}"));
    }

    /// Nobody writes without need: an anchor is made once an hour (no history has the records for more), the same snapshot again
    /// only where it was buried, and not over and over by somebody who knows of a higher one.
    pub(crate) fn check_needed(&mut self, process: &Process, partition: usize, before: &Last, made: &Checkpoint) {
        let order = made.snapshot.order();
        self.hold(!(made.anchor && before.is_anchored), || format!("{partition}: a second anchor within the hour"));
        if before.order != Some(order) {
            return;
        }
        // Windows alone can wait at the beginning of a generation only, where a migration has them given out again.
        let has_cause = self.watch.was_buried[partition] || !made.windows.is_empty();
        self.hold(has_cause, || format!("{partition}: {order:?} is written again without need"));
        let known = process.view.snapshot(numbered(partition)).map(|known| known.order());
        // Twice it may be: one was on its way, and the next one wanted, before the higher one was known.
        self.hold(known <= Some(order) || before.repeats <= 1, || {
            format!("{partition}: {order:?} is written again in front of {known:?}")
        });
    }

    /// What is not at rest yet.
    fn unrest(&self) -> Option<String> {
        let processes = || self.processes.iter().flatten();
        if self.writes_on_way > 0 {
            return Some(format!("{} writes are on their way", self.writes_on_way));
        }
        if self.reset.is_some() {
            return Some("a reset is under way".to_owned());
        }
        if self.coordinator.joining_until_ms.is_some() {
            return Some("the group is joining".to_owned());
        }
        if processes().any(|process| process.is_stopping || process.is_releasing()) {
            return Some("somebody is stopping".to_owned());
        }
        (0..self.topics.len()).find_map(|partition| {
            let topics = &self.topics[partition];
            let hands = || processes().filter_map(|process| process.hands.get(&partition));
            if hands().count() != 1 || !hands().all(|hand| hand.is_done(topics.log.end_offset)) {
                return Some(format!("{partition} is not at its end"));
            }
            if processes().any(|process| process.tails[partition].offset < topics.state_end()) {
                return Some(format!("{partition} is not in every view"));
            }
            let committed = self.coordinator.committed[partition];
            let is_committed = committed == topics.highest_order().map(|(_, offset)| offset);
            (!is_committed).then(|| format!("{partition}: {committed:?} is committed"))
        })
    }

    /// All is at rest: everything that was written is held against what should be there.
    fn finish(&mut self) {
        self.note(|| "all is at rest".to_owned());
        self.is_over = true;
        for partition in 0..self.topics.len() {
            let highest = self.topics[partition].highest_order();
            let end = self.topics[partition].log.end_offset;
            self.hold(highest.is_some_and(|(_, offset)| offset == end), || {
                format!("{partition}: {highest:?} is not {end}")
            });
            let ever = self.topics[partition].orders.iter().copied().max();
            let lost = self.watch.lost_highest[partition];
            self.hold(lost || highest == ever, || format!("{partition}: {ever:?} is gone, and {highest:?} counts"));
            for id in 0..self.processes.len() {
                let Some(process) = &self.processes[id] else { continue };
                let shown = process.view.snapshot(numbered(partition)).map(|snapshot| snapshot.order());
                // What compaction took is still shown by those who saw it.
                self.hold(shown == highest || (lost && shown > highest), || {
                    format!("process {id} shows {shown:?} of {partition}, not {highest:?}")
                });
            }
            // Once more, with everything in sight: what is left must be the highest.
            let now_ms = self.now_ms();
            self.topics[partition].compact(now_ms, 0);
            let left = self.topics[partition].highest_order();
            self.hold(left == highest, || {
                format!("{partition}: compaction leaves {left:?} alone, {highest:?} is gone")
            });
            if self.violation.is_none() {
                self.judge(partition);
            }
        }
    }

    /// The verdict on what one partition's workers left behind, and on a successor that begins from what is left.
    fn judge(&mut self, partition: usize) {
        let topics = &mut self.topics[partition];
        let Some(stored) = topics.highest().map(|found| found.stored.clone()) else { return };
        topics.evidence.state_topic = topics.state.iter().map(|record| record.stored.clone()).collect();
        let verdict = verdict::check_figures(&topics.evidence).map(drop);
        let state = PartitionState::restore(&stored.snapshot, 9).map(|mut state| {
            // Those that a migration has given out again.
            state.take_closed_windows();
            let last = Counting::restore(&stored, topics.log, topics.log_start).folding.last_record().cloned();
            timeless(&state.snapshot(last, 0)) == timeless(&stored.snapshot)
        });
        self.hold(verdict.is_ok(), || format!("{partition}: {verdict:?}"));
        self.hold(state.is_ok_and(|same| same), || format!("{partition}: a successor begins from something else"));
    }
}
