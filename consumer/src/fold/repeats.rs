//! Which ids stand in the last K offsets of a partition: tells a repeat from a new transaction.
//!
//! A ring holds one place an offset (id, timestamp); an index finds the last place of an id. Looking up, adding and
//! forgetting cost two or three cache misses and no allocation; the memory is fixed: 20 bytes an offset
//! and 4 bytes an index slot, 2.5 MB for 100 000 offsets, and some 30 bytes for each that is repeated or whose timestamp is
//! weeks from the others'.

use std::collections::HashMap;

use super::{id_index::IdIndex, timestamps::Timestamps};

/// The ids at the last K offsets.
///
/// Exact, also where one id stands at several of them with timestamps in any order: the places of an id form a chain
/// from the newest back, on which only places with a greater timestamp than all newer ones are kept. A lookup asks
/// for *some* place young enough; whichever it passes over would be dropped by the insertion that follows, so that
/// the work is constant on average whatever is sent.
#[derive(Clone, Debug)]
pub struct IdWindow {
    age_ms_max: i64,
    /// The offset that comes next; places hold the offsets before it.
    next_offset: i64,
    /// Place of `next_offset`: its remainder by the number of places, kept to save the division.
    next_place: u32,
    ids: Box<[u128]>,
    timestamps: Timestamps,
    occupied: Places,
    /// Places that have an entry in `earlier`.
    linked: Places,
    /// Earlier place of the same id with a greater timestamp; meaningful only while that place still is earlier. Few
    /// have one.
    earlier: HashMap<u32, u32>,
    index: IdIndex,
}

impl IdWindow {
    /// An empty window over `offsets` offsets (at least 1) that recognises repeats up to `age_ms_max` older.
    #[must_use]
    pub fn new(offsets: u32, age_ms_max: i64, hash_seed: u64) -> Self {
        let offsets = offsets.max(1);
        let places = offsets as usize;
        Self {
            age_ms_max,
            next_offset: 0,
            next_place: 0,
            ids: vec![0; places].into(),
            timestamps: Timestamps::new(places),
            occupied: Places::none_of(places),
            linked: Places::none_of(places),
            earlier: HashMap::new(),
            index: IdIndex::new(offsets, hash_seed),
        }
    }

    /// Puts the id of the valid record at `offset` in, and says whether it stood at one of the K offsets before in a
    /// record at most the age older. Offsets must grow; those left out hold no valid record.
    pub fn insert(&mut self, offset: i64, id: u128, timestamp_ms: i64) -> bool {
        self.move_to(offset);
        let place = self.next_place;
        let slot = self.index.find(id, &self.ids);
        let oldest_ms = timestamp_ms.saturating_sub(self.age_ms_max);
        let mut earlier = self.index.place(slot);
        let mut repeated = false;
        while let Some(stood) = earlier {
            repeated |= self.timestamps.get(stood) >= oldest_ms;
            if self.timestamps.get(stood) > timestamp_ms {
                break;
            }
            earlier = self.earlier_of(stood);
        }
        // What stood here K offsets ago was in reach until now.
        let slot = if self.forget(place) { self.index.find(id, &self.ids) } else { slot };
        if let Some(earlier) = earlier.filter(|&earlier| earlier != place) {
            self.earlier.insert(place, earlier);
            self.linked.set(place);
        }
        self.ids[place as usize] = id;
        self.timestamps.put(place, timestamp_ms);
        self.occupied.set(place);
        self.index.put(slot, id, place);
        self.step();
        repeated
    }

    /// Empties the places of offsets without a valid record.
    fn move_to(&mut self, offset: i64) {
        debug_assert!(offset >= self.next_offset, "ids come in order of offset");
        let places = i64::from(self.places());
        if offset - self.next_offset >= places {
            if !self.occupied.is_empty() {
                self.occupied.clear();
                self.linked.clear();
                self.earlier.clear();
                self.index.clear();
            }
            self.next_offset = offset;
            self.next_place = u32::try_from(offset.rem_euclid(places)).expect("there are fewer than 2^32 places");
            return;
        }
        while self.next_offset < offset {
            self.forget(self.next_place);
            self.step();
        }
    }

