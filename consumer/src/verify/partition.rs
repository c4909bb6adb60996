//! One partition: its snapshot, the log behind it, and whether they say the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use common::{
    kafka::{Cluster, PartitionReader, Read, ReadOptions},
    topics::TopicNames,
};
use tokio::time::sleep;
use tracing::info;

use super::{
    course::Course,
    evidence::Compared,
    figures::{Difference, Figures},
    given_out,
    recount::{FOLD_VERSION_KNOWN, Recount, Recounted},
    start::{self, Start},
    unchecked::Unchecked,
};
use crate::fold::Snapshot;

/// How often it is begun again, after retention has overtaken the recount or the log was cut off.
const TRIES_MAX: u32 = 3;
/// Answers without a record, each after a wait, before the broker is called silent.
const EMPTY_ANSWERS_MAX: u32 = 60;

/// How often, and how far apart, the log's end is looked at when a snapshot stands beyond it: a broker that has just
/// become a partition's leader may not know yet how far the log reaches.
const LOOKS_MAX: u32 = 10;
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How much has been read, for whoever waits. Both only grow.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) offsets: AtomicU64,
    pub(super) offsets_in_all: AtomicU64,
}

/// What is asked.
#[derive(Clone)]
pub(super) struct Check {
    pub(super) cluster: Cluster,
    pub(super) names: TopicNames,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) read: ReadOptions,
    pub(super) progress: Arc<Progress>,
}

/// What was compared, and what differs.
#[derive(Debug)]
pub(super) struct Checked {
    /// The offset from which on records were counted again.
    pub(super) from_offset: i64,
    /// What came before was taken from an anchor.
    pub(super) from_anchor: bool,
    /// Records counted again.
    pub(super) records: u64,
    pub(super) differences: Vec<Difference>,
    pub(super) dead_letters: Option<Compared>,
    pub(super) closed_windows: Option<Compared>,
}

impl Check {
    /// Counts the partition again and compares.
    pub(super) async fn run(self) -> Result<Checked, Unchecked> {
        let mut tries = 1;
        let checked = loop {
            match self.try_run().await {
                Err(Unchecked::Overtaken(_) | Unchecked::CutOff(_)) if tries < TRIES_MAX => tries += 1,
                checked => break checked,
            }
        };
        // That its own columns don't add up can be said without any log.
        match (checked, Figures::of(&self.snapshot).ok().and_then(|found| found.unbalanced())) {
            (Ok(mut checked), Some(unbalanced)) => {
                checked.differences.insert(0, unbalanced);
                Ok(checked)
            }
            (Err(_), Some(unbalanced)) => Ok(Checked::differing(self.snapshot.next_offset, unbalanced)),
            (checked, None) => checked,
        }
    }

    async fn try_run(&self) -> Result<Checked, Unchecked> {
        let snapshot = &self.snapshot;
        let found = figures_of(snapshot)?;
        let fold_version = Course::of(snapshot).fold_version_max();
        if fold_version > FOLD_VERSION_KNOWN {
            return Err(Unchecked::UnknownRules(fold_version));
        }
        let mut reader = PartitionReader::new(&self.cluster, &self.names.transactions, snapshot.partition, self.read);
        let mut bounds = reader.bounds().await?;
        let mut looks = 1;
        while snapshot.next_offset > bounds.end && looks < LOOKS_MAX {
            sleep(LOOK_INTERVAL).await;
            bounds = reader.bounds().await?;
            looks += 1;
        }
        if snapshot.next_offset > bounds.end {
            let end = format!("the log ends at {}", bounds.end);
            return Ok(Checked::differing(bounds.end, Difference::new("next_offset", &snapshot.next_offset, &end)));
        }
        let start = start::find(&self.cluster, &self.names, snapshot, bounds.start).await?;
        let (mut recount, from_anchor) = begin(snapshot, start)?;
        let from_offset = recount.next_offset();
        let records = self.read_into(&mut recount, &mut reader).await?;
        let Recounted { figures, rejections, closed } = recount.finish(snapshot.next_offset);
        let mut differences = found.differences_from(&figures);
        let range = from_offset..snapshot.next_offset;
        let given_out = given_out::Check { cluster: &self.cluster, names: &self.names, snapshot, range };
        let dead_letters = given_out.dead_letters(rejections, &mut differences).await?;
        let closed_windows = if snapshot.awaits_its_consumer() {
            // Whoever goes over to it first gives them out again, before its own first snapshot.
            info!(
                event = "verify_leaves_windows_out",
                partition = snapshot.partition,
                "migrated, and no consumer has gone over yet: closed windows are not compared"
            );
            None
        } else {
            given_out.closed_windows(closed, &mut differences).await?
        };
        Ok(Checked { from_offset, from_anchor, records, differences, dead_letters, closed_windows })
    }

    /// Gives the recount the log from where its ids begin up to the snapshot; how many records it counted.
    async fn read_into(&self, recount: &mut Recount, reader: &mut PartitionReader) -> Result<u64, Unchecked> {
        let (from, end) = (recount.next_offset(), self.snapshot.next_offset);
        let mut offset = recount.ids_from();
        let mut records = 0;
        let mut empty_answers = 0;
        let mut arrived = None;
        while offset < end {
            let read = match arrived.take() {
                Some(read) => read,
                None => reader.read(offset).await?,
            };
            let Read::Records(batch) = read else {
                let log_end = reader.bounds().await?.end;
                return Err(if log_end < end { Unchecked::CutOff(log_end) } else { Unchecked::Overtaken(offset) });
            };
            let next = batch.next_offset().min(end);
            empty_answers = if next > offset { 0 } else { empty_answers + 1 };
            if empty_answers > EMPTY_ANSWERS_MAX {
                return Err(Unchecked::Silent { offset, end });
            }
            let mut take_in = || {
                batch.iter().take_while(|record| record.offset < from).for_each(|record| recount.remember(&record));
                let counted = batch.iter().skip_while(|record| record.offset < from);
                recount.count(counted.take_while(|record| record.offset < end).inspect(|_| records += 1));
            };
            if next < end {
                arrived = Some(reader.read_while(next, take_in).await?);
            } else {
                take_in();
            }
            self.progress.offsets.fetch_add((next - offset.max(from).min(next)).unsigned_abs(), Relaxed);
            offset = next;
        }
        Ok(records)
    }
}

impl Checked {
    fn differing(from_offset: i64, difference: Difference) -> Self {
        Self {
            from_offset,
            from_anchor: false,
            records: 0,
            differences: vec![difference],
            dead_letters: None,
            closed_windows: None,
        }
    }
}

fn begin(snapshot: &Snapshot, start: Start) -> Result<(Recount, bool), Unchecked> {
    match start {
        Start::TheFirst => Ok((Recount::from_the_first(snapshot), false)),
        Start::Anchor(anchor) => {
            let recount = Recount::from_figures(snapshot, figures_of(&anchor)?);
            let unknown = || Unchecked::UnknownFigures {
                next_offset: anchor.next_offset,
                cause: "a kind, a currency or an incarnation".to_owned(),
            };
            Ok((recount.ok_or_else(unknown)?, true))
        }
    }
}

fn figures_of(snapshot: &Snapshot) -> Result<Figures, Unchecked> {
    let unknown = |cause: serde_json::Error| Unchecked::UnknownFigures {
        next_offset: snapshot.next_offset,
        cause: cause.to_string(),
    };
    Figures::of(snapshot).map_err(unknown)
}
