//! What a partition's log needs to know of its topic's configuration.

/// The part of a topic's configuration that its logs act on. Made by [`crate::config`], which also knows the defaults.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogSettings {
    /// A segment is closed before it would grow beyond this.
    pub(crate) segment_bytes: u64,
    /// A segment is closed once a record arrives that is this much younger than its first.
    pub(crate) segment_ms: i64,
    /// `cleanup.policy` names `delete`.
    pub(crate) delete: bool,
    /// `cleanup.policy` names `compact`.
    pub(crate) compact: bool,
    /// Closed segments whose youngest record is older are deleted; none: never.
    pub(crate) retention_ms: Option<i64>,
    /// The oldest segments are deleted while the rest is at least this large; none: never.
    pub(crate) retention_bytes: Option<u64>,
    /// Largest batch, in bytes with its header.
    pub(crate) batch_bytes_max: usize,
    /// Timestamps are the broker's, not the producer's.
    pub(crate) log_append_time: bool,
    /// How far behind the broker's clock a producer's timestamp may be.
    pub(crate) timestamp_before_max_ms: i64,
    /// How far ahead of the broker's clock a producer's timestamp may be.
    pub(crate) timestamp_after_max_ms: i64,
    /// How long compaction keeps a tombstone, from its own timestamp on.
    pub(crate) delete_retention_ms: i64,
    /// Records younger than this are not compacted yet.
    pub(crate) min_compaction_lag_ms: i64,
    /// Records older than this are compacted whatever the ratio says.
    pub(crate) max_compaction_lag_ms: i64,
    /// Share of closed bytes that must be new before compaction is worth it.
    pub(crate) min_cleanable_dirty_ratio: f64,
    /// More than one can never be had on one node.
    pub(crate) min_insync_replicas: i64,
}
