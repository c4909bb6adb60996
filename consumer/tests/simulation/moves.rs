//! What can happen next.

use consumer::fold::FoldSettings;
use proptest::prelude::*;

use crate::small;

/// What happens next. `who` counts workers from the newest back.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    Fold {
        who: usize,
        records: usize,
        into_hole: i64,
    },
    Checkpoint {
        who: usize,
    },
    Write {
        who: usize,
        writes: usize,
    },
    Start,
    Crash {
        who: usize,
    },
    /// Compaction keeps the last snapshot, and those whose bit is set.
    Compact {
        kept: u64,
    },
    /// The newest snapshots are lost, but never the last one there is.
    Lose {
        newest: usize,
    },
    /// Retention takes the next offsets of the log.
    Retain {
        offsets: i64,
    },
    /// A new generation, with other settings, from the log's start.
    Reset {
        window_ms: i64,
        id_window_offsets: u32,
    },
    /// A new generation, with other settings, from the highest snapshot.
    Migrate {
        settings: FoldSettings,
    },
}

impl Move {
    /// Dice from 0 to 99 again: see `Draft`.
    pub(crate) fn strategy(retention: bool) -> impl Strategy<Value = Self> {
        let dice = (0..100_u8, 0..100_u8, 0..100_u8, any::<u64>());
        dice.prop_map(move |(kind, whose, much, detail)| {
            let who = if whose < 75 { 0 } else { usize::from(whose % 4) };
            let few = usize::from(much % 30) + 1;
            match kind {
                0..26 => Self::Fold { who, records: few, into_hole: i64::from(much).saturating_sub(60).max(0) },
                26..52 => Self::Checkpoint { who },
                52..78 => Self::Write { who, writes: if much < 40 { usize::MAX } else { few / 5 + 1 } },
                78..84 => Self::Start,
                84..92 => Self::Crash { who },
                92 | 93 => Self::Compact { kept: detail },
                94 | 95 => Self::Lose { newest: few / 10 + 1 },
                96 => Self::Reset {
                    window_ms: if much < 50 { 700 } else { 1_000 },
                    id_window_offsets: u32::from(much % 12) + 1,
                },
                97 => Self::Migrate { settings: other_settings(u32::from(much), detail) },
                _ if retention => Self::Retain { offsets: i64::from(much) / 4 + 1 },
                _ => Self::Start,
            }
        })
    }
}

/// Any of a few values for each setting that can be changed.
fn other_settings(much: u32, detail: u64) -> FoldSettings {
    let one_of = |values: [i64; 4], place: u32| values[(detail >> (2 * place) & 3) as usize];
    FoldSettings {
        window_ms: one_of([700, 1_000, 1_000, 2_500], 0),
        lateness_ms: one_of([0, 1_000, 3_000, 6_000], 1),
        out_of_order_ms: one_of([0, 200, 200, 900], 2),
        future_skew_ms: one_of([0, 500, 500, 1_000], 3),
        id_window_age_ms: one_of([500, 1_500, 1_500, 4_000], 4),
        id_window_offsets: much % 16 + 1,
        ..small()
    }
}
