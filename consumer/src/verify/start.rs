//! Where a recount can begin: at the first offset that was counted, or at an anchor.
//!
//! ```text
//!   the whole log is there     first_offset ├──────────── recount ────────────▶ next_offset
//!   its beginning is gone                 ✂ │ ids │ anchor ├──── recount ─────▶ next_offset
//! ```
//!
//! An anchor is a copy of a snapshot. What it counts is taken for granted; what came after it is counted again. The id
//! window is not in it, so the K offsets before it must still be in the log.

use std::time::Duration;

use common::{
    kafka::{Cluster, PartitionReader, ReadOptions},
    topics::TopicNames,
};
use tracing::warn;

use super::{course::Course, recount::ids_from, unchecked::Unchecked};
use crate::fold::{Snapshot, SnapshotHead};

/// How a topic of which everything is there already is read.
pub(super) const AT_REST: ReadOptions =
    ReadOptions { fetch_bytes_max: 1 << 20, wait: Duration::from_millis(100), deadline: common::kafka::RETRY_DEADLINE };

/// Where to begin.
#[derive(Debug)]
pub enum Start {
    /// With nothing, at the first offset counted.
    TheFirst,
    /// With what the anchor says.
    Anchor(Box<Snapshot>),
}

/// The oldest anchor that a recount up to a snapshot can begin at.
#[derive(Debug)]
pub struct Search<'s> {
    snapshot: &'s Snapshot,
    course: Course,
    log_start: i64,
    oldest: Option<Box<Snapshot>>,
    seen: usize,
}

impl<'s> Search<'s> {
    /// Looks for where to begin in a log that starts at `log_start`.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot, log_start: i64) -> Self {
        Self { snapshot, course: Course::of(snapshot), log_start, oldest: None, seen: 0 }
    }

    /// Whether everything that was counted is still there to be counted again.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.snapshot.skipped == 0 && self.log_start <= self.snapshot.first_offset
    }

    /// Looks at an anchor.
    pub fn offer(&mut self, anchor: Snapshot) {
        let snapshot = self.snapshot;
        let same_count = (anchor.partition, anchor.first_offset) == (snapshot.partition, snapshot.first_offset);
        if !same_count || !self.course.passes(&anchor) || anchor.next_offset > snapshot.next_offset {
            return;
        }
        self.seen += 1;
        let id_window = i64::from(self.course.id_window_offsets_max(anchor.migrations.len()));
        let ids_are_there = ids_from(anchor.next_offset, id_window, anchor.first_offset) >= self.log_start;
        // What was skipped behind the anchor can't be counted again.
        let no_hole_behind = anchor.skipped == snapshot.skipped;
        if ids_are_there
            && no_hole_behind
            && self.oldest.as_ref().is_none_or(|oldest| anchor.next_offset < oldest.next_offset)
        {
            self.oldest = Some(Box::new(anchor));
        }
    }

    /// Where to begin.
    ///
    /// # Errors
    /// [`Unchecked::NothingToStartFrom`].
    pub fn conclude(self) -> Result<Start, Unchecked> {
        if self.is_whole() {
            return Ok(Start::TheFirst);
        }
        self.oldest.map(Start::Anchor).ok_or_else(|| Unchecked::NothingToStartFrom {
            first_offset: self.snapshot.first_offset,
            skipped: match self.snapshot.skipped {
                0 => String::new(),
                skipped => format!(" and {skipped} offsets were skipped"),
            },
            log_start: self.log_start,
            anchors: match self.seen {
                0 => "no anchor".to_owned(),
                seen => format!("none of {seen} anchors"),
            },
            id_window: self.course.id_window_offsets_max(0),
        })
    }
}

/// Finds where the recount of a snapshot begins.
///
/// # Errors
/// [`Unchecked`].
pub(super) async fn find(
    cluster: &Cluster,
    names: &TopicNames,
    snapshot: &Snapshot,
    log_start: i64,
) -> Result<Start, Unchecked> {
    let mut search = Search::new(snapshot, log_start);
    if search.is_whole() {
        return search.conclude();
    }
    let admin = common::kafka::Admin::connect(cluster).await?;
    let anchors = admin.topic(&names.anchors).await?.map_or(0, |topic| topic.partitions);
    if snapshot.partition < anchors {
        let mut reader = PartitionReader::new(cluster, &names.anchors, snapshot.partition, AT_REST);
        let bounds = reader.bounds().await?;
        let reading = reader.read_through(bounds.start..bounds.end, |batch| {
            batch.iter().for_each(|record| offer(&mut search, record.value, record.offset));
        });
        reading.await?;
    }
    search.conclude()
}

fn offer(search: &mut Search<'_>, value: Option<&[u8]>, offset: i64) {
    let Some(value) = value else { return };
    // Read in full only where it can be of use: there may be hundreds, and of other generations.
    let head = SnapshotHead::parse(value);
    if head.is_ok_and(|head| !search.course.has_generation(head.order().0)) {
        return;
    }
    match Snapshot::parse(value) {
        Ok(anchor) => search.offer(anchor),
        Err(cause) => {
            let partition = search.snapshot.partition;
            warn!(
                event = "foreign_anchor_record_ignored",
                partition, offset, %cause, "the anchors topic holds what can't be read; ignored"
            );
        }
    }
}
