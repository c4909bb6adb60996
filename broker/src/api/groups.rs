//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup, ListGroups, DescribeGroups, DeleteGroups.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    ListGroupsRequest, ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::api::{Call, Caller, Reply, code, text};
use crate::groups::{Described, Identity, JoinAnswer, Joining, MemberView, Phase};
use crate::node::Node;
use crate::wire::shape::Malformed;

/// Session timeouts that are accepted, in milliseconds, as in Kafka.
const SESSION_TIMEOUT_MS: std::ops::RangeInclusive<i32> = 6_000..=1_800_000;
/// Longest time that members are given to join again.
const REBALANCE_TIMEOUT_MAX: Duration = Duration::from_secs(1_800);
/// Versions of JoinGroup from which a client takes its id first and joins with it then.
const ID_FIRST_SINCE: i16 = 4;
/// Versions of JoinGroup from which "no protocol" is said by null.
const NULL_PROTOCOL_SINCE: i16 = 7;
/// Versions of LeaveGroup from which several members can leave at once.
const SEVERAL_LEAVE_SINCE: i16 = 3;
/// Versions of DescribeGroups from which an unknown group is an error.
const UNKNOWN_IS_ERROR_SINCE: i16 = 6;
/// What kind of groups these are, in Kafka's words.
const CLASSIC: &str = "Classic";

fn string(words: &str) -> StrBytes {
    StrBytes::from_string(words.to_owned())
}

fn owned(words: Option<&StrBytes>) -> Option<String> {
    words.map(ToString::to_string)
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

pub(super) async fn join(mut call: Call) -> Result<Reply, Malformed> {
    let request: JoinGroupRequest = call.request.decode()?;
    let version = call.caller.version;
    let member_id = request.member_id.to_string();
    let answer = if request.group_id.is_empty() {
        JoinAnswer::refused(ResponseError::InvalidGroupId, &member_id)
    } else if !SESSION_TIMEOUT_MS.contains(&request.session_timeout_ms) {
        JoinAnswer::refused(ResponseError::InvalidSessionTimeout, &member_id)
    } else {
        let group_id = request.group_id.to_string();
        call.node.groups.join(&group_id, joining(&call.caller, request)).await
    };
    let no_protocol = if version >= NULL_PROTOCOL_SINCE { None } else { text("") };
    let members = answer.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(string(&member.member_id))
            .with_group_instance_id(member.instance_id.filter(|_| version >= 5).and_then(text))
            .with_metadata(member.metadata)
    });
    let response = JoinGroupResponse::default()
        .with_error_code(code(answer.error))
        .with_generation_id(answer.generation)
        .with_protocol_type(answer.protocol_type.and_then(text))
        .with_protocol_name(answer.protocol.map_or(no_protocol, text))
        .with_leader(string(&answer.leader))
        .with_member_id(string(&answer.member_id))
        .with_members(members.collect());
    call.reply(&response, None)
}

fn joining(caller: &Caller, request: JoinGroupRequest) -> Joining {
    let session_timeout = millis(request.session_timeout_ms);
    // Version 0 doesn't tell the second timeout.
    let rebalance_timeout = if caller.version >= 1 { millis(request.rebalance_timeout_ms) } else { session_timeout };
    Joining {
        identity: Identity {
            member_id: request.member_id.to_string(),
            instance_id: owned(request.group_instance_id.as_ref()),
        },
        client_id: caller.client_id.clone(),
        client_host: format!("/{}", caller.peer.remote.ip().to_canonical()),
        session_timeout,
        rebalance_timeout: rebalance_timeout.min(REBALANCE_TIMEOUT_MAX),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(|one| (one.name.to_string(), one.metadata)).collect(),
        takes_id_first: caller.version >= ID_FIRST_SINCE,
    }
}

pub(super) async fn sync(mut call: Call) -> Result<Reply, Malformed> {
    let request: SyncGroupRequest = call.request.decode()?;
    let who =
        Identity { member_id: request.member_id.to_string(), instance_id: owned(request.group_instance_id.as_ref()) };
    let protocol = (request.protocol_type.as_deref(), request.protocol_name.as_deref());
    let assignments = request.assignments.into_iter().map(|one| (one.member_id.to_string(), one.assignment)).collect();
    let groups = &call.node.groups;
    let synced = groups.sync(&request.group_id, &who, request.generation_id, protocol, assignments).await;
    let response = match synced {
        Ok(answer) => SyncGroupResponse::default()
            .with_protocol_type(text(answer.protocol_type))
            .with_protocol_name(text(answer.protocol))
            .with_assignment(answer.assignment),
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    };
    call.reply(&response, None)
}

