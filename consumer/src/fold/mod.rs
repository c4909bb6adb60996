//! The pure core: one partition's records, in order, folded into one partition's state.
//!
//! ```text
//!   record ─▶ header ─▶ redelivered? ─▶ valid? ─▶ repeated? ─▶ accepted ─▶ totals
//!               │            │            │           │            └─────▶ window (on time, revised, too late)
//!               └────────────┴────────────┴───────────┴─▶ exactly one column of the ledger
//! ```
//!
//! Promises: the state at offset n is a function of the records before n, the [`FoldSettings`], and the list of its
//! [`Migration`]s (which offsets were folded by other settings) alone. No clock, no I/O, no randomness, no tokio. So any
//! snapshot of a generation is a valid place to start from: an old one costs replay, never a wrong number.

mod calendar;
mod closed_window;
mod highest;
mod id_index;
mod ledger;
mod migration;
mod repeats;
mod sequence;
mod settings;
mod snapshot;
mod timestamps;
mod totals;
mod window;

pub use closed_window::ClosedWindow;
pub use highest::Highest;
pub use ledger::Ledger;
pub use migration::{MIGRATIONS_MAX, Migration, windows_from};
pub use repeats::IdWindow;
pub use sequence::{Arrival, SEQUENCE_JUMP_MAX, SequenceTable};
pub use settings::{FOLD_VERSION, FoldSettings};
pub use snapshot::{GENERATION_MAX, LastRecord, SNAPSHOT_FORMAT, Snapshot, SnapshotError, SnapshotHead, WindowShare};
pub(crate) use totals::add_grid;
pub use totals::{Cell, CurrencyCell, Grid, GridForm, Totals, TotalsForm};
pub use window::{Punctuality, Windows};

use calendar::Calendar;
use common::{
    kafka::RecordView,
    transaction::Transaction,
    wire::{self, Origin, Reason, SequenceHeader},
};

/// What became of a record: the column of the ledger it is in.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<'a> {
    /// Counted.
    Accepted(Transaction<'a>),
    /// The same sequence of the same producer came before: its client sent it again.
    Redelivered,
    /// Its id stands in an earlier valid record within the id window.
    Repeated,
    /// It can't be counted: a dead letter.
    Rejected(Reason),
}

/// Everything that is known of one partition's log up to an offset.
pub struct PartitionState {
    generation: u64,
    partition: i32,
    settings: FoldSettings,
    migrations: Vec<Migration>,
    rules: wire::Rules,
    first_offset: i64,
    next_offset: i64,
    skipped: i64,
    last_offset: Option<i64>,
    ledger: Ledger,
    totals: Totals,
    windows: Windows,
    sequences: SequenceTable,
    ids: IdWindow,
}

impl PartitionState {
    /// The state before any record: the partition is counted from `first_offset` on. `hash_seed` guards the id
    /// window against ids chosen to collide; it changes no result.
    #[must_use]
    pub fn new(generation: u64, partition: i32, settings: FoldSettings, first_offset: i64, hash_seed: u64) -> Self {
        Self {
            generation,
            partition,
            rules: settings.rules(),
            first_offset,
            next_offset: first_offset,
            skipped: 0,
            last_offset: None,
            ledger: Ledger::default(),
            totals: Totals::default(),
            windows: Windows::new(Calendar::new(&settings, &[]), settings.out_of_order_ms),
            sequences: SequenceTable::default(),
            ids: IdWindow::new(settings.id_window_offsets, settings.id_window_age_ms, hash_seed),
            settings,
            migrations: Vec::new(),
        }
    }

