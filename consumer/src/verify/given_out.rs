//! Reads what the consumer gave out of a partition: its dead letters and its closed windows.

use std::ops::Range;

use common::{
    kafka::{Admin, Batch, Cluster, PartitionReader},
    topics::TopicNames,
    wire::Origin,
};

use super::{
    course::Course,
    evidence::{ClosedWindows, Compared, Rejections, WindowRecord},
    figures::Difference,
    start::AT_REST,
    unchecked::Unchecked,
};
use crate::{
    dead_letter::{GENERATION_HEADER, REASON_HEADER},
    fold::Snapshot,
};

/// Whose evidence is looked at.
pub(super) struct Check<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) names: &'a TopicNames,
    pub(super) snapshot: &'a Snapshot,
    /// The offsets that were counted again.
    pub(super) range: Range<i64>,
}

impl Check<'_> {
    /// Compares the dead letters of the range; nothing where there is no such topic.
    pub(super) async fn dead_letters(
        &self,
        mut expected: Rejections,
        differences: &mut Vec<Difference>,
    ) -> Result<Option<Compared>, Unchecked> {
        let course = Course::of(self.snapshot);
        let read = self.read(&self.names.dead_letters, |batch| {
            for record in batch.iter() {
                let Some(offset) = record.key.and_then(|key| self.offset_of(key)) else { continue };
                if !self.range.contains(&offset) {
                    continue;
                }
                // One without a generation is a stranger's.
                if record.headers.get(GENERATION_HEADER) == Some(course.generation_at(offset).to_string().as_bytes()) {
                    let reason = record.headers.get(REASON_HEADER).unwrap_or_default();
                    expected.meet(offset, &String::from_utf8_lossy(reason), differences);
                }
            }
        });
        let complete = read.await?;
        Ok(complete.map(|complete| expected.conclude(complete, differences)))
    }

    /// The offset in a dead letter's key.
    fn offset_of(&self, key: &[u8]) -> Option<i64> {
        Origin::parse(key).filter(|origin| origin.partition == self.snapshot.partition).map(|origin| origin.offset)
    }

    /// Compares the closed windows; nothing where there is no such topic.
    pub(super) async fn closed_windows(
        &self,
        mut expected: ClosedWindows,
        differences: &mut Vec<Difference>,
    ) -> Result<Option<Compared>, Unchecked> {
        let partition = self.snapshot.partition;
        let read = self.read(&self.names.windows, |batch| {
            for record in batch.iter() {
                let read = record.value.and_then(|value| serde_json::from_slice::<WindowRecord>(value).ok());
                if let Some(window) = read.filter(|window| window.partition == partition) {
                    expected.meet(&window, differences);
                }
            }
        });
        let complete = read.await?;
        Ok(complete.map(|complete| expected.conclude(complete, differences)))
    }

    /// Reads the partition's part of a topic. Whether it still holds everything that was ever written to it; nothing
    /// where there is no such topic.
    async fn read(&self, topic: &str, each: impl FnMut(&Batch)) -> Result<Option<bool>, Unchecked> {
        let partition = self.snapshot.partition;
        let found = Admin::connect(self.cluster).await?.topic(topic).await?;
        if found.is_none_or(|found| found.partitions <= partition) {
            return Ok(None);
        }
        let mut reader = PartitionReader::new(self.cluster, topic, partition, AT_REST);
        let bounds = reader.bounds().await?;
        let is_whole = reader.read_through(bounds.start..bounds.end, each).await?;
        Ok(Some(is_whole && bounds.start == 0))
    }
}
