//! A partition's state together with what has come of it since the last checkpoint. Pure: no clock, no Kafka; so that
//! the simulation runs exactly this, and every crash between two steps of a checkpoint with it.

use common::kafka::RecordView;

use crate::{
    checkpoint::Checkpoint,
    dead_letter::{DeadLetter, Source},
    fingerprint::fingerprint,
    fold::{LastRecord, PartitionState, Snapshot, Verdict},
    view::View,
};

/// Most bytes of dead letters that wait for a checkpoint before no more records are taken.
const DEAD_LETTER_BYTES_MAX: usize = 4 << 20;
/// Most closed windows that wait for a checkpoint before no more records are taken.
const CLOSED_WINDOWS_MAX: usize = 1_000;
/// Time between two anchors of a partition: copies of a snapshot that stay when the state topic is compacted.
const ANCHOR_INTERVAL_MS: i64 = 3_600_000;
/// Records that one owner folds between two anchors at most: where a log is kept for its size, an hour may be longer than
/// all of it. So many take some 100 MB there, an anchor less than a thousandth of that.
const ANCHOR_RECORDS: u64 = 250_000;

/// A partition's state and what waits to be made durable.
pub struct Folding {
    topic: String,
    state: PartitionState,
    last_record: Option<LastRecord>,
    anchored_at_ms: Option<i64>,
    dead_letters: Vec<DeadLetter>,
    dead_letter_bytes: usize,
    records_unsaved: u64,
    records_unanchored: u64,
    unsaved: bool,
}

impl Folding {
    /// A partition that was never counted before. It begins with a snapshot, which fixes its settings.
    #[must_use]
    pub fn begin(topic: &str, state: PartitionState) -> Self {
        Self { unsaved: true, ..Self::of(topic, state) }
    }

    /// Goes on from `snapshot`, which `state` was restored from.
    #[must_use]
    pub fn resume(topic: &str, state: PartitionState, snapshot: &Snapshot) -> Self {
        Self {
            // What a migration has given out again doesn't wait for the next record.
            unsaved: state.closed_windows_waiting() > 0,
            last_record: snapshot.last_record.clone(),
            anchored_at_ms: snapshot.anchored_at_ms,
            ..Self::of(topic, state)
        }
    }

    fn of(topic: &str, state: PartitionState) -> Self {
        Self {
            topic: topic.to_owned(),
            state,
            last_record: None,
            anchored_at_ms: None,
            dead_letters: Vec::new(),
            dead_letter_bytes: 0,
            records_unsaved: 0,
            records_unanchored: 0,
            unsaved: false,
        }
    }

    /// Folds the records before `end`, and the offsets up to `next_offset` that held none. `each` hears what became of
    /// each. Gives how many there were.
    pub fn fold<'r>(
        &mut self,
        records: impl IntoIterator<Item = RecordView<'r>>,
        next_offset: i64,
        end: i64,
        mut each: impl FnMut(&RecordView<'r>, &Verdict<'_>),
    ) -> u64 {
        let before = self.state.next_offset();
        let mut last = None;
        let mut folded = 0;
        for record in records.into_iter().take_while(|record| record.offset < end) {
            let verdict = self.state.fold(&record);
            each(&record, &verdict);
            if let Verdict::Rejected(reason) = verdict {
                let letter = DeadLetter::new(&record, reason);
                self.dead_letter_bytes += letter.bytes();
                self.dead_letters.push(letter);
            }
            last = Some(record);
            folded += 1;
        }
        if let Some(last) = last {
            self.last_record = Some(fingerprint(&last));
        }
        self.state.advance_to(next_offset.min(end).max(self.state.next_offset()));
        self.unsaved |= self.state.next_offset() > before;
        self.records_unsaved += folded;
        self.records_unanchored += folded;
        folded
    }

    /// Notes that retention deleted what stands before `offset` unread.
    pub fn skip_to(&mut self, offset: i64) {
        self.state.skip_to(offset);
        self.unsaved = true;
    }

    /// Looks at what was written meanwhile, by whomever: an older snapshot behind the highest one asks for another
    /// checkpoint, even if nothing comes, for compaction may keep the older one alone. Whoever is behind the highest one
    /// can't mend that, and would bury it once more. Gives whether this state has to make way: a higher generation has
    /// begun, or may have, for something was written that only a newer version can read. Restoring finds out.
    #[must_use]
    pub fn heed(&mut self, view: &View) -> bool {
        let (partition, generation) = (self.state.partition(), self.state.generation());
        if view.take_unreadable(partition) {
            return true;
        }
        let Some(known) = view.snapshot(partition) else { return false };
        if known.generation > generation {
            return true;
        }
        let is_behind = (generation, self.state.next_offset()) < known.order();
        self.unsaved |= !is_behind && view.is_buried(partition);
        false
    }

    /// Whether this is what `snapshot` would be restored to, to the last figure, with nothing waiting to go out.
    #[must_use]
    pub fn stands_at(&self, snapshot: &Snapshot) -> bool {
        if self.unsaved || self.state.closed_windows_waiting() > 0 {
            return false;
        }
        // When it was written, and by whom, is no part of the state.
        let mut own = self.state.snapshot(self.last_record.clone(), snapshot.written_at_ms);
        own.anchored_at_ms = snapshot.anchored_at_ms;
        own.written_by.clone_from(&snapshot.written_by);
        own == *snapshot
    }

    /// Something waits to be made durable.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// So much waits to go out that no more may come.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.dead_letter_bytes >= DEAD_LETTER_BYTES_MAX || self.state.closed_windows_waiting() >= CLOSED_WINDOWS_MAX
    }

    /// Whether a checkpoint should be made, which is `due` by the clock or not, and by `records_max` records at the
    /// latest.
    #[must_use]
    pub fn wants_checkpoint(&self, due: bool, records_max: u64) -> bool {
        self.unsaved && (due || self.records_unsaved >= records_max || self.is_full())
    }

    /// Takes everything that waits, as of now.
    pub fn checkpoint(&mut self, now_ms: i64) -> Checkpoint {
        self.unsaved = false;
        self.records_unsaved = 0;
        self.dead_letter_bytes = 0;
        let anchor = self.records_unanchored >= ANCHOR_RECORDS
            || self.anchored_at_ms.is_none_or(|anchored_at_ms| now_ms - anchored_at_ms >= ANCHOR_INTERVAL_MS);
        if anchor {
            self.anchored_at_ms = Some(now_ms);
            self.records_unanchored = 0;
        }
        let source = Source {
            topic: self.topic.clone(),
            partition: self.state.partition(),
            generation: self.state.generation(),
        };
        let windows = self.state.take_closed_windows();
        let mut snapshot = self.state.snapshot(self.last_record.clone(), now_ms);
        snapshot.anchored_at_ms = self.anchored_at_ms;
        Checkpoint { source, dead_letters: std::mem::take(&mut self.dead_letters), windows, anchor, snapshot }
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> &PartitionState {
        &self.state
    }

    /// What the last record looked like.
    #[must_use]
    pub fn last_record(&self) -> Option<&LastRecord> {
        self.last_record.as_ref()
    }
}
