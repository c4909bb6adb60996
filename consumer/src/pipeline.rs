//! The whole consumer: topics made ready, a share of the partitions worked on, and everything that shows how they are
//! getting on.

use std::{sync::Arc, time::Duration};

use common::{
    kafka::{Cluster, GroupMember, GroupProtocol, GroupSettings, ReadOptions},
    service::{Ops, Traces},
    topics::TopicNames,
};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    crew::Crew,
    error::ConsumerError,
    fold::FoldSettings,
    layout,
    membership::{FixedShare, Membership},
    selection::Selection,
    settings::Configuration,
    tail,
    view::View,
};

/// How long a bounded run waits at its end until it knows what others have counted.
const VIEW_TIMEOUT: Duration = Duration::from_secs(10);

/// Most characters of a host's name that are kept.
const NAME_CHARS_MAX: usize = 64;

/// What everything in a consumer shares.
pub struct Context {
    pub(crate) cluster: Cluster,
    pub(crate) names: TopicNames,
    pub(crate) group: String,
    pub(crate) read: ReadOptions,
    pub(crate) fold: FoldSettings,
    pub(crate) snapshot_interval: Duration,
    pub(crate) snapshot_records: u64,
    pub(crate) until_end: bool,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) hash_seed: u64,
    /// Under which name this process's snapshots are.
    pub(crate) name: String,
    pub(crate) view: Arc<View>,
    /// Where spans go, where traces are on.
    pub(crate) traces: Option<Traces>,
    /// The process has been told to stop.
    pub(crate) stopping: CancellationToken,
}

impl Context {
    fn new(
        configuration: &Configuration,
        view: Arc<View>,
        traces: Option<Traces>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            cluster: Cluster::new(configuration.connection.clone()),
            names: TopicNames::new(&configuration.topic),
            group: configuration.group.clone(),
            read: ReadOptions { fetch_bytes_max: configuration.fetch_bytes_max, ..ReadOptions::default() },
            fold: configuration.fold.clone(),
            snapshot_interval: configuration.snapshot_interval,
            snapshot_records: configuration.snapshot_records,
            until_end: configuration.until_end,
            idle_timeout: configuration.idle_timeout,
            hash_seed: random_seed(),
            name: name(),
            view,
            traces,
            stopping,
        }
    }

    /// Whether the run ends by itself.
    pub(crate) fn is_bounded(&self) -> bool {
        self.until_end || self.idle_timeout.is_some()
    }
}

/// What people know this process by: its host, which in containers is the pod or the container; elsewhere with its process id.
fn name() -> String {
    let of_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = std::env::var("HOSTNAME").ok().or_else(of_kernel).unwrap_or_default();
    let known: String = host.trim().chars().filter(|c| c.is_ascii_graphic()).take(NAME_CHARS_MAX).collect();
    let host = if known.is_empty() { "consumer" } else { known.as_str() };
    match std::process::id() {
        1 => host.to_owned(),
        id => format!("{host}-{id}"),
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
/// [`ConsumerError`] in a bounded run, or where topics are not as they have to be.
pub async fn run(
    configuration: &Configuration,
    view: Arc<View>,
    ops: &Ops,
    stop: CancellationToken,
) -> Result<(), ConsumerError> {
    let context = Arc::new(Context::new(configuration, view, ops.traces.clone(), stop.clone()));
    let condition = ops.readiness.condition("kafka");
    let Some(layout) = layout::prepare(&context, configuration.partitions, &condition).await? else { return Ok(()) };
    let (growing, partitions) = watch::channel(layout.partitions);
    context.view.set_partitions(layout.partitions);

    // Dropped, and so ended, with this function.
    let mut background = JoinSet::new();
    background.spawn(layout::follow_growth(Arc::clone(&context), growing));
    background.spawn(tail::follow_all(
        Arc::clone(&context),
        partitions.clone(),
        ops.readiness.condition("global view"),
    ));

    let membership = membership(&context, configuration, layout.partitions);
    let waiting = match membership {
        Membership::Group(_) => format!("joining consumer group {}", context.group),
        Membership::Fixed(_) => "starting".to_owned(),
    };
    condition.pending(waiting);
    let crew = Crew::new(&context, ops, membership, condition, partitions);
    crew.run(stop).await?;
    if context.is_bounded() {
        // What others have counted is part of what is printed, and takes a moment to be read.
        let _ = timeout(VIEW_TIMEOUT, tail::until_caught_up(&context)).await;
    }
    Ok(())
}

/// A bounded run reads everything itself: joining would take partitions from those who are at work, for a while.
fn membership(context: &Context, configuration: &Configuration, partitions: i32) -> Membership {
    let (cluster, topic) = (&context.cluster, &context.names.transactions);
    let selection = match (&configuration.selection, context.is_bounded()) {
        (Some(selection), _) => selection.clone(),
        (None, true) => Selection::All,
        (None, false) => {
            let settings = GroupSettings {
                group: context.group.clone(),
                topic: topic.clone(),
                protocol: configuration.group_protocol,
            };
            return Membership::Group(GroupMember::join(cluster, settings));
        }
    };
    if selection.below(partitions).is_empty() && !selection.is_none() {
        warn!(
            event = "no_partition_to_work_on",
            partitions, "CONSUMER_PARTITIONS names no partition that the topic has: there is nothing to do"
        );
    }
    if let Some(partition) = selection.beyond(partitions) {
        warn!(
            event = "partition_not_there_yet",
            partition, partitions, "CONSUMER_PARTITIONS names a partition that the topic does not have yet"
        );
    }
    Membership::Fixed(FixedShare::new(cluster, &context.group, topic, selection, partitions))
}

/// The names that settings have for the protocols.
pub(crate) const GROUP_PROTOCOLS: [(&str, GroupProtocol); 2] =
    [("classic", GroupProtocol::Classic), ("consumer", GroupProtocol::Consumer)];
