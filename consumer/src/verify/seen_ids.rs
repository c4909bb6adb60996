//! Whether an id stood at one of the K offsets before: the second way of knowing.
//!
//! A map from ids to where they stood last, swept every K offsets. Nothing of it is shared with the fold's ring and
//! index: this one is larger, simpler, and wrong in other ways, should it be wrong.

use std::collections::VecDeque;

use ahash::AHashMap;

use crate::fold::FoldSettings;

/// The ids of valid records, back to at least K offsets.
#[derive(Debug)]
pub(super) struct SeenIds {
    /// How far back they are kept: as far as will be asked for.
    kept_offsets: i64,
    /// How far back they are asked for.
    offsets: i64,
    age_ms: i64,
    seen: AHashMap<u128, Seen>,
    /// The offset at which ids out of reach are dropped next.
    sweep_at: i64,
}

/// Where an id stood.
#[derive(Debug)]
enum Seen {
    /// Offset and Kafka timestamp of its last place; the ones before don't matter, being older in both.
    Last(i64, i64),
    /// Its places in order of offset, each with a smaller timestamp than the one before. The first within reach has
    /// the greatest timestamp of all within reach.
    #[expect(clippy::box_collection, reason = "rare; what is not rare has to stay small")]
    Falling(Box<VecDeque<(i64, i64)>>),
}

impl SeenIds {
    /// Keeps ids for so many offsets, which must be as many as any settings that follow ask for.
    pub(super) fn new(kept_offsets: u32, settings: &FoldSettings) -> Self {
        let mut ids = Self {
            kept_offsets: i64::from(kept_offsets),
            offsets: 0,
            age_ms: 0,
            seen: AHashMap::new(),
            sweep_at: i64::MIN,
        };
        ids.go_over(settings);
        ids
    }

    /// From here on these settings hold.
    pub(super) fn go_over(&mut self, settings: &FoldSettings) {
        (self.offsets, self.age_ms) = (i64::from(settings.id_window_offsets), settings.id_window_age_ms);
    }

    /// Notes a valid record, and says whether its id stood at one of the K offsets before in a record at most the age
    /// older. Offsets must grow.
    pub(super) fn note(&mut self, offset: i64, id: u128, timestamp_ms: i64) -> bool {
        let (kept, reach) = (offset.saturating_sub(self.kept_offsets), offset.saturating_sub(self.offsets));
        if offset >= self.sweep_at {
            self.seen.retain(|_, seen| seen.last_offset() >= kept);
            self.sweep_at = offset.saturating_add(self.kept_offsets);
        }
        let young_ms = timestamp_ms.saturating_sub(self.age_ms);
        let now = Seen::Last(offset, timestamp_ms);
        let Some(seen) = self.seen.get_mut(&id) else {
            self.seen.insert(id, now);
            return false;
        };
        match seen {
            Seen::Last(before, before_ms) => {
                let (before, before_ms) = (*before, *before_ms);
                *seen = if before >= kept && before_ms > timestamp_ms {
                    Seen::Falling(Box::new([(before, before_ms), (offset, timestamp_ms)].into()))
                } else {
                    now
                };
                before >= reach && before_ms >= young_ms
            }
            Seen::Falling(places) => {
                while places.front().is_some_and(|&(before, _)| before < kept) {
                    places.pop_front();
                }
                let first = places.iter().find(|&&(before, _)| before >= reach);
                let repeated = first.is_some_and(|&(_, before_ms)| before_ms >= young_ms);
                while places.back().is_some_and(|&(_, before_ms)| before_ms <= timestamp_ms) {
                    places.pop_back();
                }
                places.push_back((offset, timestamp_ms));
                repeated
            }
        }
    }
}

impl Seen {
    fn last_offset(&self) -> i64 {
        match self {
            Self::Last(offset, _) => *offset,
            Self::Falling(places) => places.back().map_or(i64::MIN, |&(offset, _)| offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(offsets: u32, age_ms: i64) -> SeenIds {
        let settings = FoldSettings { id_window_offsets: offsets, id_window_age_ms: age_ms, ..FoldSettings::default() };
        SeenIds::new(offsets, &settings)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn an_id_is_known_exactly_where_the_rule_says(
            offsets in 1_u32..10,
            age_ms in 0_i64..20,
            records in prop::collection::vec((1_i64..5, 0_u128..5, -20_i64..40), 1..120),
        ) {
            let mut ids = ids(offsets, age_ms);
            let mut before: Vec<(i64, u128, i64)> = Vec::new();
            let mut offset = -1;
            for (step, id, timestamp_ms) in records {
                offset += step;
                let repeated = before.iter().any(|&(at, other, at_ms)| {
                    other == id && at >= offset - i64::from(offsets) && timestamp_ms - at_ms <= age_ms
                });
                prop_assert_eq!(ids.note(offset, id, timestamp_ms), repeated, "at offset {}", offset);
                before.push((offset, id, timestamp_ms));
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_by_twice_the_window() {
        let mut ids = ids(100, i64::MAX);
        for offset in 0..10_000 {
            ids.note(offset, u128::from(offset.unsigned_abs()), 0);
            assert!(ids.seen.len() <= 201, "{} at offset {offset}", ids.seen.len());
        }
    }
}
