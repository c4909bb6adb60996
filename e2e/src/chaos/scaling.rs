//! The other schedule: the group grows from one consumer to four and shrinks to two, while consumers are killed, and
//! nothing else happens. A pure function of a seed and of how many are killed.

use std::ops::RangeInclusive;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::kind::{GROUP_SESSION_MS, Kind};
use super::schedule::Step;

/// How many consumers there are, one part of the kills after the other.
const SIZES: [usize; 6] = [1, 2, 3, 4, 3, 2];
/// Pause before a kill: as likely in the middle of a rebalance as long after one.
const PAUSE_MS: RangeInclusive<u64> = 300..=4_000;
/// Pause before a killed consumer is started again.
const DOWN_MS: RangeInclusive<u64> = 500..=3_000;
/// Of so many kills one comes when everything has come to rest, and is left alone until others have taken over.
const CALM_EVERY: u32 = 3;

/// All steps, in order. It begins with one consumer, whose number is 1.
#[must_use]
pub fn steps(seed: u64, kills: u32) -> Vec<Step> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut up = vec![1];
    let mut made = 1;
    let mut steps = Vec::new();
    for kill in 0..kills {
        let part = u64::from(kill) * SIZES.len() as u64 / u64::from(kills);
        let size = SIZES[usize::try_from(part).expect("it is below the length of an array")];
        while up.len() < size {
            made += 1;
            up.push(made);
            steps.push(step(chance.random_range(PAUSE_MS), Kind::JoinConsumer, made));
        }
        while up.len() > size {
            let gone = up.swap_remove(chance.random_range(0..up.len()));
            steps.push(step(chance.random_range(PAUSE_MS), Kind::LeaveConsumer, gone));
        }
        let target = up[chance.random_range(0..up.len())];
        // Whoever is alone has nobody to take over from it.
        let in_calm = size > 1 && kill % CALM_EVERY == 0;
        steps.push(Step { in_calm, ..step(chance.random_range(PAUSE_MS), Kind::KillConsumer, target) });
        let down_ms = chance.random_range(DOWN_MS) + if in_calm { 2 * GROUP_SESSION_MS } else { 0 };
        steps.push(Step { heals: true, ..step(down_ms, Kind::KillConsumer, target) });
    }
    steps
}

fn step(pause_ms: u64, kind: Kind, target: u32) -> Step {
    Step { pause_ms, kind, target, heals: false, in_calm: false }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_group_grows_from_one_to_four_and_shrinks_to_two_and_everybody_killed_comes_back() {
        for seed in 0..300 {
            let (mut up, mut largest, mut killed) = (BTreeSet::from([1]), 1, 0);
            for step in steps(seed, 30) {
                let fits = match (step.kind, step.heals) {
                    (Kind::JoinConsumer, _) | (Kind::KillConsumer, true) => up.insert(step.target),
                    _ => up.remove(&step.target),
                };
                assert!(fits, "seed {seed}: {step} {}", step.target);
                killed += u32::from(step.kind == Kind::KillConsumer && !step.heals);
                largest = largest.max(up.len());
            }
            assert_eq!((largest, up.len(), killed), (4, 2, 30), "seed {seed}");
        }
    }

    #[test]
    fn a_few_kills_are_enough_to_come_all_the_way() {
        assert_eq!(steps(1, 6).iter().filter(|step| step.kind == Kind::LeaveConsumer).count(), 2);
        assert_eq!(steps(1, 30), steps(1, 30));
        assert_ne!(steps(1, 30), steps(2, 30));
    }
}
