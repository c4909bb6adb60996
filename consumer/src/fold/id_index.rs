//! Finds the place of an id in a ring of ids: open addressing with linear probing and backward-shift deletion (Knuth,
//! TAOCP vol. 3, 6.4, algorithm R).
//!
//! The ring is far larger than a processor's nearest cache, and a look into it costs more than everything else here. So
//! an entry says besides the place how far it stands from its home, and a few more bits of the id's hash: nearly every
//! entry that is not the one looked for is told by that, and closing a gap moves entries without asking for their ids.
//!
//! ```text
//!   entry, 32 bits:  [ tag: the rest ][ distance from home: half of what the place leaves ][ place ]
//! ```

/// No entry. No entry looks like it: a place is never all ones.
const FREE: u32 = u32::MAX;
/// 2^64 divided by the golden ratio.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where the ids of a ring stand.
#[derive(Clone, Debug)]
pub(super) struct IdIndex {
    slots: Box<[u32]>,
    /// Unknown outside, one for each half of an id: a half that met a known number could be made zero, and the product of
    /// all such ids with it.
    hash_seeds: [u64; 2],
    place_bits: u32,
    distance_bits: u32,
    tag_bits: u32,
}

/// What is looked for: an id and what its hash says.
#[derive(Clone, Copy)]
struct Wanted {
    id: u128,
    home: usize,
    tag: u64,
}

