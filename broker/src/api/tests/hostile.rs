//! Requests that are not what they claim to be.

use bytes::Bytes;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;

use super::super::{Reply, SERVED, handle};
use super::{frame, node, peer};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::shape::{self, Malformed};

#[tokio::test]
async fn a_version_of_api_versions_that_is_too_new_is_answered_in_the_oldest() {
    let (_dir, node) = node();
    let frame = Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 42, 1, 2, 3]);
    let Ok(Reply::Answer { frame, .. }) = handle(&node, peer(), frame).await else { panic!("answered") };
    let mut body = frame.freeze().slice(LENGTH_BYTES + 4..);
    let answer = ApiVersionsResponse::decode(&mut body, 0).unwrap();
    assert_eq!((answer.error_code, answer.api_keys.len()), (35, SERVED.len()));
}

#[tokio::test]
async fn what_is_not_served_ends_the_connection() {
    let (_dir, node) = node();
    let refused = |frame: &'static [u8]| handle(&node, peer(), Bytes::from_static(frame));
    assert!(matches!(refused(&[]).await, Err(Malformed::Short)));
    assert!(matches!(refused(&[0, 200, 0, 0, 0, 0, 0, 1]).await, Err(Malformed::UnknownApi(200))));
    assert!(matches!(refused(&[0, 22, 0, 99, 0, 0, 0, 1]).await, Err(Malformed::UnknownVersion { .. })));
    // An array that claims two billion topics.
    let bomb = &[0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 127, 255, 255, 255];
    assert!(matches!(refused(bomb).await, Err(Malformed::Short)));
}

#[test]
fn a_known_tagged_field_of_the_wrong_size_is_refused() {
    // The decoder would read 16 bytes for this tag whatever its size says, and take what follows for something else.
    let partition = fetch_request::FetchPartition::default().with_replica_directory_id(uuid::Uuid::from_u128(1));
    let topic = fetch_request::FetchTopic::default().with_partitions(vec![partition]);
    let request = frame(17, &FetchRequest::default().with_topics(vec![topic]));
    assert_eq!(shape::check(ApiKey::Fetch, 17, &request), Ok(()));
    let at = request.windows(3).position(|bytes| bytes == [1, 0, 16]).unwrap() + 2;
    let mut lying = request.to_vec();
    lying[at] = 15;
    assert!(shape::check(ApiKey::Fetch, 17, &lying).is_err());
}

proptest! {
    #[test]
    fn bytes_that_pass_the_check_never_panic_in_the_decoder(
        at in 0..SERVED.len(), version_share in 0.0..1.0, tail in proptest::collection::vec(any::<u8>(), 0..200)
    ) {
        let (api, min, max) = SERVED[at];
        #[allow(clippy::cast_possible_truncation)]
        let version = min + (f64::from(max - min + 1) * version_share) as i16;
        let mut request = [(api as i16).to_be_bytes(), version.to_be_bytes()].concat();
        request.extend_from_slice(&[0, 0, 0, 1, 255, 255]);
        if api.request_header_version(version) >= 2 {
            request.push(0);
        }
        request.extend_from_slice(&tail);
        if shape::check(api, version, &request).is_ok() {
            let parsed = crate::wire::frame::Request::parse(api, version, Bytes::from(request)).unwrap();
            // Any of them will do: what matters is that lengths were believed only after the check.
            let mut body = parsed.body;
            match api {
                ApiKey::Fetch => drop(FetchRequest::decode(&mut body, version)),
                ApiKey::Produce => drop(ProduceRequest::decode(&mut body, version)),
                ApiKey::CreateTopics => drop(CreateTopicsRequest::decode(&mut body, version)),
                ApiKey::Metadata => drop(MetadataRequest::decode(&mut body, version)),
                ApiKey::JoinGroup => drop(JoinGroupRequest::decode(&mut body, version)),
                ApiKey::OffsetCommit => drop(OffsetCommitRequest::decode(&mut body, version)),
                _ => {}
            }
        }
    }
}
