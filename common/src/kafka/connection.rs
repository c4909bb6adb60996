//! Where the cluster is, and the clients built for it: one of each kind, shared, and thrown away after a fault.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use rskafka::{
    BackoffConfig,
    client::{
        Client, ClientBuilder,
        partition::{PartitionClient, UnknownTopicHandling},
    },
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    REQUEST_TIMEOUT,
    fault::{Fault, advice},
};

/// Largest answer that is taken from a broker, in bytes: the largest batch a broker may hold plus room to spare.
const RESPONSE_BYTES_MAX: usize = 32 << 20;

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// `host:port` of some brokers, at least one.
    pub bootstrap_servers: Vec<String>,
    /// The name that brokers log and count this client by.
    pub client_id: String,
}

/// A Kafka cluster. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Cluster(Arc<Shared>);

struct Shared {
    settings: ConnectionSettings,
    // Held while a client is being built, on purpose: many partitions that lost their connection at the same time
    // wait for one new client instead of building one each.
    data: Mutex<Option<Arc<Client>>>,
    control: Mutex<Option<krafka::Kafka>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({})", self.servers())
    }
}

impl Cluster {
    /// Names a cluster. Connects to nothing yet.
    #[must_use]
    pub fn new(settings: ConnectionSettings) -> Self {
        Self(Arc::new(Shared { settings, data: Mutex::new(None), control: Mutex::new(None) }))
    }

    /// The bootstrap servers, as one text for messages.
    #[must_use]
    pub fn servers(&self) -> String {
        self.0.settings.bootstrap_servers.join(",")
    }

    /// The client for records; built when there is none.
    pub(super) async fn client(&self) -> Result<Arc<Client>, Fault> {
        let mut slot = self.0.data.lock().await;
        if let Some(client) = &*slot {
            return Ok(Arc::clone(client));
        }
        let building = ClientBuilder::new(self.0.settings.bootstrap_servers.clone())
            .client_id(self.0.settings.client_id.as_str())
            .max_message_size(RESPONSE_BYTES_MAX)
            .backoff_config(client_backoff())
            .build();
        let client = match timeout(REQUEST_TIMEOUT, building).await {
            Ok(Ok(client)) => Arc::new(client),
            Ok(Err(error)) => return Err(self.unreachable(&error.to_string())),
            Err(_) => return Err(self.unreachable("no answer")),
        };
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Forgets `client`, so that the next caller gets a new one that starts from the bootstrap servers again. A
    /// client that somebody else has replaced meanwhile is left alone.
    pub(super) async fn discard(&self, client: &Arc<Client>) {
        let mut slot = self.0.data.lock().await;
        if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, client)) {
            *slot = None;
        }
    }

    /// A connection of its own to the leader of one partition.
    pub(super) async fn partition(&self, topic: &str, partition: i32) -> Result<(Arc<Client>, PartitionClient), Fault> {
        let client = self.client().await?;
        let connecting = client.partition_client(topic, partition, UnknownTopicHandling::Error);
        let doing = format!("connecting to the leader of {topic}-{partition}");
        match answered(&doing, REQUEST_TIMEOUT, connecting).await {
            Ok(Ok(connected)) => Ok((client, connected)),
            Ok(Err(error)) => {
                self.discard(&client).await;
                Err(Fault::of(&error, &doing))
            }
            Err(silent) => {
                self.discard(&client).await;
                Err(silent)
            }
        }
    }

    /// The client of the control plane; connected when there is none.
    pub(super) async fn control(&self) -> Result<krafka::Kafka, Fault> {
        let mut slot = self.0.control.lock().await;
        if let Some(kafka) = &*slot {
            return Ok(kafka.clone());
        }
        let kafka = self.connect_control().await?;
        *slot = Some(kafka.clone());
        Ok(kafka)
    }

    /// A client of the control plane of its own, which knows nothing from before.
    pub(super) async fn connect_control(&self) -> Result<krafka::Kafka, Fault> {
        let connecting = krafka::Kafka::builder(self.servers())
            .client_id(self.0.settings.client_id.as_str())
            .request_timeout(REQUEST_TIMEOUT)
            .connect_timeout(REQUEST_TIMEOUT / 2)
            .max_response_size(RESPONSE_BYTES_MAX)
            .connect();
        match timeout(REQUEST_TIMEOUT, connecting).await {
            Ok(Ok(kafka)) => Ok(kafka),
            Ok(Err(error)) => Err(self.unreachable(&error.to_string())),
            Err(_) => Err(self.unreachable("no answer")),
        }
    }

    pub(super) fn unreachable(&self, cause: &str) -> Fault {
        let servers = self.servers();
        Fault::Unreachable { advice: advice(&servers, cause), servers, cause: cause.to_owned() }
    }
}

/// Waits for `call` no longer than `limit`. rskafka itself would wait for ever for a broker that went silent.
pub(super) async fn answered<T>(doing: &str, limit: Duration, call: impl Future<Output = T>) -> Result<T, Fault> {
    timeout(limit, call).await.map_err(|_| Fault::silent(doing, limit))
}

/// rskafka's own retries: a few quick ones. Its default goes on for ever with pauses of up to 500 s and keeps a stale
/// leader meanwhile; what lasts longer than this is ours to retry, with a new client.
fn client_backoff() -> BackoffConfig {
    BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_millis(500),
        base: 2.0,
        deadline: Some(Duration::from_secs(3)),
    }
}
