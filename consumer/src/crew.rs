//! One worker for each partition of this process's share: started when a partition comes, stopped and drained before
//! it goes to somebody else.
//!
//! ```text
//!   Assigned ─▶ worker started        Revoked ─▶ worker drained ─▶ last commit ─▶ released
//!                                     Lost    ─▶ worker drained (harmless: its snapshot may be a stale one)
//! ```
//!
//! The classic protocol takes all partitions from everybody and gives most of them back a moment later. So what workers
//! had made of them is parked meanwhile: a partition that comes back goes on from there, if nobody else has worked on it.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use common::{
    kafka::{Fault, Grant, GroupChange, Released},
    service::{Condition, Ops},
};
use tokio::{
    sync::watch,
    task::{Id, JoinError, JoinSet},
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    folding::Folding,
    membership::Membership,
    pipeline::Context,
    worker::{Worker, WorkerError},
};

/// Time between two commits.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for one commit: meanwhile no change of the share is followed.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two looks at whether all is idle, where that ends the run.
const IDLE_INTERVAL: Duration = Duration::from_millis(100);
/// A worker that has not come round for so long is stuck. Far above what waiting for a broker can take.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(120);
/// Longest wait for the last commit and for leaving the group: a process that is asked to stop must not wait for a
/// broker that is silent.
const LAST_COMMIT_TIMEOUT: Duration = Duration::from_millis(500);
const LEAVE_TIMEOUT: Duration = Duration::from_millis(1_000);

/// The workers of this process.
pub(crate) struct Crew {
    context: Arc<Context>,
    ops: Ops,
    membership: Membership,
    partitions: watch::Receiver<i32>,
    /// Ready once this process knows its share.
    condition: Condition,
    hands: BTreeMap<i32, Hand>,
    working: JoinSet<Worked>,
    /// What ended workers had made of their partitions, until the next share is known.
    parked: BTreeMap<i32, Folding>,
    /// What was committed last.
    committed: BTreeMap<i32, i64>,
    commits_fail: bool,
    outcome: Result<(), WorkerError>,
}

/// How a worker ended.
type Worked = Result<Option<Folding>, WorkerError>;

/// One worker.
struct Hand {
    grant: Grant,
    stop: CancellationToken,
    task: Id,
    /// It has come to its end, in a bounded run.
    ended: bool,
}

impl Crew {
    /// Nobody works yet. `partitions` says how many there are, and when there are more.
    #[must_use]
    pub(crate) fn new(
        context: &Arc<Context>,
        ops: &Ops,
        membership: Membership,
        condition: Condition,
        partitions: watch::Receiver<i32>,
    ) -> Self {
        Self {
            context: Arc::clone(context),
            ops: ops.clone(),
            membership,
            partitions,
            condition,
            hands: BTreeMap::new(),
            working: JoinSet::new(),
            parked: BTreeMap::new(),
            committed: BTreeMap::new(),
            commits_fail: false,
            outcome: Ok(()),
        }
    }

