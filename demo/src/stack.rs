//! What is started in which order, and taken down in the opposite one: broker, consumer, producer.
//!
//! ```text
//!   producer ──▶ development broker ──▶ consumer ──▶ http://127.0.0.1:8080
//! ```
//!
//! The same libraries as in the separate binaries, over real sockets; only the broker is not Apache Kafka.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use broker::{Broker, BrokerConfig, BrokerError};
use clap::Args;
use common::{
    kafka::{Cluster, Compression, ConnectionSettings, Fault, PartitionReader, ReadOptions, Security},
    service::{
        ExitCode, Failure, Metrics, NoCommand, Ops, OpsServer, Problems, Program, Settings, Shutdown, Started,
        http::HttpError, output,
    },
    topics::TopicNames,
};
use consumer::{clock::now_ms, dead_letters::served::Served, error::ConsumerError, view::View};
use producer::{Outcome, Producer, ProducerError, inject::Ratios};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::status;

/// The demo, for `main`. Quiet: the status line says what there is to say.
pub(crate) const PROGRAM: Program = Program {
    name: "demo",
    version: env!("CARGO_PKG_VERSION"),
    about: "The whole pipeline in one process: producer, embedded development broker and consumer",
    http_listen: "127.0.0.1:8080",
    log_filter: "warn,krafka=off,rskafka=off",
};

const TOPIC: &str = "transactions";
const PARTITIONS: i32 = 6;
/// How long stopping waits for the consumer to have read everything.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// What the demo can be told.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
pub(crate) struct DemoSettings {
    /// Keep the data here and go on from it next time; left out, a temporary folder is used and removed
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Transactions a second; 0 sends as fast as it can
    #[arg(long, value_name = "N")]
    rate: Option<String>,
}

#[derive(Debug)]
pub(crate) struct DemoConfiguration {
    data_dir: Option<PathBuf>,
    rate: Option<u32>,
}

impl Settings for DemoSettings {
    type Configuration = DemoConfiguration;

    fn validate(&self, problems: &mut Problems) -> DemoConfiguration {
        DemoConfiguration {
            data_dir: problems.optional_path("data_dir", &self.data_dir),
            rate: Some(problems.integer("rate", &self.rate, 1_000, 0..=10_000_000, "transactions/s"))
                .filter(|&rate| rate > 0),
        }
    }
}

/// Why the demo ends before it is told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("can't make a temporary folder for the data: {0}; name a folder with --data-dir")]
    Folder(#[from] io::Error),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("producer: {0}")]
    Producer(#[from] ProducerError),
    #[error("consumer: {0}")]
    Consumer(#[from] ConsumerError),
}

impl Failure for DemoError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Folder(_) | Self::Broker(_) => ExitCode::Configuration,
            Self::Http(error) => error.exit_code(),
            Self::Producer(error) => error.exit_code(),
            Self::Consumer(error) => error.exit_code(),
        }
    }
}

/// The demo's `main`.
pub(crate) async fn run(started: Started<DemoSettings, NoCommand>) -> Result<ExitCode, DemoError> {
    let Started { configuration, http_listen, shutdown, ops, .. } = started;
    // Removed when dropped, which is after everything that writes into it has stopped.
    let (temporary, data_dir) = match configuration.data_dir {
        Some(folder) => (None, folder),
        None => {
            let folder = tempfile::Builder::new().prefix("tally-demo-").tempdir()?;
            let path = folder.path().to_owned();
            (Some(folder), path)
        }
    };
    let server = match http_listen.chosen {
        true => OpsServer::bind(http_listen.address).await?,
        false => OpsServer::bind_or_free(http_listen.address).await?,
    };
    let broker = Broker::start(BrokerConfig::new(([127, 0, 0, 1], 0).into(), data_dir.clone())).await?;
    status::greet(&server.local_url(), broker.address(), &data_dir, temporary.is_some());

    let view = Arc::new(View::default());
    let consumer_ops = Ops { metrics: Metrics::new("tally_consumer", PROGRAM.version), ..ops.clone() };
    consumer::metrics::register(&consumer_ops.metrics, &view);
    let cluster = Cluster::new(connection(vec![broker.address().to_string()], "tally-consumer"));
    let letters = Served::new(&cluster, &TopicNames::new(TOPIC));
    let router = consumer::http::router(Arc::clone(&view), letters, ops.readiness.clone(), shutdown.token().clone());
    let serving = server.serve(router, consumer_ops.clone());

    let outcome = flow(configuration.rate, &broker, &view, &ops, consumer_ops, &shutdown).await;
    serving.stop().await;
    broker.stop().await?;
    outcome?;
    let summary = view.summary(now_ms());
    let taken = output::result(&consumer::report::ledger_table(&summary));
    Ok(if taken && summary.is_balanced() { ExitCode::Done } else { ExitCode::NotRight })
}

