//! A group's state through joins, deadlines, leaves and zombies; the time is an argument.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use crate::groups::answers::{Joined, Phase};
use crate::groups::member::{Identity, Joining};
use crate::groups::state::State;

const SESSION: Duration = Duration::from_secs(6);
const REBALANCE: Duration = Duration::from_secs(30);
const DELAY: Duration = Duration::from_millis(100);

fn joining(member_id: &str, protocols: &[&str]) -> Joining {
    Joining {
        identity: Identity { member_id: member_id.to_owned(), instance_id: None },
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".to_owned(),
        protocols: protocols.iter().map(|name| ((*name).to_owned(), Bytes::from_static(b"metadata"))).collect(),
        takes_id_first: false,
    }
}

fn who(member_id: &str) -> Identity {
    Identity { member_id: member_id.to_owned(), instance_id: None }
}

/// A group and a clock of its own.
struct Group {
    state: State,
    now: Instant,
}

impl Group {
    fn new() -> Self {
        Self { state: State::new(10, DELAY), now: Instant::now() }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.state.pass(self.now);
    }

    /// A new member joins and waits; its id comes back.
    fn join(&mut self) -> String {
        match self.state.join(joining("", &["range"]), self.now).unwrap() {
            Joined::Waits { member_id, .. } => member_id,
            Joined::Done(answer) => panic!("{answer:?}"),
        }
    }

    fn join_again(&mut self, member_id: &str) {
        let joined = self.state.join(joining(member_id, &["range"]), self.now).unwrap();
        assert!(matches!(joined, Joined::Waits { .. }));
    }