    /// Works until stopped or, in a bounded run, until all workers have come to their end.
    ///
    /// # Errors
    /// [`WorkerError`] in a bounded run.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), WorkerError> {
        let (mut commits, mut looks) = (ticks(COMMIT_INTERVAL), ticks(IDLE_INTERVAL));
        let mut started = false;
        while !(started && self.context.is_bounded() && self.hands.values().all(|hand| hand.ended)) {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                change = self.membership.next() => {
                    started = true;
                    self.follow(change).await;
                }
                Some(ended) = self.working.join_next_with_id() => {
                    self.ended(ended);
                    if self.outcome.is_err() {
                        break;
                    }
                }
                changed = self.partitions.changed() => {
                    if changed.is_ok() {
                        let partitions = *self.partitions.borrow_and_update();
                        self.membership.grow(partitions);
                    }
                }
                _ = commits.tick() => {
                    // A stop must not wait for a coordinator that is silent.
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = self.commit(COMMIT_TIMEOUT) => {}
                    }
                }
                _ = looks.tick(), if self.context.idle_timeout.is_some() => {
                    if self.is_idle() {
                        break;
                    }
                }
            }
        }
        let all = self.hands.keys().copied().collect::<Vec<_>>();
        self.let_go(&all).await;
        self.commit(LAST_COMMIT_TIMEOUT).await;
        self.membership.leave(LEAVE_TIMEOUT).await;
        self.outcome
    }

    async fn follow(&mut self, change: GroupChange) {
        match change {
            GroupChange::Assigned(grants) => {
                let numbers: Vec<i32> = grants.iter().map(|grant| grant.partition).collect();
                info!(event = "partitions_assigned", partitions = ?numbers, "partitions assigned");
                self.condition.ready();
                // The same partition once more without having been taken away: the worker before makes way.
                self.let_go(&numbers).await;
                grants.into_iter().for_each(|grant| self.start(grant));
                self.parked.clear();
            }
            GroupChange::Revoked(partitions, released) => {
                self.give_up(&partitions, released).await;
                if self.hands.is_empty() {
                    self.condition.pending("the group is sharing the partitions out");
                }
            }
            GroupChange::Lost(partitions) => {
                warn!(event = "partitions_lost", ?partitions, "partitions lost: the group has given them to others");
                self.condition.not_ready("not a member of the group at the moment; joining again");
                self.let_go(&partitions).await;
                self.dismiss(&partitions);
            }
            GroupChange::Trouble(fault) => self.say_trouble(&fault),
        }
    }

    fn say_trouble(&self, fault: &Fault) {
        // The condition logs its reason once, and again when it changes.
        self.condition.not_ready(fault.to_string());
    }

    fn start(&mut self, grant: Grant) {
        let Grant { partition, .. } = grant;
        let name = format!("partition {partition}");
        let worker = Worker {
            context: Arc::clone(&self.context),
            partition,
            condition: self.ops.readiness.condition(name.clone()),
            heartbeat: self.ops.liveness.heartbeat(name, HEARTBEAT_LIMIT),
            parked: self.parked.remove(&partition),
        };
        // A child: at the end of the process all drains begin with the signal, whatever the crew is busy with.
        let stop = self.context.stopping.child_token();
        let task = self.working.spawn(worker.run(stop.clone())).id();
        self.hands.insert(partition, Hand { grant, stop, task, ended: false });
    }

    /// Drains the workers of `partitions`, tells the group how far they came, and lets the next owner begin.
    async fn give_up(&mut self, partitions: &[i32], released: Released) {
        info!(event = "partitions_revoked", ?partitions, "partitions revoked");
        self.let_go(partitions).await;
        self.commit(LAST_COMMIT_TIMEOUT).await;
        self.dismiss(partitions);
        if !self.hands.is_empty() {
            // Not everything was taken, so these have gone to somebody else.
            self.parked.clear();
        }
        drop(released);
    }

    /// Stops the workers of `partitions` and waits until they have ended, which they do within their drain deadline.
    async fn let_go(&mut self, partitions: &[i32]) {
        let going: HashSet<Id> = partitions
            .iter()
            .filter_map(|partition| self.hands.get(partition))
            .filter(|hand| !hand.ended)
            .map(|hand| {
                hand.stop.cancel();
                hand.task
            })
            .collect();
        let mut left = going.len();
        while left > 0 {
            let Some(ended) = self.working.join_next_with_id().await else { return };
            let id = match &ended {
                Ok((id, _)) => *id,
                Err(error) => error.id(),
            };
            left -= usize::from(going.contains(&id));
            self.note(ended);
        }
    }

    fn dismiss(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.hands.remove(partition);
            self.committed.remove(partition);
            self.context.view.forget_progress(*partition);
        }
    }

    /// A worker ended by itself: at its end, in a bounded run.
    fn ended(&mut self, ended: Result<(Id, Worked), JoinError>) {
        let id = self.note(ended);
        self.hands.values_mut().filter(|hand| hand.task == id).for_each(|hand| hand.ended = true);
    }

    fn note(&mut self, ended: Result<(Id, Worked), JoinError>) -> Id {
        let (id, result) = ended.expect("a task that panics stops the process");
        match result {
            // In a bounded run no partition comes back.
            Ok(Some(folding)) if !self.context.is_bounded() => {
                self.parked.insert(folding.state().partition(), folding);
            }
            Ok(_) => {}
            Err(error) if self.outcome.is_ok() => self.outcome = Err(error),
            Err(_) => {}
        }
        id
    }

    /// Tells the group how far this process's partitions have come.
    async fn commit(&mut self, within: Duration) {
        let new: Vec<(Grant, i64)> = self.hands.values().filter_map(|hand| self.to_commit(hand.grant)).collect();
        if new.is_empty() {
            return;
        }
        let silent = Fault::Passing { doing: "group commit".to_owned(), cause: "no answer".to_owned() };
        match timeout(within, self.membership.commit(&new)).await.unwrap_or(Err(silent)) {
            Ok(()) => {
                self.committed.extend(new.iter().map(|(grant, offset)| (grant.partition, *offset)));
                if std::mem::take(&mut self.commits_fail) {
                    info!(event = "group_commits_recovered", "group commits work again");
                }
            }
            Err(cause) => {
                self.context.view.count_failed_commit();
                if std::mem::replace(&mut self.commits_fail, true) {
                    debug!(event = "group_commit_failed", %cause, "group commit failed");
                } else {
                    warn!(
                        event = "group_commits_failing",
                        %cause, "group commits fail: lag as tools show it grows stale; counting goes on"
                    );
                }
            }
        }
    }

    fn to_commit(&self, grant: Grant) -> Option<(Grant, i64)> {
        let offset = self.context.view.snapshot(grant.partition)?.next_offset;
        (self.committed.get(&grant.partition) != Some(&offset)).then_some((grant, offset))
    }

    /// Whether the broker has been saying for long enough, of every partition, that there is nothing more.
    fn is_idle(&self) -> bool {
        let Some(limit) = self.context.idle_timeout else { return false };
        let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        let progress = |partition: &i32| self.context.view.progress(*partition).idle_ms.load(Relaxed);
        let idle = !self.hands.is_empty() && self.hands.keys().all(|partition| progress(partition) >= limit_ms);
        if idle {
            info!(event = "idle_timeout_reached", "nothing has arrived for {limit_ms} ms; stopping");
        }
        idle
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