impl IdIndex {
    /// An empty index of a ring of so many places.
    pub(super) fn new(places: u32, hash_seed: u64) -> Self {
        let place_bits = u32::BITS - places.leading_zeros();
        let distance_bits = (u32::BITS - place_bits) / 2;
        let tag_bits = u32::BITS - place_bits - distance_bits;
        // At most four of five slots are taken, and one at least is free.
        let slots = (places as usize + places as usize / 4 + 1).next_power_of_two();
        // The second from the first as SplitMix64 does it: Steele, Lea and Flood, OOPSLA 2014.
        let mixed =
            (hash_seed.wrapping_add(ODD) ^ (hash_seed.wrapping_add(ODD) >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let hash_seeds = [hash_seed, mixed ^ (mixed >> 31)];
        Self { slots: vec![FREE; slots].into(), hash_seeds, place_bits, distance_bits, tag_bits }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.slots.fill(FREE);
    }

    /// The slot that holds `id`, or the free one where it belongs.
    pub(super) fn find(&self, id: u128, ids: &[u128]) -> usize {
        let wanted = self.wanted(id);
        let mut slot = wanted.home;
        let mut distance = 0;
        while self.slots[slot] != FREE && !self.holds(slot, distance, wanted, ids) {
            slot = self.after(slot);
            distance += 1;
        }
        slot
    }

    /// The place that a slot holds.
    pub(super) fn place(&self, slot: usize) -> Option<u32> {
        let entry = self.slots[slot];
        (entry != FREE).then(|| self.place_of(entry))
    }

    /// Has `slot`, which [`Self::find`] gave for `id`, hold that place.
    pub(super) fn put(&mut self, slot: usize, id: u128, place: u32) {
        let wanted = self.wanted(id);
        self.slots[slot] = self.entry(place, self.distance(wanted.home, slot), wanted.tag);
    }

    /// Frees a slot and closes the gap, so that every entry can be reached from its home without crossing a free one.
    pub(super) fn remove(&mut self, slot: usize, ids: &[u128]) {
        let mut gap = slot;
        let mut slot = slot;
        loop {
            slot = self.after(slot);
            let entry = self.slots[slot];
            if entry == FREE {
                break;
            }
            let (place, step) = (self.place_of(entry), self.distance(gap, slot));
            let distance = match self.distance_of(entry) {
                Some(distance) => distance,
                None => self.distance(self.wanted(ids[place as usize]).home, slot),
            };
            if distance >= step {
                let tag = u64::from(entry) >> (self.place_bits + self.distance_bits);
                self.slots[gap] = self.entry(place, distance - step, tag);
                gap = slot;
            }
        }
        self.slots[gap] = FREE;
    }

    fn holds(&self, slot: usize, distance: usize, wanted: Wanted, ids: &[u128]) -> bool {
        let entry = self.slots[slot];
        let place = self.place_of(entry);
        entry == self.entry(place, distance, wanted.tag) && ids[place as usize] == wanted.id
    }

    #[expect(clippy::cast_possible_truncation, reason = "the parts are as wide as an entry together")]
    fn entry(&self, place: u32, distance: usize, tag: u64) -> u32 {
        let distance = (distance as u64).min(self.distance_max());
        (((tag << self.distance_bits | distance) << self.place_bits) | u64::from(place)) as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "a part of 32 bits")]
    fn place_of(&self, entry: u32) -> u32 {
        (u64::from(entry) & ((1 << self.place_bits) - 1)) as u32
    }

    /// How far an entry stands from its home; `None` if further than its bits can say.
    fn distance_of(&self, entry: u32) -> Option<usize> {
        let distance = (u64::from(entry) >> self.place_bits) & self.distance_max();
        (distance < self.distance_max()).then(|| usize::try_from(distance).expect("fewer than 32 bits"))
    }

    /// Stands for itself and everything above.
    fn distance_max(&self) -> u64 {
        (1 << self.distance_bits) - 1
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// Folded multiplication: every bit of the id moves the upper bits of the product.
    #[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
    fn wanted(&self, id: u128) -> Wanted {
        let low = (id as u64) ^ self.hash_seeds[0];
        let high = ((id >> 64) as u64) ^ self.hash_seeds[1];
        let product = u128::from(low) * u128::from(high);
        let mixed = (((product >> 64) as u64) ^ (product as u64)).wrapping_mul(ODD);
        let home = (mixed >> 32) as usize & (self.slots.len() - 1);
        Wanted { id, home, tag: (mixed >> 8) & ((1 << self.tag_bits) - 1) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Ids that have one home and one tag.
    fn colliding(index: &IdIndex, count: usize) -> Vec<u128> {
        let of = |id| {
            let Wanted { home, tag, .. } = index.wanted(id);
            (home, tag)
        };
        let first = of(0);
        (0..u128::MAX).filter(|&id| of(id) == first).take(count).collect()
    }

    #[test]
    fn entries_further_from_home_than_their_bits_can_say_are_found_and_moved() {
        // 14 bits of place leave 9 for the distance in a ring of 10 000; one of 2^22 - 1 leaves 5: 31 stands for more.
        let places = (1 << 22) - 1;
        let mut index = IdIndex { slots: vec![FREE; 256].into(), ..IdIndex::new(places, 1) };
        let ids = colliding(&index, 100);
        for (place, &id) in (0..).zip(&ids) {
            let slot = index.find(id, &ids);
            assert_eq!(index.place(slot), None, "id {id}");
            index.put(slot, id, place);
        }
        // Out of the middle, so that all behind it move, some of them from beyond 31 to below.
        for gone in [50, 3, 90, 0] {
            let slot = index.find(ids[gone], &ids);
            index.remove(slot, &ids);
        }
        for (place, &id) in (0..).zip(&ids) {
            let kept = ![50, 3, 90, 0].contains(&place);
            assert_eq!(index.place(index.find(id, &ids)), kept.then_some(place), "id {id}");
        }
    }

    #[test]
    fn ids_with_a_half_of_anybodys_choice_spread_over_the_table() {
        let index = IdIndex::new(10_000, 7);
        for half in [0, 1, ODD, ODD ^ 1, u64::MAX] {
            for shift in [0, 64] {
                let other = 64 - shift;
                let ids = (0..1_000_u64)
                    .map(|count| u128::from(half) << shift | u128::from(ODD.wrapping_mul(count)) << other);
                let homes: std::collections::HashSet<usize> = ids.map(|id| index.wanted(id).home).collect();
                // Of 1 000 balls in 16 384 boxes some 30 share one.
                assert!(homes.len() > 900, "{half:x} << {shift}: {}", homes.len());
            }
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_was_put_and_not_removed(
            places in 1_u32..40,
            seed: u64,
            steps in prop::collection::vec((any::<bool>(), 0_u128..60), 0..200),
        ) {
            let mut index = IdIndex::new(places, seed);
            let mut ids = vec![u128::MAX; places as usize];
            let mut known: HashMap<u128, u32> = HashMap::new();
            for (put, id) in steps {
                let slot = index.find(id, &ids);
                prop_assert_eq!(index.place(slot), known.get(&id).copied());
                let free = (0..places).find(|place| !known.values().any(|used| used == place));
                match (put, known.get(&id).copied(), free) {
                    (true, None, Some(place)) => {
                        ids[place as usize] = id;
                        index.put(slot, id, place);
                        known.insert(id, place);
                    }
                    (false, Some(_), _) => {
                        index.remove(slot, &ids);
                        known.remove(&id);
                    }
                    _ => {}
                }
            }
        }
    }
}
