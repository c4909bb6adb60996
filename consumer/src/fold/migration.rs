//! Other settings from some offset on: what `consumer migrate` makes of a snapshot, and what a state remembers of it.
//!
//! A state that was migrated is no function of the records and the settings alone any more, but of the records, the
//! settings, and the list of its migrations: each says up to where which settings held. With it anybody can fold the
//! log again from the first offset and come to the same figures.

use serde::{Deserialize, Serialize};

use super::{FoldSettings, Snapshot, calendar::Calendar};

/// Most migrations of a state. After that many it has to begin anew.
pub const MIGRATIONS_MAX: usize = 16;

/// Where the settings of a partition's state were changed, and what they were before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The first offset that was not folded by the settings before.
    pub offset: i64,
    /// Event time reached there.
    pub watermark_ms: Option<i64>,
    /// From which event time on windows are those of the settings after it; `None` where it changed no window.
    pub windows_from_ms: Option<i64>,
    /// The generation that ended here.
    pub from_generation: u64,
    /// The settings before.
    pub from: FoldSettings,
}

impl Snapshot {
    /// The same state, at the same offset, as the beginning of a generation that goes on with other settings. Where
    /// they make other windows, those begin at `windows_from_ms`; see [`windows_from`].
    #[must_use]
    pub fn migrated(
        &self,
        generation: u64,
        settings: &FoldSettings,
        windows_from_ms: Option<i64>,
        written_at_ms: i64,
    ) -> Self {
        let mut migrated = self.clone();
        migrated.migrations.push(Migration {
            offset: self.next_offset,
            watermark_ms: self.watermark_ms,
            windows_from_ms: windows_from_ms.filter(|_| self.settings.makes_other_windows_than(settings)),
            from_generation: self.generation,
            from: self.settings.clone(),
        });
        migrated.format = Self::format_of(&migrated.migrations);
        (migrated.generation, migrated.settings) = (generation, settings.clone());
        // A generation has anchors of its own.
        (migrated.written_at_ms, migrated.anchored_at_ms) = (written_at_ms, None);
        migrated.written_by = None;
        migrated
    }

    /// Whether `consumer migrate` has written this, and not a consumer that went over to it: those leave an anchor with
    /// their first snapshot.
    #[must_use]
    pub fn awaits_its_consumer(&self) -> bool {
        let is_migrated_here = self.migrations.last().is_some_and(|last| last.offset == self.next_offset);
        is_migrated_here && self.anchored_at_ms.is_none()
    }

    /// How many windows still take transactions.
    #[must_use]
    pub fn windows_held(&self) -> usize {
        self.windows.len()
    }

    /// The instant at which every window has ended that this state holds or has let go; `None` if there never was one.
    ///
    /// It is no earlier than the watermark: the transaction that moved it there occurred behind it, so its window ends
    /// behind it, and is held.
    fn windows_end_ms(&self) -> Option<i64> {
        let calendar = Calendar::new(&self.settings, &self.migrations);
        let ends_ms = self.windows.iter().map(|window| calendar.span(window.start_ms).end_ms);
        let end_ms = ends_ms.max();
        debug_assert!(end_ms >= self.watermark_ms, "the window that moved the watermark is held");
        end_ms
    }
}

/// From which event time on the windows of these settings may hold in all of a pipeline's partitions: a boundary of the
/// new length at or behind the end of every window there is, so that none is changed, and at or behind every watermark,
/// so that none that was let go comes back. Where nothing is in a window yet, it is a boundary at or behind where those of
/// the migration before begin, which need be none of the new length. The same for all, so that whoever adds partitions up
/// adds equal windows. `None` where there is neither a window nor such a migration.
#[must_use]
pub fn windows_from(states: &[Snapshot], settings: &FoldSettings) -> Option<i64> {
    let from = |state: &Snapshot| {
        let since_ms = Calendar::new(&state.settings, &state.migrations).since_ms();
        if state.settings.makes_other_windows_than(settings) {
            let end_ms = state.windows_end_ms().or(since_ms);
            return end_ms.map(|end_ms| boundary_at_or_behind(end_ms, settings.window_ms));
        }
        // A migration that was cut off half-way got as far as this partition.
        since_ms
    };
    states.iter().filter_map(from).max()
}

fn boundary_at_or_behind(at_ms: i64, length_ms: i64) -> i64 {
    match at_ms.rem_euclid(length_ms) {
        0 => at_ms,
        beyond_ms => at_ms.saturating_add(length_ms - beyond_ms),
    }
}
