//! Where every record ended, and whether that adds up.

use serde::Serialize;

use crate::{
    fold::{Ledger, Snapshot},
    summary::balances,
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
}

impl LedgerAnswer {
    /// Adds up one snapshot a partition.
    pub fn of<'s>(snapshots: impl IntoIterator<Item = &'s Snapshot>) -> Self {
        let mut answer = Self { balanced: true, offsets: 0, skipped: 0, ledger: Ledger::default() };
        for snapshot in snapshots {
            answer.balanced &= balances(snapshot);
            answer.offsets += snapshot.next_offset - snapshot.first_offset;
            answer.skipped += snapshot.skipped;
            answer.ledger.add(&snapshot.ledger);
        }
        answer
    }
}
