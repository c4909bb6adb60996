//! Connections and single calls: one TCP connection a broker, one request in flight.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// How long one call may take, connecting included.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest response accepted: a fetch of one very large batch stays far below it.
const RESPONSE_BYTES_MAX: usize = 128 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// The broker could not be reached, or the connection broke.
    #[error("Kafka at {address}: {source}")]
    Io {
        /// `host:port` of the broker.
        address: String,
        /// What the socket said.
        source: std::io::Error,
    },
    /// A message could not be encoded or decoded.
    #[error("Kafka protocol, {what}: {message}")]
    Protocol {
        /// What was being read or written.
        what: &'static str,
        /// What was wrong with it.
        message: String,
    },
    /// The broker answered with an error code.
    #[error("{what}: Kafka error code {code}{detail}")]
    Refused {
        /// What was asked.
        what: String,
        /// Kafka's numeric error code.
        code: i16,
        /// The broker's own words, if it sent any.
        detail: String,
    },
    /// The topic or partition is not there.
    #[error("topic {topic} has no partition {partition}")]
    NoPartition {
        /// Topic asked for.
        topic: String,
        /// Partition asked for.
        partition: i32,
    },
}

impl KafkaError {
    pub(super) fn protocol(what: &'static str, message: impl std::fmt::Display) -> Self {
        Self::Protocol { what, message: message.to_string() }
    }

    /// An answer's error code as a result.
    pub(super) fn check(what: &str, code: i16, detail: Option<&StrBytes>) -> Result<(), Self> {
        if code == 0 {
            return Ok(());
        }
        let detail = detail.map(|text| format!(" ({text})")).unwrap_or_default();
        Err(Self::Refused { what: what.to_owned(), code, detail })
    }
}

/// A client of one cluster. Not shared between threads: each scenario opens its own.
#[derive(Debug)]
pub struct Client {
    bootstrap: String,
    connections: HashMap<String, TcpStream>,
    correlation_id: i32,
}

impl Client {
    /// A client that will connect to `bootstrap` (`host:port[,host:port…]`) when first used.
    #[must_use]
    pub fn new(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned(), connections: HashMap::new(), correlation_id: 0 }
    }

    /// The bootstrap list this client was made with.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Sends one request to the broker at `address` and waits for its answer.
    ///
    /// # Errors
    /// When the broker can't be reached within [`CALL_TIMEOUT`] or the answer can't be decoded. The connection is dropped
    /// then, so that the next call starts on a clean one.
    pub fn call_at<R: Request>(&mut self, address: &str, request: &R, version: i16) -> Result<R::Response, KafkaError> {
        let outcome = self.exchange(address, request, version);
        if outcome.is_err() {
            self.connections.remove(address);
        }
        outcome
    }

    /// Sends one request to the first broker of the bootstrap list that answers.
    ///
    /// # Errors
    /// The last broker's error, when none answers.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, KafkaError> {
        let addresses: Vec<String> = self.bootstrap.split(',').map(|part| part.trim().to_owned()).collect();
        let mut last = KafkaError::protocol("bootstrap list", "it is empty");
        for address in addresses {
            match self.call_at(&address, request, version) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn exchange<R: Request>(&mut self, address: &str, request: &R, version: i16) -> Result<R::Response, KafkaError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = frame(request, version, self.correlation_id)?;
        let stream = self.connection(address)?;
        let io = |source| KafkaError::Io { address: address.to_owned(), source };
        stream.write_all(&frame).map_err(io)?;
        let mut size = [0; 4];
        stream.read_exact(&mut size).map_err(io)?;
        let size = u32::from_be_bytes(size) as usize;
        if size > RESPONSE_BYTES_MAX {
            return Err(KafkaError::protocol("response size", size));
        }
        let mut body = vec![0; size];
        stream.read_exact(&mut body).map_err(io)?;
        let mut body = Bytes::from(body);
        ResponseHeader::decode(&mut body, R::Response::header_version(version))
            .map_err(|error| KafkaError::protocol("response header", error))?;
        R::Response::decode(&mut body, version).map_err(|error| KafkaError::protocol("response", error))
    }

    fn connection(&mut self, address: &str) -> Result<&mut TcpStream, KafkaError> {
        let io = |source| KafkaError::Io { address: address.to_owned(), source };
        if !self.connections.contains_key(address) {
            let target = address
                .to_socket_addrs()
                .map_err(io)?
                .next()
                .ok_or_else(|| io(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address")))?;
            let stream = TcpStream::connect_timeout(&target, CALL_TIMEOUT).map_err(io)?;
            stream.set_read_timeout(Some(CALL_TIMEOUT)).map_err(io)?;
            stream.set_write_timeout(Some(CALL_TIMEOUT)).map_err(io)?;
            stream.set_nodelay(true).map_err(io)?;
            self.connections.insert(address.to_owned(), stream);
        }
        Ok(self.connections.get_mut(address).expect("it was put there above"))
    }

    /// What the cluster says about `topics`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn metadata(&mut self, topics: &[&str]) -> Result<MetadataResponse, KafkaError> {
        let topics = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(topic_name(topic))));
        let request =
            MetadataRequest::default().with_topics(Some(topics.collect())).with_allow_auto_topic_creation(false);
        self.call(&request, 4)
    }

    /// `host:port` of the broker that leads the partition.
    ///
    /// # Errors
    /// When the partition isn't there or the cluster doesn't answer.
    pub fn leader(&mut self, topic: &str, partition: i32) -> Result<String, KafkaError> {
        let metadata = self.metadata(&[topic])?;
        let leader = metadata
            .topics
            .iter()
            .flat_map(|found| &found.partitions)
            .find(|found| found.partition_index == partition)
            .map(|found| found.leader_id);
        let broker = metadata.brokers.iter().find(|broker| Some(broker.node_id) == leader);
        broker
            .map(|broker| format!("{}:{}", broker.host, broker.port))
            .ok_or_else(|| KafkaError::NoPartition { topic: topic.to_owned(), partition })
    }
}

/// A topic's name as the protocol crate wants it.
pub(super) fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn frame<R: Request>(request: &R, version: i16, correlation_id: i32) -> Result<Bytes, KafkaError> {
    let encoding = |error| KafkaError::protocol("request", error);
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("e2e")));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version)).map_err(encoding)?;
    request.encode(&mut body, version).map_err(encoding)?;
    let size = u32::try_from(body.len()).map_err(|error| KafkaError::protocol("request size", error))?;
    let mut framed = BytesMut::with_capacity(body.len() + 4);
    framed.put_u32(size);
    framed.put(body);
    Ok(framed.freeze())
}
