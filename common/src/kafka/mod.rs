//! The one way to reach Kafka: everything else in this workspace speaks of clusters, readers and writers, never of a
//! client library.
//!
//! ```text
//!              ┌─ PartitionReader ─┐                               ┌─ requests ── records as they came, `batch`
//!   Cluster ───┤                   ├── Leader ── Link (rskafka) ───┤
//!              └─ PartitionWriter ─┘                               └─ requests ── records made by `encode`
//!           ── Admin ─────── krafka: topics, configs, group offsets
//!           ── GroupMember ─ krafka: who works on which partition, commits
//!           ◀─ Security ──── TLS and SASL, of all of these
//! ```
//!
//! Promises: every call ends within a stated time; every fault of a broker is retried until a deadline and then
//! handed up as a [`Fault`] that says what was being done; nothing is skipped silently. It must never know what is
//! inside a record.
//!
//! Of rskafka 0.6.0 only the messenger is used; ARCHITECTURE.md says which defects of its client stand against the rest.

mod admin;
mod advice;
mod batch;
mod complaints;
mod connection;
mod encode;
mod fault;
mod group;
mod leader;
mod link;
mod read_through;
mod reader;
mod record;
mod requests;
mod security;
mod security_settings;
mod shared_client;
mod unpack;
mod writer;

pub use admin::{Admin, TopicRequest, TopicState};
pub use batch::Batch;
pub use connection::{Cluster, ConnectionSettings};
pub use encode::{BatchBuilder, Compression, Record};
pub use fault::Fault;
pub use group::{Grant, GroupChange, GroupMember, GroupProtocol, GroupSettings, Released, SESSION_TIMEOUT};
pub use read_through::send_off;
pub use reader::{Bounds, PartitionReader, Read, ReadOptions};
pub use record::{Headers, RecordView};
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
