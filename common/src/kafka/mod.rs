//! The one way to reach Kafka: everything else in this workspace speaks of clusters, readers and writers, never of a
//! client library.
//!
//! ```text
//!                       ┌─ PartitionReader ── rskafka fetch ──────┐   (what rskafka can't decode: krafka, `Detour`)
//!   Cluster ── Client ──┤                                         ├── broker
//!                       └─ PartitionWriter ── rskafka produce ────┘
//!           ── Admin ─────── krafka: topics, configs, group offsets
//!           ── GroupMember ─ krafka: who works on which partition, commits
//!           ◀─ Security ──── TLS and SASL, of all of these
//! ```
//!
//! Promises: every call ends within a stated time; every fault of a broker is retried until a deadline and then
//! handed up as a [`Fault`] that says what was being done; nothing is skipped silently. It must never know what is
//! inside a record.
//!
//! The rules below stand against defects found in rskafka 0.6.0, which has no timeouts, keeps a stale leader for
//! ever, treats some passing errors as final and fails a whole fetch for one record it can't decode.

mod admin;
mod advice;
mod complaints;
mod connection;
mod detour;
mod fault;
mod group;
mod read_through;
mod reader;
mod record;
mod security;
mod security_settings;
mod shared_client;
mod writer;

pub use admin::{Admin, TopicRequest, TopicState};
pub use connection::{Cluster, ConnectionSettings};
pub use fault::Fault;
pub use group::{Grant, GroupChange, GroupMember, GroupProtocol, GroupSettings, Released, SESSION_TIMEOUT};
pub use reader::{Batch, Bounds, PartitionReader, Read, ReadOptions};
pub use record::RecordView;
pub use rskafka::client::partition::Compression;
pub use rskafka::record::Record;
pub use security::Security;
pub use security_settings::SecuritySettings;
pub use writer::{PartitionWriter, WriteError};

use std::{future::Future, pin::Pin, time::Duration};

/// Longest wait for one answer of a broker, beyond what the request itself asks it to wait.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time a read goes on retrying before it hands the fault up.
pub const RETRY_DEADLINE: Duration = Duration::from_secs(30);

/// A future in a box, without its type. krafka's are nested so deeply, and rskafka's so large, that whoever held them by
/// type would overstrain the compiler or carry kilobytes for what happens rarely.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// First and longest pause between two tries.
const BACKOFF: std::ops::Range<Duration> = Duration::from_millis(50)..Duration::from_secs(2);

/// The pause before try number `attempt` (from 1): doubling from the first pause to the longest.
pub(crate) fn backoff(attempt: u32) -> Duration {
    BACKOFF.start.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(BACKOFF.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_tries_double_up_to_two_seconds() {
        let pauses: Vec<u128> = (1..=8).map(|attempt| backoff(attempt).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff(u32::MAX), Duration::from_secs(2));
    }
}
