//! The two requests that carry records, without rskafka's own copies of them: it makes objects of every record with a map
//! of headers each, which took more than half of a consumer's time.
//!
//! Everything around the records (frames, versions, names, error codes) is rskafka's.

use std::io::{Cursor, Read};

use rskafka::protocol::{
    api_key::ApiKey,
    api_version::{ApiVersion, ApiVersionRange},
    error::Error as ProtocolError,
    messages::{
        FetchRequest, FetchRequestPartition, FetchRequestTopic, IsolationLevel, ProduceRequest, ProduceResponse,
        ReadVersionedError, ReadVersionedType, RequestBody, WriteVersionedError, WriteVersionedType,
    },
    primitives::{Int16, Int32, Int64, NullableString, String_},
    traits::{ReadError, ReadType, WriteType},
};

/// Acknowledged by every replica in sync.
const ACKS_ALL: i16 = -1;

/// Asks for the records of one partition from an offset on.
pub(super) struct FetchRecords<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) bytes_max: i32,
    pub(super) wait_ms: i32,
}

/// The answer.
pub(super) enum FetchedRecords {
    /// With the records as they came.
    Records {
        throttle_ms: i32,
        error: Option<ProtocolError>,
        high_watermark: i64,
        bytes: Vec<u8>,
        /// Where in `bytes` the records are.
        records: std::ops::Range<usize>,
    },
    /// With nothing, not even the partition: a quota is used up.
    HeldBack { throttle_ms: i32 },
}

impl RequestBody for FetchRecords<'_> {
    type ResponseBody = FetchedRecords;
    const API_KEY: ApiKey = FetchRequest::API_KEY;
    const API_VERSION_RANGE: ApiVersionRange = FetchRequest::API_VERSION_RANGE;
    const FIRST_TAGGED_FIELD_IN_REQUEST_VERSION: ApiVersion = FetchRequest::FIRST_TAGGED_FIELD_IN_REQUEST_VERSION;
}

impl WriteVersionedType<Vec<u8>> for FetchRecords<'_> {
    fn write_versioned(&self, writer: &mut Vec<u8>, version: ApiVersion) -> Result<(), WriteVersionedError> {
        let partition = FetchRequestPartition {
            partition: Int32(self.partition),
            fetch_offset: Int64(self.offset),
            partition_max_bytes: Int32(self.bytes_max),
        };
        let request = FetchRequest {
            replica_id: Int32(-1),
            max_wait_ms: Int32(self.wait_ms),
            min_bytes: Int32(1),
            max_bytes: Some(Int32(self.bytes_max)),
            isolation_level: Some(IsolationLevel::ReadCommitted),
            topics: vec![FetchRequestTopic { topic: String_(self.topic.to_owned()), partitions: vec![partition] }],
        };
        request.write_versioned(writer, version)
    }
}

impl ReadVersionedType<Cursor<Vec<u8>>> for FetchedRecords {
    fn read_versioned(reader: &mut Cursor<Vec<u8>>, _: ApiVersion) -> Result<Self, ReadVersionedError> {
        let throttle_ms = Int32::read(reader)?.0;
        let topics = Int32::read(reader)?.0;
        if topics == 0 && throttle_ms > 0 {
            return Ok(Self::HeldBack { throttle_ms });
        }
        expect_one(topics, "topics")?;
        String_::read(reader)?;
        expect_one(Int32::read(reader)?.0, "partitions")?;
        let _partition = Int32::read(reader)?;
        let error = ProtocolError::new(Int16::read(reader)?.0);
        let high_watermark = Int64::read(reader)?.0;
        let _last_stable_offset = Int64::read(reader)?;
        // Aborted transactions: producer and first offset of each. Their records count (documented).
        for _ in 0..Int32::read(reader)?.0 {
            Read::read_exact(reader, &mut [0; 16]).map_err(ReadError::IO)?;
        }
        let length = usize::try_from(Int32::read(reader)?.0).unwrap_or(0);
        let start = usize::try_from(reader.position()).map_err(ReadError::Overflow)?;
        // Taken out, not copied.
        let bytes = std::mem::take(reader.get_mut());
        reader.set_position(0);
        if bytes.len() != start + length {
            return Err(malformed(format!("{length} bytes of records, {} came", bytes.len() - start)));
        }
        Ok(Self::Records { throttle_ms, error, high_watermark, bytes, records: start..start + length })
    }
}

/// Sends one batch to one partition.
#[derive(Clone, Copy)]
pub(super) struct ProduceBatch<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) batch: &'a [u8],
    pub(super) timeout_ms: i32,
}

impl RequestBody for ProduceBatch<'_> {
    type ResponseBody = ProduceResponse;
    const API_KEY: ApiKey = ProduceRequest::API_KEY;
    const API_VERSION_RANGE: ApiVersionRange = ProduceRequest::API_VERSION_RANGE;
    const FIRST_TAGGED_FIELD_IN_REQUEST_VERSION: ApiVersion = ProduceRequest::FIRST_TAGGED_FIELD_IN_REQUEST_VERSION;
}

