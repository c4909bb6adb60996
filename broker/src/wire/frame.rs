//! Frames: four bytes of length, then a request or a response; and the two headers at their start.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use crate::wire::shape::Malformed;

/// Bytes of a frame's length.
pub(crate) const LENGTH_BYTES: usize = 4;

/// A request with its header read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    /// Empty when the client gave none.
    pub(crate) client_id: String,
    /// What follows the header.
    pub(crate) body: Bytes,
}

impl Request {
    /// API key and version at the start of a frame.
    pub(crate) fn peek(frame: &[u8]) -> Result<(i16, i16), Malformed> {
        let (head, _) = frame.split_first_chunk::<4>().ok_or(Malformed::Short)?;
        Ok((i16::from_be_bytes([head[0], head[1]]), i16::from_be_bytes([head[2], head[3]])))
    }

    /// Reads the header of a frame that [`crate::wire::shape::check`] has accepted.
    pub(crate) fn parse(api: ApiKey, version: i16, mut frame: Bytes) -> Result<Self, Malformed> {
        let header = RequestHeader::decode(&mut frame, api.request_header_version(version)).map_err(undecodable)?;
        let client_id = header.client_id.map(|id| id.to_string()).unwrap_or_default();
        Ok(Self { version, correlation_id: header.correlation_id, client_id, body: frame })
    }

    /// Decodes the body.
    pub(crate) fn decode<R: Decodable>(&mut self) -> Result<R, Malformed> {
        let request = R::decode(&mut self.body, self.version).map_err(undecodable)?;
        if self.body.has_remaining() { Err(Malformed::Trailing(self.body.remaining())) } else { Ok(request) }
    }
}

/// A whole response frame: length, header, body.
pub(crate) fn encode<R: Encodable + HeaderVersion>(
    correlation_id: i32,
    version: i16,
    response: &R,
) -> Result<BytesMut, Malformed> {
    let size = response.compute_size(version).map_err(|e| unencodable(version, &e))?;
    let mut frame = BytesMut::with_capacity(LENGTH_BYTES + 8 + size);
    frame.put_i32(0);
    frame.put_i32(correlation_id);
    if R::header_version(version) >= 1 {
        frame.put_u8(0); // no tagged fields
    }
    response.encode(&mut frame, version).map_err(|e| unencodable(version, &e))?;
    let length = i32::try_from(frame.len() - LENGTH_BYTES).map_err(|_| Malformed::Length)?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

#[allow(clippy::needless_pass_by_value)] // made for map_err
fn undecodable(error: impl ToString) -> Malformed {
    Malformed::Undecodable(error.to_string())
}

/// A response with a field that its version doesn't have is a bug of the broker; a test goes through all versions.
fn unencodable(version: i16, error: &impl ToString) -> Malformed {
    Malformed::Undecodable(format!("the answer, in version {version}: {}", error.to_string()))
}
