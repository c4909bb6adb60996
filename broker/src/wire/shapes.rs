//! The structure of every request that is served, by version: the table behind [`super::shape::check`].
//!
//! Taken from the message definitions in Apache Kafka's source (`clients/src/main/resources/common/message`). A test
//! encodes every request at every served version with the generated encoder and walks it.

use kafka_protocol::messages::ApiKey;

use crate::wire::shape::{Field, Shape, Struct};

const LAST: i16 = i16::MAX;

const BOOL: Shape = Shape::Fixed(1);
const I8: Shape = Shape::Fixed(1);
const I16: Shape = Shape::Fixed(2);
const I32: Shape = Shape::Fixed(4);
const I64: Shape = Shape::Fixed(8);
const UUID: Shape = Shape::Fixed(16);
const TEXT: Shape = Shape::Text;
const BYTES: Shape = Shape::Bytes;
const I32_LIST: Shape = Shape::List(&I32);
const TEXT_LIST: Shape = Shape::List(&TEXT);

const fn all(shape: Shape) -> Field {
    between(0, LAST, shape)
}

const fn since(from: i16, shape: Shape) -> Field {
    between(from, LAST, shape)
}

const fn until(to: i16, shape: Shape) -> Field {
    between(0, to, shape)
}

const fn between(from: i16, to: i16, shape: Shape) -> Field {
    Field { from, to, shape }
}

const fn array(fields: &'static [Field]) -> Shape {
    Shape::Array(Struct { fields, tags: &[] })
}

/// The body of a request; none where the API is not served.
pub(crate) fn body_of(api: ApiKey) -> Option<Struct> {
    let fields = match api {
        ApiKey::Produce => PRODUCE,
        // Two tagged fields at the very end may hold anything: nothing is decoded after them.
        ApiKey::Fetch => FETCH,
        ApiKey::ListOffsets => LIST_OFFSETS,
        ApiKey::Metadata => METADATA,
        ApiKey::OffsetCommit => OFFSET_COMMIT,
        ApiKey::OffsetFetch => OFFSET_FETCH,
        ApiKey::FindCoordinator => FIND_COORDINATOR,
        ApiKey::JoinGroup => JOIN_GROUP,
        ApiKey::Heartbeat => HEARTBEAT,
        ApiKey::LeaveGroup => LEAVE_GROUP,
        ApiKey::SyncGroup => SYNC_GROUP,
        ApiKey::DescribeGroups => DESCRIBE_GROUPS,
        ApiKey::ListGroups => LIST_GROUPS,
        ApiKey::ApiVersions => API_VERSIONS,
        ApiKey::CreateTopics => CREATE_TOPICS,
        ApiKey::DeleteTopics => DELETE_TOPICS,
        ApiKey::DeleteRecords => DELETE_RECORDS,
        ApiKey::InitProducerId => INIT_PRODUCER_ID,
        ApiKey::OffsetForLeaderEpoch => OFFSET_FOR_LEADER_EPOCH,
        ApiKey::DescribeConfigs => DESCRIBE_CONFIGS,
        ApiKey::CreatePartitions => CREATE_PARTITIONS,
        ApiKey::DeleteGroups => DELETE_GROUPS,
        ApiKey::IncrementalAlterConfigs => INCREMENTAL_ALTER_CONFIGS,
        ApiKey::OffsetDelete => OFFSET_DELETE,
        ApiKey::DescribeCluster => DESCRIBE_CLUSTER,
        ApiKey::DescribeTopicPartitions => DESCRIBE_TOPIC_PARTITIONS,
        _ => return None,
    };
    Some(Struct { fields, tags: &[] })
}

const API_VERSIONS: &[Field] = &[since(3, TEXT), since(3, TEXT)];

const PRODUCE: &[Field] = &[
    all(TEXT),
    all(I16),
    all(I32),
    all(array(&[until(12, TEXT), since(13, UUID), all(array(&[all(I32), all(BYTES)]))])),
];

const FETCH_PARTITION: Struct = Struct {
    fields: &[all(I32), since(9, I32), all(I64), since(12, I32), since(5, I64), all(I32)],
    tags: &[(0, 16), (1, 8)],
};

const FETCH: &[Field] = &[
    until(14, I32),
    all(I32),
    all(I32),
    all(I32),
    all(I8),
    since(7, I32),
    since(7, I32),
    all(array(&[until(12, TEXT), since(13, UUID), all(Shape::Array(FETCH_PARTITION))])),
    since(7, array(&[until(12, TEXT), since(13, UUID), all(I32_LIST)])),
    since(11, TEXT),
];

