//! `consumer reset`, as `command.rs` has it: reads the highest generation of all partitions, then begins the next one,
//! partition by partition. It may die on the way; whoever starts it again begins anew.

use std::sync::Arc;

use consumer::fold::{FoldSettings, PartitionState};

use crate::{
    cluster::Cluster,
    events::{Event, Writer},
    evidence::{Stored, Write},
    hand::numbered,
    plan::small_settings,
};

/// The generation that begins where no snapshot is left.
const GENERATION_OF_LOST_STATE: u64 = 1_795_176_000;

/// A reset under way.
pub(crate) struct Reset {
    generation: u64,
    settings: FoldSettings,
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
        let settings = FoldSettings { window_ms, id_window_offsets, ..small_settings() };
        self.note(|| format!("reset: generation {generation}"));
        self.counts.resets += 1;
        self.reset = Some(Reset { generation, settings, next_partition: 0 });
        let delay_ms = self.delay_ms();
        self.queue.put(delay_ms, Event::Reset);
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
        let (start, settings) = (self.topics[partition].log_start, reset.settings.clone());
        let state = PartitionState::new(reset.generation, numbered(partition), settings, start, 2);
        let stored = Stored { snapshot: Arc::new(state.snapshot(None, self.queue.now_ms())), losses: Vec::new() };
        self.topics[partition].evidence.ever_made.push(stored.clone());
        let writes = Arc::new(vec![Write::Snapshot(stored)]);
        let (there_ms, back_ms) = (self.delay_ms(), self.delay_ms());
        self.writes_on_way += 1;
        self.resets_on_way += 1;
        let (writer, reply_ms) = (Writer::Reset, Some(back_ms));
        self.queue.put(there_ms, Event::Append { partition, writes, writer, reply_ms });
    }
}
