//! The generations that a migrated state has gone through, one leg each.

use consumer::fold::{FoldSettings, Migration, Snapshot};

/// One generation's part of a state's way.
pub(crate) struct Leg<'s> {
    pub(crate) generation: u64,
    pub(crate) settings: &'s FoldSettings,
    /// What ended it; `None` for the last.
    pub(crate) end: Option<&'s Migration>,
}

impl Leg<'_> {
    pub(crate) fn end_offset(&self) -> i64 {
        self.end.map_or(i64::MAX, |end| end.offset)
    }
}

/// The way of a state, oldest leg first.
pub(crate) fn legs(last: &Snapshot) -> Vec<Leg<'_>> {
    let earlier =
        last.migrations.iter().map(|end| Leg { generation: end.from_generation, settings: &end.from, end: Some(end) });
    let current = Leg { generation: last.generation, settings: &last.settings, end: None };
    earlier.chain([current]).collect()
}

/// The leg on which this offset is folded.
pub(crate) fn leg_at(last: &Snapshot, offset: i64) -> Leg<'_> {
    let leg = legs(last).into_iter().find(|leg| offset < leg.end_offset());
    leg.expect("the last leg has no end")
}