    /// Folds the next record in. Offsets between the last one and this one held none.
    ///
    /// # Panics
    /// When the record lies before `next_offset`: folding it would count it twice.
    pub fn fold<'a>(&mut self, record: &RecordView<'a>) -> Verdict<'a> {
        self.advance_to(record.offset);
        self.next_offset = record.offset + 1;
        self.last_offset = Some(record.offset);
        self.ledger.consumed += 1;
        let verdict = self.judge(record);
        match &verdict {
            Verdict::Accepted(transaction) => {
                self.accept(transaction, record.timestamp_ms);
                self.ledger.mended += u64::from(record.redriven_from.is_some_and(is_origin));
            }
            Verdict::Redelivered => self.ledger.redelivered += 1,
            Verdict::Repeated => self.ledger.repeated += 1,
            Verdict::Rejected(reason) => self.ledger.rejected[reason.index()] += 1,
        }
        verdict
    }

    fn judge<'a>(&mut self, record: &RecordView<'a>) -> Verdict<'a> {
        if record.undecodable {
            return Verdict::Rejected(Reason::Undecodable);
        }
        let Ok(header) = parse_header(record) else { return Verdict::Rejected(Reason::InvalidHeader) };
        let decoded = wire::decode(record.value, record.timestamp_ms, &self.rules);
        // The id window holds every valid record, whatever becomes of it, so that it can be rebuilt from the log
        // without knowing what became of it.
        let repeated = match &decoded {
            Ok(transaction) => self.ids.insert(record.offset, transaction.id, record.timestamp_ms),
            Err(_) => false,
        };
        if let Some(header) = header {
            let counts_first = self.first_offset == 0;
            match self.sequences.observe(header, record.offset, counts_first) {
                Arrival::TooFar => return Verdict::Rejected(Reason::InvalidHeader),
                Arrival::Redelivered => return Verdict::Redelivered,
                Arrival::Next { missing } => self.ledger.missing_from_sequence += missing,
            }
        }
        match decoded {
            Err(reason) => Verdict::Rejected(reason),
            Ok(_) if repeated => Verdict::Repeated,
            Ok(transaction) => Verdict::Accepted(transaction),
        }
    }

    fn accept(&mut self, transaction: &Transaction<'_>, timestamp_ms: i64) {
        self.ledger.accepted += 1;
        self.totals.add(transaction);
        match self.windows.add(transaction, timestamp_ms) {
            Punctuality::OnTime => self.ledger.on_time += 1,
            Punctuality::Revised => self.ledger.revised += 1,
            Punctuality::TooLate => self.ledger.too_late += 1,
        }
    }

    /// Notes that the offsets from `next_offset` to before `offset` hold no record (any more): compaction, or the
    /// markers of transactions.
    ///
    /// # Panics
    /// When `offset` lies before `next_offset`.
    pub fn advance_to(&mut self, offset: i64) {
        assert!(
            offset >= self.next_offset,
            "partition {}: offset {offset} comes after {} has been folded",
            self.partition,
            self.next_offset - 1
        );
        self.ledger.offsets_without_record += (offset - self.next_offset).unsigned_abs();
        self.next_offset = offset;
    }

    /// Notes that the offsets from `next_offset` to before `offset` were deleted before they were read.
    ///
    /// # Panics
    /// When `offset` lies before `next_offset`.
    pub fn skip_to(&mut self, offset: i64) {
        assert!(offset >= self.next_offset, "partition {}: can't skip back to {offset}", self.partition);
        self.skipped += offset - self.next_offset;
        self.next_offset = offset;
    }

    /// Puts a record that was folded before into the id window again, after a restart. Records must come in order.
    pub fn remember(&mut self, record: &RecordView<'_>) {
        if record.undecodable || parse_header(record).is_err() {
            return;
        }
        // By the settings of its time: whether it stands in the window was decided then.
        let before = self.migrations.iter().find(|migration| record.offset < migration.offset);
        let rules = before.map_or(self.rules, |migration| migration.from.rules());
        if let Ok(transaction) = wire::decode(record.value, record.timestamp_ms, &rules) {
            self.ids.insert(record.offset, transaction.id, record.timestamp_ms);
        }
    }

    /// The first offset whose record the id window needs at this point.
    #[must_use]
    pub fn id_window_start(&self) -> i64 {
        self.next_offset.saturating_sub(i64::from(self.settings.id_window_offsets)).max(self.first_offset)
    }

    /// Takes the windows that closed or were revised since the last call, as they are now.
    pub fn take_closed_windows(&mut self) -> Vec<ClosedWindow> {
        let since_generation = self.migrations.first().map_or(self.generation, |first| first.from_generation);
        self.windows.take_closed(self.generation, since_generation, self.partition)
    }

    /// How many windows wait to be taken.
    #[must_use]
    pub fn closed_windows_waiting(&self) -> usize {
        self.windows.closed_waiting()
    }

    /// The offset that is folded next.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The offset of the last record folded, while this state has lived.
    #[must_use]
    pub fn last_offset(&self) -> Option<i64> {
        self.last_offset
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The generation this state belongs to.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The ledger so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// Whether a header says for which dead letter its record was sent again. One that doesn't is no reason to reject anything.
fn is_origin(header: &[u8]) -> bool {
    Origin::parse(header).is_some()
}

/// The sequence header, if there is one. Whether a record counts as valid depends on this and on its value only.
fn parse_header(record: &RecordView<'_>) -> Result<Option<SequenceHeader>, Reason> {
    record.sequence.map(|value| SequenceHeader::parse(value).ok_or(Reason::InvalidHeader)).transpose()
}
