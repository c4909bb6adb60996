//! One partition, from its log to durable figures. Read downwards, this follows one record:
//!
//! ```text
//!   fetched (one batch ahead) ─▶ folded ─▶ effects and snapshot handed to the checkpointer ─▶ shown
//! ```
//!
//! Folding goes on while a checkpoint is being written. Everything between the stages is bounded: one batch ahead, one
//! checkpoint under way, and effects up to a limit, beyond which the worker stops taking batches.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use common::{
    kafka::{Batch, PartitionReader, RecordView},
    service::{Condition, Heartbeat},
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    checkpoint::{Checkpoint, CheckpointError, Checkpointer},
    clock::now_ms,
    dead_letter::{DeadLetter, Source},
    fingerprint::fingerprint,
    fold::{LastRecord, PartitionState, Verdict},
    pipeline::Context,
    read_ahead::{Ahead, ReadAhead},
    restore::{Restore, RestoreError, Restored},
    view::Progress,
};

/// Most bytes of dead letters that wait for a checkpoint before no more records are taken.
const DEAD_LETTER_BYTES_MAX: usize = 4 << 20;
/// Most closed windows that wait for a checkpoint before no more records are taken.
const CLOSED_WINDOWS_MAX: usize = 1_000;
/// How long one write of a checkpoint may take, all tries together.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// How long the last checkpoint may take after a stop was asked for.
const DRAIN_DEADLINE: Duration = Duration::from_secs(3);
/// Without an answer from Kafka for so long, a partition is not ready, though its requests are still being tried. An
/// idle partition hears that it is idle several times in this time.
const STALL_LIMIT: Duration = Duration::from_secs(5);
/// Pause before a partition is taken up again after a fault.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Why a partition stopped.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be taken up, or not be read on.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Its progress could not be made durable.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl WorkerError {
    /// Whether taking the partition up again may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Restore(RestoreError::Fault(fault)) => fault.may_pass(),
            Self::Restore(_) => false,
            Self::Checkpoint(error) => error.may_pass(),
        }
    }
}

/// What one partition's worker works with.
pub struct Worker {
    /// What all workers share.
    pub context: Arc<Context>,
    /// The partition.
    pub partition: i32,
    /// Where to stop, in a bounded run.
    pub end: Option<i64>,
    /// What the group had committed for the partition at the start.
    pub committed: Option<i64>,
    /// Ready while the partition moves.
    pub condition: Condition,
    /// Beats while the loop comes round.
    pub heartbeat: Heartbeat,
}

impl Worker {
    /// Works until stopped or, in a bounded run, until the end. Faults that may pass are answered by beginning again
    /// from the last snapshot, which is the same road as after a crash; a bounded run gives up instead.
    ///
    /// # Errors
    /// [`WorkerError`] that nothing here can mend.
    pub async fn run(self, stop: CancellationToken) -> Result<(), WorkerError> {
        loop {
            let Err(error) = Box::pin(self.run_once(&stop)).await else { return Ok(()) };
            if !error.may_pass() || self.context.bounded {
                self.condition.not_ready(error.to_string());
                return Err(error);
            }
            warn!(partition = self.partition, %error, "partition stopped; taking it up again from its last snapshot");
            self.condition.not_ready(error.to_string());
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(RESTART_PAUSE) => self.heartbeat.beat(),
            }
        }
    }

    async fn run_once(&self, stop: &CancellationToken) -> Result<(), WorkerError> {
        let context = &self.context;
        let mut reader =
            PartitionReader::new(&context.cluster, &context.names.transactions, self.partition, context.read);
        let restore = Restore {
            cluster: &context.cluster,
            names: &context.names,
            partition: self.partition,
            settings: &context.fold,
            committed: self.committed,
            hash_seed: context.hash_seed,
        };
        let restored = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            restored = restore.run(&mut reader) => restored?,
        };
        self.condition.ready();
        if let Some(end) = self.end {
            let left = end - restored.state.next_offset();
            context.view.add_to_goal(u64::try_from(left).unwrap_or(0));
        }
        let mut folding = Folding::new(context, restored);
        let ahead = ReadAhead::new(reader, &folding.state, folding.last_record.clone());
        Box::pin(self.fold_until_done(&mut folding, ahead, stop)).await
    }

    async fn fold_until_done(
        &self,
        folding: &mut Folding,
        mut ahead: ReadAhead,
        stop: &CancellationToken,
    ) -> Result<(), WorkerError> {
        let context = &self.context;
        let mut idle = Some(Checkpointer::new(&context.cluster, &context.names, self.partition, WRITE_DEADLINE));
        let mut writing = JoinSet::new();
        let mut ticks = interval(context.snapshot_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = false;
        let mut heard = Instant::now();
        let mut stalled = false;
        while self.end.is_none_or(|end| folding.state.next_offset() < end) {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(written) = writing.join_next() => idle = Some(self.written(written)?),
                found = ahead.next(), if !folding.is_full() => {
                    let found = found?;
                    heard = Instant::now();
                    if std::mem::take(&mut stalled) {
                        self.condition.ready();
                    }
                    ahead.begin().await;
                    if folding.take(found, self.end) {
                        context.note_arrival();
                    }
                }
                _ = ticks.tick() => {
                    due = true;
                    if heard.elapsed() > STALL_LIMIT && !stalled {
                        stalled = true;
                        self.condition.not_ready(format!("nothing heard from Kafka for {} s", STALL_LIMIT.as_secs()));
                    }
                }
            }
            self.heartbeat.beat();
            if folding.wants_checkpoint(due, context.snapshot_records)
                && let Some(checkpointer) = idle.take()
            {
                due = false;
                writing.spawn(write(checkpointer, folding.checkpoint()));
            }
        }
        self.drain(folding, idle, writing).await
    }

    /// Makes the last records durable. What does not make it in time is read again by whoever comes next.
    async fn drain(
        &self,
        folding: &mut Folding,
        mut idle: Option<Checkpointer>,
        mut writing: JoinSet<Written>,
    ) -> Result<(), WorkerError> {
        let draining = async {
            if let Some(written) = writing.join_next().await {
                idle = Some(self.written(written)?);
            }
            if folding.is_unsaved()
                && let Some(checkpointer) = idle.take()
            {
                self.written(Ok(write(checkpointer, folding.checkpoint()).await))?;
            }
            Ok(())
        };
        // A bounded run exists for its result: it takes the time that a write may take.
        let limit = if self.end.is_some() { 3 * WRITE_DEADLINE } else { DRAIN_DEADLINE };
        match timeout(limit, draining).await {
            Ok(drained) => drained,
            Err(_) => {
                warn!(
                    partition = self.partition,
                    "the last snapshot was not acknowledged in time; its records will be read again"
                );
                Ok(())
            }
        }
    }

    fn written(&self, written: Result<Written, tokio::task::JoinError>) -> Result<Checkpointer, WorkerError> {
        let (checkpointer, checkpoint, result) = written.expect("a task that panics stops the process");
        result?;
        self.context.view.publish(Arc::new(checkpoint.snapshot));
        Ok(checkpointer)
    }
}

