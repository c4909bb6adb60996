//! What is done to whom and when: a pure function of a seed and of how many there are.
//!
//! The schedule keeps a model of who is up, so that it never asks for what can't be done: one consumer and one producer
//! always stay up, and never is a second broker hurt before the first has been healed. Every fault that lasts is
//! followed by its end. It knows nothing of real processes and real time: the world takes the steps in this order, with
//! these pauses, and may be slower.
//!
//! Kinds are drawn like cards, from a shuffled deck that holds each of them: none is left out for long.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::RangeInclusive;

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::kind::{GROUP_SESSION_MS, Kind};
use crate::cluster::BROKERS;

/// Pause between two faults.
const PAUSE_MS: RangeInclusive<u64> = 300..=5_000;
/// How many consumers may join beyond those there were at first.
const EXTRA_CONSUMERS_MAX: u32 = 2;
/// Before a fault whose answer is to be seen by itself: so long after everything has healed the group has come to rest.
const CALM_MS: u64 = GROUP_SESSION_MS + 2_000;
/// After a broker is healed, its replicas need time to catch up; others are hurt meanwhile.
const BROKER_REST_MS: u64 = 8_000;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Pause before it, milliseconds after the step before.
    pub pause_ms: u64,
    /// What.
    pub kind: Kind,
    /// To which consumer, producer or broker; 0 where it is done to all.
    pub target: u32,
    /// Whether this is the end of it: what ended is started again, what was frozen goes on.
    pub heals: bool,
    /// Whether everybody has to have come to rest before it and after it, so that the answer is seen by itself.
    pub in_calm: bool,
}

impl fmt::Display for Step {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.heals, self.kind.words()) {
            (false, words) => words,
            (true, "frozen" | "stalled") => "goes on",
            (true, _) => "started again",
        };
        write!(to, "{what:<14} {}", self.kind.role())?;
        if self.target > 0 { write!(to, " {}", self.target) } else { Ok(()) }
    }
}

/// An endless schedule.
#[derive(Debug)]
pub struct Schedule {
    chance: ChaCha8Rng,
    consumers_at_first: u32,
    consumers: Crowd,
    producers: Crowd,
    brokers: Crowd,
    deck: VecDeque<Kind>,
    /// Drawn, and put off until there is calm.
    put_off: Option<Kind>,
    /// Ends of faults that last, by the time at which they are due.
    heals: BTreeMap<(u64, u32), (Kind, u32)>,
    heals_made: u32,
    now_ms: u64,
    next_fault_ms: u64,
    brokers_rest_until_ms: u64,
}

/// Consumers, producers or brokers, by number, and whether they are up.
#[derive(Debug, Clone)]
struct Crowd {
    up: BTreeMap<u32, bool>,
    made: u32,
}

impl Crowd {
    fn of(count: u32) -> Self {
        Self { up: (1..=count).map(|number| (number, true)).collect(), made: count }
    }

    fn standing(&self) -> Vec<u32> {
        self.up.iter().filter(|(_, up)| **up).map(|(&number, _)| number).collect()
    }
}

impl Schedule {
    /// The schedule of that seed for so many at first. All of them have numbers from 1.
    #[must_use]
    pub fn new(seed: u64, consumers: u32, producers: u32) -> Self {
        Self {
            chance: ChaCha8Rng::seed_from_u64(seed),
            consumers_at_first: consumers,
            consumers: Crowd::of(consumers),
            producers: Crowd::of(producers),
            brokers: Crowd::of(BROKERS),
            deck: VecDeque::new(),
            put_off: None,
            heals: BTreeMap::new(),
            heals_made: 0,
            now_ms: 0,
            next_fault_ms: 0,
            brokers_rest_until_ms: 0,
        }
    }

    /// What is next.
    #[must_use]
    pub fn next_step(&mut self) -> Step {
        loop {
            let heal_due_ms = self.heals.first_key_value().map(|((due_ms, _), _)| *due_ms);
            if heal_due_ms.is_none_or(|due_ms| due_ms > self.next_fault_ms)
                && let Some(step) = self.next_fault()
            {
                return step;
            }
            if let Some(step) = self.next_heal() {
                return step;
            }
            if self.put_off.is_some() {
                continue;
            }
            // Nobody is hurt and yet nothing can be done. Either brokers rest, and time passes; or there are so few
            // consumers or producers that what is left of the deck can't be played.
            if self.brokers_rest_until_ms > self.next_fault_ms {
                self.next_fault_ms = self.brokers_rest_until_ms;
            } else {
                self.deck.clear();
            }
        }
    }

