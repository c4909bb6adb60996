//! Which partitions this process works on, and who is told how far they have come.
//!
//! One consumer owns every partition. Sharing them out among several is to come in behind the same three calls:
//! `next` hands partitions over, `commit` tells the group, `leave` says good-bye.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::kafka::{Admin, Cluster, Fault};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::view::View;

/// Time between two commits.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for one commit.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the last commit: a process that is asked to stop must not wait for a broker that is silent.
const LAST_COMMIT_TIMEOUT: Duration = Duration::from_millis(500);

/// Commits how far the snapshots have come, so that `kafka-consumer-groups` and the like show it. Nothing here
/// depends on a commit: one that fails is made up for by the next.
pub struct GroupCommits {
    cluster: Cluster,
    group: String,
    topic: String,
    committed: BTreeMap<i32, i64>,
    failures: u64,
}

impl GroupCommits {
    /// Commits for `group` on `topic`.
    #[must_use]
    pub fn new(cluster: &Cluster, group: &str, topic: &str) -> Self {
        Self {
            cluster: cluster.clone(),
            group: group.to_owned(),
            topic: topic.to_owned(),
            committed: BTreeMap::new(),
            failures: 0,
        }
    }

    /// Commits once a second until stopped, and once more after that.
    pub async fn run(mut self, view: Arc<View>, stop: CancellationToken) {
        let mut ticks = interval(COMMIT_INTERVAL);
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                _ = ticks.tick() => false,
            };
            self.commit_new(&view, if stopped { LAST_COMMIT_TIMEOUT } else { COMMIT_TIMEOUT }).await;
            if stopped {
                return;
            }
        }
    }

    async fn commit_new(&mut self, view: &View, limit: Duration) {
        let durable = view.snapshots();
        let new: Vec<(i32, i64)> = durable
            .iter()
            .map(|snapshot| (snapshot.partition, snapshot.next_offset))
            .filter(|(partition, offset)| self.committed.get(partition) != Some(offset))
            .collect();
        if new.is_empty() {
            return;
        }
        let outcome = match timeout(limit, self.commit(&new)).await {
            Ok(outcome) => outcome.map_err(|fault| fault.to_string()),
            Err(_) => Err("no answer".to_owned()),
        };
        match outcome {
            Ok(()) => self.committed.extend(new),
            Err(cause) => {
                self.failures += 1;
                debug!(group = %self.group, %cause, failures = self.failures, "group commit failed; the next one makes up for it");
            }
        }
    }

    async fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Fault> {
        Admin::connect(&self.cluster).await?.commit(&self.group, &self.topic, offsets).await
    }
}
