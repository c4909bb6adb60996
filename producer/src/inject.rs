//! Faults on purpose, of known kinds and in known proportions, so that what the consumer says can be checked.
//!
//! | setting | what comes out | what a consumer must make of it |
//! |---|---|---|
//! | malformed ratio | every [`Malformation`] in turn | rejected, with [`Malformation::reason`] |
//! | repeat ratio | a recent transaction again, as a new record | repeated |
//! | late ratio | `occurred_at` 90 s to 3 h ago | accepted: on time, revised or too late |
//! | future ratio | `occurred_at` beyond the allowed skew | rejected: `future_dated` |
//!
//! Which record gets which fault follows from the seed, by a stream of its own: more faults don't change the
//! transactions. A fault never touches a record's key or, but for one kind, its sequence.

use common::wire::{FUTURE_SKEW_MS_DEFAULT, Reason};

use crate::dice::Dice;
use crate::generate::{Draft, Generator};

mod malformation;

pub use malformation::Malformation;

/// How many of the last valid transactions can be repeated: few enough that the first is still in a consumer's
/// window, which is counted in records of a partition.
const RECENT: usize = 1_024;

/// Lateness in milliseconds: half of the late ones within the consumer's default lateness of 15 min, half beyond.
const LATE_MS: [std::ops::Range<u32>; 2] = [90_000..840_000, 960_000..10_800_000];

/// How far beyond the allowed skew a future-dated one lies, in milliseconds.
const FUTURE_MS: std::ops::Range<u32> = 1_000..86_400_000;

/// Shares of all records, each from 0 to 1, together at most 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratios {
    /// Malformed ones.
    pub malformed: f64,
    /// Repeated ones.
    pub repeat: f64,
    /// Late ones.
    pub late: f64,
    /// Future-dated ones.
    pub future: f64,
}

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It was broken.
    Malformed(Malformation),
    /// It was sent before.
    Repeat,
    /// Its time is long past.
    Late,
    /// Its time is yet to come.
    Future,
}

impl Fault {
    /// The reason it must be rejected for, if it must.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Malformed(malformation) => Some(malformation.reason()),
            Self::Future => Some(Reason::FutureDated),
            Self::None | Self::Repeat | Self::Late => None,
        }
    }
}

/// Decides about each record in turn.
#[derive(Debug)]
pub struct Injector {
    dice: Dice,
    /// Upper ends of the shares, in 2^32nds, in the order of [`Ratios`].
    thresholds: [u64; 4],
    /// The next of [`Malformation::ALL`].
    next_malformation: usize,
    /// A ring of valid transactions.
    recent: Vec<Draft>,
    /// Where the next one goes in the ring.
    recent_next: usize,
}

impl Injector {
    /// Injects faults in these proportions.
    pub fn new(seed: u64, ratios: &Ratios) -> Self {
        let mut sum = 0.0;
        let thresholds = [ratios.malformed, ratios.repeat, ratios.late, ratios.future].map(|ratio| {
            sum += ratio;
            threshold(sum)
        });
        Self {
            dice: Dice::new(seed, "faults"),
            thresholds,
            next_malformation: 0,
            recent: Vec::with_capacity(RECENT),
            recent_next: 0,
        }
    }

    /// The next transaction of `generator`, or an earlier one, with or without a fault. `intended_ms` (since 1970)
    /// will be the record's Kafka timestamp.
    #[inline]
    pub fn next(&mut self, generator: &mut Generator, intended_ms: i64) -> (Draft, Fault) {
        let share = self.dice.bits() >> 32;
        let [malformed, repeat, late, future] = self.thresholds;
        if share >= future {
            let draft = generator.next(intended_ms);
            self.remember(draft);
            return (draft, Fault::None);
        }
        if share < malformed {
            (generator.next(intended_ms), Fault::Malformed(self.malformation()))
        } else if share < repeat {
            self.repeat(generator, intended_ms)
        } else if share < late {
            let draft = Draft { occurred_at_ms: intended_ms - self.lateness_ms(), ..generator.next(intended_ms) };
            self.remember(draft);
            (draft, Fault::Late)
        } else {
            let ahead_ms = FUTURE_SKEW_MS_DEFAULT + self.within(&FUTURE_MS);
            (Draft { occurred_at_ms: intended_ms + ahead_ms, ..generator.next(intended_ms) }, Fault::Future)
        }
    }

    /// Each kind in turn, so that a short run has all of them too.
    fn malformation(&mut self) -> Malformation {
        let malformation = Malformation::ALL[self.next_malformation];
        self.next_malformation = (self.next_malformation + 1) % Malformation::ALL.len();
        malformation
    }

