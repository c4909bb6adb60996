//! Which ids stand in the last K offsets of a partition: tells a repeat from a new transaction.
//!
//! A ring holds one place an offset (id, timestamp); an open-addressed index with linear probing and backward-shift
//! deletion (Knuth, TAOCP vol. 3, 6.4, algorithm R) finds the last place of an id. Looking up, adding and forgetting
//! cost a few cache misses and no allocation; the memory is fixed: 28 bytes an offset and 4 bytes an index slot.

/// No place, or no index entry.
const NONE: u32 = u32::MAX;

/// The ids at the last K offsets.
///
/// Exact, also where one id stands at several of them with timestamps in any order: the places of an id form a chain
/// from the newest back, on which only places with a greater timestamp than all newer ones are kept. A lookup asks
/// for *some* place young enough; whichever it passes over would be dropped by the insertion that follows, so that
/// the work is constant on average whatever is sent.
#[derive(Clone, Debug)]
pub struct IdWindow {
    age_ms_max: i64,
    hash_seed: u64,
    /// The offset that comes next; places hold the offsets before it.
    next_offset: i64,
    /// Place of `next_offset`: its remainder by the number of places, kept to save the division.
    next_place: u32,
    ids: Box<[u128]>,
    timestamps_ms: Box<[i64]>,
    /// Earlier place of the same id with a greater timestamp; meaningful only while that place still is earlier.
    earlier: Box<[u32]>,
    occupied: Box<[u64]>,
    index: Box<[u32]>,
}

impl IdWindow {
    /// An empty window over `offsets` offsets (at least 1) that recognises repeats up to `age_ms_max` older.
    #[must_use]
    pub fn new(offsets: u32, age_ms_max: i64, hash_seed: u64) -> Self {
        let places = offsets.max(1) as usize;
        let slots = (places * 2).next_power_of_two();
        Self {
            age_ms_max,
            hash_seed,
            next_offset: 0,
            next_place: 0,
            ids: vec![0; places].into(),
            timestamps_ms: vec![0; places].into(),
            earlier: vec![NONE; places].into(),
            occupied: vec![0; places.div_ceil(64)].into(),
            index: vec![NONE; slots].into(),
        }
    }

    /// Puts the id of the valid record at `offset` in, and says whether it stood at one of the K offsets before in a
    /// record at most the age older. Offsets must grow; those left out hold no valid record.
    pub fn insert(&mut self, offset: i64, id: u128, timestamp_ms: i64) -> bool {
        self.move_to(offset);
        let place = self.next_place;
        let slot = self.find(id);
        let oldest_ms = timestamp_ms.saturating_sub(self.age_ms_max);
        let mut earlier = self.index[slot];
        let mut repeated = false;
        while earlier != NONE {
            repeated |= self.timestamps_ms[earlier as usize] >= oldest_ms;
            if self.timestamps_ms[earlier as usize] > timestamp_ms {
                break;
            }
            earlier = self.earlier_of(earlier);
        }
        // What stood here K offsets ago was in reach until now.
        let slot = if self.forget(place) { self.find(id) } else { slot };
        if earlier == place {
            earlier = NONE;
        }
        self.ids[place as usize] = id;
        self.timestamps_ms[place as usize] = timestamp_ms;
        self.earlier[place as usize] = earlier;
        self.occupied[place as usize / 64] |= 1 << (place % 64);
        self.index[slot] = place;
        self.step();
        repeated
    }

    /// Empties the places of offsets without a valid record.
    fn move_to(&mut self, offset: i64) {
        debug_assert!(offset >= self.next_offset, "ids come in order of offset");
        let places = i64::from(self.places());
        if offset - self.next_offset >= places {
            if self.occupied.iter().any(|&bits| bits != 0) {
                self.occupied.fill(0);
                self.index.fill(NONE);
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
        let (word, bit) = (place as usize / 64, 1 << (place % 64));
        if self.occupied[word] & bit == 0 {
            return false;
        }
        self.occupied[word] &= !bit;
        let slot = self.find(self.ids[place as usize]);
        // Newer places of the same id keep the entry.
        if self.index[slot] != place {
            return false;
        }
        self.remove(slot);
        true
    }

    /// The place behind `place` on its chain. A link may outlive the place it names, which then holds a newer offset:
    /// going back along a chain, offsets must fall.
    fn earlier_of(&self, place: u32) -> u32 {
        let earlier = self.earlier[place as usize];
        if earlier == NONE || self.age_of(earlier) <= self.age_of(place) { NONE } else { earlier }
    }

    /// How many offsets before the next one a place lies: 1 for the newest, the number of places for the oldest.
    fn age_of(&self, place: u32) -> u32 {
        if place < self.next_place { self.next_place - place } else { self.next_place + (self.places() - place) }
    }

    fn places(&self) -> u32 {
        u32::try_from(self.ids.len()).expect("there are as many places as a 32-bit setting asks for")
    }

    /// The slot that holds `id`, or the free one where it belongs.
    fn find(&self, id: u128) -> usize {
        let mask = self.index.len() - 1;
        let mut slot = self.home(id);
        while self.index[slot] != NONE && self.ids[self.index[slot] as usize] != id {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// Frees a slot and closes the gap, so that every entry can be reached from its home without crossing a free one.
    fn remove(&mut self, slot: usize) {
        let mask = self.index.len() - 1;
        let mut gap = slot;
        let mut slot = slot;
        loop {
            slot = (slot + 1) & mask;
            let place = self.index[slot];
            if place == NONE {
                break;
            }
            let home = self.home(self.ids[place as usize]);
            if (slot.wrapping_sub(home) & mask) >= (slot.wrapping_sub(gap) & mask) {
                self.index[gap] = place;
                gap = slot;
            }
        }
        self.index[gap] = NONE;
    }

    /// Folded multiplication: every bit of the id moves the upper bits of the product.
    #[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
    fn home(&self, id: u128) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let low = (id as u64) ^ self.hash_seed;
        let high = ((id >> 64) as u64) ^ ODD;
        let product = u128::from(low) * u128::from(high);
        let mixed = ((product >> 64) as u64) ^ (product as u64);
        (mixed.wrapping_mul(ODD) >> 32) as usize & (self.index.len() - 1)
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
    fn ids_chosen_to_share_a_home_are_still_told_apart() {
        let mut window = IdWindow::new(64, 1_000, 0);
        let home = window.home(0);
        let colliding: Vec<u128> = (0..u128::MAX).filter(|&id| window.home(id) == home).take(40).collect();
        for (offset, &id) in (0..).zip(&colliding) {
            assert!(!window.insert(offset, id, 0));
        }
        for (offset, &id) in (40..).zip(&colliding) {
            assert!(window.insert(offset, id, 0));
        }
    }
}
