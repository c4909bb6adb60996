//! Where the cluster is, and the clients built for it: one of each kind, shared, and thrown away after a fault.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tracing::warn;

use super::{
    Boxed, REQUEST_TIMEOUT,
    advice::advice,
    complaints::Complaints,
    fault::Fault,
    link::{Link, RESPONSE_BYTES_MAX, first_of},
    security::Security,
    shared_client::SharedClient,
};

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
    /// The connection that leaders are asked for over.
    finder: SharedClient<Link>,
    /// How often a finder was looked for: each time it begins with another of the bootstrap servers.
    searches: AtomicUsize,
    control: SharedClient<krafka::Kafka>,
    complaints: Complaints,
    /// The last fault that was tried again, and when.
    trouble: Mutex<Option<(Instant, String)>>,
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
            finder: SharedClient::default(),
            searches: AtomicUsize::new(0),
            control: SharedClient::default(),
            complaints: Complaints::default(),
            trouble: Mutex::default(),
        }))
    }

    /// The bootstrap servers, as one text for messages.
    #[must_use]
    pub fn servers(&self) -> String {
        self.0.settings.bootstrap_servers.join(",")
    }

    pub(super) fn settings(&self) -> &ConnectionSettings {
        &self.0.settings
    }

    /// A connection to any broker, to be asked who leads a partition; made when there is none.
    pub(super) async fn finder(&self) -> Result<Arc<Link>, Fault> {
        if let Some(finder) = self.0.finder.current().filter(|finder| finder.is_stale()) {
            self.0.finder.discard(&finder);
        }
        self.0.finder.get(Box::pin(self.connect_finder())).await
    }

    /// Tries the bootstrap servers, another one first each time.
    async fn connect_finder(&self) -> Result<Link, Fault> {
        let servers = &self.0.settings.bootstrap_servers;
        let first = self.0.searches.fetch_add(1, Ordering::Relaxed) % servers.len();
        let in_turn: Vec<String> = servers[first..].iter().chain(&servers[..first]).cloned().collect();
        let attempts = in_turn.into_iter().map(|server| {
            let shared = Arc::clone(&self.0);
            async move {
                let opened = Link::open(&server, &shared.settings).await;
                // Which one it was is of interest where there are others.
                opened.map_err(|cause| match shared.settings.bootstrap_servers.len() {
                    1 => cause,
                    _ => format!("{server}: {cause}"),
                })
            }
        });
        let fault = match timeout(REQUEST_TIMEOUT, first_of(attempts)).await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(causes)) => self.unreachable(&causes.join("; ")),
            Err(_) => self.unreachable("no answer"),
        };
        if self.0.settings.security.is_plaintext() {
            return Err(fault);
        }
        // rskafka knows less of why a secured connection fails: krafka is asked, which has the better words for it.
        Err(self.control_anew().await.err().unwrap_or(fault))
    }

    /// After a fault: forgets the finder that was there at `time` already, so that the next caller starts from the
    /// bootstrap servers again.
    pub(super) fn discard_finder_from(&self, time: tokio::time::Instant) {
        self.0.finder.discard_from(time);
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
        if let Some(kafka) = self.0.control.current() {
            self.discard_control(&kafka);
        }
        self.control().await
    }

    /// Forgets a control client that met a fault, as [`Cluster::discard_finder_from`] does with one for records.
    pub(super) fn discard_control(&self, kafka: &Arc<krafka::Kafka>) {
        self.0.control.discard(kafka);
    }

    /// Logs a fault that is tried again. The same fault is said once for all that meet it, and again after half a minute.
    pub fn complain(&self, fault: &Fault) {
        *self.trouble() = Some((Instant::now(), fault.to_string()));
        if self.0.complaints.is_due(&fault.sign(), Instant::now()) {
            warn!(event = "kafka_fault", "{fault}; trying again");
        }
    }

    /// The same for a fault that makes its caller not ready, which has been logged already: only reminds of it.
    pub fn remind(&self, fault: &Fault) {
        if self.0.complaints.is_due_again(&fault.sign(), Instant::now()) {
            warn!(event = "kafka_fault_goes_on", "{fault}; still trying");
        }
    }

    /// Says that nothing was heard for `limit`, and of the fault that was met meanwhile, if there was one: for conditions.
    #[must_use]
    pub fn silence(&self, limit: Duration) -> String {
        let silence = format!("nothing heard from Kafka for {} s", limit.as_secs());
        match &*self.trouble() {
            Some((met_at, fault)) if met_at.elapsed() <= limit => format!("{silence}: {fault}"),
            _ => silence,
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a broker makes this client wait, as seldom as a fault.
    pub(super) fn mention_quota(&self, place: &str, wait: Duration) {
        if self.0.complaints.is_due("quota", Instant::now()) {
            warn!(
                event = "kafka_quota_used_up",
                "{place}: a quota of this client is used up, Kafka makes it wait {} ms; see producer_byte_rate, \
                 consumer_byte_rate and request_percentage of its user and client id with kafka-configs",
                wait.as_millis()
            );
        }
    }

    /// Says that records can't be decoded, as seldom as a fault: there may be one in every batch.
    pub(super) fn mention_undecodable(&self, place: &str, offsets: std::ops::Range<i64>, cause: &str) {
        if self.0.complaints.is_due(&format!("undecodable {place}"), Instant::now()) {
            warn!(
                event = "records_undecodable",
                "{place}: the records at offsets {} to {} can't be decoded: {cause}. The ledger counts them as undecodable, \
                 and any others that come within half a minute",
                offsets.start,
                offsets.end - 1
            );
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

/// Waits for `call` no longer than `limit`. The clients themselves would wait for ever for a broker that went silent.
pub(super) async fn answered<T>(doing: &str, limit: Duration, call: Boxed<'_, T>) -> Result<T, Fault> {
    timeout(limit, call).await.map_err(|_| Fault::silent(doing, limit))
}
