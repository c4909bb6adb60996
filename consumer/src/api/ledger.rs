//! Where every record ended, and whether that adds up.

use serde::Serialize;

use crate::{
    fold::{Ledger, Snapshot},
    summary::{balances, partitions_missing},
};

/// The ledger of all partitions, and the offsets that it accounts for.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerAnswer {
    /// Whether every partition's columns add up, to each other and to its offsets.
    pub balanced: bool,
    /// Offsets from the first one counted to the last, over all partitions.
    pub offsets: i64,
    /// Of these, offsets that were deleted before they were read.
    pub skipped: i64,
    /// Where the others ended.
    pub ledger: Ledger,
    /// Partitions that have no snapshot yet: nothing of theirs is counted here.
    pub partitions_missing: Vec<i32>,
}

impl LedgerAnswer {
    /// Adds up one snapshot a partition, of a topic that has so many `partitions`.
    #[must_use]
    pub fn of(snapshots: &[impl AsRef<Snapshot>], partitions: i32) -> Self {
        let mut answer = Self {
            balanced: true,
            offsets: 0,
            skipped: 0,
            ledger: Ledger::default(),
            partitions_missing: partitions_missing(
                snapshots.iter().map(|snapshot| snapshot.as_ref().partition),
                partitions,
            ),
        };
        for snapshot in snapshots.iter().map(AsRef::as_ref) {
            answer.balanced &= balances(snapshot);
            answer.offsets += snapshot.next_offset - snapshot.first_offset;
            answer.skipped += snapshot.skipped;
            answer.ledger.add(&snapshot.ledger);
        }
        answer
    }
}
