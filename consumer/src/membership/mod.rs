//! Which partitions this process works on, and who is told how far they have come: by a consumer group, which shares
//! them out among its members, or by settings, for bounded runs and for those without groups.
//!
//! Commits are for visibility alone (`kafka-consumer-groups`, kafka-ui, KEDA): truth is the snapshot.

mod fixed;

pub use fixed::FixedShare;

use std::time::Duration;

use common::kafka::{Fault, Grant, GroupChange, GroupMember};

/// How this process comes by its partitions.
pub enum Membership {
    /// As a member of a consumer group.
    Group(GroupMember),
    /// By settings.
    Fixed(FixedShare),
}

impl Membership {
    /// The next change of this process's share. May be dropped and called again; nothing is lost.
    pub async fn next(&mut self) -> GroupChange {
        match self {
            Self::Group(member) => member.next().await,
            Self::Fixed(share) => share.next().await,
        }
    }

    /// Tells the group how far the partitions have come.
    ///
    /// # Errors
    /// [`Fault`]; the next commit makes up for it.
    pub async fn commit(&self, offsets: &[(Grant, i64)]) -> Result<(), Fault> {
        match self {
            Self::Group(member) => member.commit(offsets).await,
            Self::Fixed(share) => share.commit(offsets).await,
        }
    }

    /// Has partitions shared out that the topic has gained.
    pub fn grow(&mut self, partitions: i32) {
        match self {
            Self::Group(member) => member.rejoin(),
            Self::Fixed(share) => share.grow(partitions),
        }
    }

    /// Leaves, so that others can take over at once.
    pub async fn leave(self, within: Duration) {
        match self {
            Self::Group(member) => member.leave(within).await,
            Self::Fixed(_) => {}
        }
    }
}
