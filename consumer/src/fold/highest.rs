//! Which of several snapshots of a partition counts: the one of the highest generation, and in it the one that stands
//! at the highest offset, wherever and whenever it was written.

/// The highest of what has been offered so far.
#[derive(Clone, Debug)]
pub struct Highest<T>(Option<((u64, i64), T)>);

impl<T> Default for Highest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Highest<T> {
    /// Takes the snapshot of that order in, if it counts more than what there was. Of two of the same order the later
    /// one counts: they differ only in when they were written.
    pub fn offer(&mut self, order: (u64, i64), snapshot: impl FnOnce() -> T) {
        if self.0.as_ref().is_none_or(|(highest, _)| *highest <= order) {
            self.0 = Some((order, snapshot()));
        }
    }

    /// Nothing has been offered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The one that counts.
    #[must_use]
    pub fn take(self) -> Option<T> {
        self.0.map(|(_, snapshot)| snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_counts_before_the_offset_and_the_place_in_the_topic_not_at_all() {
        let mut highest = Highest::default();
        for order in [(1, 10), (2, 3), (1, 99), (2, 5), (2, 4)] {
            highest.offer(order, || order);
        }
        assert_eq!(highest.take(), Some((2, 5)));
        assert_eq!(Highest::<()>::default().take(), None);
    }
}
