//! One member of a group, and what it says when it joins.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// Who asks: the id the group gave, and a fixed name if the client has one (`group.instance.id`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Empty before the first join.
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
}

/// A request to join.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    pub(crate) identity: Identity,
    pub(crate) client_id: String,
    /// Address of the client, for people.
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// `consumer` for consumers.
    pub(crate) protocol_type: String,
    /// Ways to assign that the client knows, best first, each with the client's metadata.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// Whether the client can be told its id first and join with it then (JoinGroup 4 and later).
    pub(crate) takes_id_first: bool,
}

/// A member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) told: Joining,
    /// What the leader gave it in the current generation.
    pub(crate) assignment: Bytes,
    /// It has joined the round that is being prepared.
    pub(crate) has_joined: bool,
    /// Requests of it that wait for others: as long as there are any it is alive.
    pub(crate) waiting: u32,
    pub(crate) last_seen: Instant,
}

impl Member {
    pub(crate) fn new(told: Joining, now: Instant) -> Self {
        Self { told, assignment: Bytes::new(), has_joined: false, waiting: 0, last_seen: now }
    }

    /// When it counts as gone; never while it waits.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        (self.waiting == 0).then(|| self.last_seen + self.told.session_timeout)
    }

    pub(crate) fn knows(&self, protocol: &str) -> bool {
        self.told.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// Its metadata for a way to assign.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.told.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }
}
