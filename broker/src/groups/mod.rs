//! Classic consumer groups: who is a member, who assigns, when to do it again.
//!
//! The state machine in [`state`] is pure: requests and the time in, answers out, no clock and no task of its own. Time
//! passes for a group when someone asks it something or waits in it; a group that nobody talks to needs no timer, because
//! nobody would learn of the change. Membership is not stored: after a restart members join again, as they do after a lost
//! coordinator. (Apache Kafka stores it, and a quick restart there needs no rebalance.)

mod answers;
mod member;
mod membership;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use answers::{Described, JoinAnswer, Joined, MemberView, Phase, SyncAnswer};
pub(crate) use member::{Identity, Joining};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::groups::state::State;
use crate::limits::Limits;

/// All groups that have, or recently had, members.
#[derive(Debug)]
pub(crate) struct Groups {
    groups_max: usize,
    members_max: usize,
    initial_delay: Duration,
    stopping: CancellationToken,
    by_id: Mutex<BTreeMap<String, Arc<Group>>>,
}

/// One group, and a signal for those who wait in it.
#[derive(Debug)]
pub(crate) struct Group {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Group {
    /// Lets time pass, then does something with the state.
    fn with<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.revision();
        state.pass(now);
        let result = change(&mut state, now);
        if state.revision() != before {
            self.changed.send_replace(());
        }
        result
    }
}

/// Keeps a member alive while it waits, and notes when it stopped waiting.
struct Waiting<'a> {
    group: &'a Group,
    member_id: &'a str,
}

impl<'a> Waiting<'a> {
    fn start(group: &'a Group, member_id: &'a str) -> Self {
        group.with(|state, now| state.waits(member_id, 1, now));
        Self { group, member_id }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.group.with(|state, now| state.waits(self.member_id, -1, now));
    }
}

impl Groups {
    pub(crate) fn new(limits: &Limits, stopping: CancellationToken) -> Self {
        Self {
            groups_max: limits.groups_max,
            members_max: limits.group_members_max,
            initial_delay: limits.group_initial_rebalance_delay,
            stopping,
            by_id: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Group>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, group_id: &str) -> Option<Arc<Group>> {
        self.lock().get(group_id).cloned()
    }

    fn get_or_create(&self, group_id: &str) -> Result<Arc<Group>, ResponseError> {
        let mut groups = self.lock();
        if let Some(group) = groups.get(group_id) {
            return Ok(Arc::clone(group));
        }
        if groups.len() >= self.groups_max {
            // Nobody else holds these, and nobody can get hold of them while the map is locked.
            groups.retain(|_, group| Arc::strong_count(group) > 1 || !group.with(|state, _| state.is_empty()));
        }
        if groups.len() >= self.groups_max {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        let state = Mutex::new(State::new(self.members_max, self.initial_delay));
        let group = Arc::new(Group { state, changed: watch::Sender::new(()) });
        groups.insert(group_id.to_owned(), Arc::clone(&group));
        Ok(group)
    }

    /// Joins, and waits until the group has come together.
    pub(crate) async fn join(&self, group_id: &str, joining: Joining) -> JoinAnswer {
        let group = match self.get_or_create(group_id) {
            Ok(group) => group,
            Err(error) => return JoinAnswer::refused(error, &joining.identity.member_id),
        };
        let asked_for = joining.identity.member_id.clone();
        let (member_id, generation) = match group.with(|state, now| state.join(joining, now)) {
            Ok(Joined::Waits { member_id, generation }) => (member_id, generation),
            Ok(Joined::Done(answer)) => return answer,
            Err(error) => return JoinAnswer::refused(error, &asked_for),
        };
        let _waiting = Waiting::start(&group, &member_id);
        let answered = self.wait_for(&group, |state| state.join_answer(&member_id, generation)).await;
        answered.unwrap_or_else(|| JoinAnswer::refused(ResponseError::CoordinatorNotAvailable, &member_id))
    }

    /// Hands in the leader's assignments, or waits for them.
    pub(crate) async fn sync(
        &self,
        group_id: &str,
        who: &Identity,
        generation: i32,
        protocol: (Option<&str>, Option<&str>),
        assignments: Vec<(String, bytes::Bytes)>,
    ) -> Result<SyncAnswer, ResponseError> {
        let group = self.get(group_id).ok_or(ResponseError::UnknownMemberId)?;
        group.with(|state, now| state.hand_in(who, generation, protocol, assignments, now))?;
        let _waiting = Waiting::start(&group, &who.member_id);
        let answered = self.wait_for(&group, |state| state.sync_answer(&who.member_id, generation)).await;
        answered.unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
    }

    /// Asks again after each change and each deadline, until there is an answer; none when the broker stops.
    async fn wait_for<T>(&self, group: &Group, mut ask: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let mut changed = group.changed.subscribe();
        loop {
            let (answer, deadline) = group.with(|state, _| (ask(state), state.next_deadline()));
            if answer.is_some() {
                return answer;
            }
            tokio::select! {
                changed = changed.changed() => changed.ok()?,
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
                () = self.stopping.cancelled() => return None,
            }
        }
    }

    /// A sign of life.
    pub(crate) fn heartbeat(&self, group_id: &str, who: &Identity, generation: i32) -> Result<(), ResponseError> {
        let group = self.get(group_id).ok_or(ResponseError::UnknownMemberId)?;
        group.with(|state, now| state.heartbeat(who, generation, now))
    }

    /// Takes a member out.
    pub(crate) fn leave(&self, group_id: &str, who: &Identity) -> Result<(), ResponseError> {
        let group = self.get(group_id).ok_or(ResponseError::UnknownMemberId)?;
        group.with(|state, now| state.leave(who, now))
    }

    /// Whether a commit by `who` counts. Without members any client may commit, with generation −1.
    pub(crate) fn may_commit(&self, group_id: &str, who: &Identity, generation: i32) -> Result<(), ResponseError> {
        match self.get(group_id) {
            Some(group) => group.with(|state, now| state.may_commit(who, generation, now)),
            None if generation < 0 => Ok(()),
            None => Err(ResponseError::IllegalGeneration),
        }
    }

    /// Whether the group has members now.
    pub(crate) fn has_members(&self, group_id: &str) -> bool {
        self.get(group_id).is_some_and(|group| group.with(|state, _| !state.is_empty()))
    }

    /// What the group looks like; none if it has no members and never had any that are remembered.
    pub(crate) fn describe(&self, group_id: &str) -> Option<Described> {
        self.get(group_id).map(|group| group.with(|state, _| state.describe()))
    }

    /// Forgets a group without members. False if it isn't known.
    pub(crate) fn forget(&self, group_id: &str) -> bool {
        self.lock().remove(group_id).is_some()
    }

    /// All groups known, by id.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }
}
