//! The global view: every consumer tails the whole state topic, so that any replica can answer for the whole pipeline,
//! whoever works on which partition, and so that an owner hears when somebody's old snapshot lands behind its own or a
//! new generation begins.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    kafka::{Batch, Fault, PartitionReader, Read, ReadOptions},
    service::Condition,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tracing::{debug, warn};

use crate::{fold::Snapshot, intake::Intake, pipeline::Context, restore::heads};

/// How long a broker may wait for the next snapshot before it answers that there is none.
const WAIT: Duration = Duration::from_secs(5);
/// Most bytes of one fetch.
const FETCH_BYTES_MAX: i32 = 1 << 20;
/// Pause after a fault that outlasted the reader's own tries.
const FAULT_PAUSE: Duration = Duration::from_secs(2);

/// Time between two looks at whether all partitions have been read to their ends, and are still being heard of.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Whoever hears nothing of a partition for so long shows what may be old. Longer than a broker may take to say that there is nothing.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// When each partition was heard of last.
#[derive(Debug, Default)]
struct Heard(Mutex<BTreeMap<i32, Instant>>);

impl Heard {
    fn note(&self, partition: i32) {
        self.times().insert(partition, Instant::now());
    }

    fn is_silent(&self) -> bool {
        self.times().values().any(|heard_at| heard_at.elapsed() > SILENCE_MAX)
    }

    fn times(&self) -> MutexGuard<'_, BTreeMap<i32, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows all partitions of the state topic, of which there may become more, for as long as it is polled. `condition`
/// holds as soon as the view is that of all of them, and as long as all are heard of: whoever works on none has no other way to
/// notice that Kafka is away.
pub(crate) async fn follow_all(context: Arc<Context>, partitions: watch::Receiver<i32>, condition: Condition) {
    let mut following = JoinSet::new();
    let heard = Arc::new(Heard::default());
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let wanted = *partitions.borrow();
        while following.len() < usize::try_from(wanted).unwrap_or(0) {
            let next = i32::try_from(following.len()).expect("partitions are counted in 31 bits");
            heard.note(next);
            following.spawn(follow(Arc::clone(&context), next, Arc::clone(&heard)));
        }
        if heard.is_silent() {
            condition.not_ready(context.cluster.silence(SILENCE_MAX));
        } else if context.view.is_caught_up() {
            condition.ready();
        } else {
            condition.pending("reading the state topic");
        }
        looks.tick().await;
    }
}

/// Waits until all partitions have been read to their ends.
pub(crate) async fn until_caught_up(context: &Context) {
    while !context.view.is_caught_up() && !context.stopping.is_cancelled() {
        sleep(LOOK_INTERVAL).await;
    }
}

/// Follows one partition of the state topic for as long as it is polled.
async fn follow(context: Arc<Context>, partition: i32, heard: Arc<Heard>) {
    let options = ReadOptions { fetch_bytes_max: FETCH_BYTES_MAX, wait: WAIT, ..ReadOptions::default() };
    let mut tail = Tail {
        reader: PartitionReader::new(&context.cluster, &context.names.state, partition, options),
        context,
        partition,
        offset: 0,
        heard,
    };
    loop {
        let Err(fault) = tail.read_on().await;
        debug!(event = "state_topic_unreadable", partition, %fault, "the state topic can't be followed; trying again");
        sleep(FAULT_PAUSE).await;
    }
}

struct Tail {
    context: Arc<Context>,
    partition: i32,
    reader: PartitionReader,
    offset: i64,
    heard: Arc<Heard>,
}

impl Tail {
    async fn read_on(&mut self) -> Result<std::convert::Infallible, Fault> {
        let mut end = self.reader.bounds().await?.end;
        loop {
            if self.offset >= end {
                self.context.view.set_caught_up(self.partition);
                end = i64::MAX;
            }
            let read = self.reader.read(self.offset).await?;
            self.heard.note(self.partition);
            match read {
                Read::Records(batch) => {
                    self.show(&batch);
                    self.offset = batch.next_offset();
                }
                // Compaction moved on, or the topic was made again: what is there now is what counts.
                Read::OutOfRange => {
                    let bounds = self.reader.bounds().await?;
                    self.context.view.forget(self.partition, bounds.end);
                    self.offset = bounds.start;
                }
            }
        }
    }

    /// Shows the highest snapshot of the batch, if it counts; the others are not read in full. What is none is only noted.
    fn show(&self, batch: &Batch) {
        let mut intake = Intake::default();
        heads(batch, self.partition, |head, value, state_offset| match head {
            Ok(head) => intake.offer(head.order(), state_offset, || value.to_vec()),
            Err(_) => self.context.view.set_unreadable(self.partition),
        });
        intake.show(&self.context.view, self.partition, |value| match Snapshot::parse(&value) {
            Ok(snapshot) => Some(Arc::new(snapshot)),
            Err(cause) => {
                warn!(event = "snapshot_not_shown", partition = self.partition, %cause, "a snapshot can't be shown");
                self.context.view.set_unreadable(self.partition);
                None
            }
        });
        let key = self.partition.to_string();
        if let Some(last) = batch.iter().filter(|record| record.key == Some(key.as_bytes())).last() {
            self.context.view.note(self.partition, last.offset);
        }
    }
}
