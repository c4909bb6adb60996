//! One partition: restored from its highest snapshot, worked on, and taken up again after whatever went wrong.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use common::{
    kafka::PartitionReader,
    service::{Condition, Heartbeat},
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::{CheckpointError, Checkpointer},
    clock::now_ms,
    folding::Folding,
    latency::Stopwatch,
    pipeline::Context,
    read_ahead::ReadAhead,
    restore::{Restore, RestoreError, Restored},
    shift::Shift,
    traces::PartitionTraces,
};

/// How long one write of a checkpoint may take, all tries together.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// How long the last checkpoint of a run may take that exists for its result.
pub(crate) const RESULT_DEADLINE: Duration = WRITE_DEADLINE.saturating_mul(3);
/// Pause before a partition is taken up again after a fault.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// Pause before it is tried again where somebody has to mend something first.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// Time between two beats while a partition is being restored.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// Why a partition stopped.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be taken up, or not be read on.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Its progress could not be made durable.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It was read to its end, but that could not be made durable.
    #[error(
        "the last snapshot of partition {partition} was not acknowledged within {} s: the figures are not complete. \
         Run it again; it goes on from the snapshot before",
        RESULT_DEADLINE.as_secs()
    )]
    NotDurable {
        /// The partition.
        partition: i32,
    },
}

impl WorkerError {
    /// Whether taking the partition up again may help, without anybody mending anything but the brokers.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Restore(RestoreError::Fault(fault)) => fault.may_pass(),
            Self::Restore(_) => false,
            Self::Checkpoint(error) => error.may_pass(),
            Self::NotDurable { .. } => true,
        }
    }
}

/// What one partition's worker works with.
pub struct Worker {
    /// What all workers share.
    pub context: Arc<Context>,
    /// The partition.
    pub partition: i32,
    /// Ready while the partition moves.
    pub condition: Condition,
    /// Beats while the loop comes round.
    pub heartbeat: Heartbeat,
    /// What a worker of this process had made of the partition before.
    pub parked: Option<Folding>,
}

/// How one attempt at a partition ended.
pub(crate) enum Ended {
    /// Stopped, or at its end; all that was folded is durable where what it was folded to is given.
    Done(Option<Box<Folding>>),
    /// Another generation has begun.
    Superseded,
}

impl Worker {
    /// Works until stopped or, in a bounded run, until the end. Whatever stops it is answered by beginning again from
    /// the last snapshot, which is the same road as after a crash, so that it goes on as soon as the fault is mended;
    /// a bounded run gives up instead. Gives what it has made of the partition, if all of it is durable.
    ///
    /// # Errors
    /// [`WorkerError`] in a bounded run.
    pub async fn run(mut self, stop: CancellationToken) -> Result<Option<Folding>, WorkerError> {
        // From here on somebody waits for an answer.
        self.context.view.progress(self.partition).heard_at_ms.store(now_ms(), Relaxed);
        loop {
            let parked = self.parked.take();
            let error = match Box::pin(self.run_once(parked, &stop)).await {
                Ok(Ended::Done(folding)) => {
                    self.condition.retire();
                    return Ok(folding.map(|folding| *folding));
                }
                Ok(Ended::Superseded) => {
                    self.beating(sleep(RESTART_PAUSE)).await;
                    continue;
                }
                Err(error) => error,
            };
            self.condition.not_ready(error.to_string());
            self.context.view.progress(self.partition).idle_ms.store(-1, Relaxed);
            if self.context.is_bounded() {
                return Err(error);
            }
            // The condition has logged it, for this partition; what many have in common is said again from time to time.
            if let WorkerError::Restore(RestoreError::Fault(fault)) = &error {
                self.context.cluster.remind(fault);
            }
            let pause = if error.may_pass() { RESTART_PAUSE } else { REFUSED_PAUSE };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.beating(sleep(pause)) => {}
            }
            if stop.is_cancelled() {
                self.condition.retire();
                return Ok(None);
            }
        }
    }

    async fn run_once(&self, parked: Option<Folding>, stop: &CancellationToken) -> Result<Ended, WorkerError> {
        let context = &self.context;
        let progress = context.view.progress(self.partition);
        // What was seen in an attempt before is not live any more.
        progress.idle_ms.store(-1, Relaxed);
        progress.high_watermark.store(-1, Relaxed);
        let mut reader =
            PartitionReader::new(&context.cluster, &context.names.transactions, self.partition, context.read);
        let restore = Restore {
            cluster: &context.cluster,
            names: &context.names,
            partition: self.partition,
            group: &context.group,
            settings: &context.fold,
            hash_seed: context.hash_seed,
            view: &context.view,
        };
        let restoring = async {
            let end =
                if context.until_end { Some(reader.bounds().await.map_err(RestoreError::from)?.end) } else { None };
            let restored = restore.run(&mut reader, parked).await?;
            Ok::<_, WorkerError>((restored, end))
        };
        let (Restored { folding, snapshot }, end) = tokio::select! {
            () = stop.cancelled() => return Ok(Ended::Done(None)),
            restored = self.beating(restoring) => restored?,
        };
        self.condition.ready();
        if let Some(stored) = snapshot {
            // What was durable before can be shown at once.
            context.view.publish(Arc::new(stored.snapshot), stored.state_offset);
        }
        let next_offset = folding.state().next_offset();
        if let Some(end) = end {
            context.view.add_to_goal(u64::try_from(end - next_offset).unwrap_or(0));
        }
        progress.next_offset.store(next_offset, Relaxed);
        progress.idle_ms.store(0, Relaxed);
        let ahead = ReadAhead::new(reader, folding.state(), folding.last_record().cloned());
        let checkpointer = Checkpointer::new(&context.cluster, &context.names, self.partition, WRITE_DEADLINE);
        let traces = context
            .traces
            .as_ref()
            .map(|traces| PartitionTraces::new(traces, &context.names.transactions, &context.group, self.partition));
        let shift = Shift {
            worker: self,
            folding,
            progress,
            end,
            arrived: Instant::now(),
            stopwatch: Stopwatch::default(),
            traces,
        };
        Box::pin(shift.run(ahead, checkpointer, stop)).await
    }

    /// Waits for `work`, whose every step is bounded, and says meanwhile that it is not stuck.
    pub(crate) async fn beating<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match timeout(BEAT_INTERVAL, work.as_mut()).await {
                Ok(done) => return done,
                Err(_) => self.heartbeat.beat(),
            }
        }
    }
}