    /// A fault; `None` where none is possible now, or where there is calm to be waited for.
    fn next_fault(&mut self) -> Option<Step> {
        if let Some(kind) = self.put_off.take() {
            return Some(Step { in_calm: true, ..self.hurt(kind, kind.quiet_ms()) });
        }
        let kind = self.draw()?;
        if kind.quiet_ms() == 0 || self.chance.random_bool(0.5) {
            return Some(self.hurt(kind, 0));
        }
        self.put_off = Some(kind);
        let last_heal_ms = self.heals.last_key_value().map_or(0, |((due_ms, _), _)| *due_ms);
        self.next_fault_ms = last_heal_ms.max(self.now_ms) + CALM_MS;
        None
    }

    /// The end of the fault that is due next, if there is one that lasts.
    fn next_heal(&mut self) -> Option<Step> {
        let ((due_ms, _), (kind, target)) = self.heals.pop_first()?;
        let crowd = self.crowd(kind);
        crowd.up.insert(target, true);
        if kind.role() == "broker" {
            self.brokers_rest_until_ms = due_ms + BROKER_REST_MS;
        }
        Some(self.step(due_ms, kind, target, true))
    }

    /// Everything that is left to be done so that all are well, when `next` comes no more: that itself if it is an end,
    /// and the ends of all faults but that.
    pub fn all_heals(&mut self, next: Step) -> Vec<Step> {
        let left = std::iter::from_fn(|| self.next_heal());
        if next.heals {
            return std::iter::once(next).chain(left).collect();
        }
        left.filter(|heal| (heal.kind, heal.target) != (next.kind, next.target)).collect()
    }

    fn step(&mut self, at_ms: u64, kind: Kind, target: u32, heals: bool) -> Step {
        let pause_ms = at_ms.saturating_sub(self.now_ms);
        self.now_ms = self.now_ms.max(at_ms);
        Step { pause_ms, kind, target, heals, in_calm: false }
    }

    fn crowd(&mut self, kind: Kind) -> &mut Crowd {
        match kind.role() {
            "consumer" => &mut self.consumers,
            "producer" => &mut self.producers,
            _ => &mut self.brokers,
        }
    }

    /// The first card of the deck that can be played.
    fn draw(&mut self) -> Option<Kind> {
        if self.deck.is_empty() {
            let mut cards: Vec<Kind> = Kind::ALL.into_iter().chain(Kind::TWICE).collect();
            cards.shuffle(&mut self.chance);
            self.deck.extend(cards);
        }
        let playable = self.deck.iter().position(|&kind| self.is_possible(kind))?;
        self.deck.remove(playable)
    }

    fn is_possible(&self, kind: Kind) -> bool {
        let known = u32::try_from(self.consumers.up.len()).unwrap_or(u32::MAX);
        match kind {
            Kind::JoinConsumer => known < self.consumers_at_first + EXTRA_CONSUMERS_MAX,
            Kind::LeaveConsumer => known >= self.consumers_at_first.max(2) && self.consumers.standing().len() > 1,
            Kind::KillConsumer | Kind::TerminateConsumer | Kind::FreezeConsumer => self.consumers.standing().len() > 1,
            // Without anything to count there would be nothing to see.
            Kind::KillProducer | Kind::TerminateProducer | Kind::FreezeProducer => self.producers.standing().len() > 1,
            Kind::KillBroker | Kind::RestartBroker | Kind::StallBroker | Kind::FreezeBroker | Kind::MoveLeaders => {
                self.brokers.standing().len() == self.brokers.up.len()
                    && self.brokers_rest_until_ms <= self.next_fault_ms
            }
        }
    }

    /// Does it, and leaves it at that for `quiet_ms`.
    fn hurt(&mut self, kind: Kind, quiet_ms: u64) -> Step {
        // A heal that came late has made it later.
        let at_ms = self.next_fault_ms.max(self.now_ms);
        let target = self.target(kind);
        if let Some(lasts_ms) = kind.lasts_ms() {
            let until_ms = at_ms + self.chance.random_range(lasts_ms) + quiet_ms;
            self.heals.insert((until_ms, self.heals_made), (kind, target));
            self.heals_made += 1;
            self.crowd(kind).up.insert(target, false);
        }
        self.next_fault_ms = at_ms + self.chance.random_range(PAUSE_MS) + quiet_ms;
        self.step(at_ms, kind, target, false)
    }

