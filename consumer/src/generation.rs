//! What `consumer reset` and `consumer migrate` have in common: a generation above all that there are, and its first
//! snapshots.
//!
//! Both write one snapshot a partition and delete nothing: a higher generation counts more than a lower one wherever it
//! stands. Consumers at work go over to it by themselves.

use common::{
    kafka::{Cluster, Fault, PartitionWriter, RETRY_DEADLINE},
    topics::{TopicNames, TopicsError},
};
use tracing::warn;

use crate::{
    checkpoint::write_snapshot,
    clock::now_ms,
    error::ConsumerError,
    fold::{GENERATION_MAX, Snapshot},
    restore::read_heads,
};

/// A generation above all that there are, in any partition.
///
/// # Errors
/// [`ConsumerError`].
pub(crate) async fn next(cluster: &Cluster, names: &TopicNames, partitions: i32) -> Result<u64, ConsumerError> {
    let mut highest = None;
    for partition in 0..partitions {
        let reading = read_heads(cluster, names, partition, |head, _, state_offset| match head {
            Ok(head) => highest = highest.max(Some(head.order().0)),
            Err(cause) => warn!(
                event = "snapshot_passed_over_by_new_generation",
                partition, state_offset, %cause, "passed over: the new generation begins behind it"
            ),
        });
        reading.await?;
    }
    // Where all state is lost nobody knows how many generations there were; the time is above any count of them.
    let seconds_since_1970 = u64::try_from(now_ms() / 1_000).unwrap_or_default();
    match highest {
        None => Ok(seconds_since_1970),
        Some(highest) if highest < GENERATION_MAX => Ok(highest + 1),
        Some(highest) => Err(TopicsError::Unsuitable {
            topic: names.state.clone(),
            problem: format!("holds a snapshot of generation {highest}, above which there is no other"),
            advice:
                "Nobody comes there by resetting: it was forged. Stop all consumers, delete the state topic, and begin \
                     anew with `consumer reset`"
                    .to_owned(),
        }
        .into()),
    }
}

/// Writes the snapshot that a generation begins with in its partition.
///
/// # Errors
/// [`Fault`], after a deadline.
pub(crate) async fn begin(cluster: &Cluster, names: &TopicNames, snapshot: &Snapshot) -> Result<(), Fault> {
    let mut writer = PartitionWriter::new(cluster, &names.state, snapshot.partition);
    write_snapshot(&mut writer, snapshot, RETRY_DEADLINE).await?;
    Ok(())
}
