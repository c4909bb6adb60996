//! The state of one group and how it changes with time. Pure.
//!
//! ```text
//!            first join                all joined, or time is up           leader's assignments
//!   Empty ───────────────► Preparing ─────────────────────────► Completing ─────────────────────► Stable
//!     ▲                        ▲   a join, a leave, a member gone   │                                │
//!     └──── last one left ─────┴────────────────────────────────────┴────────────────────────────────┘
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::groups::answers::{Described, JoinAnswer, MemberView, Phase};
use crate::groups::member::Member;

/// The state of one group.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) members_max: usize,
    initial_delay: Duration,
    pub(super) phase: Phase,
    /// While preparing: when to go on without those who have not joined.
    join_until: Option<Instant>,
    /// While preparing for the first time: not before this.
    join_from: Option<Instant>,
    pub(super) generation: i32,
    pub(super) protocol_type: String,
    pub(super) protocol: String,
    pub(super) leader: String,
    pub(super) members: BTreeMap<String, Member>,
    /// Ids that were given to clients who will join with them, until when.
    pub(super) promised: BTreeMap<String, Instant>,
    revision: u64,
}

impl State {
    pub(super) fn new(members_max: usize, initial_delay: Duration) -> Self {
        Self {
            members_max,
            initial_delay,
            phase: Phase::Empty,
            join_until: None,
            join_from: None,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            promised: BTreeMap::new(),
            revision: 0,
        }
    }

    /// Changes whenever someone who waits should look again.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn touch(&mut self) {
        self.revision += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    /// Lets time pass until `now`: members go that were silent for too long, and a round ends whose time is up.
    pub(super) fn pass(&mut self, now: Instant) {
        self.promised.retain(|_, until| *until > now);
        let gone = |member: &Member| member.expires_at().is_some_and(|at| at <= now);
        let expired: Vec<String> =
            self.members.iter().filter(|(_, member)| gone(member)).map(|(id, _)| id.clone()).collect();
        for member_id in expired {
            self.remove(&member_id, now);
        }
        if self.phase == Phase::Preparing {
            self.complete_if_ready(now);
        }
    }

    /// When [`State::pass`] may change something by itself.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let expiries = self.members.values().filter_map(Member::expires_at);
        expiries.chain(self.join_until).chain(self.join_from).min()
    }

    /// Counts the requests of a member that wait.
    pub(super) fn waits(&mut self, member_id: &str, change: i32, now: Instant) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.waiting = member.waiting.saturating_add_signed(change);
            member.last_seen = now;
        }
    }

    /// Takes a member out and has the others come together again.
    pub(super) fn remove(&mut self, member_id: &str, now: Instant) {
        if self.members.remove(member_id).is_none() {
            return;
        }
        self.touch();
        if self.members.is_empty() {
            self.become_empty();
        } else if self.phase == Phase::Preparing {
            self.complete_if_ready(now);
        } else {
            self.prepare(now);
        }
    }

    fn become_empty(&mut self) {
        self.phase = Phase::Empty;
        (self.join_from, self.join_until) = (None, None);
        self.generation += 1;
        self.protocol.clear();
        self.leader.clear();
    }

    /// Starts a round: everyone has to join again.
    pub(super) fn prepare(&mut self, now: Instant) {
        let is_first = self.phase == Phase::Empty;
        let patience = self.members.values().map(|member| member.told.rebalance_timeout).max().unwrap_or_default();
        self.phase = Phase::Preparing;
        self.join_until = Some(now + patience.max(self.initial_delay));
        self.join_from = is_first.then(|| now + self.initial_delay);
        self.members.values_mut().for_each(|member| member.has_joined = false);
        self.touch();
    }

    /// Ends the round when everyone has joined, or when its time is up: then without those who have not.
    pub(super) fn complete_if_ready(&mut self, now: Instant) {
        if self.join_from.is_some_and(|from| from > now) {
            return;
        }
        self.join_from = None;
        if self.join_until.is_some_and(|until| until <= now) {
            self.members.retain(|_, member| member.has_joined);
            if self.members.is_empty() {
                self.become_empty();
                self.touch();
                return;
            }
        }
        if !self.members.is_empty() && self.members.values().all(|member| member.has_joined) {
            self.complete(now);
        }
    }

    fn complete(&mut self, now: Instant) {
        self.phase = Phase::Completing;
        self.join_until = None;
        self.generation += 1;
        self.protocol = self.vote();
        if !self.members.contains_key(&self.leader) {
            self.leader = self.members.keys().next().cloned().unwrap_or_default();
        }
        for member in self.members.values_mut() {
            member.assignment.clear();
            member.last_seen = now;
        }
        self.touch();
    }

    /// The way to assign that most members like best, of those that all know.
    fn vote(&self) -> String {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let names = member.told.protocols.iter().map(|(name, _)| name.as_str());
            if let Some(favourite) = { names }.find(|name| self.members.values().all(|other| other.knows(name))) {
                *votes.entry(favourite).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned()).unwrap_or_default()
    }

    /// The answer for a member that has joined, once the generation is later than the one it joined in.
    pub(super) fn join_answer(&self, member_id: &str, joined_in: i32) -> Option<JoinAnswer> {
        if !self.members.contains_key(member_id) {
            return Some(JoinAnswer::refused(kafka_protocol::ResponseError::UnknownMemberId, member_id));
        }
        (self.generation > joined_in).then(|| self.current_generation(member_id))
    }

    /// The current generation as a member is told of it.
    pub(super) fn current_generation(&self, member_id: &str) -> JoinAnswer {
        JoinAnswer {
            error: None,
            generation: self.generation,
            protocol_type: Some(self.protocol_type.clone()),
            protocol: Some(self.protocol.clone()),
            leader: self.leader.clone(),
            member_id: member_id.to_owned(),
            members: if self.leader == member_id { self.views() } else { Vec::new() },
        }
    }

    fn views(&self) -> Vec<MemberView> {
        let view = |(member_id, member): (&String, &Member)| MemberView {
            member_id: member_id.clone(),
            instance_id: member.told.identity.instance_id.clone(),
            client_id: member.told.client_id.clone(),
            client_host: member.told.client_host.clone(),
            metadata: member.metadata(&self.protocol),
            assignment: member.assignment.clone(),
        };
        self.members.iter().map(view).collect()
    }

    pub(super) fn describe(&self) -> Described {
        let is_settled = self.phase == Phase::Stable;
        Described {
            phase: self.phase,
            protocol_type: self.protocol_type.clone(),
            protocol: if is_settled { self.protocol.clone() } else { String::new() },
            members: self.views(),
        }
    }
}
