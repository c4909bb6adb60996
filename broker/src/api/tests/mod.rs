//! Requests through the whole of [`super::handle`], without a socket.

mod hostile;
mod versions;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request as KafkaRequest, StrBytes};
use tempfile::TempDir;

use super::{Reply, SERVED, handle};
use crate::data_dir::DataDir;
use crate::limits::Limits;
use crate::node::Node;
use crate::server::Peer;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::shape;

const TOPIC: &str = "there";

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

fn text(words: &str) -> StrBytes {
    StrBytes::from_string(words.to_owned())
}

fn group() -> GroupId {
    GroupId(text("group"))
}

fn node() -> (TempDir, Arc<Node>) {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { group_initial_rebalance_delay: std::time::Duration::ZERO, ..Limits::default() };
    let node = Node::open(DataDir::open(dir.path()).unwrap(), limits, 1).unwrap();
    let new = crate::topics::NewTopic { name: TOPIC, partitions: 2, config: crate::config::TopicConfig::default() };
    node.topics.create(new, false).unwrap();
    (dir, Arc::new(node))
}

fn peer() -> Peer {
    let local: SocketAddr = "127.0.0.1:9092".parse().unwrap();
    Peer { remote: local, local }
}

fn frame<R: KafkaRequest>(version: i16, request: &R) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(42)
        .with_client_id(Some(text("test")));
    let mut frame = BytesMut::new();
    header.encode(&mut frame, R::header_version(version)).unwrap();
    request.encode(&mut frame, version).unwrap();
    frame.freeze()
}

/// Sends a request in a version and reads the answer back.
async fn ask<R: KafkaRequest>(node: &Arc<Node>, version: i16, request: R) -> R::Response {
    let frame = frame(version, &request);
    let api = ApiKey::try_from(R::KEY).unwrap();
    shape::check(api, version, &frame).unwrap_or_else(|e| panic!("{api:?} {version}: {e}"));
    let Ok(Reply::Answer { frame, .. }) = handle(node, peer(), frame).await else {
        panic!("{api:?} {version} is not answered");
    };
    let mut body = frame.freeze().slice(LENGTH_BYTES..);
    let header = ResponseHeader::decode(&mut body, R::Response::header_version(version)).unwrap();
    assert_eq!(header.correlation_id, 42);
    let response = R::Response::decode(&mut body, version).unwrap_or_else(|e| panic!("{api:?} {version}: {e}"));
    assert!(body.is_empty(), "{api:?} {version}: bytes left over");
    response
}

fn versions(api: ApiKey) -> std::ops::RangeInclusive<i16> {
    let (_, min, max) = SERVED.iter().find(|(served, ..)| *served == api).expect("served");
    *min..=*max
}
