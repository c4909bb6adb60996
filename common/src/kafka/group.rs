//! Membership of a consumer group: which partitions this process is to work on, and where it tells the group how far
//! it has come. krafka joins, beats and commits; every partition it is given stays paused, for rskafka moves the
//! records.
//!
//! ```text
//!   polling task ── Assigned ──▶ ┌───────────┐
//!                ── Revoked ───▶ │ whoever   │ ── commit ──▶ coordinator
//!         (waits for Released) ◀─┤ calls next│
//!                ── Lost ──────▶ └───────────┘
//! ```
//!
//! Promises: a partition is not handed to another member before [`Released`] is dropped, within half the time that the
//! coordinator waits; no commit is sent for a partition that was given away meanwhile; a group that can't be joined is
//! tried again for ever, and said so as [`GroupChange::Trouble`]. It must never fetch a record.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use krafka::{
    CloseOptions,
    consumer::{
        AutoOffsetReset, Consumer, ConsumerRebalanceListener, GroupProtocol as Protocol, OffsetAndMetadata,
        PartitionAssignmentStrategy, TopicPartition,
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Cluster, Fault, REQUEST_TIMEOUT, admin::fault_of};

/// How long the coordinator waits for a sign of life before it gives a member's partitions to others: the least that
/// brokers allow by default.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// Time between two signs of life; it is also how soon a member hears that others came or went.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(300);
/// How long a member may take to give its partitions up before the coordinator goes on without it.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for whoever works on revoked partitions.
const RELEASE_TIMEOUT: Duration = REBALANCE_TIMEOUT.checked_div(2).expect("two is not zero");
/// How long one poll takes, as none has anything to fetch. Only at its start does krafka look whether the members are
/// being called together, so this comes on top of every takeover.
const POLL: Duration = Duration::from_millis(100);
/// Pause before the group is joined again after a fault.
const REJOIN_PAUSE: Duration = Duration::from_secs(1);
/// A group that could not be joined for so long is in trouble.
const JOIN_PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for one commit.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Changes that may wait to be taken.
const CHANGES_MAX: usize = 16;

/// How the members of a group agree on who works on what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// Every broker knows it. All partitions pause while members come and go.
    #[default]
    Classic,
    /// KIP-848, from Kafka 4.0: only partitions that move pause.
    Consumer,
}

/// Which group, and for which topic.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// Name of the group.
    pub group: String,
    /// The topic that is shared out.
    pub topic: String,
    /// How.
    pub protocol: GroupProtocol,
}

/// A partition that this member was given. Each time it is given has its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The partition.
    pub partition: i32,
    seq: u64,
}

impl Grant {
    /// A grant that nobody takes back, for partitions that are not shared out by a group.
    #[must_use]
    pub fn lasting(partition: i32) -> Self {
        Self { partition, seq: 0 }
    }
}

/// What happened to this member's share.
#[derive(Debug)]
pub enum GroupChange {
    /// These partitions came; none when the group has more members than partitions.
    Assigned(Vec<Grant>),
    /// These partitions go to somebody else as soon as [`Released`] is dropped.
    Revoked(Vec<i32>, Released),
    /// These partitions were given to others already.
    Lost(Vec<i32>),
    /// The group can't be joined, or reached; it is being tried again.
    Trouble(Fault),
}

/// Holds partitions back from their next owner for as long as it lives, within bounds.
#[derive(Debug)]
pub struct Released {
    _dropped: Option<oneshot::Sender<()>>,
}

/// This process as a member of a group.
pub struct GroupMember {
    changes: mpsc::Receiver<GroupChange>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    polling: JoinHandle<()>,
}

struct Shared {
    cluster: Cluster,
    settings: GroupSettings,
    held: Mutex<Held>,
    consumer: Mutex<Option<Arc<Consumer>>>,
    /// The coordinator has given this member its share, perhaps an empty one.
    joined: AtomicBool,
    rejoin: AtomicBool,
}

#[derive(Default)]
struct Held {
    last_seq: u64,
    by_partition: HashMap<i32, u64>,
}

impl GroupMember {
    /// Joins the group, in the background, for as long as it takes.
    #[must_use]
    pub fn join(cluster: &Cluster, settings: GroupSettings) -> Self {
        let (sender, changes) = mpsc::channel(CHANGES_MAX);
        let shared = Arc::new(Shared {
            cluster: cluster.clone(),
            settings,
            held: Mutex::default(),
            consumer: Mutex::default(),
            joined: AtomicBool::new(false),
            rejoin: AtomicBool::new(false),
        });
        let stop = CancellationToken::new();
        let polling = tokio::spawn(stay_joined(Arc::clone(&shared), sender, stop.clone()));
        Self { changes, shared, stop, polling }
    }

