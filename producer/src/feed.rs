//! The open loop: at each transaction's due time it is drawn, written and queued, whatever Kafka does meanwhile.
//!
//! When a partition's queue is full the loop waits for room and so falls behind its schedule; it then sends what is
//! due as fast as it can until it has caught up. It never leaves anything out.

use std::sync::Arc;
use std::time::Duration;

use common::partitioner::partition_for;
use common::service::{Heartbeat, Shutdown};
use common::wire::encode;
use tokio::time::{Instant, timeout};

use crate::alarm::Alarm;
use crate::counters::Counters;
use crate::generate::{Draft, Generator};
use crate::inject::{Fault, Injector, Malformation};
use crate::pace::{Moment, Pace};
use crate::publish::{Entry, Lane, Sequence};

/// Transactions between two looks at the clock and at the shutdown.
const STRIDE: u64 = 128;

/// A waiting loop beats this often.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The loop and all it draws from.
#[derive(Debug)]
pub struct Feed {
    /// Where transactions come from.
    pub generator: Generator,
    /// What is wrong with some of them.
    pub injector: Injector,
    /// When each is due.
    pub pace: Pace,
    /// What wakes the loop then.
    pub alarm: Alarm,
    /// How many there are to be at most.
    pub count_max: u64,
    /// When to stop even if that many have not been sent; only without a rate.
    pub stop_after: Option<Duration>,
    /// One queue for each partition.
    pub lanes: Vec<Arc<Lane>>,
    /// What counts them.
    pub counters: Arc<Counters>,
    /// Shows that the loop goes round.
    pub heartbeat: Heartbeat,
}

impl Feed {
    /// Runs from `started` until everything has been queued or `shutdown` is requested.
    pub async fn run(mut self, started: Instant, shutdown: &Shutdown) {
        let mut number = 0;
        while number < self.count_max && !shutdown.is_requested() {
            self.heartbeat.beat();
            let elapsed = started.elapsed();
            if self.stop_after.is_some_and(|limit| elapsed >= limit) {
                return;
            }
            let due = self.pace.due(elapsed).min(self.count_max);
            if number >= due {
                self.wait(started + self.pace.due_after(number), shutdown).await;
                continue;
            }
            for _ in 0..STRIDE.min(due - number) {
                let moment = self.pace.moment(number, elapsed);
                if !self.send(moment, shutdown).await {
                    return;
                }
                number += 1;
            }
            // Publishers share these threads.
            tokio::task::yield_now().await;
        }
    }

    /// Waits for the next due time, or for less.
    async fn wait(&mut self, until: Instant, shutdown: &Shutdown) {
        let until = until.min(Instant::now() + BEAT_INTERVAL);
        tokio::select! {
            () = self.alarm.wait(until) => {}
            () = shutdown.requested() => {}
        }
    }

    /// Draws one transaction and queues it. `false`: stopping was requested while its queue was full.
    async fn send(&mut self, moment: Moment, shutdown: &Shutdown) -> bool {
        let (draft, fault) = self.injector.next(&mut self.generator, moment.transaction_ms);
        let account = draft.account_name();
        let partitions = i32::try_from(self.lanes.len()).expect("Kafka counts partitions in 31 bits");
        let partition = partition_for(account.as_bytes(), partitions);
        let lane = Arc::clone(&self.lanes[usize::try_from(partition).expect("partitions are not negative")]);
        let entry = Entry {
            account,
            sequence: match fault {
                Fault::Malformed(Malformation::BrokenHeader) => Sequence::Broken,
                _ => Sequence::Number(0),
            },
            timestamp_ms: moment.transaction_ms,
            intended_us: moment.intended_us,
            tombstone: fault == Fault::Malformed(Malformation::Tombstone),
        };
        while !lane.push(entry, |values| self.write(&draft, fault, values)) {
            if !self.room(&lane, shutdown).await {
                return false;
            }
        }
        self.counters.sent(&draft, fault);
        true
    }

    /// Waits for room in a full queue; `false` when stopping was requested first.
    async fn room(&self, lane: &Lane, shutdown: &Shutdown) -> bool {
        loop {
            self.heartbeat.beat();
            tokio::select! {
                room = timeout(BEAT_INTERVAL, lane.room()) => if room.is_ok() { return true },
                () = shutdown.requested() => return false,
            }
        }
    }

    /// Appends the value of a record.
    #[inline]
    fn write(&self, draft: &Draft, fault: Fault, values: &mut Vec<u8>) {
        let start = values.len();
        let account = draft.account_name();
        encode(&draft.transaction(&account, self.generator.population()), values);
        if let Fault::Malformed(malformation) = fault {
            let mut value = values.split_off(start);
            // Any bits do, as long as they are the same for the same transaction.
            let bits = u64::try_from(draft.id >> 64).expect("the upper half of 128 bits");
            malformation.apply(&mut value, bits);
            values.extend_from_slice(&value);
        }
    }
}

#[cfg(test)]
mod tests;
