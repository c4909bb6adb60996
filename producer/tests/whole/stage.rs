//! A broker in the test's own process, a producer for it, and what is in its log afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use broker::{Broker, BrokerConfig};
use common::kafka::{Cluster, ConnectionSettings, PartitionReader, Read, ReadOptions, Security};
use common::service::config::Problems;
use common::service::{Access, Liveness, Metrics, Ops, Readiness, Settings as _, Shutdown};
use common::wire::SequenceHeader;
use producer::{Configuration, Producer, ProducerSettings};

/// How long a test waits for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A record as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp_ms: i64,
    pub(crate) sequence_text: Option<Vec<u8>>,
}

impl Logged {
    pub(crate) fn sequence(&self) -> Option<SequenceHeader> {
        SequenceHeader::parse(self.sequence_text.as_deref()?)
    }
}

pub(crate) async fn broker(listen: SocketAddr, folder: &Path) -> Broker {
    Broker::start(BrokerConfig::new(listen, folder.to_owned())).await.expect("the broker starts")
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What a producer with these settings on top of the defaults runs with.
pub(crate) fn configuration(address: SocketAddr, set: impl FnOnce(&mut ProducerSettings)) -> Configuration {
    let mut settings =
        ProducerSettings { kafka_bootstrap_servers: Some(address.to_string()), ..ProducerSettings::default() };
    set(&mut settings);
    let mut problems = Problems::default();
    let configuration = settings.validate(&mut problems);
    problems.finish().expect("the test's settings are valid");
    configuration
}

pub(crate) fn producer(configuration: Configuration, shutdown: &Shutdown) -> Producer {
    Producer::new(configuration, ops(shutdown))
}

pub(crate) fn ops(shutdown: &Shutdown) -> Ops {
    Ops {
        readiness: Readiness::new(shutdown),
        liveness: Liveness::default(),
        metrics: Metrics::new("tally_producer", "0"),
        access: Access::default(),
    }
}

/// Everything in a topic, by partition, in order.
pub(crate) async fn log(address: SocketAddr, topic: &str, partitions: i32) -> BTreeMap<i32, Vec<Logged>> {
    let cluster = Cluster::new(ConnectionSettings {
        bootstrap_servers: vec![address.to_string()],
        client_id: "producer-test".to_owned(),
        security: Security::default(),
    });
    let mut log = BTreeMap::new();
    for partition in 0..partitions {
        let mut reader = PartitionReader::new(&cluster, topic, partition, ReadOptions::default());
        let bounds = reader.bounds().await.expect("the partition is there");
        let mut records = Vec::new();
        let mut next = bounds.start;
        while next < bounds.end {
            let Read::Records(batch) = reader.read(next).await.expect("the log can be read") else {
                panic!("offset {next} is out of range")
            };
            records.extend(batch.iter().map(|record| Logged {
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                timestamp_ms: record.timestamp_ms,
                sequence_text: record.sequence.map(<[u8]>::to_vec),
            }));
            next = batch.next_offset();
        }
        log.insert(partition, records);
    }
    log
}

/// Waits until `holds`, looking every few milliseconds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let polling = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, polling).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}
