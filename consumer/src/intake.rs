//! What one read of a state topic's partition brings into the view: only the highest snapshot is read in full, and lower
//! ones behind it are taken note of. Pure, so that the simulation of a cluster runs exactly this.

use std::sync::Arc;

use crate::{
    fold::{Highest, Snapshot},
    view::View,
};

/// What has been found, in the order of the topic. `T` is a snapshot that is not read yet.
pub struct Intake<T> {
    highest: Highest<Found<T>>,
    found: Vec<((u64, i64), i64)>,
}

struct Found<T> {
    order: (u64, i64),
    state_offset: i64,
    value: T,
}

impl<T> Default for Intake<T> {
    fn default() -> Self {
        Self { highest: Highest::default(), found: Vec::new() }
    }
}

impl<T> Intake<T> {
    /// Takes in the next snapshot: its order, its offset in the state topic, and its value, if that is wanted.
    pub fn offer(&mut self, order: (u64, i64), state_offset: i64, value: impl FnOnce() -> T) {
        self.found.push((order, state_offset));
        self.highest.offer(order, || Found { order, state_offset, value: value() });
    }

    /// Shows the highest snapshot, if it counts. `read` makes one of its value, where it can be read.
    pub fn show(self, view: &View, partition: i32, read: impl FnOnce(T) -> Option<Arc<Snapshot>>) {
        let Some(Found { order, state_offset, value }) = self.highest.take() else { return };
        if view.is_wanted(partition, order, state_offset)
            && let Some(snapshot) = read(value)
        {
            view.publish(snapshot, state_offset);
        }
        // Now that the highest is known: whether any lower one stands behind it.
        for (order, state_offset) in self.found {
            let _ = view.is_wanted(partition, order, state_offset);
        }
    }
}