    fn target(&mut self, kind: Kind) -> u32 {
        match kind {
            Kind::MoveLeaders => 0,
            Kind::JoinConsumer => {
                self.consumers.made += 1;
                self.consumers.up.insert(self.consumers.made, true);
                self.consumers.made
            }
            _ => {
                let standing = self.crowd(kind).standing();
                let chosen = standing[self.chance.random_range(0..standing.len())];
                if kind == Kind::LeaveConsumer {
                    self.consumers.up.remove(&chosen);
                }
                chosen
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SEEDS: u64 = 300;

    fn steps(seed: u64, count: usize) -> Vec<Step> {
        let mut schedule = Schedule::new(seed, 3, 2);
        (0..count).map(|_| schedule.next_step()).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_schedule_and_another_makes_another() {
        assert_eq!(steps(7, 500), steps(7, 500));
        assert_ne!(steps(7, 500), steps(8, 500));
    }

    #[test]
    fn now_and_then_a_consumer_is_ended_in_calm_and_left_alone() {
        for seed in 0..SEEDS {
            let steps = steps(seed, 400);
            let calm = steps.windows(2).filter(|pair| {
                let (fault, next) = (pair[0], pair[1]);
                let is_alone = fault.pause_ms >= CALM_MS && next.pause_ms > GROUP_SESSION_MS;
                assert!(is_alone || !(fault.in_calm && fault.kind == Kind::KillConsumer), "seed {seed}: {fault}");
                fault.kind == Kind::KillConsumer && fault.in_calm
            });
            assert!(calm.count() >= 3, "seed {seed}");
        }
    }

    #[test]
    fn every_kind_occurs_in_every_schedule_of_sixty_steps() {
        for seed in 0..SEEDS {
            let met: BTreeSet<Kind> = steps(seed, 60).iter().map(|step| step.kind).collect();
            assert_eq!(met.len(), Kind::ALL.len(), "seed {seed}: {met:?}");
        }
    }

    #[test]
    fn never_are_two_brokers_down_nor_do_leaders_move_while_one_is() {
        for seed in 0..SEEDS {
            let mut down = None;
            for step in steps(seed, 400).into_iter().filter(|step| step.kind.needs_whole_cluster()) {
                if step.heals {
                    assert_eq!(down.take(), Some(step.target), "seed {seed}: {step} heals another broker");
                } else {
                    assert_eq!(down, None, "seed {seed}: {step} while a broker is down");
                    down = (step.kind != Kind::MoveLeaders).then_some(step.target);
                }
            }
        }
    }

    #[test]
    fn someone_always_counts_and_someone_always_produces() {
        for seed in 0..SEEDS {
            for (role, count) in [("consumer", 3), ("producer", 2)] {
                let mut up: BTreeSet<u32> = (1..=count).collect();
                let mut hurt = BTreeSet::new();
                for step in steps(seed, 400).into_iter().filter(|step| step.kind.role() == role) {
                    if step.heals {
                        assert!(hurt.remove(&step.target) && up.insert(step.target), "seed {seed}: {step}");
                    } else if step.kind == Kind::JoinConsumer {
                        assert!(up.insert(step.target) && !hurt.contains(&step.target), "seed {seed}: {step}");
                    } else {
                        assert!(up.remove(&step.target), "seed {seed}: {step}, which isn't up");
                        if step.kind != Kind::LeaveConsumer {
                            hurt.insert(step.target);
                        }
                    }
                    assert!(!up.is_empty(), "seed {seed}: nobody is up after {step}");
                    assert!(up.len() + hurt.len() <= 5, "seed {seed}: too many after {step}");
                }
            }
        }
    }

    #[test]
    fn a_frozen_consumer_sleeps_for_longer_than_its_group_waits() {
        for seed in 0..SEEDS {
            let (mut now_ms, mut asleep) = (0, BTreeMap::new());
            for step in steps(seed, 400) {
                now_ms += step.pause_ms;
                match (step.kind, step.heals) {
                    (Kind::FreezeConsumer, false) => drop(asleep.insert(step.target, now_ms)),
                    (Kind::FreezeConsumer, true) => {
                        let since_ms = asleep.remove(&step.target).expect("it was frozen before");
                        assert!(now_ms - since_ms > GROUP_SESSION_MS, "seed {seed}: {step}");
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn at_the_end_what_was_hurt_is_healed_and_nothing_else() {
        for count in 0..200 {
            let mut schedule = Schedule::new(3, 3, 2);
            let mut hurt = BTreeSet::new();
            for _ in 0..count {
                let step = schedule.next_step();
                if step.heals {
                    hurt.remove(&(step.kind, step.target));
                } else if step.kind.lasts_ms().is_some() {
                    hurt.insert((step.kind, step.target));
                }
            }
            let not_taken = schedule.next_step();
            let healed: Vec<_> = schedule.all_heals(not_taken).iter().map(|step| (step.kind, step.target)).collect();
            assert_eq!(healed.len(), hurt.len(), "after {count} steps");
            assert_eq!(healed.into_iter().collect::<BTreeSet<_>>(), hurt, "after {count} steps");
        }
    }

    #[test]
    fn one_of_each_is_enough_for_a_schedule() {
        let mut schedule = Schedule::new(1, 1, 1);
        for _ in 0..200 {
            let _ = schedule.next_step();
        }
    }
}
