//! Which settings held at which offset: what a snapshot says of its past, for the second count to follow.

use common::wire;

use crate::fold::{FoldSettings, Migration, Snapshot};

/// The settings of a count from its first offset to a snapshot, leg by leg.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// What ended each leg but the last.
    ends: Vec<Migration>,
    last_generation: u64,
    last_settings: FoldSettings,
}

impl Course {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self {
            ends: snapshot.migrations.clone(),
            last_generation: snapshot.generation,
            last_settings: snapshot.settings.clone(),
        }
    }

    /// What ends a leg; `None` for the last one.
    pub(super) fn end(&self, leg: usize) -> Option<&Migration> {
        self.ends.get(leg)
    }

    pub(super) fn settings(&self, leg: usize) -> &FoldSettings {
        self.end(leg).map_or(&self.last_settings, |end| &end.from)
    }

    pub(super) fn generation(&self, leg: usize) -> u64 {
        self.end(leg).map_or(self.last_generation, |end| end.from_generation)
    }

    /// What validation went by at an offset.
    pub(super) fn rules_at(&self, offset: i64) -> wire::Rules {
        self.settings(self.ends.iter().take_while(|end| end.offset <= offset).count()).rules()
    }

    /// Whether a generation is one of those that the count went through.
    pub(super) fn has_generation(&self, generation: u64) -> bool {
        (0..=self.ends.len()).any(|leg| self.generation(leg) == generation)
    }

    /// The generation that rejected what stands at an offset.
    pub(super) fn generation_at(&self, offset: i64) -> u64 {
        self.generation(self.ends.iter().take_while(|end| end.offset <= offset).count())
    }

    /// How many offsets back ids may be asked for, from this leg on.
    pub(super) fn id_window_offsets_max(&self, leg: usize) -> u32 {
        (leg..=self.ends.len()).map(|leg| self.settings(leg).id_window_offsets).max().unwrap_or(0)
    }

    /// Whether a snapshot is one that this count passed by. What a consumer wrote that had not heard of a migration yet
    /// is none.
    pub(super) fn passes(&self, snapshot: &Snapshot) -> bool {
        let leg = snapshot.migrations.len();
        self.ends.starts_with(&snapshot.migrations)
            && snapshot.generation == self.generation(leg)
            && snapshot.settings == *self.settings(leg)
            && self.end(leg).is_none_or(|end| snapshot.next_offset <= end.offset)
    }

    /// The newest rules that it takes to follow it.
    pub(super) fn fold_version_max(&self) -> u32 {
        (0..=self.ends.len()).map(|leg| self.settings(leg).fold_version).max().unwrap_or(0)
    }
}