    /// The next change. May be dropped and called again; nothing is lost.
    pub async fn next(&mut self) -> GroupChange {
        self.changes.recv().await.expect("the polling task ends only by `leave`, and a panic stops the process")
    }

    /// Has partitions shared out that the topic has gained: a classic member leaves and joins again, for its client
    /// would not look; with KIP-848 the broker sees to it.
    pub fn rejoin(&self) {
        if self.shared.settings.protocol == GroupProtocol::Consumer {
            return;
        }
        self.shared.rejoin.store(true, Relaxed);
    }

    /// Commits the offsets of those grants that still hold.
    ///
    /// # Errors
    /// [`Fault`] when the coordinator refused or did not answer. Nothing depends on a commit: the next one makes up
    /// for it.
    pub async fn commit(&self, offsets: &[(Grant, i64)]) -> Result<(), Fault> {
        let doing = format!("committing offsets of group {}", self.shared.settings.group);
        let not_joined = || Fault::Passing { doing: doing.clone(), cause: "not a member at the moment".to_owned() };
        let consumer = lock(&self.shared.consumer).clone().ok_or_else(not_joined)?;
        let offsets = self.shared.still_held(offsets);
        if offsets.is_empty() {
            return Ok(());
        }
        match timeout(COMMIT_TIMEOUT, consumer.commit_offsets(offsets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(fault_of(&self.shared.cluster, &doing, &error)),
            Err(_) => Err(Fault::silent(&doing, COMMIT_TIMEOUT)),
        }
    }

    /// Leaves the group, so that others take over at once instead of after the session timeout.
    pub async fn leave(self, within: Duration) {
        let Self { changes, shared, stop, mut polling } = self;
        // Nobody waits for what is revoked from here on: whoever leaves has let go already.
        drop(changes);
        stop.cancel();
        if let Some(consumer) = lock(&shared.consumer).as_ref() {
            consumer.wakeup();
        }
        if timeout(within, &mut polling).await.is_err() {
            polling.abort();
        }
    }
}

impl Shared {
    fn still_held(&self, offsets: &[(Grant, i64)]) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        let held = lock(&self.held);
        let holds = |grant: &Grant| held.by_partition.get(&grant.partition) == Some(&grant.seq);
        let named = |&(grant, offset): &(Grant, i64)| {
            (TopicPartition::new(self.settings.topic.as_str(), grant.partition), OffsetAndMetadata::new(offset))
        };
        offsets.iter().filter(|(grant, _)| holds(grant)).map(named).collect()
    }

    fn hold(&self, partitions: &[i32]) -> Vec<Grant> {
        let mut held = lock(&self.held);
        let mut grant = |&partition: &i32| {
            held.last_seq += 1;
            let seq = held.last_seq;
            held.by_partition.insert(partition, seq);
            Grant { partition, seq }
        };
        partitions.iter().map(&mut grant).collect()
    }

    fn let_go(&self, partitions: &[i32]) {
        let mut held = lock(&self.held);
        held.by_partition.retain(|partition, _| !partitions.contains(partition));
    }

    fn holds_any(&self) -> bool {
        !lock(&self.held).by_partition.is_empty()
    }

    fn let_go_of_all(&self) -> Vec<i32> {
        lock(&self.held).by_partition.drain().map(|(partition, _)| partition).collect()
    }
}

/// Joins, stays, and joins again after a fault, until stopped.
async fn stay_joined(shared: Arc<Shared>, changes: mpsc::Sender<GroupChange>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let listener = Listener { shared: Arc::clone(&shared), changes: changes.clone(), consumer: OnceLock::new() };
        let listener = Arc::new(listener);
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            opened = open(&shared, Arc::clone(&listener)) => match opened {
                Ok(consumer) => poll_until(&shared, &consumer, &changes, &stop).await,
                Err(fault) => Err(fault),
            },
        };
        shared.joined.store(false, Relaxed);
        lock(&shared.consumer).take();
        let lost = shared.let_go_of_all();
        if stop.is_cancelled() {
            return;
        }
        if !lost.is_empty() && changes.send(GroupChange::Lost(lost)).await.is_err() {
            return;
        }
        let Err(fault) = ended else { continue };
        if changes.send(GroupChange::Trouble(fault)).await.is_err() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(REJOIN_PAUSE) => {}
        }
    }
}