/// Runs producer and consumer until stopped, then lets the consumer come to the end of what was produced.
async fn flow(
    rate: Option<u32>,
    broker: &Broker,
    view: &Arc<View>,
    ops: &Ops,
    consumer_ops: Ops,
    shutdown: &Shutdown,
) -> Result<(), DemoError> {
    let servers = vec![broker.address().to_string()];
    let stop_consumer = CancellationToken::new();
    let consumer = {
        let configuration = consumer_configuration(servers.clone());
        let (view, stop) = (Arc::clone(view), stop_consumer.clone());
        tokio::spawn(async move { consumer::pipeline::run(&configuration, view, &consumer_ops, stop).await })
    };
    let stop_status = CancellationToken::new();
    let showing = tokio::spawn(status::show(Arc::clone(view), stop_status.clone()));

    let producer = Producer::new(producer_configuration(servers, rate), ops.clone());
    // Either of them failing ends the other: a demo that stands still would say nothing.
    let watched = shutdown.child();
    let mut consumer = std::pin::pin!(consumer);
    let mut producing = Box::pin(producer.run(&watched));
    let (produced, ended_early) = tokio::select! {
        outcome = &mut producing => (outcome, None),
        ended = &mut consumer => {
            watched.trigger();
            (producing.await, Some(ended))
        }
    };
    let Outcome { result: producing, .. } = produced;
    let consumed = match ended_early {
        Some(ended) => ended,
        None => {
            let cluster = Cluster::new(connection(vec![broker.address().to_string()], "tally-demo"));
            let _ = timeout(DRAIN_TIMEOUT, all_read(view, &cluster)).await;
            stop_consumer.cancel();
            consumer.await
        }
    };
    stop_status.cancel();
    showing.await.expect("a task that panics stops the process");
    consumed.expect("a task that panics stops the process")?;
    producing?;
    Ok(())
}

/// Waits until the consumer has folded everything that is in the log now.
async fn all_read(view: &View, cluster: &Cluster) -> Result<(), Fault> {
    for partition in 0..PARTITIONS {
        let end = PartitionReader::new(cluster, TOPIC, partition, ReadOptions::default()).bounds().await?.end;
        while view.progress(partition).next_offset.load(Relaxed) < end {
            sleep(DRAIN_POLL).await;
        }
    }
    Ok(())
}

fn connection(bootstrap_servers: Vec<String>, client_id: &str) -> ConnectionSettings {
    ConnectionSettings { bootstrap_servers, client_id: client_id.to_owned(), security: Security::default() }
}

fn consumer_configuration(servers: Vec<String>) -> consumer::settings::Configuration {
    let mut unset = Problems::default();
    let defaults = consumer::settings::ConsumerSettings::default().validate(&mut unset);
    consumer::settings::Configuration {
        connection: connection(servers, "tally-demo-consumer"),
        topic: TOPIC.to_owned(),
        partitions: PARTITIONS,
        ..defaults
    }
}

/// A few of each known fault, so that every column of the ledger has something in it.
fn producer_configuration(servers: Vec<String>, rate: Option<u32>) -> producer::Configuration {
    let mut unset = Problems::default();
    let defaults = producer::ProducerSettings::default().validate(&mut unset);
    producer::Configuration {
        kafka: connection(servers, "tally-demo-producer"),
        topic: TOPIC.to_owned(),
        partitions: PARTITIONS,
        rate,
        ratios: Ratios { malformed: 0.002, repeat: 0.002, late: 0.002, future: 0.0005 },
        compression: Compression::None,
        ..defaults
    }
}
