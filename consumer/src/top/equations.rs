//! The ledger as sums, added up here once more rather than believed.

use super::figures::Balance;

/// A number and what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// What is counted.
    pub name: &'static str,
    /// How many.
    pub count: i128,
}

/// A whole and its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation {
    /// The whole.
    pub whole: Term,
    /// What it has to be the sum of.
    pub parts: Vec<Term>,
}

impl Equation {
    fn new(whole: (&'static str, i128), parts: impl IntoIterator<Item = (&'static str, i128)>) -> Self {
        let term = |(name, count)| Term { name, count };
        Self { whole: term(whole), parts: parts.into_iter().map(term).collect() }
    }

    /// Whether the parts come to the whole.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.parts.iter().map(|part| part.count).sum::<i128>() == self.whole.count
    }
}

impl Balance {
    /// Where every offset and every record ended.
    #[must_use]
    pub fn equations(&self) -> [Equation; 3] {
        let ledger = &self.ledger;
        let [consumed, accepted, redelivered, repeated, rejected, on_time, revised, too_late, empty] = [
            ledger.consumed,
            ledger.accepted,
            ledger.redelivered,
            ledger.repeated,
            ledger.rejected_in_all(),
            ledger.on_time,
            ledger.revised,
            ledger.too_late,
            ledger.offsets_without_record,
        ]
        .map(i128::from);
        [
            Equation::new(
                ("offsets", self.offsets.into()),
                [("consumed", consumed), ("no record", empty), ("skipped", self.skipped.into())],
            ),
            Equation::new(
                ("consumed", consumed),
                [("accepted", accepted), ("redelivered", redelivered), ("repeated", repeated), ("rejected", rejected)],
            ),
            Equation::new(("accepted", accepted), [("on time", on_time), ("revised", revised), ("too late", too_late)]),
        ]
    }

    /// Whether all of it adds up, in the consumer's own eyes too.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.balanced && self.equations().iter().all(Equation::holds)
    }
}
