//! ApiVersions: what is served, also to clients that ask in a way that is too new.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use crate::api::{Caller, Reply, SERVED};
use crate::node::Node;
use crate::wire::frame;
use crate::wire::shape::Malformed;

/// Answers what is served.
pub(super) fn api_versions(_: &Node, _: &Caller, _: ApiVersionsRequest) -> ApiVersionsResponse {
    served()
}

fn served() -> ApiVersionsResponse {
    let api_keys = SERVED.iter().map(|(api, min, max)| {
        ApiVersion::default().with_api_key(*api as i16).with_min_version(*min).with_max_version(*max)
    });
    ApiVersionsResponse::default().with_api_keys(api_keys.collect())
}

/// Answers a version that is not known in the oldest format, as Kafka does: the client then asks again.
pub(super) fn unsupported(request: &[u8]) -> Result<Reply, Malformed> {
    let (head, _) = request.split_first_chunk::<8>().ok_or(Malformed::Short)?;
    let correlation_id = i32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let response = served().with_error_code(ResponseError::UnsupportedVersion.code());
    Ok(Reply::Answer { frame: frame::encode(correlation_id, 0, &response)?, memory: None })
}
