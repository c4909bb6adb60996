//! The whole consumer: topics made ready, one worker a partition, and everything that shows how they are getting on.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use common::{
    kafka::{Admin, Cluster, Fault, PartitionReader, RETRY_DEADLINE, ReadOptions},
    service::{Condition, Ops},
    topics::{self, Layout, TopicNames, TopicsError},
};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    error::ConsumerError,
    fold::FoldSettings,
    membership::GroupCommits,
    settings::Configuration,
    view::View,
    worker::{Worker, WorkerError},
};

/// Pause between two tries to make the topics ready.
const START_PAUSE: Duration = Duration::from_secs(2);
/// How long a bounded run tries to reach Kafka before it gives up.
const BOUNDED_START_DEADLINE: Duration = Duration::from_secs(30);
/// A worker that has not come round for so long is stuck. Far above what waiting for a broker can take.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(120);

/// What all workers share.
pub struct Context {
    pub(crate) cluster: Cluster,
    pub(crate) names: TopicNames,
    pub(crate) read: ReadOptions,
    pub(crate) fold: FoldSettings,
    pub(crate) snapshot_interval: Duration,
    pub(crate) snapshot_records: u64,
    pub(crate) bounded: bool,
    pub(crate) hash_seed: u64,
    pub(crate) view: Arc<View>,
    started: Instant,
    last_arrival_ms: AtomicU64,
}

impl Context {
    fn new(configuration: &Configuration, view: Arc<View>) -> Self {
        Self {
            cluster: Cluster::new(configuration.connection.clone()),
            names: TopicNames::new(&configuration.topic),
            read: ReadOptions { fetch_bytes_max: configuration.fetch_bytes_max, ..ReadOptions::default() },
            fold: configuration.fold.clone(),
            snapshot_interval: configuration.snapshot_interval,
            snapshot_records: configuration.snapshot_records,
            bounded: configuration.is_bounded(),
            hash_seed: random_seed(),
            view,
            started: Instant::now(),
            last_arrival_ms: AtomicU64::new(0),
        }
    }

    /// Takes note that records came.
    pub(crate) fn note_arrival(&self) {
        self.last_arrival_ms.store(self.elapsed_ms(), Relaxed);
    }

    fn idle_for(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms().saturating_sub(self.last_arrival_ms.load(Relaxed)))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A seed that nobody outside can know: it guards hash tables and changes no result.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// Runs until stopped or, in a bounded run, until its end. What it found is in `view`.
///
/// # Errors
/// [`ConsumerError`] that restarting a partition can't mend.
pub async fn run(
    configuration: &Configuration,
    view: Arc<View>,
    ops: &Ops,
    stop: CancellationToken,
) -> Result<(), ConsumerError> {
    let context = Arc::new(Context::new(configuration, view));
    let kafka = ops.readiness.condition("kafka");
    let Some(layout) = prepare(&context, configuration.partitions, &kafka, &stop).await? else { return Ok(()) };
    let plan = Plan::make(&context, layout, &configuration.group, configuration.until_end).await?;
    context.note_arrival();

    let commits = CancellationToken::new();
    let committing = tokio::spawn(
        GroupCommits::new(&context.cluster, &configuration.group, &context.names.transactions)
            .run(Arc::clone(&context.view), commits.clone()),
    );
    let stop_workers = stop.child_token();
    let mut workers = JoinSet::new();
    for part in plan.parts {
        let name = format!("partition {}", part.partition);
        let worker = Worker {
            context: Arc::clone(&context),
            partition: part.partition,
            end: part.end,
            committed: part.committed,
            condition: ops.readiness.condition(name.clone()),
            heartbeat: ops.liveness.heartbeat(name, HEARTBEAT_LIMIT),
        };
        workers.spawn(worker.run(stop_workers.clone()));
    }
    // Only now: the partitions' own conditions have taken over.
    kafka.ready();
    let outcome = until_all_end(workers, &context, configuration.idle_timeout, stop_workers).await;
    commits.cancel();
    committing.await.expect("a task that panics stops the process");
    outcome.map_err(ConsumerError::from)
}

/// Waits for the workers; the first error, or idleness for longer than allowed, stops the others.
async fn until_all_end(
    mut workers: JoinSet<Result<(), WorkerError>>,
    context: &Context,
    idle_timeout: Option<Duration>,
    stop: CancellationToken,
) -> Result<(), WorkerError> {
    let mut outcome = Ok(());
    loop {
        let idle_left = idle_timeout.map_or(Duration::MAX, |limit| limit.saturating_sub(context.idle_for()));
        tokio::select! {
            ended = workers.join_next() => match ended {
                None => return outcome,
                Some(ended) => {
                    let ended = ended.expect("a task that panics stops the process");
                    if ended.is_err() {
                        stop.cancel();
                        outcome = outcome.and(ended);
                    }
                }
            },
            () = sleep(idle_left.min(Duration::from_secs(3_600))), if idle_timeout.is_some() && !stop.is_cancelled() => {
                if idle_timeout.is_some_and(|limit| context.idle_for() >= limit) {
                    info!("nothing has arrived for {} ms; stopping", context.idle_for().as_millis());
                    stop.cancel();
                }
            }
        }
    }
}

/// Makes the topics ready, for as long as it takes; `None` when stopped meanwhile.
async fn prepare(
    context: &Context,
    partitions: i32,
    kafka: &Condition,
    stop: &CancellationToken,
) -> Result<Option<Layout>, ConsumerError> {
    let deadline = Instant::now() + BOUNDED_START_DEADLINE;
    loop {
        let error = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            layout = topics::ensure(&context.cluster, &context.names, partitions) => match layout {
                Ok(layout) => return Ok(Some(layout)),
                Err(error) => error,
            },
        };
        kafka.not_ready(error.to_string());
        if !error.may_pass() || (context.bounded && Instant::now() >= deadline) {
            return Err(error.into());
        }
        if let TopicsError::Fault(fault) = &error {
            context.cluster.remind(fault);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = sleep(START_PAUSE) => {}
        }
    }
}

/// What is settled before the first worker starts.
struct Plan {
    parts: Vec<Part>,
}

struct Part {
    partition: i32,
    end: Option<i64>,
    committed: Option<i64>,
}

impl Plan {
    async fn make(context: &Context, layout: Layout, group: &str, until_end: bool) -> Result<Self, ConsumerError> {
        let partitions: Vec<i32> = (0..layout.partitions).collect();
        let topic = &context.names.transactions;
        let committed = committed(&context.cluster, group, topic, &partitions).await?;
        let mut parts = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let mut end = None;
            if until_end {
                let mut reader = PartitionReader::new(&context.cluster, topic, partition, context.read);
                end = Some(reader.bounds().await?.end);
            }
            parts.push(Part { partition, end, committed: committed.get(&partition).copied() });
        }
        Ok(Self { parts })
    }
}

/// What the group has committed. Its coordinator may need a moment after a cluster's start, so it is asked again until
/// the usual deadline.
async fn committed(
    cluster: &Cluster,
    group: &str,
    topic: &str,
    partitions: &[i32],
) -> Result<HashMap<i32, i64>, Fault> {
    let deadline = Instant::now() + RETRY_DEADLINE;
    loop {
        let asked = match Admin::connect(cluster).await {
            Ok(admin) => admin.committed(group, topic, partitions).await,
            Err(fault) => Err(fault),
        };
        match asked {
            Ok(committed) => return Ok(committed),
            Err(fault) if !fault.may_pass() || Instant::now() >= deadline => return Err(fault),
            Err(fault) => cluster.complain(&fault),
        }
        sleep(START_PAUSE).await;
    }
}