    fn hand_in(&mut self, member_id: &str, assignments: &[(&str, &'static str)]) -> Result<(), ResponseError> {
        let generation = self.state.generation;
        let assignments =
            assignments.iter().map(|(to, what)| ((*to).to_owned(), Bytes::from_static(what.as_bytes()))).collect();
        self.state.hand_in(&who(member_id), generation, (None, None), assignments, self.now)
    }

    fn beat(&mut self, member_id: &str) -> Result<(), ResponseError> {
        let generation = self.state.generation;
        self.state.heartbeat(&who(member_id), generation, self.now)
    }

    /// Two members that know what is theirs; the leader first.
    fn settled() -> (Self, String, String) {
        let mut group = Self::new();
        let (one, other) = (group.join(), group.join());
        group.pass(DELAY);
        let (leader, follower) = if group.state.leader == one { (one, other) } else { (other, one) };
        group.hand_in(&leader, &[(&leader, "a"), (&follower, "b")]).unwrap();
        assert_eq!(group.state.phase, Phase::Stable);
        (group, leader, follower)
    }
}

#[test]
fn the_first_members_come_together_after_the_initial_delay() {
    let mut group = Group::new();
    let first = group.join();
    assert_eq!(group.state.join_answer(&first, 0), None, "others may come");
    let second = group.join();
    assert_eq!(group.state.next_deadline(), Some(group.now + DELAY));
    group.pass(DELAY);
    let answers = [&first, &second].map(|id| group.state.join_answer(id, 0).unwrap());
    assert!(answers.iter().all(|answer| answer.generation == 1 && answer.leader == group.state.leader));
    let seen: Vec<usize> = answers.iter().map(|answer| answer.members.len()).collect();
    assert_eq!(seen.iter().sum::<usize>(), 2, "only the leader is told who is there: {seen:?}");
}

#[test]
fn everyone_gets_what_the_leader_gave_them() {
    let (group, leader, follower) = Group::settled();
    let of = |id: &str| group.state.sync_answer(id, 1).unwrap().unwrap().assignment;
    assert_eq!((&of(&leader)[..], &of(&follower)[..]), (&b"a"[..], &b"b"[..]));
}

#[test]
fn a_follower_waits_for_the_leader() {
    let mut group = Group::new();
    let (one, other) = (group.join(), group.join());
    group.pass(DELAY);
    let follower = if group.state.leader == one { other } else { one };
    group.hand_in(&follower, &[]).unwrap();
    assert_eq!(group.state.sync_answer(&follower, 1), None);
}

#[test]
fn a_third_member_makes_the_others_join_again() {
    let (mut group, leader, follower) = Group::settled();
    let third = group.join();
    assert_eq!(group.beat(&leader), Err(ResponseError::RebalanceInProgress));
    assert_eq!(group.hand_in(&leader, &[]), Err(ResponseError::RebalanceInProgress));
    group.join_again(&leader);
    assert_eq!(group.state.join_answer(&third, 1), None, "one is missing");
    group.join_again(&follower);
    assert_eq!(group.state.join_answer(&third, 1).unwrap().generation, 2);
    assert_eq!(group.state.leader, leader, "the leader stays the leader");
}

#[test]
fn who_does_not_join_again_in_time_is_left_out() {
    let (mut group, leader, follower) = Group::settled();
    let third = group.join();
    group.join_again(&leader);
    for waiting in [&leader, &third] {
        group.state.waits(waiting, 1, group.now);
    }
    // It still beats, so its session goes on; but it doesn't join.
    for _ in 0..10 {
        group.pass(REBALANCE / 10);
        let _ = group.beat(&follower);
    }
    assert_eq!(group.state.phase, Phase::Completing);
    assert_eq!(group.beat(&follower), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_silent_member_is_gone_after_its_session_and_the_others_join_again() {
    let (mut group, leader, follower) = Group::settled();
    group.pass(SESSION / 2);
    group.beat(&leader).unwrap();
    group.pass(SESSION / 2);
    assert_eq!(group.beat(&leader), Err(ResponseError::RebalanceInProgress));
    assert_eq!(group.beat(&follower), Err(ResponseError::UnknownMemberId));
    group.join_again(&leader);
    assert_eq!(group.state.join_answer(&leader, 1).unwrap().members.len(), 1);
}

#[test]
fn a_waiting_member_is_alive_until_it_stops_waiting() {
    let (mut group, leader, _) = Group::settled();
    group.state.waits(&leader, 1, group.now);
    group.pass(10 * SESSION);
    assert_eq!(group.state.members.len(), 1, "only the one that waits is left");
    group.state.waits(&leader, -1, group.now);
    group.pass(SESSION);
    assert_eq!(group.state.phase, Phase::Empty);
}

#[test]
fn a_leader_that_vanishes_before_it_assigns_does_not_hold_the_others_up() {
    let mut group = Group::new();
    let (one, other) = (group.join(), group.join());
    group.pass(DELAY);
    let follower = if group.state.leader == one { other } else { one };
    group.hand_in(&follower, &[]).unwrap();
    group.state.waits(&follower, 1, group.now);
    group.pass(SESSION);
    assert_eq!(group.state.sync_answer(&follower, 1), Some(Err(ResponseError::RebalanceInProgress)));
}

#[test]
fn a_zombie_of_an_old_generation_is_turned_away() {
    let (mut group, leader, follower) = Group::settled();
    group.state.leave(&who(&follower), group.now).unwrap();
    group.join_again(&leader);
    let old = group.state.may_commit(&who(&leader), 1, group.now);
    assert_eq!(old, Err(ResponseError::IllegalGeneration));
    assert_eq!(group.state.may_commit(&who(&follower), 1, group.now), Err(ResponseError::UnknownMemberId));
    assert_eq!(group.state.may_commit(&who(""), -1, group.now), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_member_may_commit_what_it_did_before_it_joins_again() {
    let (mut group, leader, _) = Group::settled();
    group.join();
    assert_eq!(group.state.phase, Phase::Preparing);
    assert_eq!(group.state.may_commit(&who(&leader), 1, group.now), Ok(()));
}

#[test]
fn anyone_may_commit_while_there_are_no_members() {
    let mut group = Group::new();
    assert_eq!(group.state.may_commit(&who(""), -1, group.now), Ok(()));
    assert_eq!(group.state.may_commit(&who("old"), 3, group.now), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_join_sent_twice_is_answered_without_a_new_round_but_the_leaders_is_a_wish_for_one() {
    let (mut group, leader, follower) = Group::settled();
    let again = group.state.join(joining(&follower, &["range"]), group.now).unwrap();
    assert!(matches!(again, Joined::Done(answer) if answer.generation == 1));
    group.join_again(&leader);
    assert_eq!(group.state.phase, Phase::Preparing);
}

#[test]
fn members_must_have_a_way_to_assign_in_common() {
    let mut group = Group::new();
    group.state.join(joining("", &["range", "sticky"]), group.now).unwrap();
    let other = group.state.join(joining("", &["roundrobin"]), group.now);
    assert_eq!(other.unwrap_err(), ResponseError::InconsistentGroupProtocol);
    let none = Group::new().state.join(joining("", &[]), group.now);
    assert_eq!(none.unwrap_err(), ResponseError::InconsistentGroupProtocol);
    group.state.join(joining("", &["sticky"]), group.now).unwrap();
    group.pass(DELAY);
    assert_eq!(group.state.protocol, "sticky");
}

#[test]
fn a_promised_id_is_only_good_for_a_session() {
    let mut group = Group::new();
    let first = Joining { takes_id_first: true, ..joining("", &["range"]) };
    let Ok(Joined::Done(answer)) = group.state.join(first, group.now) else { panic!("an id first") };
    assert_eq!(answer.error, Some(ResponseError::MemberIdRequired));
    group.pass(SESSION);
    let late = group.state.join(joining(&answer.member_id, &["range"]), group.now);
    assert_eq!(late.unwrap_err(), ResponseError::UnknownMemberId);
    assert!(group.state.is_empty());
}

#[test]
fn a_member_with_a_fixed_name_replaces_its_old_self_and_fences_it() {
    let mut group = Group::new();
    let named = |member_id: &str| Identity { member_id: member_id.to_owned(), instance_id: Some("pod-0".to_owned()) };
    let join = |group: &mut Group| {
        let joined = group.state.join(Joining { identity: named(""), ..joining("", &["range"]) }, group.now);
        let Ok(Joined::Waits { member_id, .. }) = joined else { panic!("{joined:?}") };
        member_id
    };
    let old = join(&mut group);
    group.pass(DELAY);
    let new = join(&mut group);
    assert_eq!(group.state.members.len(), 1);
    let generation = group.state.generation;
    assert_eq!(group.state.heartbeat(&named(&old), generation, group.now), Err(ResponseError::FencedInstanceId));
    assert_eq!(group.state.heartbeat(&named(&new), generation, group.now), Ok(()));
}

#[test]
fn a_full_group_takes_nobody_more() {
    let mut group = Group { state: State::new(1, DELAY), now: Instant::now() };
    group.join();
    assert_eq!(group.state.join(joining("", &["range"]), group.now).unwrap_err(), ResponseError::GroupMaxSizeReached);
}
