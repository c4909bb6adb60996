//! The ids of the last records of a partition.

use std::collections::{HashMap, VecDeque};

use super::Settings;
use crate::kafka::Record;

/// Where which id stands, as far back as anybody will ask.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    /// Offset and Kafka timestamp of each place of an id, in order.
    places: HashMap<u128, Vec<(i64, i64)>>,
    in_order: VecDeque<(i64, u128)>,
}

impl Ids {
    /// Whether an id stands in a record before this one, as near as the settings say. Ids that stand more than
    /// `kept_offsets` before it are forgotten.
    pub(super) fn was_seen(&mut self, id: u128, record: &Record, settings: &Settings, kept_offsets: i64) -> bool {
        while self.in_order.front().is_some_and(|&(offset, _)| offset < record.offset - kept_offsets) {
            let (_, old) = self.in_order.pop_front().expect("there is a front");
            let places = self.places.get_mut(&old).expect("every id in order is in the map");
            places.remove(0);
            if places.is_empty() {
                self.places.remove(&old);
            }
        }
        let offset_min = record.offset - settings.id_window_offsets;
        let timestamp_min = record.timestamp_ms.saturating_sub(settings.id_window_ms);
        let is_near = |&(offset, timestamp): &(i64, i64)| offset >= offset_min && timestamp >= timestamp_min;
        self.places.get(&id).is_some_and(|places| places.iter().any(is_near))
    }

    pub(super) fn remember(&mut self, id: u128, record: &Record) {
        self.places.entry(id).or_default().push((record.offset, record.timestamp_ms));
        self.in_order.push_back((record.offset, id));
    }
}
