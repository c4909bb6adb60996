//! Where every record of a partition ended: the columns that must add up.

use std::collections::BTreeMap;

use common::wire::Reason;
use serde::{Deserialize, Serialize};

/// Counts of records, each in exactly one column. All numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Records read.
    pub consumed: u64,
    /// Records counted in the totals.
    pub accepted: u64,
    /// Records that a producer sent again.
    pub redelivered: u64,
    /// Valid records whose id was there before.
    pub repeated: u64,
    /// Dead letters, by [`Reason::index`].
    #[serde(with = "by_reason")]
    pub rejected: [u64; Reason::COUNT],
    /// Accepted into a window that was open.
    pub on_time: u64,
    /// Accepted into a window that was closed already and is given out again.
    pub revised: u64,
    /// Accepted, too late for any window.
    pub too_late: u64,
    /// Offsets that hold no record.
    pub offsets_without_record: u64,
    /// Records that producers numbered and that never came: acknowledged data lost, or batches given up.
    pub missing_from_sequence: u64,
    /// Of the accepted ones, those that were sent again for a dead letter, mended.
    pub mended: u64,
}

impl Ledger {
    /// All dead letters.
    #[must_use]
    pub fn rejected_in_all(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Whether every record is in exactly one column.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.consumed == self.accepted + self.redelivered + self.repeated + self.rejected_in_all()
            && self.accepted == self.on_time + self.revised + self.too_late
            && self.mended <= self.accepted
    }

    /// Adds another partition's ledger.
    pub fn add(&mut self, other: &Self) {
        self.consumed += other.consumed;
        self.accepted += other.accepted;
        self.redelivered += other.redelivered;
        self.repeated += other.repeated;
        for (sum, count) in self.rejected.iter_mut().zip(other.rejected) {
            *sum += count;
        }
        self.on_time += other.on_time;
        self.revised += other.revised;
        self.too_late += other.too_late;
        self.offsets_without_record += other.offsets_without_record;
        self.missing_from_sequence += other.missing_from_sequence;
        self.mended += other.mended;
    }
}

/// Reasons are written by their codes, so that their order in the code may change.
mod by_reason {
    use super::{BTreeMap, Reason};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(counts: &[u64; Reason::COUNT], to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(Reason::ALL.iter().map(|reason| (reason.code(), counts[reason.index()])))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<[u64; Reason::COUNT], D::Error> {
        let mut counts = [0; Reason::COUNT];
        for (code, count) in BTreeMap::<String, u64>::deserialize(from)? {
            let reason = Reason::from_code(&code)
                .ok_or_else(|| D::Error::custom(format!("reason code {code} is not known to this version")))?;
            counts[reason.index()] = count;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_comes_back_from_json_as_it_was_and_names_every_reason() {
        let mut ledger = Ledger { consumed: 3, accepted: 1, on_time: 1, ..Ledger::default() };
        ledger.rejected[Reason::InvalidAmount.index()] = 2;
        let text = serde_json::to_string(&ledger).unwrap();
        assert!(text.contains("\"invalid_amount\":2") && text.contains("\"undecodable\":0"), "{text}");
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
        assert!(ledger.is_balanced());
    }

    #[test]
    fn a_record_in_two_columns_or_in_none_unbalances_the_ledger() {
        let balanced = Ledger { consumed: 2, accepted: 2, on_time: 1, too_late: 1, ..Ledger::default() };
        assert!(balanced.is_balanced());
        assert!(!Ledger { consumed: 3, ..balanced }.is_balanced());
        assert!(!Ledger { repeated: 1, ..balanced }.is_balanced());
        assert!(!Ledger { revised: 1, ..balanced }.is_balanced());
        assert!(!Ledger { mended: 3, ..balanced }.is_balanced());
    }

    #[test]
    fn a_reason_from_a_newer_version_is_refused_rather_than_lost() {
        assert!(serde_json::from_str::<Ledger>(r#"{"rejected":{"too_pretty":1}}"#).is_err());
    }
}
