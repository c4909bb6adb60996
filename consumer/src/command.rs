//! What the consumer can be asked to do: run, show the figures from outside or live, verify them, go on with
//! other settings, begin anew.

use std::{future::Future, sync::Arc};

use clap::Subcommand;
use common::{
    kafka::{Admin, Cluster},
    service::{ExitCode, OpsServer, Shutdown, Started, output},
    topics::{TopicNames, TopicsError},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    clock::now_ms,
    dead_letters::{self, DeadLettersCommand, served::Served},
    error::ConsumerError,
    http, metrics, migrate, pipeline, progress_bar, report, reset,
    restore::highest_snapshots,
    settings::{Configuration, ConsumerSettings},
    summary::Summary,
    top, verify,
    view::View,
};

/// Besides running the pipeline.
#[derive(Clone, Debug, Subcommand)]
pub enum ConsumerCommand {
    /// Print the ledger and the totals as the state topic has them, whoever is running
    Summary,
    /// Show the figures of a running consumer in the terminal, live
    Top(top::Arguments),
    /// Count the log again and compare every number with the snapshots: exit code 0 equal, 1 different, 2 could not
    /// check
    Verify(verify::Arguments),
    /// Go on with the settings given (window, lateness, allowance, skew), and keep position, totals and ledger
    Migrate(migrate::Arguments),
    /// Look through what was rejected, and send it again, mended
    DeadLetters {
        /// What to do with them.
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Begin a new generation: forget all figures and count anew, with the settings given
    Reset(reset::Arguments),
}

/// The consumer's `main`.
///
/// # Errors
/// [`ConsumerError`], each with its exit code.
pub async fn run(started: Started<ConsumerSettings, ConsumerCommand>) -> Result<ExitCode, ConsumerError> {
    match started.command {
        None => consume(started).await,
        Some(ConsumerCommand::Summary) => unless_stopped(&started.shutdown, summarise(&started.configuration)).await,
        Some(ConsumerCommand::Top(asked)) => {
            let (listen, access) = (started.http_listen.address, &started.ops.access);
            Ok(Box::pin(top::run(&asked, listen, access, &started.shutdown)).await?)
        }
        Some(ConsumerCommand::Verify(asked)) => {
            Ok(Box::pin(verify::run(&started.configuration, &asked, &started.shutdown)).await)
        }
        Some(ConsumerCommand::Migrate(arguments)) => {
            unless_stopped(&started.shutdown, migrate::run(&started.configuration, &arguments)).await
        }
        Some(ConsumerCommand::DeadLetters { command }) => {
            unless_stopped(&started.shutdown, dead_letters::run(&started.configuration, &command)).await
        }
        Some(ConsumerCommand::Reset(arguments)) => {
            unless_stopped(&started.shutdown, reset::run(&started.configuration, &arguments)).await
        }
    }
}

/// What a command does, unless the process is told to stop first.
async fn unless_stopped(
    shutdown: &Shutdown,
    command: impl Future<Output = Result<ExitCode, ConsumerError>>,
) -> Result<ExitCode, ConsumerError> {
    tokio::select! {
        biased;
        () = shutdown.requested() => Err(ConsumerError::Stopped),
        done = Box::pin(command) => done,
    }
}

async fn consume(started: Started<ConsumerSettings, ConsumerCommand>) -> Result<ExitCode, ConsumerError> {
    let Started { configuration, http_listen, shutdown, ops, .. } = started;
    let view = Arc::new(View::default());
    metrics::register(&ops.metrics, &view);
    let cluster = Cluster::new(configuration.connection.clone());
    let letters = Served::new(&cluster, &TopicNames::new(&configuration.topic));
    let router = http::router(Arc::clone(&view), letters, ops.readiness.clone(), shutdown.token().clone());
    let server = OpsServer::bind(http_listen.address).await?.serve(router, ops.clone());
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
    info!(event = "final_figures", "{}; {}", report::columns(&summary.ledger), report::volumes(&summary));
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
pub(crate) async fn state_partitions(cluster: &Cluster, names: &TopicNames) -> Result<i32, ConsumerError> {
    partitions_of(cluster, &names.state).await
}

/// How many partitions a topic has that consumers make.
pub(crate) async fn partitions_of(cluster: &Cluster, topic: &str) -> Result<i32, ConsumerError> {
    match Admin::connect(cluster).await?.topic(topic).await? {
        Some(found) => Ok(found.partitions),
        None => Err(TopicsError::Unsuitable {
            topic: topic.to_owned(),
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
    let snapshots = highest_snapshots(&cluster, &names, partitions).await?;
    let summary = Summary::of(&snapshots, partitions, now_ms());
    let printed = print(&summary, configuration.json);
    Ok(if summary.is_complete() { printed } else { ExitCode::NotRight })
}

/// The program, for `main` and for whatever lists its settings.
pub const PROGRAM: common::service::Program = common::service::Program {
    name: "consumer",
    version: env!("CARGO_PKG_VERSION"),
    about: "Validates, de-duplicates and aggregates transactions from Kafka exactly once, and keeps the ledger",
    http_listen: "0.0.0.0:8080",
    log_filter: common::service::logging::DEFAULT_FILTER,
};
