//! What members ask of their group: to join, to be told what is theirs, to be seen alive, to leave, to commit. Pure.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;
use uuid::Uuid;

use crate::groups::answers::{JoinAnswer, Joined, Phase, SyncAnswer};
use crate::groups::member::{Identity, Joining, Member};
use crate::groups::state::State;

impl State {
    /// A request to join.
    pub(super) fn join(&mut self, joining: Joining, now: Instant) -> Result<Joined, ResponseError> {
        self.check_protocols(&joining)?;
        let Identity { member_id, instance_id } = joining.identity.clone();
        if !member_id.is_empty() {
            self.check_identity_to_join(&joining.identity)?;
            return Ok(self.join_known(member_id, joining, now));
        }
        let is_replaced = instance_id.as_deref().and_then(|instance| self.by_instance(instance)).is_some();
        if self.members.len() + self.promised.len() >= self.members_max && !is_replaced {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let member_id = format!("{}-{}", joining.client_id, Uuid::new_v4());
        match instance_id {
            None if joining.takes_id_first => {
                self.promised.insert(member_id.clone(), now + joining.session_timeout);
                Ok(Joined::Done(JoinAnswer::refused(ResponseError::MemberIdRequired, &member_id)))
            }
            None => Ok(self.join_known(member_id, joining, now)),
            Some(instance) => {
                if let Some(old) = self.by_instance(&instance) {
                    // The same client after a restart: its old self is out, and what waits there is told so.
                    self.members.remove(&old);
                    self.touch();
                }
                Ok(self.join_known(member_id, joining, now))
            }
        }
    }

    /// Every member must know a way to assign that all others know.
    fn check_protocols(&self, joining: &Joining) -> Result<(), ResponseError> {
        let others =
            || self.members.iter().filter(|(id, _)| **id != joining.identity.member_id).map(|(_, other)| other);
        let is_common = |name: &str| others().all(|other| other.knows(name));
        let is_same_type = others().next().is_none() || joining.protocol_type == self.protocol_type;
        if joining.protocol_type.is_empty()
            || !is_same_type
            || !joining.protocols.iter().any(|(name, _)| is_common(name))
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn check_identity_to_join(&self, who: &Identity) -> Result<(), ResponseError> {
        if self.promised.contains_key(&who.member_id) { Ok(()) } else { self.check_identity(who) }
    }

    /// The member must be one, and under its fixed name if it has one.
    fn check_identity(&self, who: &Identity) -> Result<(), ResponseError> {
        if let Some(instance) = &who.instance_id
            && self.by_instance(instance).is_some_and(|member_id| member_id != who.member_id)
        {
            return Err(ResponseError::FencedInstanceId);
        }
        if self.members.contains_key(&who.member_id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }

    fn by_instance(&self, instance: &str) -> Option<String> {
        let named = |member: &Member| member.told.identity.instance_id.as_deref() == Some(instance);
        self.members.iter().find(|(_, member)| named(member)).map(|(id, _)| id.clone())
    }

    /// Joins under an id that is known to both sides.
    fn join_known(&mut self, member_id: String, mut joining: Joining, now: Instant) -> Joined {
        self.promised.remove(&member_id);
        joining.identity.member_id.clone_from(&member_id);
        let is_settled = matches!(self.phase, Phase::Completing | Phase::Stable);
        if let Some(known) = self.members.get_mut(&member_id) {
            known.last_seen = now;
            let changes_nothing = known.told.protocols == joining.protocols;
            // A leader joins again to have everything assigned anew; of anyone else it may be a request sent twice.
            let is_repeat = changes_nothing && (self.phase == Phase::Completing || self.leader != member_id);
            if is_settled && is_repeat {
                return Joined::Done(self.current_generation(&member_id));
            }
            known.told = joining;
        } else {
            self.protocol_type.clone_from(&joining.protocol_type);
            self.members.insert(member_id.clone(), Member::new(joining, now));
        }
        if self.phase != Phase::Preparing {
            self.prepare(now);
        }
        let generation = self.generation;
        if let Some(member) = self.members.get_mut(&member_id) {
            member.has_joined = true;
        }
        self.complete_if_ready(now);
        Joined::Waits { member_id, generation }
    }

    /// The leader's assignments, or the wish of another member to hear of them.
    pub(super) fn hand_in(
        &mut self,
        who: &Identity,
        generation: i32,
        (protocol_type, protocol): (Option<&str>, Option<&str>),
        assignments: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.check(who, generation, now)?;
        if self.phase == Phase::Preparing {
            return Err(ResponseError::RebalanceInProgress);
        }
        let differs = |said: Option<&str>, is: &str| said.is_some_and(|said| said != is);
        if differs(protocol_type, &self.protocol_type) || differs(protocol, &self.protocol) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        if self.phase == Phase::Completing && self.leader == who.member_id {
            for (member_id, assignment) in assignments {
                if let Some(member) = self.members.get_mut(&member_id) {
                    member.assignment = assignment;
                }
            }
            self.phase = Phase::Stable;
            self.touch();
        }
        Ok(())
    }

    /// What is assigned to a member, once it is known.
    pub(super) fn sync_answer(&self, member_id: &str, generation: i32) -> Option<Result<SyncAnswer, ResponseError>> {
        let Some(member) = self.members.get(member_id) else { return Some(Err(ResponseError::UnknownMemberId)) };
        if self.generation != generation || self.phase == Phase::Preparing {
            return Some(Err(ResponseError::RebalanceInProgress));
        }
        (self.phase == Phase::Stable).then(|| {
            Ok(SyncAnswer {
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                assignment: member.assignment.clone(),
            })
        })
    }

    /// A sign of life. A member that must join again hears of it here.
    pub(super) fn heartbeat(&mut self, who: &Identity, generation: i32, now: Instant) -> Result<(), ResponseError> {
        self.check(who, generation, now)?;
        if self.phase == Phase::Preparing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    /// A member leaves, by its id or by its fixed name.
    pub(super) fn leave(&mut self, who: &Identity, now: Instant) -> Result<(), ResponseError> {
        if self.promised.remove(&who.member_id).is_some() {
            return Ok(());
        }
        let member_id = match (&who.instance_id, who.member_id.is_empty()) {
            (Some(instance), true) => self.by_instance(instance).ok_or(ResponseError::UnknownMemberId)?,
            _ => {
                self.check_identity(who)?;
                who.member_id.clone()
            }
        };
        self.remove(&member_id, now);
        Ok(())
    }

    /// Whether a commit counts: of a member in its generation, or of anyone while there are no members.
    pub(super) fn may_commit(&mut self, who: &Identity, generation: i32, now: Instant) -> Result<(), ResponseError> {
        if generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        self.check(who, generation, now)?;
        if self.phase == Phase::Completing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    fn check(&mut self, who: &Identity, generation: i32, now: Instant) -> Result<(), ResponseError> {
        self.check_identity(who)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        if let Some(member) = self.members.get_mut(&who.member_id) {
            member.last_seen = now;
        }
        Ok(())
    }
}
