//! What the broker answers: one file for each group of requests, and the table of what is served at which versions.
//!
//! A handler turns a decoded request into a response. It never panics on what a client sent: whatever is wrong becomes an
//! error code of Kafka's, and a request that can't be read ends the connection.

// Every handler takes its request whole, whether it uses all of it up or not.
#![allow(clippy::needless_pass_by_value)]

mod cluster;
mod committed;
mod configs;
mod coordinator;
mod fetch;
mod groups;
mod offsets;
mod produce;
#[cfg(test)]
mod tests;
mod topics;
mod versions;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use tokio::sync::OwnedSemaphorePermit;

use crate::node::Node;
use crate::server::Peer;
use crate::wire::frame::{self, Request};
use crate::wire::shape::{self, Malformed};

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A frame to be sent, and the memory it holds until then.
    Answer { frame: BytesMut, memory: Option<OwnedSemaphorePermit> },
    /// No answer was asked for.
    Silence,
    /// No answer was asked for and something went wrong: closing the connection is the only way to say so.
    Close,
}

/// Every API that is served, with its oldest and newest version.
///
/// The newest are those the codec knows. Nothing is served that the clients of Kafka 4 don't use any more.
pub(crate) const SERVED: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 3, 13),
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 10),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 9),
    (ApiKey::FindCoordinator, 0, 6),
    (ApiKey::JoinGroup, 0, 9),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 6),
    (ApiKey::ListGroups, 0, 5),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 5),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::IncrementalAlterConfigs, 0, 1),
    (ApiKey::OffsetDelete, 0, 0),
    (ApiKey::DescribeCluster, 0, 2),
    (ApiKey::DescribeTopicPartitions, 0, 0),
];

/// Whether a request may wait for what other clients do.
pub(crate) fn waits_for_others(request: &[u8]) -> bool {
    const WAITING: [ApiKey; 3] = [ApiKey::Fetch, ApiKey::JoinGroup, ApiKey::SyncGroup];
    Request::peek(request).is_ok_and(|(key, _)| WAITING.iter().any(|api| *api as i16 == key))
}

/// Handles one request frame.
pub(crate) async fn handle(node: &Arc<Node>, peer: Peer, request: Bytes) -> Result<Reply, Malformed> {
    let (key, version) = Request::peek(&request)?;
    let api = ApiKey::try_from(key).map_err(|()| Malformed::UnknownApi(key))?;
    let served = SERVED.iter().find(|(served, ..)| *served == api).ok_or(Malformed::UnknownApi(key))?;
    if !(served.1..=served.2).contains(&version) {
        if api == ApiKey::ApiVersions {
            return versions::unsupported(&request);
        }
        return Err(Malformed::UnknownVersion { api, version });
    }
    shape::check(api, version, &request)?;
    let request = Request::parse(api, version, request)?;
    let caller = Caller { peer, version, client_id: request.client_id.clone() };
    dispatch(api, Call { node: Arc::clone(node), caller, request }).await
}

async fn dispatch(api: ApiKey, call: Call) -> Result<Reply, Malformed> {
    match api {
        ApiKey::Produce => produce::handle(call).await,
        ApiKey::Fetch => fetch::handle(call).await,
        ApiKey::JoinGroup => groups::join(call).await,
        ApiKey::SyncGroup => groups::sync(call).await,
        ApiKey::Heartbeat => call.answer(groups::heartbeat),
        ApiKey::LeaveGroup => call.answer(groups::leave),
        ApiKey::ListGroups => call.answer(groups::list),
        ApiKey::DescribeGroups => call.answer(groups::describe),
        ApiKey::DeleteGroups => call.answer_blocking(groups::delete).await,
        ApiKey::ApiVersions => call.answer(versions::api_versions),
        ApiKey::Metadata => call.answer(cluster::metadata),
        ApiKey::DescribeCluster => call.answer(cluster::describe_cluster),
        ApiKey::DescribeTopicPartitions => call.answer(cluster::describe_topic_partitions),
        ApiKey::FindCoordinator => call.answer(coordinator::find_coordinator),
        ApiKey::OffsetFetch => call.answer(committed::offset_fetch),
        ApiKey::DescribeConfigs => call.answer(configs::describe_configs),
        ApiKey::OffsetForLeaderEpoch => call.answer(offsets::offset_for_leader_epoch),
        ApiKey::InitProducerId => call.answer_blocking(coordinator::init_producer_id).await,
        ApiKey::ListOffsets => call.answer_blocking(offsets::list_offsets).await,
        ApiKey::DeleteRecords => call.answer_blocking(offsets::delete_records).await,
        ApiKey::OffsetCommit => call.answer_blocking(committed::offset_commit).await,
        ApiKey::OffsetDelete => call.answer_blocking(committed::offset_delete).await,
        ApiKey::CreateTopics => call.answer_blocking(topics::create_topics).await,
        ApiKey::DeleteTopics => call.answer_blocking(topics::delete_topics).await,
        ApiKey::CreatePartitions => call.answer_blocking(topics::create_partitions).await,
        ApiKey::IncrementalAlterConfigs => call.answer_blocking(configs::incremental_alter_configs).await,
        other => Err(Malformed::UnknownApi(other as i16)),
    }
}

/// Who asks, and how.
#[derive(Debug, Clone)]
struct Caller {
    peer: Peer,
    /// Of the request; the answer has the same.
    version: i16,
    /// What the client calls itself.
    client_id: String,
}

/// A request together with what is needed to answer it.
struct Call {
    node: Arc<Node>,
    caller: Caller,
    request: Request,
}

impl Call {
    /// Decodes, answers at once, encodes.
    fn answer<Q: Decodable, A: Encodable + HeaderVersion>(
        mut self,
        handler: fn(&Node, &Caller, Q) -> A,
    ) -> Result<Reply, Malformed> {
        let request = self.request.decode()?;
        let response = handler(&self.node, &self.caller, request);
        self.reply(&response, None)
    }

    /// Decodes, answers on a thread that may block on files, encodes.
    async fn answer_blocking<Q, A>(mut self, handler: fn(&Node, &Caller, Q) -> A) -> Result<Reply, Malformed>
    where
        Q: Decodable + Send + 'static,
        A: Encodable + HeaderVersion + Send + 'static,
    {
        let request = self.request.decode()?;
        let (node, caller) = (Arc::clone(&self.node), self.caller.clone());
        let response = on_blocking_thread(move || handler(&node, &caller, request)).await;
        self.reply(&response, None)
    }

    fn reply<A: Encodable + HeaderVersion>(
        &self,
        response: &A,
        memory: Option<OwnedSemaphorePermit>,
    ) -> Result<Reply, Malformed> {
        let frame = frame::encode(self.request.correlation_id, self.caller.version, response)?;
        Ok(Reply::Answer { frame, memory })
    }
}

/// Runs what blocks on files where that is allowed. A panic in it is a bug, and goes on here.
async fn on_blocking_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => panic!("blocking work is never cancelled while the runtime lives: {error}"),
        },
    }
}

/// A message for people, as the protocol carries it.
fn text(message: impl ToString) -> Option<StrBytes> {
    Some(StrBytes::from_string(message.to_string()))
}

/// Kafka's code for "no error" or for this error.
fn code(error: Option<ResponseError>) -> i16 {
    error.map_or(0, |error| error.code())
}
