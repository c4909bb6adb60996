//! `consumer reset` and `consumer migrate`, as `reset.rs`, `migrate.rs` and `generation.rs` have them: both read the
//! highest generation of all partitions, then begin the next one, partition by partition. Either may die on the way;
//! whoever starts it again begins anew.

use std::sync::Arc;

use consumer::fold::{FoldSettings, MIGRATIONS_MAX, PartitionState, Snapshot, windows_from};

use crate::{
    cluster::Cluster,
    events::{Event, Writer},
    evidence::{Stored, Write},
    hand::numbered,
    plan::small_settings,
};

/// The generation that begins where no snapshot is left.
const GENERATION_OF_LOST_STATE: u64 = 1_795_176_000;

/// A reset or a migration under way.
pub(crate) struct Reset {
    generation: u64,
    settings: FoldSettings,
    /// What a migration goes on from, by partition, and from when on there are new windows.
    states: Option<(Vec<Stored>, Option<i64>)>,
    next_partition: usize,
}

impl Cluster<'_> {
    /// Starts a reset, unless one is on its way: two at once are two operators who don't talk to each other.
    pub(crate) fn reset(&mut self) {
        if self.reset.is_some() || self.resets_on_way > 0 {
            return;
        }
        let highest = self.topics.iter().filter_map(|topics| topics.highest_order()).max();
        let generation = highest.map_or(GENERATION_OF_LOST_STATE, |(generation, _)| generation + 1);
        let window_ms = if self.dice.chance(500) { 700 } else { 1_000 };
        let id_window_offsets = 1 + u32::try_from(self.dice.below(12)).expect("below 12");
        let mut settings = FoldSettings { window_ms, id_window_offsets, ..small_settings() };
        let states = if self.dice.chance(500) { self.states() } else { None };
        let states = states.map(|states| {
            settings.lateness_ms = self.dice.between(0, 6_000);
            settings.future_skew_ms = self.dice.between(0, 1_000);
            let snapshots: Vec<Snapshot> = states.iter().map(|stored| (*stored.snapshot).clone()).collect();
            let windows_from_ms = windows_from(&snapshots, &settings);
            (states, windows_from_ms)
        });
        let kind = if states.is_some() { "migration" } else { "reset" };
        self.note(|| format!("{kind}: generation {generation}"));
        self.counts.resets += u64::from(states.is_none());
        self.counts.migrations += u64::from(states.is_some());
        self.reset = Some(Reset { generation, settings, states, next_partition: 0 });
        let delay_ms = self.delay_ms();
        self.queue.put(delay_ms, Event::Reset);
    }

    /// The highest snapshots, if every partition has one that can be gone on from.
    fn states(&self) -> Option<Vec<Stored>> {
        let states = self.topics.iter().map(|topics| {
            let stored = &topics.highest()?.stored;
            (stored.snapshot.migrations.len() < MIGRATIONS_MAX).then(|| stored.clone())
        });
        states.collect()
    }

    /// Begins the generation in the next partition.
    pub(crate) fn reset_on(&mut self) {
        let dies = self.is_troubled() && self.dice.chance(100);
        let Some(reset) = &mut self.reset else { return };
        if dies || reset.next_partition == self.topics.len() {
            let text = if dies { "dies" } else { "is done" };
            self.reset = None;
            self.note(|| format!("reset {text}"));
            return;
        }
        let partition = reset.next_partition;
        reset.next_partition += 1;
        let (generation, settings, now_ms) = (reset.generation, &reset.settings, self.queue.now_ms());
        let stored = match &reset.states {
            Some((states, windows_from_ms)) => {
                let Stored { snapshot, losses } = &states[partition];
                let migrated = snapshot.migrated(generation, settings, *windows_from_ms, now_ms);
                Stored { snapshot: Arc::new(migrated), losses: losses.clone() }
            }
            None => {
                let start = self.topics[partition].log_start;
                let state = PartitionState::new(generation, numbered(partition), settings.clone(), start, 2);
                Stored { snapshot: Arc::new(state.snapshot(None, now_ms)), losses: Vec::new() }
            }
        };
        self.topics[partition].evidence.ever_made.push(stored.clone());
        let writes = Arc::new(vec![Write::Snapshot(stored)]);
        let (there_ms, back_ms) = (self.delay_ms(), self.delay_ms());
        self.writes_on_way += 1;
        self.resets_on_way += 1;
        let (writer, reply_ms) = (Writer::Reset, Some(back_ms));
        self.queue.put(there_ms, Event::Append { partition, writes, writer, reply_ms });
    }
}
