//! How far each partition has come: durably, whoever works on it, and live where this process does.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use serde::Serialize;

use crate::{
    fold::{Ledger, Snapshot},
    summary::Standing,
    view::{Progress, View},
};

/// All partitions of the topic, in order.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionsAnswer {
    /// One entry each.
    pub partitions: Vec<PartitionAnswer>,
}

/// One partition.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionAnswer {
    /// Its number.
    pub partition: i32,
    /// Whether this process works on it.
    pub owned: bool,
    /// What is durable; null before its first snapshot.
    pub durable: Option<Durable>,
    /// How it is getting on right now; null where this process does not work on it, or has not read there yet.
    pub live: Option<Live>,
}

/// A partition's highest snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Durable {
    /// Where it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Which consumer wrote it, and so works on the partition or did last; null where a command of an operator did.
    pub written_by: Option<String>,
    /// Where its records ended.
    pub ledger: Ledger,
}

/// What the worker of a partition sees.
#[derive(Clone, Debug, Serialize)]
pub struct Live {
    /// Offset that is folded next.
    pub next_offset: i64,
    /// Offset after the last replicated record, as of the last read.
    pub high_watermark: i64,
    /// Offsets not read yet.
    pub lag_records: i64,
    /// How old the record folded last is, by its Kafka timestamp, in milliseconds, while others wait behind it; else 0. At
    /// most 30 days.
    pub lag_ms: i64,
    /// Records folded by this process, replays after a restart included.
    pub folded: u64,
}

impl PartitionsAnswer {
    /// Of these snapshots, one a partition, and of what this process does.
    #[must_use]
    pub fn of(view: &View, snapshots: &[impl AsRef<Snapshot>], now_ms: i64) -> Self {
        let progress = view.all_progress();
        let one = |partition| {
            let own = progress.iter().find(|(own, _)| *own == partition);
            let snapshot = snapshots.iter().map(AsRef::as_ref).find(|snapshot| snapshot.partition == partition);
            PartitionAnswer {
                partition,
                owned: own.is_some(),
                durable: snapshot.map(|snapshot| Durable {
                    standing: Standing::of(snapshot, now_ms),
                    written_by: snapshot.written_by.clone(),
                    ledger: snapshot.ledger,
                }),
                live: own.and_then(|(_, progress)| Live::of(progress, now_ms)),
            }
        };
        Self { partitions: (0..view.partitions()).map(one).collect() }
    }
}

impl Live {
    /// `None` before the partition is restored and read from: its counters say nothing yet.
    fn of(progress: &Arc<Progress>, now_ms: i64) -> Option<Self> {
        let (next_offset, high_watermark) = (progress.next_offset.load(Relaxed), progress.high_watermark.load(Relaxed));
        if progress.idle_ms.load(Relaxed) < 0 || high_watermark < 0 {
            return None;
        }
        let (lag_records, folded) = (progress.lag_records(), progress.folded.load(Relaxed));
        Some(Self { next_offset, high_watermark, lag_records, lag_ms: progress.lag_ms(now_ms), folded })
    }
}
