//! Everything that is bounded, in one place.

use std::time::Duration;

/// What one broker allows. The defaults suit a development machine; tests set single fields.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at one time; further ones are closed at once. Default 512.
    pub connections_max: usize,
    /// Largest request, in bytes; a connection that announces a larger one is closed. Default 32 MiB.
    pub request_bytes_max: usize,
    /// Memory for requests being received, of all connections together, in bytes. Default 128 MiB.
    pub request_memory_bytes: usize,
    /// Largest part of a fetch answer, in bytes; only a single batch may be larger. Default 16 MiB.
    pub fetch_bytes_max: usize,
    /// Memory for fetch answers being sent, of all connections together, in bytes. Default 128 MiB.
    pub fetch_memory_bytes: usize,
    /// Topics. Default 1 000.
    pub topics_max: usize,
    /// Partitions of all topics together; each keeps at least one file open. Default 4 000.
    pub partitions_max: usize,
    /// Consumer groups with members or committed offsets. Default 1 000.
    pub groups_max: usize,
    /// Members of one group. Default 200.
    pub group_members_max: usize,
    /// Committed offsets of all groups together. Default 100 000.
    pub committed_offsets_max: usize,
    /// A connection that sends nothing for so long is closed. Default 10 minutes.
    pub idle_timeout: Duration,
    /// Time for a started request to arrive, and for an answer to be taken. Default 30 s.
    pub transfer_timeout: Duration,
    /// Time that [`Broker::stop`](crate::Broker::stop) gives to requests being handled. Default 3 s.
    pub drain_timeout: Duration,
    /// How often retention and compaction look at every partition. Default 2 s.
    pub maintenance_interval: Duration,
    /// How long the first member of an empty consumer group waits for others. Default 100 ms (Kafka: 3 s).
    pub group_initial_rebalance_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            request_bytes_max: 32 << 20,
            request_memory_bytes: 128 << 20,
            fetch_bytes_max: 16 << 20,
            fetch_memory_bytes: 128 << 20,
            topics_max: 1_000,
            partitions_max: 4_000,
            groups_max: 1_000,
            group_members_max: 200,
            committed_offsets_max: 100_000,
            idle_timeout: Duration::from_secs(600),
            transfer_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(3),
            maintenance_interval: Duration::from_secs(2),
            group_initial_rebalance_delay: Duration::from_millis(100),
        }
    }
}