    fn repeat(&mut self, generator: &mut Generator, intended_ms: i64) -> (Draft, Fault) {
        let count = u32::try_from(self.recent.len()).expect("a small ring");
        if count == 0 {
            // Nothing to repeat yet.
            let draft = generator.next(intended_ms);
            self.remember(draft);
            return (draft, Fault::None);
        }
        (self.recent[self.dice.below(count) as usize], Fault::Repeat)
    }

    fn lateness_ms(&mut self) -> i64 {
        let band = &LATE_MS[usize::from(self.dice.bits() & 1 == 1)];
        self.within(band)
    }

    fn within(&mut self, range: &std::ops::Range<u32>) -> i64 {
        i64::from(range.start + self.dice.below(range.end - range.start))
    }

    #[inline]
    fn remember(&mut self, draft: Draft) {
        if self.recent.len() < RECENT {
            self.recent.push(draft);
        } else {
            self.recent[self.recent_next] = draft;
        }
        self.recent_next = (self.recent_next + 1) % RECENT;
    }
}

/// A share in 2^32nds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is from 0 to 1")]
fn threshold(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 4_294_967_296.0) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::population::Population;

    const NOW_MS: i64 = 1_795_201_921_000;

    fn run(ratios: Ratios, records: i64) -> Vec<(Draft, Fault)> {
        let mut generator = Generator::new(Arc::new(Population::new(7, 1_000)), 7, 0);
        let mut injector = Injector::new(7, &ratios);
        (0..records).map(|step| injector.next(&mut generator, NOW_MS + step)).collect()
    }

    fn count(records: &[(Draft, Fault)], is: impl Fn(&Fault) -> bool) -> usize {
        records.iter().filter(|(_, fault)| is(fault)).count()
    }

    #[test]
    fn without_ratios_nothing_is_touched() {
        assert_eq!(count(&run(Ratios::default(), 10_000), |fault| *fault != Fault::None), 0);
    }

    #[test]
    fn faults_come_in_the_proportions_asked_for() {
        let records = run(Ratios { malformed: 0.1, repeat: 0.2, late: 0.05, future: 0.01 }, 100_000);
        let within = |found: usize, wanted: usize| found.abs_diff(wanted) < wanted / 10;
        assert!(within(count(&records, |fault| matches!(fault, Fault::Malformed(_))), 10_000));
        assert!(within(count(&records, |fault| *fault == Fault::Repeat), 20_000));
        assert!(within(count(&records, |fault| *fault == Fault::Late), 5_000));
        assert!(within(count(&records, |fault| *fault == Fault::Future), 1_000));
    }

    #[test]
    fn a_ratio_of_one_spares_nobody() {
        let records = run(Ratios { malformed: 1.0, ..Ratios::default() }, 1_000);
        assert_eq!(count(&records, |fault| matches!(fault, Fault::Malformed(_))), 1_000);
        // There is nothing to repeat before the first.
        let records = run(Ratios { repeat: 1.0, ..Ratios::default() }, 1_000);
        assert_eq!(count(&records, |fault| *fault == Fault::Repeat), 999);
    }

    #[test]
    fn a_repeat_is_one_of_the_last_valid_transactions_unchanged() {
        let records = run(Ratios { malformed: 0.2, repeat: 0.2, late: 0.1, future: 0.2 }, 20_000);
        for (index, (draft, _)) in records.iter().enumerate().filter(|(_, (_, fault))| *fault == Fault::Repeat) {
            let first = records[..index]
                .iter()
                .rposition(|(earlier, fault)| matches!(fault, Fault::None | Fault::Late) && earlier == draft);
            assert!(first.is_some_and(|first| index - first < 5 * RECENT));
        }
    }

    #[test]
    fn more_faults_do_not_change_the_transactions() {
        let ids = |ratios| run(ratios, 2_000).into_iter().map(|(draft, _)| draft.id).collect::<Vec<_>>();
        let plain = ids(Ratios::default());
        assert_eq!(plain, ids(Ratios { malformed: 0.5, late: 0.3, ..Ratios::default() }));
    }

    #[test]
    fn late_and_future_ones_are_as_late_and_as_far_ahead_as_promised() {
        let records = run(Ratios { late: 0.5, future: 0.5, ..Ratios::default() }, 10_000);
        let mut bands = HashSet::new();
        for (step, (draft, fault)) in (0..).zip(&records) {
            let ahead_ms = draft.occurred_at_ms - (NOW_MS + step);
            match fault {
                Fault::Late => {
                    let band = LATE_MS.iter().position(|band| band.contains(&u32::try_from(-ahead_ms).unwrap()));
                    bands.insert(band.expect("in one of the bands"));
                }
                Fault::Future => assert!(ahead_ms > FUTURE_SKEW_MS_DEFAULT, "{ahead_ms}"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(bands.len(), 2);
    }
}
