//! The inner loop of a worker, from a restored partition to whatever ends it.
//!
//! ```text
//!   fetched (one batch ahead) ─▶ folded ─▶ checkpoint being written, at most one ─▶ shown
//! ```
//!
//! Folding goes on while a checkpoint is being written. Everything between the stages is bounded: one batch ahead, one
//! checkpoint under way, and effects up to a limit, beyond which no more batches are taken.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    checkpoint::{Checkpoint, CheckpointError, Checkpointer},
    clock::{now_ms, now_us},
    folding::Folding,
    latency::{Stopwatch, Waiting},
    pipeline::Context,
    read_ahead::{Ahead, ReadAhead},
    traces::{self, Folded, PartitionTraces},
    view::{Progress, Timestamps},
    worker::{Ended, RESULT_DEADLINE, Worker, WorkerError},
};

/// How long the last checkpoint may take after a stop was asked for.
const DRAIN_DEADLINE: Duration = Duration::from_secs(3);
/// Without an answer from Kafka for so long, a partition is not ready, though its requests are still being tried. An
/// idle partition hears that it is idle several times in this time.
const STALL_LIMIT: Duration = Duration::from_secs(5);

/// A partition being worked on, from its restore to whatever ends that.
pub(crate) struct Shift<'w> {
    pub(crate) worker: &'w Worker,
    pub(crate) folding: Folding,
    pub(crate) progress: Arc<Progress>,
    /// Where to stop, in a bounded run.
    pub(crate) end: Option<i64>,
    /// When records came last.
    pub(crate) arrived: Instant,
    /// How long records took to come here.
    pub(crate) stopwatch: Stopwatch,
    /// Of those that ask to be traced, where traces are on.
    pub(crate) traces: Option<PartitionTraces>,
}

/// When a partition's turn comes within the interval: at different moments for different ones. Were all snapshots made at
/// once, they would hold up each other and every record that came meanwhile. Multiples of the golden ratio fall far from each
/// other however many there are (Knuth, The Art of Computer Programming, 6.4: Fibonacci hashing).
fn phase(partition: i32, interval: Duration) -> Duration {
    const GOLDEN_RATIO: u32 = 0x9e37_79b9;
    interval.mul_f64(f64::from(partition.cast_unsigned().wrapping_mul(GOLDEN_RATIO)) / f64::from(u32::MAX))
}

