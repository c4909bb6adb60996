//! One partition's queue: the batch being filled, and the two who meet there.
//!
//! ```text
//!   feed ──push──▶ [ open batch, bounded ] ──take──▶ publisher of the partition ──▶ Kafka
//!         ◀─room──                          ◀─filled─
//! ```
//!
//! The sequence is given out here, under the same lock that fixes the order, so that order and sequence agree.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::batch::{Batch, Entry, Sequence};

/// The queue of one partition.
#[derive(Debug)]
pub struct Lane {
    state: Mutex<State>,
    /// Bytes of the open batch from which on it is full.
    bytes_max: usize,
    filled: Notify,
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    open: Batch,
    /// The number of the next record.
    next_sequence: u64,
    /// Nothing more will be pushed.
    closed: bool,
}

impl Lane {
    /// An empty queue that is full from `bytes_max` bytes on.
    pub fn new(bytes_max: usize) -> Self {
        let state = State { open: Batch::default(), next_sequence: 1, closed: false };
        Self { state: Mutex::new(state), bytes_max, filled: Notify::new(), emptied: Notify::new() }
    }

    /// Adds a record, whose value is appended by `write`, or gives `false` where the queue is full. The number in
    /// `entry` is replaced by the next one; a broken sequence stays broken and takes no number.
    #[inline]
    pub fn push(&self, mut entry: Entry, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.lock();
        if state.open.request_bytes() >= self.bytes_max {
            return false;
        }
        if let Sequence::Number(number) = &mut entry.sequence {
            *number = state.next_sequence;
            state.next_sequence += 1;
        }
        let was_empty = state.open.is_empty();
        state.open.push(entry, write);
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
        true
    }

    /// Waits until the open batch has been taken since it was found full. For one waiter at a time.
    pub async fn room(&self) {
        loop {
            // A permit left over from an earlier take makes this come round once more.
            if self.lock().open.request_bytes() < self.bytes_max {
                return;
            }
            self.emptied.notified().await;
        }
    }

    /// Waits for records and takes all of them, leaving `spare` (which is empty) to be filled. `None` when the lane
    /// is closed and empty. For one waiter at a time.
    pub async fn take(&self, mut spare: Batch) -> Option<Batch> {
        debug_assert!(spare.is_empty(), "records in the spare batch would be sent out of order");
        loop {
            {
                let mut state = self.lock();
                if !state.open.is_empty() {
                    std::mem::swap(&mut state.open, &mut spare);
                    drop(state);
                    self.emptied.notify_one();
                    return Some(spare);
                }
                if state.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Says that nothing more comes.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic stops the whole process, so a poisoned lock is never seen in a state that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Accounts;

    fn push(lane: &Lane, sequence: Sequence) -> bool {
        let entry = Entry { account: Accounts::name(1), sequence, timestamp_ms: 0, intended_us: 0, tombstone: false };
        lane.push(entry, |values| values.extend_from_slice(&[b'v'; 100]))
    }

    fn sequences(batch: &Batch) -> Vec<Sequence> {
        batch.records().into_iter().map(|(entry, _)| entry.sequence).collect()
    }

    #[tokio::test]
    async fn numbers_go_on_over_batches_and_a_broken_header_takes_none() {
        let lane = Lane::new(10_000);
        for sequence in [Sequence::Number(0), Sequence::Broken, Sequence::Number(0)] {
            assert!(push(&lane, sequence));
        }
        let first = lane.take(Batch::default()).await.unwrap();
        assert_eq!(sequences(&first), [Sequence::Number(1), Sequence::Broken, Sequence::Number(2)]);
        assert!(push(&lane, Sequence::Number(0)));
        let second = lane.take(Batch::default()).await.unwrap();
        assert_eq!(sequences(&second), [Sequence::Number(3)]);
    }

    #[tokio::test]
    async fn a_full_lane_takes_nothing_until_it_is_emptied() {
        let lane = Lane::new(500);
        while push(&lane, Sequence::Number(0)) {}
        assert!(!push(&lane, Sequence::Number(0)));
        let (batch, ()) = tokio::join!(lane.take(Batch::default()), lane.room());
        assert_eq!(batch.unwrap().len(), 3);
        assert!(push(&lane, Sequence::Number(0)));
    }

    #[tokio::test]
    async fn a_closed_lane_is_emptied_before_it_ends() {
        let lane = Lane::new(10_000);
        push(&lane, Sequence::Number(0));
        lane.close();
        assert_eq!(lane.take(Batch::default()).await.unwrap().len(), 1);
        assert!(lane.take(Batch::default()).await.is_none());
    }
}