/// A consumer that has subscribed to the topic, and will join with its first poll.
async fn open(shared: &Arc<Shared>, listener: Arc<Listener>) -> Result<Arc<Consumer>, Fault> {
    let settings = &shared.settings;
    let doing = format!("joining group {}", settings.group);
    shared.rejoin.store(false, Relaxed);
    // Not the shared one: it would remember how many partitions the topic had.
    let kafka = shared.cluster.connect_control().await?;
    let opening = async {
        let consumer = kafka
            .consumer(&settings.group)
            .group_protocol(match settings.protocol {
                GroupProtocol::Classic => Protocol::Classic,
                GroupProtocol::Consumer => Protocol::Consumer,
            })
            .partition_assignment_strategy(PartitionAssignmentStrategy::Range)
            .session_timeout(SESSION_TIMEOUT)
            .heartbeat_interval(HEARTBEAT_INTERVAL)
            .max_poll_interval(REBALANCE_TIMEOUT)
            .idle_poll_backoff(POLL)
            .auto_offset_reset(AutoOffsetReset::Earliest)
            .enable_auto_commit(false)
            .metrics_push(false)
            .rebalance_listener(Arc::clone(&listener))
            .build()
            .await?;
        let consumer = Arc::new(consumer);
        let _ = listener.consumer.set(Arc::downgrade(&consumer));
        consumer.subscribe([settings.topic.as_str()]).await?;
        Ok(consumer)
    };
    let consumer = match timeout(REQUEST_TIMEOUT, opening).await {
        Ok(Ok(consumer)) => consumer,
        Ok(Err(error)) => return Err(fault_of(&shared.cluster, &doing, &error)),
        Err(_) => return Err(Fault::silent(&doing, REQUEST_TIMEOUT)),
    };
    *lock(&shared.consumer) = Some(Arc::clone(&consumer));
    Ok(consumer)
}

/// Polls until stopped, asked to join anew, or no longer able to. A poll is never dropped, for partitions may just be
/// changing hands in it: what ends the loop is looked at between polls.
async fn poll_until(
    shared: &Shared,
    consumer: &Consumer,
    changes: &mpsc::Sender<GroupChange>,
    stop: &CancellationToken,
) -> Result<(), Fault> {
    let doing = format!("joining group {}", shared.settings.group);
    let mut patience_ends = Instant::now() + JOIN_PATIENCE;
    loop {
        let polled = consumer.poll(POLL).await;
        let joined = shared.joined.load(Relaxed);
        if joined {
            patience_ends = Instant::now() + JOIN_PATIENCE;
        }
        if stop.is_cancelled() || shared.rejoin.swap(false, Relaxed) {
            let _ = consumer.close_with(CloseOptions::new().timeout(RELEASE_TIMEOUT)).await;
            return Ok(());
        }
        if !joined && Instant::now() >= patience_ends {
            // krafka tries on by itself, and mostly without a word.
            patience_ends = Instant::now() + JOIN_PATIENCE;
            let cause = polled.as_ref().err().map_or("no share of the partitions yet".to_owned(), ToString::to_string);
            let _ = changes.send(GroupChange::Trouble(Fault::Passing { doing: doing.clone(), cause })).await;
        }
        let Err(error) = polled else { continue };
        if !error.is_retriable() {
            let _ = consumer.close_with(CloseOptions::new().timeout(RELEASE_TIMEOUT)).await;
            return Err(fault_of(&shared.cluster, &doing, &error));
        }
        sleep(POLL).await;
    }
}

/// Hears from krafka what changed. No call here may wait for long but for [`Released`].
struct Listener {
    shared: Arc<Shared>,
    changes: mpsc::Sender<GroupChange>,
    consumer: OnceLock<Weak<Consumer>>,
}

impl ConsumerRebalanceListener for Listener {
    async fn on_partitions_assigned(&self, partitions: &[TopicPartition]) {
        let partitions = numbers(partitions);
        if let Some(consumer) = self.consumer.get().and_then(Weak::upgrade) {
            consumer.pause(&self.shared.settings.topic, &partitions).await;
        }
        self.shared.joined.store(true, Relaxed);
        let _ = self.changes.send(GroupChange::Assigned(self.shared.hold(&partitions))).await;
    }

    async fn on_partitions_revoked(&self, partitions: &[TopicPartition]) {
        let partitions = numbers(partitions);
        let (dropped, released) = oneshot::channel();
        let revoked = GroupChange::Revoked(partitions.clone(), Released { _dropped: Some(dropped) });
        if self.changes.send(revoked).await.is_ok() {
            let _ = timeout(RELEASE_TIMEOUT, released).await;
        }
        // Only now: a last commit was still this member's to make.
        self.shared.let_go(&partitions);
        self.shared.joined.store(self.shared.holds_any(), Relaxed);
    }

    async fn on_partitions_lost(&self, partitions: &[TopicPartition]) {
        let partitions = numbers(partitions);
        self.shared.let_go(&partitions);
        self.shared.joined.store(false, Relaxed);
        let _ = self.changes.send(GroupChange::Lost(partitions)).await;
    }
}

fn numbers(partitions: &[TopicPartition]) -> Vec<i32> {
    partitions.iter().map(|of| of.partition).collect()
}

/// A poisoned lock means a panic elsewhere, which stops the process anyway; every change under these locks is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