pub(super) fn heartbeat(node: &Node, _: &Caller, request: HeartbeatRequest) -> HeartbeatResponse {
    let who =
        Identity { member_id: request.member_id.to_string(), instance_id: owned(request.group_instance_id.as_ref()) };
    let seen = node.groups.heartbeat(&request.group_id, &who, request.generation_id);
    HeartbeatResponse::default().with_error_code(code(seen.err()))
}

pub(super) fn leave(node: &Node, caller: &Caller, request: LeaveGroupRequest) -> LeaveGroupResponse {
    if caller.version < SEVERAL_LEAVE_SINCE {
        let who = Identity { member_id: request.member_id.to_string(), instance_id: None };
        let left = node.groups.leave(&request.group_id, &who);
        return LeaveGroupResponse::default().with_error_code(code(left.err()));
    }
    let members = request.members.into_iter().map(|member| {
        let instance_id = owned(member.group_instance_id.as_ref());
        let left =
            node.groups.leave(&request.group_id, &Identity { member_id: member.member_id.to_string(), instance_id });
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code(left.err()))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}

/// Everything known by this id: members, committed offsets, or both.
fn find(node: &Node, group_id: &str) -> Option<Described> {
    node.groups.describe(group_id).or_else(|| {
        let has_offsets = !node.offsets.of_group(group_id).is_empty();
        has_offsets.then(|| Described {
            phase: Phase::Empty,
            protocol_type: String::new(),
            protocol: String::new(),
            members: Vec::new(),
        })
    })
}

pub(super) fn list(node: &Node, _: &Caller, request: ListGroupsRequest) -> ListGroupsResponse {
    let mut ids: BTreeSet<String> = node.groups.ids().into_iter().collect();
    ids.extend(node.offsets.groups());
    let fits =
        |filter: &[StrBytes], is: &str| filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(is));
    let groups = ids.into_iter().filter_map(|id| {
        let group = find(node, &id)?;
        let is_wanted = fits(&request.states_filter, group.phase.name()) && fits(&request.types_filter, CLASSIC);
        is_wanted.then(|| {
            ListedGroup::default()
                .with_group_id(GroupId(StrBytes::from_string(id)))
                .with_protocol_type(string(&group.protocol_type))
                .with_group_state(StrBytes::from_static_str(group.phase.name()))
                .with_group_type(StrBytes::from_static_str(CLASSIC))
        })
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub(super) fn describe(node: &Node, caller: &Caller, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|id| match find(node, &id) {
        Some(group) => DescribedGroup::default()
            .with_group_id(id)
            .with_group_state(StrBytes::from_static_str(group.phase.name()))
            .with_protocol_type(string(&group.protocol_type))
            .with_protocol_data(string(&group.protocol))
            .with_members(group.members.into_iter().map(|member| described(caller, member)).collect()),
        None => {
            let is_error = caller.version >= UNKNOWN_IS_ERROR_SINCE;
            let error = ResponseError::GroupIdNotFound;
            DescribedGroup::default()
                .with_error_code(if is_error { error.code() } else { 0 })
                .with_error_message(if is_error { text(format!("Group {} not found.", id.as_str())) } else { None })
                .with_group_id(id)
                .with_group_state(StrBytes::from_static_str("Dead"))
        }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn described(caller: &Caller, member: MemberView) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(string(&member.member_id))
        .with_group_instance_id(member.instance_id.filter(|_| caller.version >= 4).and_then(text))
        .with_client_id(string(&member.client_id))
        .with_client_host(string(&member.client_host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment)
}

pub(super) fn delete(node: &Node, _: &Caller, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|id| {
        let deleted = if node.groups.has_members(&id) {
            Err(ResponseError::NonEmptyGroup)
        } else {
            let was_known = node.groups.forget(&id);
            match node.offsets.delete_group(&id) {
                Ok(had_offsets) if had_offsets || was_known => Ok(()),
                Ok(_) => Err(ResponseError::GroupIdNotFound),
                Err(_) => Err(ResponseError::KafkaStorageError),
            }
        };
        DeletableGroupResult::default().with_group_id(id).with_error_code(code(deleted.err()))
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}
