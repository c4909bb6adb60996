//! What the result of folding depends on besides the records. It belongs to the state, not to the process: the first
//! snapshot of a generation fixes it, and every process that goes on from there follows it.

use common::wire;
use serde::{Deserialize, Serialize};

/// The version of the rules themselves: order of checks, closed lists, meaning of the columns. A change of any of
/// them is a new version, and code must go on knowing the one before.
pub const FOLD_VERSION: u32 = 1;

/// How records are folded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldSettings {
    /// [`FOLD_VERSION`] when the generation began.
    pub fold_version: u32,
    /// Length of a window, in milliseconds.
    pub window_ms: i64,
    /// How far the watermark stays behind the newest record, in milliseconds.
    pub out_of_order_ms: i64,
    /// How long after its end a window still takes records, in milliseconds.
    pub lateness_ms: i64,
    /// How far ahead of its Kafka timestamp a transaction may be dated, in milliseconds.
    pub future_skew_ms: i64,
    /// How many offsets back an id is recognised.
    pub id_window_offsets: u32,
    /// How much older, by Kafka timestamp, the earlier record with the same id may be, in milliseconds.
    pub id_window_age_ms: i64,
    /// Largest value, in bytes.
    pub value_bytes_max: usize,
}

impl Default for FoldSettings {
    fn default() -> Self {
        Self {
            fold_version: FOLD_VERSION,
            window_ms: 60_000,
            out_of_order_ms: 5_000,
            lateness_ms: 900_000,
            future_skew_ms: wire::FUTURE_SKEW_MS_DEFAULT,
            id_window_offsets: 100_000,
            id_window_age_ms: 24 * 3_600_000,
            value_bytes_max: wire::VALUE_BYTES_MAX_DEFAULT,
        }
    }
}

impl FoldSettings {
    /// The part that validation needs.
    #[must_use]
    pub fn rules(&self) -> wire::Rules {
        wire::Rules { future_skew_ms: self.future_skew_ms, value_bytes_max: self.value_bytes_max }
    }

    /// Whether records can be folded by these at all.
    #[must_use]
    pub fn are_possible(&self) -> bool {
        self.window_ms > 0
            && self.id_window_offsets > 0
            && [self.out_of_order_ms, self.lateness_ms, self.future_skew_ms, self.id_window_age_ms]
                .iter()
                .all(|&span_ms| span_ms >= 0)
    }

    /// Whether an event time may belong to another window by these than by `other`, or the window be final at another
    /// watermark.
    #[must_use]
    pub fn makes_other_windows_than(&self, other: &Self) -> bool {
        (self.window_ms, self.lateness_ms) != (other.window_ms, other.lateness_ms)
    }

    /// Most windows that can be open or revisable at the same time. A transaction lies at most the skew ahead of its
    /// Kafka timestamp, the watermark at most the allowance behind the newest of those.
    #[must_use]
    pub fn windows_max(&self) -> i64 {
        (self.lateness_ms + self.out_of_order_ms + self.future_skew_ms) / self.window_ms + 3
    }
}
