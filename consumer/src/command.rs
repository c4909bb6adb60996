//! What the consumer can be asked to do: run, show the figures from outside, verify them, begin a new generation.

use std::sync::Arc;

use clap::Subcommand;
use common::{
    kafka::{Admin, Cluster, Fault, PartitionReader, PartitionWriter, ReadOptions, WriteError},
    service::{ExitCode, OpsServer, Started, output},
    topics::{TopicNames, TopicsError},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    checkpoint::write_snapshot,
    clock::now_ms,
    error::ConsumerError,
    fold::PartitionState,
    http, metrics, pipeline, progress_bar, report,
    restore::{highest_snapshot, read_heads},
    settings::{Configuration, ConsumerSettings},
    summary::Summary,
    verify,
    view::View,
};

/// Besides running the pipeline.
#[derive(Clone, Debug, Subcommand)]
pub enum ConsumerCommand {
    /// Print the ledger and the totals as the state topic has them, whoever is running
    Summary,
    /// Count the log again and compare every number with the snapshots: exit code 0 equal, 1 different, 2 could not
    /// check
    Verify(verify::Arguments),
    /// Begin a new generation: forget all figures and count from the start of the log, with the settings given
    Reset {
        /// Confirm
        #[arg(long)]
        yes: bool,
    },
}

/// The consumer's `main`.
///
/// # Errors
/// [`ConsumerError`], each with its exit code.
pub async fn run(started: Started<ConsumerSettings, ConsumerCommand>) -> Result<ExitCode, ConsumerError> {
    match started.command {
        None => consume(started).await,
        Some(ConsumerCommand::Summary) => summarise(&started.configuration).await,
        Some(ConsumerCommand::Verify(asked)) => {
            Ok(Box::pin(verify::run(&started.configuration, &asked, &started.shutdown)).await)
        }
        Some(ConsumerCommand::Reset { yes }) => reset(&started.configuration, yes).await,
    }
}

async fn consume(started: Started<ConsumerSettings, ConsumerCommand>) -> Result<ExitCode, ConsumerError> {
    let Started { configuration, http_listen, shutdown, ops, .. } = started;
    let view = Arc::new(View::default());
    metrics::register(&ops.metrics, &view);
    let server = OpsServer::bind(http_listen.address).await?.serve(http::router(Arc::clone(&view)), ops.clone());
    let stop_report = CancellationToken::new();
    let reporting = tokio::spawn(report::log_progress(Arc::clone(&view), stop_report.clone()));
    let bar = configuration.until_end.then(|| tokio::spawn(progress_bar::show(Arc::clone(&view), stop_report.clone())));
    let outcome = pipeline::run(&configuration, Arc::clone(&view), &ops, shutdown.token().clone()).await;
    stop_report.cancel();
    reporting.await.expect("a task that panics stops the process");
    if let Some(bar) = bar {
        bar.await.expect("a task that panics stops the process");
    }
    server.stop().await;
    outcome?;
    let summary = view.summary(now_ms());
    if configuration.is_bounded() {
        return Ok(print(&summary, configuration.json));
    }
    info!("{}; {}", report::columns(&summary.ledger), report::volumes(&summary));
    Ok(if summary.is_balanced() { ExitCode::Done } else { ExitCode::NotRight })
}

fn print(summary: &Summary, json: bool) -> ExitCode {
    let text = if json {
        serde_json::to_string(summary).expect("text and numbers always have a JSON form")
    } else {
        report::ledger_table(summary)
    };
    let taken = output::result(&text);
    if taken && summary.is_balanced() { ExitCode::Done } else { ExitCode::NotRight }
}

/// How many partitions the state topic has.
async fn state_partitions(cluster: &Cluster, names: &TopicNames) -> Result<i32, ConsumerError> {
    match Admin::connect(cluster).await?.topic(&names.state).await? {
        Some(state) => Ok(state.partitions),
        None => Err(TopicsError::Unsuitable {
            topic: names.state.clone(),
            problem: "does not exist".to_owned(),
            advice: "No consumer has run on this topic yet, or KAFKA_TOPIC names another one".to_owned(),
        }
        .into()),
    }
}

async fn summarise(configuration: &Configuration) -> Result<ExitCode, ConsumerError> {
    let cluster = Cluster::new(configuration.connection.clone());
    let names = TopicNames::new(&configuration.topic);
    let partitions = state_partitions(&cluster, &names).await?;
    let mut snapshots = Vec::new();
    for partition in 0..partitions {
        snapshots.extend(highest_snapshot(&cluster, &names, partition).await?.map(|stored| stored.snapshot));
    }
    let summary = Summary::of(&snapshots, partitions, now_ms());
    let printed = print(&summary, configuration.json);
    Ok(if summary.is_complete() { printed } else { ExitCode::NotRight })
}

async fn reset(configuration: &Configuration, confirmed: bool) -> Result<ExitCode, ConsumerError> {
    let names = TopicNames::new(&configuration.topic);
    if !confirmed {
        return Err(ConsumerError::Unconfirmed(format!(
            "reset forgets every total and window of {} and counts its log from the start. Consumers that run go over \
             to the new generation by themselves. Say it with `consumer reset --yes`",
            names.transactions
        )));
    }
    let cluster = Cluster::new(configuration.connection.clone());
    let partitions = state_partitions(&cluster, &names).await?;
    let mut highest = None;
    for partition in 0..partitions {
        let reading = read_heads(&cluster, &names, partition, |head, _, state_offset| match head {
            Ok(head) => highest = highest.max(Some(head.order().0)),
            Err(cause) => warn!(partition, state_offset, %cause, "passed over: the new generation begins behind it"),
        });
        reading.await?;
    }
    // Where all state is lost nobody knows how many generations there were; the time is above any count of them.
    let seconds_since_1970 = u64::try_from(now_ms() / 1_000).unwrap_or_default();
    let generation = highest.map_or(seconds_since_1970, |highest| highest + 1);
    for partition in 0..partitions {
        let mut log = PartitionReader::new(&cluster, &names.transactions, partition, ReadOptions::default());
        let start = log.bounds().await?.start;
        let state = PartitionState::new(generation, partition, configuration.fold.clone(), start, 0);
        let mut writer = PartitionWriter::new(&cluster, &names.state, partition);
        write_snapshot(&mut writer, &state.snapshot(None, now_ms()), common::kafka::RETRY_DEADLINE)
            .await
            .map_err(Fault::from)?;
    }
    let taken = output::result(&format!(
        "Generation {generation} of {} begins: {partitions} partitions, counted from the start of the log.",
        names.transactions
    ));
    Ok(if taken { ExitCode::Done } else { ExitCode::NotRight })
}

/// The program, for `main` and for whatever lists its settings.
pub const PROGRAM: common::service::Program = common::service::Program {
    name: "consumer",
    version: env!("CARGO_PKG_VERSION"),
    about: "Validates, de-duplicates and aggregates transactions from Kafka exactly once, and keeps the ledger",
    http_listen: "0.0.0.0:8080",
    log_filter: common::service::logging::DEFAULT_FILTER,
};

impl From<WriteError> for ConsumerError {
    fn from(error: WriteError) -> Self {
        Self::Fault(error.into())
    }
}
