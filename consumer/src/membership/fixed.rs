//! A share that settings fix: all partitions, some by number, or none.

use std::{fmt, future::pending};

use common::kafka::{Admin, Cluster, Fault, Grant, GroupChange};
use tracing::debug;

use crate::selection::Selection;

/// A share that nobody takes back.
pub struct FixedShare {
    cluster: Cluster,
    group: String,
    topic: String,
    selection: Selection,
    /// Partitions that the topic has.
    partitions: i32,
    /// Partitions that it had when they were last handed out.
    handed_out: i32,
}

impl fmt::Debug for FixedShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixedShare({:?} of {} partitions)", self.selection, self.partitions)
    }
}

impl FixedShare {
    /// `selection` of the `partitions` of `topic`. Commits go to `group`, as long as it has no members.
    #[must_use]
    pub fn new(cluster: &Cluster, group: &str, topic: &str, selection: Selection, partitions: i32) -> Self {
        Self {
            cluster: cluster.clone(),
            group: group.to_owned(),
            topic: topic.to_owned(),
            selection,
            partitions,
            handed_out: 0,
        }
    }

    pub(super) async fn next(&mut self) -> GroupChange {
        if self.handed_out >= self.partitions {
            return pending().await;
        }
        let selected = self.selection.below(self.partitions);
        let new = selected.into_iter().filter(|&partition| partition >= self.handed_out);
        let new = new.map(Grant::lasting).collect();
        self.handed_out = self.partitions;
        GroupChange::Assigned(new)
    }

    pub(super) fn grow(&mut self, partitions: i32) {
        self.partitions = partitions.max(self.partitions);
    }

    pub(super) async fn commit(&self, offsets: &[(Grant, i64)]) -> Result<(), Fault> {
        let offsets: Vec<(i32, i64)> = offsets.iter().map(|(grant, offset)| (grant.partition, *offset)).collect();
        if !Admin::connect(&self.cluster).await?.commit(&self.group, &self.topic, &offsets).await? {
            debug!(
                event = "commit_left_to_group",
                group = self.group,
                "the group has members, who commit for themselves"
            );
        }
        Ok(())
    }
}
