//! What each producer process has sent to a partition so far: tells a client's resend from a new record, and shows
//! what never came.

use std::collections::HashMap;

use common::wire::SequenceHeader;

/// Most producer processes remembered in a partition. The one silent for longest makes room.
pub(super) const INCARNATIONS_MAX: usize = 4_096;

/// A sequence this far ahead of the last one is forged or broken, not lost data.
pub const SEQUENCE_JUMP_MAX: u64 = 10_000_000;

/// What a sequence says about its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than all before it; so many before it never came.
    Next {
        /// Sequences between the last one and this one.
        missing: u64,
    },
    /// Seen before.
    Redelivered,
    /// Further ahead than [`SEQUENCE_JUMP_MAX`]. Leaves the table as it is.
    TooFar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incarnation {
    pub(super) id: u64,
    pub(super) last_sequence: u64,
    pub(super) last_offset: i64,
}

/// The last sequence of each producer process in one partition.
#[derive(Clone, Debug, Default)]
pub struct SequenceTable {
    incarnations: Vec<Incarnation>,
    places: HashMap<u64, usize>,
    /// Where the last record's producer stands: most often the next record's too.
    recent: usize,
    evicted: u64,
}

impl SequenceTable {
    /// Takes note of a record's sequence. `counts_first`: the partition is known from its very first record, so a
    /// producer's first sequence must be 1.
    pub fn observe(&mut self, header: SequenceHeader, offset: i64, counts_first: bool) -> Arrival {
        let Some(place) = self.place(header.incarnation) else {
            // A producer that was forgotten and comes back is no gap: once one has been, nobody's first is counted.
            let missing = if counts_first && self.evicted == 0 { header.sequence - 1 } else { 0 };
            if missing > SEQUENCE_JUMP_MAX {
                return Arrival::TooFar;
            }
            self.insert(Incarnation { id: header.incarnation, last_sequence: header.sequence, last_offset: offset });
            return Arrival::Next { missing };
        };
        let known = &mut self.incarnations[place];
        if header.sequence <= known.last_sequence {
            known.last_offset = offset;
            return Arrival::Redelivered;
        }
        let missing = header.sequence - known.last_sequence - 1;
        if missing > SEQUENCE_JUMP_MAX {
            return Arrival::TooFar;
        }
        known.last_sequence = header.sequence;
        known.last_offset = offset;
        Arrival::Next { missing }
    }

    fn place(&mut self, id: u64) -> Option<usize> {
        if self.incarnations.get(self.recent).is_some_and(|recent| recent.id == id) {
            return Some(self.recent);
        }
        self.recent = *self.places.get(&id)?;
        Some(self.recent)
    }

    fn insert(&mut self, incarnation: Incarnation) {
        let place = if self.incarnations.len() < INCARNATIONS_MAX {
            self.incarnations.push(incarnation);
            self.incarnations.len() - 1
        } else {
            let (place, oldest) = self
                .incarnations
                .iter_mut()
                .enumerate()
                .min_by_key(|(_, known)| known.last_offset)
                .expect("a full table has a first entry");
            self.places.remove(&oldest.id);
            *oldest = incarnation;
            self.evicted += 1;
            place
        };
        self.places.insert(incarnation.id, place);
        self.recent = place;
    }

    /// How many producers were forgotten to make room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn incarnations(&self) -> &[Incarnation] {
        &self.incarnations
    }

    pub(super) fn restore(incarnations: Vec<Incarnation>, evicted: u64) -> Self {
        let places = incarnations.iter().enumerate().map(|(place, known)| (known.id, place)).collect();
        Self { incarnations, places, recent: 0, evicted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observe(table: &mut SequenceTable, incarnation: u64, sequence: u64, offset: i64) -> Arrival {
        table.observe(SequenceHeader { incarnation, sequence }, offset, true)
    }

    #[test]
    fn a_sequence_seen_before_is_a_resend_and_a_jump_is_a_loss() {
        let mut table = SequenceTable::default();
        assert_eq!(observe(&mut table, 7, 1, 0), Arrival::Next { missing: 0 });
        assert_eq!(observe(&mut table, 7, 2, 1), Arrival::Next { missing: 0 });
        assert_eq!(observe(&mut table, 7, 1, 2), Arrival::Redelivered);
        assert_eq!(observe(&mut table, 7, 2, 3), Arrival::Redelivered);
        assert_eq!(observe(&mut table, 7, 6, 4), Arrival::Next { missing: 3 });
        assert_eq!(observe(&mut table, 8, 1, 5), Arrival::Next { missing: 0 });
        assert_eq!(observe(&mut table, 7, 7, 6), Arrival::Next { missing: 0 });
    }

    #[test]
    fn a_first_sequence_above_one_counts_only_where_the_log_is_known_from_its_start() {
        let header = SequenceHeader { incarnation: 7, sequence: 5 };
        assert_eq!(SequenceTable::default().observe(header, 0, true), Arrival::Next { missing: 4 });
        assert_eq!(SequenceTable::default().observe(header, 900, false), Arrival::Next { missing: 0 });
        let long_running = SequenceHeader { incarnation: 7, sequence: u64::MAX };
        assert_eq!(SequenceTable::default().observe(long_running, 900, false), Arrival::Next { missing: 0 });
    }

    #[test]
    fn a_forged_jump_is_refused_and_changes_nothing() {
        let mut table = SequenceTable::default();
        assert_eq!(observe(&mut table, 7, SEQUENCE_JUMP_MAX + 2, 0), Arrival::TooFar);
        assert_eq!(observe(&mut table, 7, 1, 1), Arrival::Next { missing: 0 });
        assert_eq!(observe(&mut table, 7, u64::MAX, 2), Arrival::TooFar);
        assert_eq!(observe(&mut table, 7, SEQUENCE_JUMP_MAX + 2, 3), Arrival::Next { missing: SEQUENCE_JUMP_MAX });
        assert_eq!(observe(&mut table, 7, 2, 4), Arrival::Redelivered);
    }

    #[test]
    fn the_producer_silent_for_longest_is_forgotten_counted_and_opens_no_gap_when_it_comes_back() {
        let mut table = SequenceTable::default();
        for incarnation in 0..INCARNATIONS_MAX as u64 {
            observe(&mut table, incarnation, 1, incarnation.cast_signed());
        }
        // Number 0 speaks again: number 1 is the oldest now.
        assert_eq!(observe(&mut table, 0, 2, 10_000), Arrival::Next { missing: 0 });
        assert_eq!(table.evicted(), 0);
        assert_eq!(observe(&mut table, 1 << 40, 1, 10_001), Arrival::Next { missing: 0 });
        assert_eq!((table.evicted(), table.incarnations().len()), (1, INCARNATIONS_MAX));
        assert_eq!(observe(&mut table, 0, 2, 10_002), Arrival::Redelivered);
        assert_eq!(observe(&mut table, 1, 90, 10_003), Arrival::Next { missing: 0 });
    }
}
