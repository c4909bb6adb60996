//! A client that says exactly what a test wants it to say.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{FetchRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::in_time;

/// One connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: in_time(TcpStream::connect(address)).await.expect("connects") }
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.try_send(version, request).await.expect("sent");
    }

    /// Sends to a broker that may be gone.
    pub(crate) async fn try_send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<()> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(7)
            .with_client_id(Some(StrBytes::from_static_str("raw")));
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header.encode(&mut frame, R::header_version(version)).expect("encodes");
        request.encode(&mut frame, version).expect("encodes");
        let length = i32::try_from(frame.len() - 4).expect("small");
        frame[..4].copy_from_slice(&length.to_be_bytes());
        in_time(self.stream.write_all(&frame)).await
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        self.try_receive::<R>(version).await.expect("an answer")
    }

    /// Receives from a broker that may be gone.
    pub(crate) async fn try_receive<R: Request>(&mut self, version: i16) -> io::Result<R::Response> {
        let length = in_time(self.stream.read_i32()).await?;
        let mut frame = vec![0; usize::try_from(length).expect("not negative")];
        in_time(self.stream.read_exact(&mut frame)).await?;
        let mut frame = Bytes::from(frame);
        let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version)).expect("a header");
        assert_eq!(header.correlation_id, 7);
        let response = R::Response::decode(&mut frame, version).expect("decodes");
        assert!(!frame.has_remaining());
        Ok(response)
    }

    pub(crate) async fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.receive::<R>(version).await
    }

    /// Produces one batch and returns what became of it.
    pub(crate) async fn produce(&mut self, topic: &str, batch: Bytes, acks: i16) -> PartitionProduceResponse {
        let mut response = self.ask(9, &produce_request(topic, batch, acks)).await;
        response.responses.remove(0).partition_responses.remove(0)
    }

    /// One fetch of partition 0 without waiting.
    pub(crate) async fn fetch(&mut self, topic: &str, offset: i64, bytes_max: i32) -> PartitionData {
        let mut response = self.ask(12, &fetch_request(topic, offset, bytes_max)).await;
        response.responses.remove(0).partitions.remove(0)
    }

    /// Whether the broker has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(in_time(self.stream.read(&mut [0; 16])).await, Ok(0) | Err(_))
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

pub(crate) fn produce_request(topic: &str, batch: Bytes, acks: i16) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

pub(crate) fn fetch_request(topic: &str, offset: i64, bytes_max: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(bytes_max);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_max_bytes(bytes_max).with_min_bytes(0).with_topics(vec![topic])
}

/// A batch of one record for each value, of an idempotent producer if `producer` gives id, epoch and sequence.
pub(crate) fn batch(values: &[&str], producer: Option<(i64, i16, i32)>, timestamp: i64) -> Bytes {
    let (producer_id, producer_epoch, sequence) = producer.unwrap_or((-1, -1, -1));
    let records = values.iter().zip(0_i32..).map(|(value, index)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id,
        producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: i64::from(index),
        sequence: sequence + index,
        timestamp,
        key: Some(Bytes::from_static(b"key")),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Default::default(),
    });
    let records: Vec<Record> = records.collect();
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut out, &records, &options).expect("encodes");
    out.freeze()
}
