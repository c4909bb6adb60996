//! What the tests stand on: a broker in a temporary folder, and clients that reach it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerConfig};
use krafka::Kafka;
use krafka::admin::NewTopic;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record, RecordAndOffset};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// Nothing in these tests takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Fails the test instead of hanging it.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("done in time")
}

/// Asks until the answer is yes.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !in_time(ask()).await {
        assert!(Instant::now() < deadline, "still waiting: {what}");
        sleep(POLL_INTERVAL).await;
    }
}

/// A running broker and its folder.
pub(crate) struct Stage {
    dir: TempDir,
    broker: Option<Broker>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut BrokerConfig)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut stage = Self { dir, broker: None };
        stage.start(configure).await;
        stage
    }

    async fn start(&mut self, configure: impl FnOnce(&mut BrokerConfig)) {
        let mut config = BrokerConfig::new(([127, 0, 0, 1], 0).into(), self.dir.path().to_owned());
        configure(&mut config);
        self.broker = Some(Broker::start(config).await.expect("starts"));
    }

    /// Stops the broker in order and starts another on the same folder.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start(|_| {}).await;
    }

    pub(crate) async fn stop(&mut self) {
        in_time(self.broker.take().expect("it runs").stop()).await.expect("stops");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.broker.as_ref().expect("it runs").address()
    }

    pub(crate) fn data_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) async fn krafka(&self) -> Kafka {
        in_time(Kafka::builder(self.address().to_string()).connect()).await.expect("krafka connects")
    }

    /// Creates a topic through krafka's admin client.
    pub(crate) async fn topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, 1).expect("a good name");
        for (key, value) in configs {
            topic = topic.with_config(*key, *value);
        }
        let kafka = self.krafka().await;
        let created = in_time(kafka.admin().create_topics([topic], Default::default())).await.expect("answered");
        for (name, result) in created {
            result.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    pub(crate) async fn partition(&self, topic: &str, partition: i32) -> Partition {
        Partition::connect(self.address(), topic, partition).await
    }
}

/// One partition through rskafka.
pub(crate) struct Partition(pub(crate) Arc<PartitionClient>);

impl Partition {
    pub(crate) async fn connect(address: SocketAddr, topic: &str, partition: i32) -> Self {
        let client = client(address).await;
        let partition = client.partition_client(topic, partition, UnknownTopicHandling::Error);
        Self(Arc::new(in_time(partition).await.expect("the partition is there")))
    }

    pub(crate) async fn produce(&self, values: &[&str], compression: Compression) -> Vec<i64> {
        let records = values.iter().map(|value| record(None, Some(value))).collect();
        in_time(self.0.produce(records, compression)).await.expect("produced")
    }

    /// The next records from `offset` on, as many as one fetch gives.
    #[allow(clippy::disallowed_methods)] // the broker's tests stand below `common`, and bring their own timeout
    pub(crate) async fn fetch(&self, offset: i64) -> (Vec<RecordAndOffset>, i64) {
        in_time(self.0.fetch_records(offset, 1..1_000_000, 500)).await.expect("fetched")
    }

    /// All values from the start of the log to its end.
    pub(crate) async fn all(&self) -> Vec<(i64, String)> {
        use rskafka::client::partition::OffsetAt;
        let mut next = in_time(self.0.get_offset(OffsetAt::Earliest)).await.expect("start");
        let end = in_time(self.0.get_offset(OffsetAt::Latest)).await.expect("end");
        let mut all = Vec::new();
        while next < end {
            let (records, _) = self.fetch(next).await;
            let Some(last) = records.last() else { break };
            next = last.offset + 1;
            let text =
                |record: RecordAndOffset| String::from_utf8(record.record.value.unwrap_or_default()).expect("text");
            all.extend(records.into_iter().map(|record| (record.offset, text(record))));
        }
        all
    }
}

pub(crate) async fn client(address: SocketAddr) -> Client {
    in_time(ClientBuilder::new(vec![address.to_string()]).build()).await.expect("rskafka connects")
}

pub(crate) fn record(key: Option<&str>, value: Option<&str>) -> Record {
    let owned = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    // In whole milliseconds, as Kafka keeps them.
    let timestamp = chrono::DateTime::from_timestamp_millis(chrono::Utc::now().timestamp_millis()).expect("now");
    Record { key: owned(key), value: owned(value), headers: Default::default(), timestamp }
}
