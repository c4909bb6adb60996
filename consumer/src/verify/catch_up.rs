//! Waits until the snapshots have come as far as the log reached when it began to wait.

use std::time::Duration;

use common::{
    kafka::{Cluster, PartitionReader, ReadOptions},
    topics::TopicNames,
};
use tokio::time::{Instant, sleep};
use tracing::info;

use super::{start::AT_REST, unchecked::Unchecked};
use crate::fold::SnapshotHead;

/// Pause between two looks at the state topic.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Partitions named in a message.
const NAMED_MAX: usize = 8;

/// One partition's way to the end.
struct Way {
    partition: i32,
    end: i64,
    state: PartitionReader,
    /// Where the state topic is read on.
    position: i64,
    /// Generation and offset of the highest snapshot so far.
    highest: Option<(u64, i64)>,
}

/// Waits for no longer than `limit`.
///
/// # Errors
/// [`Unchecked::NotCaughtUp`], or what Kafka was at fault with.
pub(super) async fn wait(
    cluster: &Cluster,
    names: &TopicNames,
    partitions: &[i32],
    limit: Duration,
) -> Result<(), Unchecked> {
    let started = Instant::now();
    let mut ways = Vec::with_capacity(partitions.len());
    for &partition in partitions {
        let options = ReadOptions { wait: Duration::ZERO, ..AT_REST };
        let mut log = PartitionReader::new(cluster, &names.transactions, partition, options);
        let state = PartitionReader::new(cluster, &names.state, partition, options);
        ways.push(Way { partition, end: log.bounds().await?.end, state, position: 0, highest: None });
    }
    info!(event = "verify_waits_for_snapshots", "waiting until the snapshots have come to where the log ends now");
    loop {
        for way in &mut ways {
            way.look().await?;
        }
        ways.retain(|way| !way.is_there());
        if ways.is_empty() {
            return Ok(());
        }
        if started.elapsed() >= limit {
            return Err(Unchecked::NotCaughtUp { waited: limit, partitions: behind(&ways) });
        }
        sleep(LOOK_INTERVAL).await;
    }
}

impl Way {
    async fn look(&mut self) -> Result<(), Unchecked> {
        let bounds = self.state.bounds().await?;
        let (partition, highest) = (self.partition, &mut self.highest);
        let reading = self.state.read_through(self.position.max(bounds.start)..bounds.end, |batch| {
            let heads = batch.iter().filter_map(|record| SnapshotHead::parse(record.value?).ok());
            *highest = (*highest).max(heads.filter(|head| head.partition == partition).map(|head| head.order()).max());
        });
        reading.await?;
        self.position = bounds.end;
        Ok(())
    }

    fn is_there(&self) -> bool {
        self.highest.is_some_and(|(_, next_offset)| next_offset >= self.end)
    }
}

fn behind(ways: &[Way]) -> String {
    let mut named: Vec<String> = ways
        .iter()
        .take(NAMED_MAX)
        .map(|Way { partition, end, highest, .. }| match highest {
            Some((_, next_offset)) => format!("partition {partition} stands at {next_offset} of {end}"),
            None => format!("partition {partition} has no snapshot, its log ends at {end}"),
        })
        .collect();
    if ways.len() > NAMED_MAX {
        named.push(format!("and {} more", ways.len() - NAMED_MAX));
    }
    named.join(", ")
}
