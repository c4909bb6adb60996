//! Why a partition, or all of them, could not be checked.

use std::time::Duration;

use common::{kafka::Fault, topics::TopicsError};

use crate::restore::RestoreError;

/// What stood in the way. Nothing is said about the figures by any of these.
#[derive(Debug, thiserror::Error)]
pub enum Unchecked {
    /// Kafka could not be asked.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A topic is not there.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The snapshot can't be read.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Nobody has counted this partition yet.
    #[error("there is no snapshot of it: no consumer has counted it yet")]
    NoSnapshot,
    /// The rules by which it was counted are not written down here.
    #[error("it was counted by fold version {0}, which this version can't recount: use a newer one")]
    UnknownRules(u32),
    /// The snapshot, or the anchor, counts under a name that is unknown here.
    #[error("the snapshot at offset {next_offset} counts what this version doesn't know ({cause}): use a newer one")]
    UnknownFigures {
        /// Where it stands.
        next_offset: i64,
        /// What is unknown.
        cause: String,
    },
    /// The records that would have to be counted again are gone.
    #[error(
        "nothing to start from: it was counted from offset {first_offset}{skipped}, its log now begins at {log_start}, \
         and {anchors} lets a recount begin there: one needs the {id_window} offsets before it to be in the log still"
    )]
    NothingToStartFrom {
        /// Where its count began.
        first_offset: i64,
        /// What else is missing.
        skipped: String,
        /// Where its log begins.
        log_start: i64,
        /// What anchors there are.
        anchors: String,
        /// How many offsets before an anchor are needed.
        id_window: u32,
    },
    /// Retention was faster than the recount.
    #[error("retention deleted records from offset {0} on while they were being counted again; try once more")]
    Overtaken(i64),
    /// The log became shorter than the snapshot reaches.
    #[error("the log was cut off at offset {0} while it was being counted again; try once more")]
    CutOff(i64),
    /// The broker answers with nothing where there must be something.
    #[error("the log gives nothing at offset {offset}, though it reaches to {end}; look at the broker")]
    Silent {
        /// Where.
        offset: i64,
        /// Where the log ends.
        end: i64,
    },
    /// The consumers did not get to the end in time.
    #[error(
        "not caught up after {} s: {partitions}. Is a consumer running? --catch-up-timeout-s gives it longer",
        .waited.as_secs()
    )]
    NotCaughtUp {
        /// How long was waited.
        waited: Duration,
        /// Which partitions are behind, and where.
        partitions: String,
    },
    /// A flag is wrong.
    #[error("{0}")]
    Flags(String),
    /// Whoever asked doesn't want to know any more.
    #[error("stopped before the end")]
    Stopped,
}
