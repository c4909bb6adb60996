//! Virtual time: what is to happen, in the order in which it does. Two events of one instant happen in the order in which
//! they were put in, so that a seed gives one history and no other.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// Events by virtual time, in milliseconds.
pub(crate) struct Queue<E> {
    waiting: BinaryHeap<Reverse<Due<E>>>,
    put_in: u64,
    now_ms: i64,
}

struct Due<E> {
    at_ms: i64,
    number: u64,
    event: E,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self { waiting: BinaryHeap::new(), put_in: 0, now_ms: 0 }
    }

    /// The instant of the event that was taken last.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub(crate) fn put(&mut self, after_ms: i64, event: E) {
        assert!(after_ms >= 0, "nothing happens in the past");
        self.put_in += 1;
        self.waiting.push(Reverse(Due { at_ms: self.now_ms + after_ms, number: self.put_in, event }));
    }

    pub(crate) fn take(&mut self) -> Option<E> {
        let Reverse(next) = self.waiting.pop()?;
        self.now_ms = next.at_ms;
        Some(next.event)
    }
}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Due<E> {}
