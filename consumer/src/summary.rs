//! The pipeline's figures as one JSON object: the contract that outside checks read.

use serde::Serialize;

use crate::{
    clock::format_time,
    fold::{Ledger, Snapshot, TotalsForm},
};

/// Ledger and totals of all partitions, and where each of them stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Where every record ended.
    pub ledger: Ledger,
    /// What was counted.
    pub totals: TotalsForm,
    /// By partition number.
    pub partitions: Vec<PartitionSummary>,
}

/// How far one partition has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionSummary {
    /// Its number.
    pub partition: i32,
    /// First offset counted.
    pub first_offset: i64,
    /// Offset after the last one counted.
    pub next_offset: i64,
    /// Offsets deleted before they were read.
    pub skipped: i64,
    /// Event time reached, in RFC 3339; null before the first accepted transaction.
    pub watermark: Option<String>,
    /// How old these figures are, in milliseconds.
    pub age_ms: i64,
    /// Generation of the state.
    pub generation: u64,
}

impl Summary {
    /// Adds up one snapshot a partition.
    pub fn of<'s>(snapshots: impl IntoIterator<Item = &'s Snapshot>, now_ms: i64) -> Self {
        let mut summary = Self::default();
        for snapshot in snapshots {
            summary.ledger.add(&snapshot.ledger);
            summary.totals.add(&snapshot.totals);
            summary.partitions.push(PartitionSummary {
                partition: snapshot.partition,
                first_offset: snapshot.first_offset,
                next_offset: snapshot.next_offset,
                skipped: snapshot.skipped,
                watermark: snapshot.watermark_ms.map(format_time),
                age_ms: (now_ms - snapshot.written_at_ms).max(0),
                generation: snapshot.generation,
            });
        }
        summary.partitions.sort_unstable_by_key(|partition| partition.partition);
        summary
    }

    /// Whether the ledger balances, offsets included.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let offsets: i64 = self.partitions.iter().map(|p| p.next_offset - p.first_offset - p.skipped).sum();
        self.ledger.is_balanced()
            && u64::try_from(offsets) == Ok(self.ledger.consumed + self.ledger.offsets_without_record)
    }
}