impl WriteVersionedType<Vec<u8>> for ProduceBatch<'_> {
    fn write_versioned(&self, writer: &mut Vec<u8>, _: ApiVersion) -> Result<(), WriteVersionedError> {
        let length = i32::try_from(self.batch.len()).map_err(rskafka::protocol::traits::WriteError::from)?;
        writer.reserve(self.batch.len() + self.topic.len() + 64);
        NullableString(None).write(writer)?; // no transaction
        Int16(ACKS_ALL).write(writer)?;
        Int32(self.timeout_ms).write(writer)?;
        Int32(1).write(writer)?;
        String_(self.topic.to_owned()).write(writer)?;
        Int32(1).write(writer)?;
        Int32(self.partition).write(writer)?;
        Int32(length).write(writer)?;
        writer.extend_from_slice(self.batch);
        Ok(())
    }
}

fn expect_one(count: i32, what: &str) -> Result<(), ReadVersionedError> {
    match count {
        1 => Ok(()),
        count => Err(malformed(format!("{count} {what} where one was asked for"))),
    }
}

fn malformed(what: String) -> ReadVersionedError {
    ReadVersionedError::ReadError(ReadError::Malformed(what.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: ApiVersion = ApiVersion(Int16(4));

    /// An answer to a fetch with these aborted transactions and records, of which it says that there are `length` bytes.
    fn answer(topics: i32, aborted: usize, records: &[u8], length: i32) -> Vec<u8> {
        let mut bytes = [77_i32, topics].map(i32::to_be_bytes).concat();
        if topics > 0 {
            bytes.extend(b"\0\x01t\0\0\0\x01\0\0\0\x05\0\x03");
            bytes.extend([100_i64, 90].map(i64::to_be_bytes).concat());
            bytes.extend(i32::try_from(aborted).expect("few").to_be_bytes());
            bytes.extend(vec![9; 16 * aborted]);
            bytes.extend(length.to_be_bytes());
            bytes.extend(records);
        }
        bytes
    }

    fn read(bytes: Vec<u8>) -> Result<FetchedRecords, ReadVersionedError> {
        let mut reader = Cursor::new(bytes);
        let read = FetchedRecords::read_versioned(&mut reader, VERSION);
        if matches!(read, Ok(FetchedRecords::Records { .. })) {
            // The messenger holds what was read against what came.
            assert_eq!((reader.position(), reader.get_ref().len()), (0, 0));
        }
        read
    }

    #[test]
    fn records_come_as_they_are_past_whatever_was_aborted() {
        for aborted in [0, 3] {
            let Ok(FetchedRecords::Records { throttle_ms, error, high_watermark, bytes, records }) =
                read(answer(1, aborted, b"records", 7))
            else {
                panic!("readable");
            };
            assert_eq!((throttle_ms, high_watermark, &bytes[records]), (77, 100, b"records".as_slice()));
            assert_eq!(error, Some(ProtocolError::UnknownTopicOrPartition));
        }
    }

    #[test]
    fn no_topic_and_a_wait_is_what_a_quota_makes_of_an_answer() {
        assert!(matches!(read(answer(0, 0, b"", 0)), Ok(FetchedRecords::HeldBack { throttle_ms: 77 })));
        let without_a_wait = [0_i32, 0].map(i32::to_be_bytes).concat();
        assert!(read(without_a_wait).is_err());
    }

    #[test]
    fn an_answer_that_is_not_as_long_as_it_says_is_none() {
        for length in [6, 8, i32::MAX] {
            assert!(read(answer(1, 0, b"records", length)).is_err(), "{length}");
        }
        let whole = answer(1, 2, b"", -1);
        assert!(read(whole.clone()).is_ok(), "null stands for no records");
        for cut in 0..whole.len() {
            assert!(read(whole[..cut].to_vec()).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_batch_goes_out_as_rskafka_would_send_it() {
        let request = ProduceBatch { topic: "t", partition: 5, batch: b"batch", timeout_ms: 7 };
        let mut written = Vec::new();
        request.write_versioned(&mut written, ApiVersion(Int16(7))).expect("writes");
        let mut expected = Vec::new();
        let theirs = ProduceRequest {
            transactional_id: NullableString(None),
            acks: Int16(-1),
            timeout_ms: Int32(7),
            topic_data: Vec::new(),
        };
        theirs.write_versioned(&mut expected, ApiVersion(Int16(7))).expect("writes");
        let head = expected.len() - 4;
        assert_eq!(written[..head], expected[..head]);
        assert_eq!(&written[head..], b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x05\0\0\0\x05batch");
    }
}
