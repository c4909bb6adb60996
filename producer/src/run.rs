//! One run from beginning to end: topics, feed, publishers, drain, account.

use std::sync::Arc;
use std::time::Duration;

use common::kafka::{Cluster, PartitionWriter, WriteError};
use common::service::{Condition, Ops, Shutdown};
use common::topics::{self, Layout, TopicNames, TopicsError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::alarm::Alarm;
use crate::counters::Counters;
use crate::dice::mix;
use crate::error::ProducerError;
use crate::feed::Feed;
use crate::generate::Generator;
use crate::inject::Injector;
use crate::pace::Pace;
use crate::population::Population;
use crate::publish::{Delivery, Lane, Publisher, Tracing, lane_bytes_max, now_us};
use crate::report::Report;
use crate::settings::Configuration;
use crate::summary::{Identity, Summary};

/// Between two attempts to reach Kafka at the start.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Transactions as old as this are close to what a topic keeps by default (7 days).
const OLD_MS: i64 = 6 * 86_400_000;

/// The feed must come round at least this often.
const FEED_STALLED_AFTER: Duration = Duration::from_secs(30);

/// A producer, ready to run.
pub struct Producer {
    configuration: Configuration,
    identity: Identity,
    counters: Arc<Counters>,
    ops: Ops,
}

/// How a run ended: the account of it, and why if it did not end well.
#[derive(Debug)]
pub struct Outcome {
    /// What was sent and acknowledged, whichever way the run ended.
    pub summary: Summary,
    /// `Ok`: everything sent was acknowledged.
    pub result: Result<(), ProducerError>,
}

impl Producer {
    /// Takes a new incarnation, and a seed where none is given.
    pub fn new(configuration: Configuration, ops: Ops) -> Self {
        let (incarnation, drawn_seed) = uuid::Uuid::new_v4().as_u64_pair();
        let identity = Identity {
            topic: configuration.topic.clone(),
            // Fixed bits of the UUID's version and variant are spread by the hash.
            incarnation: mix(incarnation ^ drawn_seed),
            seed: configuration.seed.unwrap_or(mix(drawn_seed) >> 32),
        };
        let counters = Arc::new(Counters::new(&ops.metrics));
        Self { configuration, identity, counters, ops }
    }

    /// The live counts of the run.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Runs until everything has been sent and acknowledged, or `shutdown` is requested and the queues are flushed,
    /// or something cannot be delivered.
    pub async fn run(self, shutdown: &Shutdown) -> Outcome {
        let condition = self.ops.readiness.condition("kafka");
        let cluster = Cluster::new(self.configuration.kafka.clone());
        match self.topics_ready(&cluster, &condition, shutdown).await {
            Ok(Some(layout)) => self.run_on(&cluster, layout, condition, shutdown).await,
            Ok(None) => self.outcome(0, Duration::ZERO, Ok(())),
            Err(error) => self.outcome(0, Duration::ZERO, Err(error.into())),
        }
    }

    /// Makes the topics ready, trying again while that may help: for ever, or in a bounded run for as long as a
    /// request would be retried. `None`: stopping was requested first.
    async fn topics_ready(
        &self,
        cluster: &Cluster,
        condition: &Condition,
        shutdown: &Shutdown,
    ) -> Result<Option<Layout>, TopicsError> {
        let names = TopicNames::new(&self.configuration.topic);
        let started = Instant::now();
        let attempts = async {
            loop {
                let error = match topics::ensure_transactions(cluster, &names, self.configuration.partitions).await {
                    Ok(layout) => return Ok(layout),
                    Err(error) => error,
                };
                let late = self.configuration.is_bounded() && started.elapsed() >= self.configuration.delivery_timeout;
                if late || !error.may_pass() {
                    return Err(error);
                }
                condition.not_ready(error.to_string());
                if let TopicsError::Fault(fault) = &error {
                    cluster.remind(fault);
                }
                sleep(RETRY_INTERVAL).await;
            }
        };
        tokio::select! {
            layout = attempts => layout.map(Some),
            () = shutdown.requested() => Ok(None),
        }
    }

    async fn run_on(self, cluster: &Cluster, layout: Layout, condition: Condition, shutdown: &Shutdown) -> Outcome {
        let partitions = usize::try_from(layout.partitions).unwrap_or_default();
        let lane_bytes = lane_bytes_max(self.configuration.queue_bytes, partitions);
        let lanes: Vec<Arc<Lane>> = (0..partitions).map(|_| Arc::new(Lane::new(lane_bytes))).collect();
        let mut publishers = self.publishers(cluster, &lanes);
        condition.ready();

        let pace =
            Pace { rate: self.configuration.rate, epoch_us: now_us(), start_time_ms: self.configuration.start_time_ms };
        let started = Instant::now();
        let population = Arc::new(Population::new(self.identity.seed, self.configuration.accounts));
        let feed = self.feed(pace, Arc::clone(&population), lanes.clone());
        let report = Report {
            counters: Arc::clone(&self.counters),
            population,
            pace,
            count_max: feed.count_max,
            bounded: self.configuration.is_bounded(),
            condition,
        };
        self.announce(partitions);

        let sending = async {
            let failed = tokio::select! {
                () = feed.run(started, shutdown) => None,
                failed = first_failure(&mut publishers) => Some(failed),
            };
            lanes.iter().for_each(|lane| lane.close());
            self.drain(publishers, failed, shutdown).await
        };
        let result = tokio::select! {
            result = sending => result,
            () = report.run(started) => unreachable!("the report goes on until it is dropped"),
        };
        self.outcome(partitions, started.elapsed(), result)
    }

    fn publishers(&self, cluster: &Cluster, lanes: &[Arc<Lane>]) -> JoinSet<Result<(), WriteError>> {
        let delivery = Delivery {
            incarnation: self.identity.incarnation,
            compression: self.configuration.compression,
            timeout: self.configuration.delivery_timeout,
            fail_after: self.configuration.fail_after,
        };
        let Identity { topic, incarnation, seed } = &self.identity;
        let tracing = |partition| {
            let ratio = self.configuration.trace_ratio;
            let traces = self.ops.traces.as_ref().filter(|_| ratio > 0.0)?;
            Some(Tracing::new(traces, topic, partition, ratio, *seed, *incarnation))
        };
        let mut publishers = JoinSet::new();
        for (partition, lane) in (0..).zip(lanes) {
            let publisher = Publisher {
                lane: Arc::clone(lane),
                writer: PartitionWriter::new(cluster, topic, partition),
                delivery: delivery.clone(),
                counters: Arc::clone(&self.counters),
                tracing: tracing(partition),
            };
            publishers.spawn(publisher.run());
        }
        publishers
    }

    fn feed(&self, pace: Pace, population: Arc<Population>, lanes: Vec<Arc<Lane>>) -> Feed {
        let Configuration { count, duration, start_time_ms, ratios, .. } = &self.configuration;
        let Identity { seed, incarnation, .. } = self.identity;
        // Two producers with one seed must not send the same ids, unless the very same transactions are wanted.
        let id_salt = if start_time_ms.is_some() { 0 } else { incarnation };
        let due_max = duration.and_then(|duration| pace.within(duration)).unwrap_or(u64::MAX);
        Feed {
            generator: Generator::new(population, seed, id_salt),
            injector: Injector::new(seed, ratios),
            pace,
            alarm: Alarm::default(),
            count_max: count.unwrap_or(u64::MAX).min(due_max),
            stop_after: duration.filter(|_| pace.rate.is_none()),
            lanes,
            counters: Arc::clone(&self.counters),
            heartbeat: self.ops.liveness.heartbeat("feed", FEED_STALLED_AFTER),
        }
    }

    /// Waits for what is queued to be acknowledged. `failed` is why it is too late for that already.
    async fn drain(
        &self,
        mut publishers: JoinSet<Result<(), WriteError>>,
        failed: Option<WriteError>,
        shutdown: &Shutdown,
    ) -> Result<(), ProducerError> {
        let waited = self.configuration.flush_timeout;
        let unacknowledged = || self.counters.counts().unacknowledged();
        let _note = shutdown.draining(format!("{} records to be acknowledged", unacknowledged()));
        let given_up = failed.is_some();
        let out_of_time = async {
            if !given_up {
                shutdown.requested().await;
            }
            sleep(waited).await;
        };
        let failed_later = tokio::select! {
            () = out_of_time => None,
            later = all_ended(&mut publishers) => Some(later),
        };
        publishers.shutdown().await;
        match (failed, failed_later) {
            (Some(source), _) | (None, Some(Err(source))) => Err(ProducerError::of(source, unacknowledged())),
            (None, Some(Ok(()))) => Ok(()),
            (None, None) => Err(ProducerError::Unflushed { unacknowledged: unacknowledged(), waited }),
        }
    }

    fn announce(&self, partitions: usize) {
        let Configuration { rate, count, duration, .. } = &self.configuration;
        let Identity { topic, seed, incarnation } = &self.identity;
        if self.configuration.start_time_ms.is_some_and(|start_ms| start_ms < now_us() / 1_000 - OLD_MS) {
            warn!(
                event = "start_time_long_ago",
                "--start-time is so long ago that Kafka may delete these records soon, by their own timestamps"
            );
        }
        let rate = rate.map_or("as fast as it can".to_owned(), |rate| format!("{rate} transactions/s"));
        let count = count.map_or(String::new(), |count| format!(", {count} in all"));
        let duration = duration.map_or(String::new(), |duration| format!(", for {} s", duration.as_secs()));
        info!(
            event = "producer_sending",
            topic,
            partitions,
            seed,
            incarnation = format!("{incarnation:016x}"),
            "sending {rate}{count}{duration} to {topic} ({partitions} partitions)"
        );
    }

    fn outcome(&self, partitions: usize, elapsed: Duration, result: Result<(), ProducerError>) -> Outcome {
        Outcome { summary: Summary::of(&self.identity, partitions, &self.counters, elapsed), result }
    }
}

/// Waits for the first publisher that fails. They end well only when their lanes are closed, which is after this.
async fn first_failure(publishers: &mut JoinSet<Result<(), WriteError>>) -> WriteError {
    loop {
        match publishers.join_next().await {
            Some(Ok(Err(error))) => return error,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Waits for all publishers, or for the first that fails.
async fn all_ended(publishers: &mut JoinSet<Result<(), WriteError>>) -> Result<(), WriteError> {
    while let Some(ended) = publishers.join_next().await {
        // A publisher that panicked has ended the process before this could see it.
        if let Ok(result) = ended {
            result?;
        }
    }
    Ok(())
}