impl Shift<'_> {
    /// Folds what comes, and makes it durable, until stopped or at the end.
    ///
    /// # Errors
    /// [`WorkerError`]; what is durable stays so.
    pub(crate) async fn run(
        mut self,
        mut ahead: ReadAhead,
        checkpointer: Checkpointer,
        stop: &CancellationToken,
    ) -> Result<Ended, WorkerError> {
        let Worker { context, partition, condition, heartbeat, .. } = self.worker;
        let mut ticks =
            interval_at(Instant::now() + phase(*partition, context.snapshot_interval), context.snapshot_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The checkpointer, or the task that is busy with it: at most one checkpoint is under way.
        let mut idle = Some(checkpointer);
        let mut writing = JoinSet::new();
        let mut due = true;
        let mut heard = Instant::now();
        let mut stalled = false;
        while self.end.is_none_or(|end| self.folding.state().next_offset() < end) {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(written) = writing.join_next() => idle = Some(show(context, written)?),
                _ = ticks.tick() => {
                    due = true;
                    if heard.elapsed() > STALL_LIMIT && !stalled {
                        stalled = true;
                        condition.not_ready(context.cluster.silence(STALL_LIMIT));
                    }
                    if self.folding.heed(&context.view) {
                        info!(
                            event = "generation_superseded",
                            partition, "another generation has begun, or may have; restoring"
                        );
                        return Ok(Ended::Superseded);
                    }
                }
                found = ahead.next(), if !self.folding.is_full() => {
                    let found = found?;
                    heard = Instant::now();
                    if std::mem::take(&mut stalled) {
                        condition.ready();
                    }
                    ahead.begin().await;
                    self.take(found);
                }
            }
            heartbeat.beat();
            if self.folding.wants_checkpoint(due, context.snapshot_records)
                && let Some(checkpointer) = idle.take()
            {
                due = false;
                writing.spawn(self.checkpoint(checkpointer));
            }
        }
        Box::pin(self.drain(idle, writing)).await
    }

    /// Takes what was read.
    fn take(&mut self, ahead: Ahead) {
        let before = self.folding.state().next_offset();
        match ahead {
            Ahead::Batch(batch) => {
                let view = &self.worker.context.view;
                let end = self.end.unwrap_or(i64::MAX);
                let mut timestamps = Timestamps::default();
                let records = batch.iter().take_while(|record| record.offset < end).inspect(|record| {
                    self.stopwatch.see(record);
                    timestamps.see(record.timestamp_ms);
                });
                self.traces.iter_mut().for_each(PartitionTraces::begin);
                let folded = self.folding.fold(records, batch.next_offset(), end, |record, verdict| {
                    view.offer_sample(verdict);
                    if let Some(traces) = &mut self.traces {
                        traces.judged(record, verdict);
                    }
                });
                self.traces.iter_mut().for_each(PartitionTraces::folded);
                self.stopwatch.folded(view.latencies(), now_us());
                self.progress.note_timestamps(timestamps);
                self.progress.folded.fetch_add(folded, Relaxed);
                self.progress.high_watermark.store(batch.high_watermark(), Relaxed);
            }
            Ahead::Deleted(start) => {
                warn!(
                    event = "records_lost_while_reading",
                    partition = self.worker.partition,
                    from = before,
                    to = start,
                    "retention deleted records before they were read; the ledger counts them as skipped"
                );
                self.folding.skip_to(start);
            }
        }
        let next_offset = self.folding.state().next_offset();
        self.progress.next_offset.store(next_offset, Relaxed);
        self.progress.heard_at_ms.store(now_ms(), Relaxed);
        if next_offset > before {
            self.arrived = Instant::now();
        }
        // Only the broker's own word that there is nothing counts: one that is silent leaves this where it is.
        let idle_ms = i64::try_from(self.arrived.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.progress.idle_ms.store(idle_ms, Relaxed);
    }

    /// Takes what waits to be made durable, and gives what writes it.
    fn checkpoint(&mut self, checkpointer: Checkpointer) -> impl Future<Output = Written> + use<> {
        let mut checkpoint = self.folding.checkpoint(now_ms());
        checkpoint.snapshot.written_by = Some(self.worker.context.name.clone());
        let traced = self.traces.as_mut().map(PartitionTraces::take_waiting).unwrap_or_default();
        write(checkpointer, checkpoint, self.stopwatch.take_waiting(), traced)
    }

    /// Makes the last records durable. What does not make it in time is read again by whoever comes next.
    async fn drain(
        mut self,
        mut idle: Option<Checkpointer>,
        mut writing: JoinSet<Written>,
    ) -> Result<Ended, WorkerError> {
        let worker = self.worker;
        let Worker { context, partition, .. } = worker;
        // A bounded run exists for its result: it takes the time that a write may take, unless it is told to stop.
        let for_result = context.is_bounded() && !context.stopping.is_cancelled();
        let limit = if for_result { RESULT_DEADLINE } else { DRAIN_DEADLINE };
        let draining = Box::pin(async {
            if let Some(written) = writing.join_next().await {
                idle = Some(show(context, written)?);
            }
            // A generation that is over needs no last snapshot.
            if !self.folding.heed(&context.view)
                && self.folding.is_unsaved()
                && let Some(checkpointer) = idle.take()
            {
                show(context, Ok(self.checkpoint(checkpointer).await))?;
            }
            Ok(())
        });
        match timeout(limit, worker.beating(draining)).await {
            Ok(drained) => drained.map(|()| Ended::Done(Some(Box::new(self.folding)))),
            Err(_) if for_result => Err(WorkerError::NotDurable { partition: *partition }),
            Err(_) => {
                warn!(
                    event = "last_snapshot_not_durable",
                    partition, "the last snapshot was not acknowledged in time; its records will be read again"
                );
                Ok(Ended::Done(None))
            }
        }
    }
}

/// A checkpoint that was written, or not.
struct Written {
    checkpointer: Checkpointer,
    checkpoint: Checkpoint,
    waiting: Waiting,
    traced: Vec<Folded>,
    result: Result<i64, CheckpointError>,
}

async fn write(
    mut checkpointer: Checkpointer,
    checkpoint: Checkpoint,
    waiting: Waiting,
    traced: Vec<Folded>,
) -> Written {
    let result = checkpointer.write(&checkpoint).await;
    Written { checkpointer, checkpoint, waiting, traced, result }
}

/// Shows what has become durable, and gives the checkpointer back.
fn show(context: &Context, written: Result<Written, JoinError>) -> Result<Checkpointer, WorkerError> {
    let Written { checkpointer, checkpoint, waiting, traced, result } =
        written.expect("a task that panics stops the process");
    let state_offset = result?;
    if let Some(sink) = &context.traces {
        traces::durable(sink, &context.names.transactions, checkpoint.snapshot.partition, &traced, state_offset);
    }
    context.view.publish(Arc::new(checkpoint.snapshot), state_offset);
    context.view.latencies().durable(&waiting, now_us());
    Ok(checkpointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_partitions_there_are_no_two_have_their_turns_close_together() {
        let interval = Duration::from_secs(1);
        for count in 2..=100 {
            let mut turns: Vec<Duration> = (0..count).map(|partition| phase(partition, interval)).collect();
            turns.sort_unstable();
            turns.push(turns[0] + interval);
            let closest = turns.windows(2).map(|pair| pair[1] - pair[0]).min().expect("two turns");
            assert!(closest > interval / (3 * count.cast_unsigned()), "{count} partitions: {closest:?}");
            assert!(turns[..turns.len() - 1].iter().all(|turn| *turn < interval));
        }
    }
}
