//! The pipeline's figures as one JSON object: the contract that outside checks read.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    clock::format_time,
    fold::{FoldSettings, Ledger, Migration, Snapshot, TotalsForm},
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
    /// Partitions that have no snapshot yet: nothing of theirs is counted here.
    pub partitions_missing: Vec<i32>,
    /// Whether the ledger of any partition does not balance, its offsets included.
    #[serde(skip)]
    any_unbalanced: bool,
}

/// How far one partition has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionSummary {
    /// Its number.
    pub partition: i32,
    /// Where its snapshot stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Where other settings held before, in order of offset.
    pub migrations: Vec<MigrationSummary>,
}

/// Where a partition's highest snapshot stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
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

impl Standing {
    pub(crate) fn of(snapshot: &Snapshot, now_ms: i64) -> Self {
        Self {
            first_offset: snapshot.first_offset,
            next_offset: snapshot.next_offset,
            skipped: snapshot.skipped,
            watermark: snapshot.watermark_ms.map(format_time),
            age_ms: (now_ms - snapshot.written_at_ms).max(0),
            generation: snapshot.generation,
        }
    }
}

/// Where a partition's settings were changed, and what they were before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MigrationSummary {
    /// The first offset that was not folded by the settings before.
    pub offset: i64,
    /// Event time reached there, in RFC 3339; null before the first accepted transaction.
    pub watermark: Option<String>,
    /// From which event time on windows are those of the settings after it, in RFC 3339; null where no window changed.
    pub windows_from: Option<String>,
    /// The generation that ended here.
    pub from_generation: u64,
    /// Its settings.
    pub from: FoldSettings,
}

impl MigrationSummary {
    fn of(migration: &Migration) -> Self {
        Self {
            offset: migration.offset,
            watermark: migration.watermark_ms.map(format_time),
            windows_from: migration.windows_from_ms.map(format_time),
            from_generation: migration.from_generation,
            from: migration.from.clone(),
        }
    }
}

impl Summary {
    /// Adds up one snapshot a partition, of a topic that has so many `partitions`.
    pub fn of<'s>(snapshots: impl IntoIterator<Item = &'s Snapshot>, partitions: i32, now_ms: i64) -> Self {
        let mut summary = Self::default();
        for snapshot in snapshots {
            summary.ledger.add(&snapshot.ledger);
            summary.totals.add(&snapshot.totals);
            summary.any_unbalanced |= !balances(snapshot);
            summary.partitions.push(PartitionSummary {
                partition: snapshot.partition,
                standing: Standing::of(snapshot, now_ms),
                migrations: snapshot.migrations.iter().map(MigrationSummary::of).collect(),
            });
        }
        summary.partitions.sort_unstable_by_key(|partition| partition.partition);
        summary.partitions_missing =
            partitions_missing(summary.partitions.iter().map(|partition| partition.partition), partitions);
        summary
    }

    /// Whether the ledger balances in each partition and in all, offsets included.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        !self.any_unbalanced && self.ledger.is_balanced()
    }

    /// Whether every partition is in it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.partitions_missing.is_empty()
    }
}

/// Those of a topic's `partitions` that are not among the ones `counted`, in order.
pub(crate) fn partitions_missing(counted: impl IntoIterator<Item = i32>, partitions: i32) -> Vec<i32> {
    let counted: BTreeSet<i32> = counted.into_iter().collect();
    (0..partitions).filter(|partition| !counted.contains(partition)).collect()
}

/// `next_offset − first_offset = consumed + offsets without record + skipped`, besides the ledger's own equations.
pub(crate) fn balances(snapshot: &Snapshot) -> bool {
    let offsets = snapshot.next_offset - snapshot.first_offset - snapshot.skipped;
    let ledger = &snapshot.ledger;
    ledger.is_balanced() && u64::try_from(offsets) == Ok(ledger.consumed + ledger.offsets_without_record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{FoldSettings, PartitionState};

    fn snapshot(partition: i32) -> Snapshot {
        PartitionState::new(1, partition, FoldSettings::default(), 0, 0).snapshot(None, 0)
    }

    #[test]
    fn two_wrong_partitions_do_not_make_a_right_whole() {
        let (mut one, mut other) = (snapshot(0), snapshot(1));
        assert!(Summary::of([&one, &other], 2, 0).is_balanced());
        // One record too many here, one offset too many there: the sums agree.
        (one.ledger.consumed, one.ledger.accepted, one.ledger.on_time) = (1, 1, 1);
        other.next_offset = 1;
        assert!(!Summary::of([&one, &other], 2, 0).is_balanced());
    }

    #[test]
    fn a_partition_without_a_snapshot_is_named() {
        let summary = Summary::of([&snapshot(1)], 3, 0);
        assert_eq!(summary.partitions_missing, [0, 2]);
        assert!(!summary.is_complete());
    }
}
