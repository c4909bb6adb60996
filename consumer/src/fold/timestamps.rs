//! Kafka timestamps of the places of a ring: four bytes for each that is within weeks of the others, as nearly all are,
//! and an entry in a table for each that isn't. Whatever is sent, every timestamp comes back as it was put.

use std::collections::HashMap;

/// Stands for a timestamp in the table.
const FAR: i32 = i32::MIN;

/// The timestamps of so many places.
#[derive(Clone, Debug)]
pub(super) struct Timestamps {
    /// What the others are counted from: the first one, to begin with.
    base_ms: Option<i64>,
    from_base_ms: Box<[i32]>,
    far_ms: HashMap<u32, i64>,
    /// Timestamps put since the base was chosen.
    put: usize,
}

impl Timestamps {
    /// Of so many places, into which none has been put.
    pub(super) fn new(places: usize) -> Self {
        Self { base_ms: None, from_base_ms: vec![0; places].into(), far_ms: HashMap::new(), put: 0 }
    }

    /// The timestamp that was put into a place, in milliseconds; any where none was.
    pub(super) fn get(&self, place: u32) -> i64 {
        match self.from_base_ms[place as usize] {
            FAR => self.far_ms[&place],
            from_base_ms => self.base_ms.unwrap_or_default() + i64::from(from_base_ms),
        }
    }

    /// Puts a timestamp into a place.
    pub(super) fn put(&mut self, place: u32, ms: i64) {
        if self.from_base_ms[place as usize] == FAR {
            self.far_ms.remove(&place);
        }
        self.put += 1;
        self.write(place, ms);
        // Time goes on, and in some weeks all of them are far. Not more often than a lap: then it costs little whatever
        // comes.
        let places = self.from_base_ms.len();
        if self.far_ms.len() > places / 8 && self.put > places {
            self.count_from(ms);
        }
    }

    fn write(&mut self, place: u32, ms: i64) {
        let base_ms = *self.base_ms.get_or_insert(ms);
        let from_base_ms = ms.checked_sub(base_ms).and_then(|ms| i32::try_from(ms).ok());
        let near = from_base_ms.filter(|&from_base_ms| from_base_ms != FAR);
        self.from_base_ms[place as usize] = near.unwrap_or(FAR);
        if near.is_none() {
            self.far_ms.insert(place, ms);
        }
    }

    fn count_from(&mut self, base_ms: i64) {
        let places = 0..u32::try_from(self.from_base_ms.len()).expect("places are numbered in 32 bits");
        let all: Vec<i64> = places.clone().map(|place| self.get(place)).collect();
        self.far_ms = HashMap::new();
        (self.base_ms, self.put) = (Some(base_ms), 0);
        places.zip(all).for_each(|(place, ms)| self.write(place, ms));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    proptest! {
        #[test]
        fn every_timestamp_comes_back_as_it_was_put(
            places in 1_u32..20,
            puts in prop::collection::vec(
                (0_u32..20, prop_oneof![Just(i64::MIN), Just(i64::MAX), 0..40 * DAY_MS, any::<i64>()]),
                0..300,
            ),
        ) {
            let mut timestamps = Timestamps::new(places as usize);
            let mut plain = vec![None; places as usize];
            for (place, ms) in puts {
                let place = place % places;
                timestamps.put(place, ms);
                plain[place as usize] = Some(ms);
                for (place, &ms) in (0..).zip(&plain) {
                    prop_assert_eq!(ms.map(|_| timestamps.get(place)), ms);
                }
            }
        }
    }

    #[test]
    fn timestamps_of_today_are_near_from_the_first_on() {
        let mut timestamps = Timestamps::new(100);
        (0..100).for_each(|place| timestamps.put(place, 1_795_176_000_000 + i64::from(place)));
        assert!(timestamps.far_ms.is_empty(), "{timestamps:?}");
    }

    #[test]
    fn after_years_few_of_them_are_far() {
        let mut timestamps = Timestamps::new(100);
        for day in 0..2_000 {
            timestamps.put(day % 100, i64::from(day) * DAY_MS / 10);
        }
        assert!(timestamps.far_ms.len() <= 100 / 8, "{}", timestamps.far_ms.len());
    }
}
