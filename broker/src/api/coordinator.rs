//! FindCoordinator, InitProducerId: who looks after a group (always this node), and ids for idempotent producers.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse,
    ProducerId,
};
use tracing::{error, info};

use crate::api::cluster::{host, port};
use crate::api::{Caller, code, text};
use crate::node::{NODE_ID, Node};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Answers one key (versions up to 3) or several (4 and later).
pub(super) fn find_coordinator(_: &Node, caller: &Caller, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let refused = match request.key_type {
        // A transactional producer is turned away at its next request, with an error that it does not retry.
        GROUP | TRANSACTION => None,
        _ => Some(ResponseError::InvalidRequest),
    };
    let message = refused.and_then(|_| text("this development broker coordinates classic consumer groups only"));
    let (node_id, port) = (BrokerId(NODE_ID), port(caller.peer));
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(node_id)
            .with_host(host(caller.peer))
            .with_port(port)
            .with_error_code(code(refused))
            .with_error_message(message.clone())
    });
    let coordinators: Vec<Coordinator> = coordinators.collect();
    if !coordinators.is_empty() {
        return FindCoordinatorResponse::default().with_coordinators(coordinators);
    }
    FindCoordinatorResponse::default()
        .with_error_code(code(refused))
        .with_error_message(message)
        .with_node_id(node_id)
        .with_host(host(caller.peer))
        .with_port(port)
}

pub(super) fn init_producer_id(node: &Node, _: &Caller, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let none = InitProducerIdResponse::default().with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
    if let Some(id) = request.transactional_id {
        info!(
            event = "transactions_refused",
            transactional_id = ?id.as_str(), "refused: this development broker has no transactions"
        );
        return none.with_error_code(ResponseError::TransactionalIdAuthorizationFailed.code());
    }
    match node.producer_ids.next() {
        Ok(id) => InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Err(fault) => {
            error!(event = "producer_ids_not_reserved", error = %fault, "can't reserve producer ids");
            none.with_error_code(ResponseError::KafkaStorageError.code())
        }
    }
}
