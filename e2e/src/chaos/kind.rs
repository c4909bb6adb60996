//! What can be done to consumers, producers and brokers, and for how long.

use std::ops::RangeInclusive;

/// A consumer silent for so long is given up by its group.
pub const GROUP_SESSION_MS: u64 = 6_000;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `kill -9` of a consumer, which is started again later.
    KillConsumer,
    /// SIGTERM of a consumer, which is started again later.
    TerminateConsumer,
    /// A consumer is frozen for longer than its group waits, and wakes beside its successors.
    FreezeConsumer,
    /// One more consumer.
    JoinConsumer,
    /// SIGTERM of a consumer that doesn't come back.
    LeaveConsumer,
    /// `kill -9` of a producer, which is started again later.
    KillProducer,
    /// SIGTERM of a producer, which is started again later.
    TerminateProducer,
    /// A producer is frozen, and has much to catch up on.
    FreezeProducer,
    /// `kill -9` of a broker.
    KillBroker,
    /// SIGTERM of a broker, which hands its partitions over.
    RestartBroker,
    /// The network to a broker stalls: it is frozen for less than the cluster notices and goes on leading.
    StallBroker,
    /// A broker is frozen for so long that others lead in its place; it wakes and believes that it still leads.
    FreezeBroker,
    /// Every partition gets another leader.
    MoveLeaders,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::KillConsumer,
        Self::TerminateConsumer,
        Self::FreezeConsumer,
        Self::JoinConsumer,
        Self::LeaveConsumer,
        Self::KillProducer,
        Self::TerminateProducer,
        Self::FreezeProducer,
        Self::KillBroker,
        Self::RestartBroker,
        Self::StallBroker,
        Self::FreezeBroker,
        Self::MoveLeaders,
    ];
    /// What consumers promise most about is tried most.
    pub(super) const TWICE: [Self; 2] = [Self::KillConsumer, Self::TerminateConsumer];

    /// What is done, in a word or two.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::KillConsumer | Self::KillProducer | Self::KillBroker => "kill -9",
            Self::TerminateConsumer | Self::TerminateProducer | Self::RestartBroker => "SIGTERM",
            Self::FreezeConsumer | Self::FreezeProducer | Self::FreezeBroker => "frozen",
            Self::JoinConsumer => "joins",
            Self::LeaveConsumer => "leaves",
            Self::StallBroker => "stalled",
            Self::MoveLeaders => "leaders move",
        }
    }

    /// To whom.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::KillConsumer
            | Self::TerminateConsumer
            | Self::FreezeConsumer
            | Self::JoinConsumer
            | Self::LeaveConsumer => "consumer",
            Self::KillProducer | Self::TerminateProducer | Self::FreezeProducer => "producer",
            Self::KillBroker | Self::RestartBroker | Self::StallBroker | Self::FreezeBroker => "broker",
            Self::MoveLeaders => "cluster",
        }
    }

    /// Whether the cluster has to be whole before this is done.
    #[must_use]
    pub fn needs_whole_cluster(self) -> bool {
        matches!(self.role(), "broker" | "cluster")
    }

    /// How long it lasts, milliseconds; `None` for what has no end.
    pub(super) fn lasts_ms(self) -> Option<RangeInclusive<u64>> {
        match self {
            Self::KillConsumer | Self::TerminateConsumer => Some(1_000..=6_000),
            Self::FreezeConsumer => Some(GROUP_SESSION_MS + 2_000..=GROUP_SESSION_MS + 10_000),
            Self::KillProducer | Self::TerminateProducer => Some(500..=4_000),
            Self::FreezeProducer => Some(3_000..=12_000),
            // Back before the cluster has noticed, or long after.
            Self::KillBroker => Some(1_000..=12_000),
            Self::RestartBroker => Some(500..=6_000),
            Self::StallBroker => Some(1_000..=4_000),
            Self::FreezeBroker => Some(8_000..=14_000),
            Self::JoinConsumer | Self::LeaveConsumer | Self::MoveLeaders => None,
        }
    }

    /// How long nothing else is done after some of these, so that the group's answer can be seen by itself: every second
    /// time.
    pub(super) fn quiet_ms(self) -> u64 {
        match self {
            Self::KillConsumer => 2 * GROUP_SESSION_MS,
            Self::TerminateConsumer => GROUP_SESSION_MS,
            _ => 0,
        }
    }
}
