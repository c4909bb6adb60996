//! Where the cluster is, and the clients built for it: one of each kind, shared, and thrown away after a fault.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rskafka::{
    BackoffConfig,
    client::{
        Client, ClientBuilder,
        partition::{PartitionClient, UnknownTopicHandling},
    },
};
use tokio::time::timeout;
use tracing::warn;

use super::{
    Boxed, REQUEST_TIMEOUT, advice::advice, complaints::Complaints, fault::Fault, security::Security,
    shared_client::SharedClient,
};

/// Largest answer that is taken from a broker, in bytes: the largest batch a broker may hold plus room to spare.
const RESPONSE_BYTES_MAX: usize = 32 << 20;

/// Longest time that making a connection to a partition's leader takes, waiting for and building a client included.
/// Far below the time after which a worker that does not come round counts as stuck.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// `host:port` of some brokers, at least one.
    pub bootstrap_servers: Vec<String>,
    /// The name that brokers log and count this client by.
    pub client_id: String,
    /// How connections are secured.
    pub security: Security,
}

/// A Kafka cluster. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Cluster(Arc<Shared>);

struct Shared {
    settings: ConnectionSettings,
    data: SharedClient<Client>,
    control: SharedClient<krafka::Kafka>,
    complaints: Complaints,
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
        Self(Arc::new(Shared {
            settings,
            data: SharedClient::default(),
            control: SharedClient::default(),
            complaints: Complaints::default(),
        }))
    }

    /// The bootstrap servers, as one text for messages.
    #[must_use]
    pub fn servers(&self) -> String {
        self.0.settings.bootstrap_servers.join(",")
    }

    /// The client for records; built when there is none.
    pub(super) async fn client(&self) -> Result<Arc<Client>, Fault> {
        self.0.data.get(Box::pin(self.build_client())).await
    }

    async fn build_client(&self) -> Result<Client, Fault> {
        let ConnectionSettings { bootstrap_servers, client_id, security } = &self.0.settings;
        if !security.is_plaintext() {
            // rskafka knows less of why a secured connection fails, and takes longer to say it.
            self.control_anew().await?;
        }
        let mut builder = ClientBuilder::new(bootstrap_servers.clone())
            .client_id(client_id.as_str())
            .max_message_size(RESPONSE_BYTES_MAX)
            .backoff_config(client_backoff());
        if let Some(tls) = security.rskafka_tls() {
            builder = builder.tls_config(tls);
        }
        if let Some(sasl) = security.rskafka_sasl() {
            builder = builder.sasl_config(sasl);
        }
        match timeout(REQUEST_TIMEOUT, builder.build()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(self.unreachable(&error.to_string())),
            Err(_) => Err(self.unreachable("no answer")),
        }
    }

    /// Forgets `client`, so that the next caller gets a new one that starts from the bootstrap servers again.
    pub(super) async fn discard(&self, client: &Arc<Client>) {
        self.0.data.discard(client).await;
    }

    /// A connection of its own to the leader of one partition, within [`CONNECT_LIMIT`].
    pub(super) async fn partition(&self, topic: &str, partition: i32) -> Result<(Arc<Client>, PartitionClient), Fault> {
        let doing = format!("connecting to the leader of {topic}-{partition}");
        let connecting = Box::pin(async {
            let client = self.client().await?;
            let connecting = Box::pin(client.partition_client(topic, partition, UnknownTopicHandling::Error));
            let fault = match answered(&doing, REQUEST_TIMEOUT, connecting).await {
                Ok(Ok(connected)) => return Ok((client, connected)),
                Ok(Err(error)) => Fault::of(&error, &doing),
                Err(silent) => silent,
            };
            self.discard(&client).await;
            Err(fault)
        });
        answered(&doing, CONNECT_LIMIT, connecting).await?
    }

    /// The client of the control plane; connected when there is none.
    pub(super) async fn control(&self) -> Result<Arc<krafka::Kafka>, Fault> {
        self.0.control.get(Box::pin(self.connect_control())).await
    }

    /// A client of the control plane of its own, which knows nothing from before.
    pub(super) async fn connect_control(&self) -> Result<krafka::Kafka, Fault> {
        let connecting = krafka::Kafka::builder(self.servers())
            .client_id(self.0.settings.client_id.as_str())
            .security(self.0.settings.security.krafka())
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

    /// Connects once more and keeps the client where there is none: whether a connection can be made *now*.
    async fn control_anew(&self) -> Result<Arc<krafka::Kafka>, Fault> {
        if let Some(kafka) = self.0.control.current().await {
            self.discard_control(&kafka).await;
        }
        self.control().await
    }

    /// Forgets a control client that met a fault, as [`Cluster::discard`] does with one for records.
    pub(super) async fn discard_control(&self, kafka: &Arc<krafka::Kafka>) {
        self.0.control.discard(kafka).await;
    }

    /// Logs a fault that is tried again. The same fault is said once for all that meet it, and again after half a minute.
    pub fn complain(&self, fault: &Fault) {
        if self.0.complaints.is_due(&fault.sign(), Instant::now()) {
            warn!("{fault}; trying again");
        }
    }

    /// The same for a fault that makes its caller not ready, which has been logged already: only reminds of it.
    pub fn remind(&self, fault: &Fault) {
        if self.0.complaints.is_due_again(&fault.sign(), Instant::now()) {
            warn!("{fault}; still trying");
        }
    }

    pub(super) fn unreachable(&self, cause: &str) -> Fault {
        let servers = self.servers();
        // krafka says first whom it could not reach, which the fault says itself.
        let cause = cause.rsplit_once("last error: ").map_or(cause, |(_, last)| last);
        let cause = cause
            .split_once("could not connect to any of [")
            .map_or(cause, |(_, rest)| rest.split_once("]: ").map_or(rest, |(_, cause)| cause));
        Fault::Unreachable {
            advice: advice(&servers, cause, &self.0.settings.security),
            servers,
            cause: cause.to_owned(),
        }
    }
}

/// Waits for `call` no longer than `limit`. rskafka itself would wait for ever for a broker that went silent.
pub(super) async fn answered<T>(doing: &str, limit: Duration, call: Boxed<'_, T>) -> Result<T, Fault> {
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