    fn step(&mut self) {
        self.next_offset += 1;
        self.next_place += 1;
        if self.next_place as usize == self.ids.len() {
            self.next_place = 0;
        }
    }

    /// Empties a place; whether the index changed.
    fn forget(&mut self, place: u32) -> bool {
        if !self.occupied.take(place) {
            return false;
        }
        if self.linked.take(place) {
            self.earlier.remove(&place);
        }
        let slot = self.index.find(self.ids[place as usize], &self.ids);
        // Newer places of the same id keep the entry.
        if self.index.place(slot) != Some(place) {
            return false;
        }
        self.index.remove(slot, &self.ids);
        true
    }

    /// The place behind `place` on its chain. A link may outlive the place it names, which then holds a newer offset:
    /// going back along a chain, offsets must fall.
    fn earlier_of(&self, place: u32) -> Option<u32> {
        let earlier = *self.earlier.get(&place)?;
        (self.age_of(earlier) > self.age_of(place)).then_some(earlier)
    }

    /// How many offsets before the next one a place lies: 1 for the newest, the number of places for the oldest.
    fn age_of(&self, place: u32) -> u32 {
        if place < self.next_place { self.next_place - place } else { self.next_place + (self.places() - place) }
    }

    fn places(&self) -> u32 {
        u32::try_from(self.ids.len()).expect("there are as many places as a 32-bit setting asks for")
    }
}

/// A bit for each place.
#[derive(Clone, Debug)]
struct Places(Box<[u64]>);

impl Places {
    fn none_of(places: usize) -> Self {
        Self(vec![0; places.div_ceil(64)].into())
    }

    fn set(&mut self, place: u32) {
        self.0[place as usize / 64] |= 1 << (place % 64);
    }

    /// Whether the bit was set, which it no longer is.
    fn take(&mut self, place: u32) -> bool {
        let (word, bit) = (&mut self.0[place as usize / 64], 1 << (place % 64));
        let was_set = *word & bit != 0;
        *word &= !bit;
        was_set
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|&bits| bits == 0)
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// The rule, word for word.
    struct Plain {
        offsets: i64,
        age_ms: i64,
        seen: VecDeque<(i64, u128, i64)>,
    }

    impl Plain {
        fn insert(&mut self, offset: i64, id: u128, timestamp_ms: i64) -> bool {
            self.seen.retain(|(earlier, ..)| *earlier >= offset - self.offsets);
            let repeated = self.seen.iter().any(|(_, seen, at_ms)| *seen == id && timestamp_ms - at_ms <= self.age_ms);
            self.seen.push_back((offset, id, timestamp_ms));
            repeated
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_window_says_what_the_rule_says(
            offsets in 1_u32..12,
            age_ms in 0_i64..20,
            seed: u64,
            records in prop::collection::vec((1_i64..4, 0_u128..6, -20_i64..40), 1..120),
            far in prop::collection::vec(any::<bool>(), 120),
        ) {
            let mut window = IdWindow::new(offsets, age_ms, seed);
            let mut plain = Plain { offsets: i64::from(offsets), age_ms, seen: VecDeque::new() };
            let mut offset = -1;
            for (place, (step, id, timestamp_ms)) in records.into_iter().enumerate() {
                offset += if far[place] && step == 3 { 15 } else { step };
                prop_assert_eq!(
                    window.insert(offset, id, timestamp_ms),
                    plain.insert(offset, id, timestamp_ms),
                    "at offset {}", offset
                );
            }
        }
    }

    #[test]
    fn an_id_is_known_for_exactly_k_offsets() {
        let mut window = IdWindow::new(3, 1_000, 1);
        assert!(!window.insert(10, 7, 0));
        assert!(window.insert(13, 7, 0));
        assert!(!window.insert(17, 7, 0));
    }

    #[test]
    fn links_of_repeated_ids_go_with_their_places() {
        let mut window = IdWindow::new(8, 1_000, 1);
        for offset in 0..100 {
            // One id, ever older by its timestamps: every place is linked to the one before.
            assert_eq!(window.insert(offset, 7, -offset), offset > 0);
        }
        assert!(window.earlier.len() <= 8, "{}", window.earlier.len());
        window.insert(1_000, 8, 0);
        assert!(window.earlier.is_empty());
    }
}