const LIST_OFFSETS: &[Field] = &[
    all(I32),
    since(2, I8),
    all(array(&[all(TEXT), all(array(&[all(I32), since(4, I32), all(I64)]))])),
    since(10, I32),
];

const METADATA: &[Field] =
    &[all(array(&[since(10, UUID), all(TEXT)])), since(4, BOOL), between(8, 10, BOOL), since(8, BOOL)];

const OFFSET_COMMIT: &[Field] = &[
    all(TEXT),
    all(I32),
    all(TEXT),
    since(7, TEXT),
    until(4, I64),
    all(array(&[all(TEXT), all(array(&[all(I32), all(I64), since(6, I32), all(TEXT)]))])),
];

const OFFSET_FETCH: &[Field] = &[
    until(7, TEXT),
    until(7, array(&[all(TEXT), all(I32_LIST)])),
    since(8, array(&[all(TEXT), since(9, TEXT), since(9, I32), all(array(&[all(TEXT), all(I32_LIST)]))])),
    since(7, BOOL),
];

const FIND_COORDINATOR: &[Field] = &[until(3, TEXT), since(1, I8), since(4, TEXT_LIST)];

const JOIN_GROUP: &[Field] = &[
    all(TEXT),
    all(I32),
    since(1, I32),
    all(TEXT),
    since(5, TEXT),
    all(TEXT),
    all(array(&[all(TEXT), all(BYTES)])),
    since(8, TEXT),
];

const HEARTBEAT: &[Field] = &[all(TEXT), all(I32), all(TEXT), since(3, TEXT)];

const LEAVE_GROUP: &[Field] = &[all(TEXT), until(2, TEXT), since(3, array(&[all(TEXT), all(TEXT), since(5, TEXT)]))];

const SYNC_GROUP: &[Field] = &[
    all(TEXT),
    all(I32),
    all(TEXT),
    since(3, TEXT),
    since(5, TEXT),
    since(5, TEXT),
    all(array(&[all(TEXT), all(BYTES)])),
];

const DESCRIBE_GROUPS: &[Field] = &[all(TEXT_LIST), since(3, BOOL)];

const LIST_GROUPS: &[Field] = &[since(4, TEXT_LIST), since(5, TEXT_LIST)];

const DELETE_GROUPS: &[Field] = &[all(TEXT_LIST)];

const CREATE_TOPICS: &[Field] = &[
    all(array(&[
        all(TEXT),
        all(I32),
        all(I16),
        all(array(&[all(I32), all(I32_LIST)])),
        all(array(&[all(TEXT), all(TEXT)])),
    ])),
    all(I32),
    all(BOOL),
];

const DELETE_TOPICS: &[Field] = &[since(6, array(&[all(TEXT), all(UUID)])), until(5, TEXT_LIST), all(I32)];

const DELETE_RECORDS: &[Field] = &[all(array(&[all(TEXT), all(array(&[all(I32), all(I64)]))])), all(I32)];

const INIT_PRODUCER_ID: &[Field] = &[all(TEXT), all(I32), since(3, I64), since(3, I16)];

const OFFSET_FOR_LEADER_EPOCH: &[Field] =
    &[since(3, I32), all(array(&[all(TEXT), all(array(&[all(I32), all(I32), all(I32)]))]))];

const DESCRIBE_CONFIGS: &[Field] = &[all(array(&[all(I8), all(TEXT), all(TEXT_LIST)])), all(BOOL), since(3, BOOL)];

const CREATE_PARTITIONS: &[Field] =
    &[all(array(&[all(TEXT), all(I32), all(array(&[all(I32_LIST)]))])), all(I32), all(BOOL)];

const INCREMENTAL_ALTER_CONFIGS: &[Field] =
    &[all(array(&[all(I8), all(TEXT), all(array(&[all(TEXT), all(I8), all(TEXT)]))])), all(BOOL)];

const OFFSET_DELETE: &[Field] = &[all(TEXT), all(array(&[all(TEXT), all(array(&[all(I32)]))]))];

const DESCRIBE_CLUSTER: &[Field] = &[all(BOOL), since(1, I8), since(2, BOOL)];

const DESCRIBE_TOPIC_PARTITIONS: &[Field] =
    &[all(array(&[all(TEXT)])), all(I32), all(Shape::Optional(Struct { fields: &[all(TEXT), all(I32)], tags: &[] }))];
