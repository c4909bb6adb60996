//! `consumer verify`: counts the log a second time, beside a running pipeline or at rest, and compares every number.
//!
//! ```text
//!   state topic ─▶ highest snapshot, at offset n ─────────────────────────────┐
//!   log, from the first offset or an anchor ─▶ recount up to n ─▶ figures ────┼─▶ every difference by name
//!   dead letters, closed windows ─────────────────────────────────────────────┘
//! ```
//!
//! Promises: the recount's accounting shares nothing with the fold; a number that is added to snapshots can't be left
//! out of the comparison ([`figures`]); what could not be checked is never called equal. It never writes anything, and
//! it trusts no process: only what lies in Kafka.

mod catch_up;
mod course;
mod cube;
mod evidence;
pub mod figures;
mod given_out;
mod partition;
mod producers;
pub mod recount;
mod report;
mod seen_ids;
pub mod start;
mod unchecked;
mod windows;

use std::{
    future::Future,
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use common::{
    kafka::{Admin, Cluster, ReadOptions},
    service::{ExitCode, Shutdown, output},
    topics::{TopicNames, TopicsError},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use evidence::Compared;
pub use report::{PartitionReport, Report, Verdict};
pub use unchecked::Unchecked;

use crate::{
    clock::now_ms, fold::Snapshot, progress_bar, restore::highest_snapshot, selection::Selection,
    settings::Configuration, summary::Summary,
};
use partition::{Check, Progress};

/// Fewest and most partitions that are counted at the same time. Each takes up to about 16 MiB: the ids of two id
/// windows, and a fetch.
const AT_ONCE: std::ops::RangeInclusive<usize> = 4..=16;
/// Most bytes of one fetch.
const FETCH_BYTES_MAX: i32 = 1 << 20;

/// What can be asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// First wait until the snapshots have come as far as the log reaches now
    #[arg(long)]
    until_caught_up: bool,
    /// How long to wait for that, in seconds
    #[arg(long, value_name = "S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    catch_up_timeout_s: u64,
    /// Check these partitions only, such as 0,3-5
    #[arg(long, value_name = "LIST")]
    partitions: Option<Selection>,
}

/// Verifies, says what came of it, and gives the exit code: 0 equal, 1 different, 2 could not check.
pub async fn run(configuration: &Configuration, arguments: &Arguments, shutdown: &Shutdown) -> ExitCode {
    let progress = Arc::new(Progress::default());
    let stop_bar = CancellationToken::new();
    let shown = Arc::clone(&progress);
    let done_of_all = move || (shown.offsets.load(Relaxed), shown.offsets_in_all.load(Relaxed));
    let bar = tokio::spawn(progress_bar::show_progress(done_of_all, stop_bar.clone()));
    let outcome = tokio::select! {
        biased;
        () = shutdown.requested() => Err(Unchecked::Stopped),
        outcome = verify(configuration, arguments, &progress) => outcome,
    };
    stop_bar.cancel();
    bar.await.expect("a task that panics stops the process");
    let report = outcome.unwrap_or_else(|reason| Report::unchecked(&reason));
    let text = if configuration.json {
        serde_json::to_string(&report).expect("text and numbers always have a JSON form")
    } else {
        report.text()
    };
    let taken = output::result(&text);
    match report.verdict {
        Verdict::Equal if !taken => ExitCode::NotRight,
        Verdict::Equal => ExitCode::Done,
        Verdict::Different => ExitCode::NotRight,
        Verdict::Unchecked => {
            if let Some(reason) = &report.reason {
                warn!(event = "verify_not_possible", "could not check: {reason}");
            }
            // The code 2: nothing can be said about the figures.
            ExitCode::Configuration
        }
    }
}

async fn verify(
    configuration: &Configuration,
    arguments: &Arguments,
    progress: &Arc<Progress>,
) -> Result<Report, Unchecked> {
    let cluster = Cluster::new(configuration.connection.clone());
    let names = TopicNames::new(&configuration.topic);
    let count = partitions_of(&cluster, &names.transactions, "KAFKA_TOPIC may name another one").await?;
    let with_state = partitions_of(&cluster, &names.state, "No consumer has run on this topic yet").await?;
    let selection = arguments.partitions.as_ref().unwrap_or(&Selection::All);
    if let Some(beyond) = selection.beyond(count) {
        return Err(Unchecked::Flags(format!("--partitions names {beyond}; there are 0 to {}", count - 1)));
    }
    let chosen = selection.below(count);
    if arguments.until_caught_up {
        let limit = Duration::from_secs(arguments.catch_up_timeout_s);
        let counted: Vec<i32> = chosen.iter().copied().filter(|&partition| partition < with_state).collect();
        catch_up::wait(&cluster, &names, &counted, limit).await?;
    }
    let started = Instant::now();
    let reading = chosen.into_iter().map(|partition| {
        let (cluster, names) = (cluster.clone(), names.clone());
        async move {
            if partition >= with_state {
                return (partition, Err(Unchecked::NoSnapshot));
            }
            let found = highest_snapshot(&cluster, &names, partition).await;
            (partition, found.map_err(Unchecked::from).and_then(|found| found.ok_or(Unchecked::NoSnapshot)))
        }
    });
    let mut reports = Vec::new();
    let mut snapshots = Vec::new();
    for (partition, found) in Box::pin(at_once(reading)).await {
        match found {
            Ok(stored) => snapshots.push(Arc::new(stored.snapshot)),
            Err(reason) => reports.push(PartitionReport::new(partition, None, Err(reason))),
        }
    }
    let read = ReadOptions { fetch_bytes_max: FETCH_BYTES_MAX, ..ReadOptions::default() };
    let checking = snapshots.iter().map(|snapshot| {
        let offsets = snapshot.next_offset - snapshot.first_offset;
        progress.offsets_in_all.fetch_add(offsets.max(0).unsigned_abs(), Relaxed);
        let (snapshot, progress) = (Arc::clone(snapshot), Arc::clone(progress));
        let check = Check { cluster: cluster.clone(), names: names.clone(), snapshot, read, progress };
        async move { check_one(check).await }
    });
    // All of them are made first, so that the bar knows its end from the beginning.
    let checking: Vec<_> = checking.collect();
    reports.extend(Box::pin(at_once(checking.into_iter())).await);
    let mut summary = Summary::of(snapshots.iter().map(AsRef::<Snapshot>::as_ref), 0, now_ms());
    let counted = |partition: &i32| snapshots.iter().any(|snapshot| snapshot.partition == *partition);
    summary.partitions_missing = selection.below(count).into_iter().filter(|partition| !counted(partition)).collect();
    Ok(Report::of(reports, summary, started.elapsed()))
}

async fn check_one(check: Check) -> PartitionReport {
    let snapshot = Arc::clone(&check.snapshot);
    let checked = check.run().await;
    PartitionReport::new(snapshot.partition, Some(&snapshot), checked)
}

async fn partitions_of(cluster: &Cluster, topic: &str, advice: &str) -> Result<i32, Unchecked> {
    let found = Admin::connect(cluster).await?.topic(topic).await?;
    let missing = || TopicsError::Unsuitable {
        topic: topic.to_owned(),
        problem: "does not exist".to_owned(),
        advice: advice.to_owned(),
    };
    Ok(found.ok_or_else(missing)?.partitions)
}

/// Runs futures as tasks, a bounded number at a time. Dropping this ends them all.
async fn at_once<T: Send + 'static>(futures: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let limit = (2 * cores).clamp(*AT_ONCE.start(), *AT_ONCE.end());
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    for future in futures {
        if running.len() >= limit
            && let Some(ended) = running.join_next().await
        {
            done.push(ended.expect("a task that panics stops the process"));
        }
        running.spawn(future);
    }
    while let Some(ended) = running.join_next().await {
        done.push(ended.expect("a task that panics stops the process"));
    }
    done
}