type Written = (Checkpointer, Checkpoint, Result<(), CheckpointError>);

async fn write(mut checkpointer: Checkpointer, checkpoint: Checkpoint) -> Written {
    let result = checkpointer.write(&checkpoint).await;
    (checkpointer, checkpoint, result)
}

/// A partition's state and what has come of it since the last checkpoint.
struct Folding {
    context: Arc<Context>,
    progress: Arc<Progress>,
    state: PartitionState,
    last_record: Option<LastRecord>,
    dead_letters: Vec<DeadLetter>,
    dead_letter_bytes: usize,
    records_unsaved: u64,
    unsaved: bool,
}

impl Folding {
    fn new(context: &Arc<Context>, restored: Restored) -> Self {
        let Restored { state, last_record, is_new } = restored;
        let progress = context.view.progress(state.partition());
        progress.next_offset.store(state.next_offset(), Relaxed);
        if !is_new {
            // What was durable before can be shown at once.
            context.view.publish(Arc::new(state.snapshot(last_record.clone(), now_ms())));
        }
        Self {
            context: Arc::clone(context),
            progress,
            state,
            last_record,
            dead_letters: Vec::new(),
            dead_letter_bytes: 0,
            records_unsaved: 0,
            // A new generation begins with a snapshot that fixes its settings.
            unsaved: is_new,
        }
    }

    /// Takes what was read; whether it brought the partition on.
    fn take(&mut self, ahead: Ahead, end: Option<i64>) -> bool {
        let before = self.state.next_offset();
        match ahead {
            Ahead::Batch(batch) => self.fold(&batch, end.unwrap_or(i64::MAX)),
            Ahead::Deleted(start) => {
                warn!(
                    partition = self.state.partition(),
                    from = before,
                    to = start,
                    "retention deleted records before they were read; the ledger counts them as skipped"
                );
                self.state.skip_to(start);
                self.unsaved = true;
            }
        }
        self.progress.next_offset.store(self.state.next_offset(), Relaxed);
        self.state.next_offset() > before
    }

    fn fold(&mut self, batch: &Batch, end: i64) {
        let before = self.state.next_offset();
        let mut last = None;
        let mut folded = 0;
        for record in batch.iter().take_while(|record| record.offset < end) {
            match self.state.fold(&record) {
                Verdict::Rejected(reason) => {
                    let letter = DeadLetter::new(&record, reason);
                    self.dead_letter_bytes += letter.bytes();
                    self.dead_letters.push(letter);
                }
                verdict => self.context.view.offer_sample(&verdict),
            }
            last = Some(record);
            folded += 1;
        }
        if let Some(last) = last {
            self.note_last(&last);
        }
        self.state.advance_to(batch.next_offset().min(end));
        self.unsaved |= self.state.next_offset() > before;
        self.records_unsaved += folded;
        self.progress.folded.fetch_add(folded, Relaxed);
        self.progress.high_watermark.store(batch.high_watermark(), Relaxed);
    }

    fn note_last(&mut self, record: &RecordView<'_>) {
        self.last_record = Some(fingerprint(record));
    }

    fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// So much waits to go out that no more may come.
    fn is_full(&self) -> bool {
        self.dead_letter_bytes >= DEAD_LETTER_BYTES_MAX || self.state.closed_windows_waiting() >= CLOSED_WINDOWS_MAX
    }

    fn wants_checkpoint(&self, due: bool, records_max: u64) -> bool {
        self.unsaved && (due || self.records_unsaved >= records_max || self.is_full())
    }

    fn checkpoint(&mut self) -> Checkpoint {
        self.unsaved = false;
        self.records_unsaved = 0;
        self.dead_letter_bytes = 0;
        Checkpoint {
            source: Source {
                topic: self.context.names.transactions.clone(),
                partition: self.state.partition(),
                generation: self.state.generation(),
            },
            dead_letters: std::mem::take(&mut self.dead_letters),
            windows: self.state.take_closed_windows(),
            snapshot: self.state.snapshot(self.last_record.clone(), now_ms()),
        }
    }
}
