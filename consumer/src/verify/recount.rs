//! The second count of a partition: the rules of the count once more, in structures that share nothing with the
//! fold's. What is shared is what a record says (`wire::decode`, the header's parser) and the form of a snapshot.
//!
//! Promises, as the fold does: no clock, no I/O, no randomness that shows. It follows the settings of the snapshot, and
//! before them those that the snapshot says it had before.

use common::{
    kafka::RecordView,
    wire::{self, Origin, Reason, SequenceHeader},
};

use super::{
    course::Course,
    cube::Cube,
    evidence::{ClosedWindows, Rejections},
    figures::Figures,
    producers::{Producers, Sent},
    seen_ids::SeenIds,
    windows::{Timing, Windows},
};
use crate::{
    fingerprint::fingerprint,
    fold::{LastRecord, Ledger, Migration, Snapshot},
};

/// The rules that are written down a second time in this chapter.
pub const FOLD_VERSION_KNOWN: u32 = 1;

/// A count that goes on from somewhere, record by record.
pub struct Recount {
    course: Course,
    /// Migrations that have been passed, as they were found.
    passed: Vec<Migration>,
    /// Where other settings follow.
    leg_end: i64,
    rules: wire::Rules,
    first_offset: i64,
    skipped: i64,
    /// Where the count goes on.
    next_offset: i64,
    last_record: Option<LastRecord>,
    ledger: Ledger,
    accepted: Cube,
    windows: Windows,
    producers: Producers,
    ids: SeenIds,
    rejections: Rejections,
}

/// What a recount came to.
pub(super) struct Recounted {
    pub(super) figures: Figures,
    pub(super) rejections: Rejections,
    pub(super) closed: ClosedWindows,
}

impl Recount {
    /// The count that a snapshot stands for, from the first offset on.
    #[must_use]
    pub fn from_the_first(snapshot: &Snapshot) -> Self {
        let first_offset = snapshot.first_offset;
        let nothing = Figures { first_offset, next_offset: first_offset, ..Figures::default() };
        Self::from_figures(snapshot, nothing).expect("no figures hold no unknown name")
    }

    /// The count that a snapshot stands for, which takes these figures for granted and goes on behind them; `None` where
    /// they hold a name that is unknown here. The records from [`Self::ids_from`] on have to be given to
    /// [`Self::remember`] first.
    #[must_use]
    pub fn from_figures(snapshot: &Snapshot, figures: Figures) -> Option<Self> {
        let from_zero = figures.first_offset == 0;
        let course = Course::of(snapshot);
        let leg = figures.migrations.len();
        let settings = course.settings(leg);
        Some(Self {
            rules: settings.rules(),
            leg_end: course.end(leg).map_or(i64::MAX, |end| end.offset),
            first_offset: figures.first_offset,
            skipped: figures.skipped,
            next_offset: figures.next_offset,
            last_record: figures.last_record,
            ledger: figures.ledger,
            accepted: Cube::new(figures.totals),
            windows: Windows::resume(&course, leg, figures.watermark_ms, &figures.windows)?,
            producers: Producers::resume(from_zero, &figures.sequences, figures.sequences_evicted)?,
            ids: SeenIds::new(course.id_window_offsets_max(leg), settings),
            rejections: Rejections::default(),
            passed: figures.migrations,
            course,
        })
    }

    /// The offset from which on ids are needed before the count can go on.
    #[must_use]
    pub fn ids_from(&self) -> i64 {
        let id_window_offsets = self.course.id_window_offsets_max(self.passed.len());
        ids_from(self.next_offset, id_window_offsets.into(), self.first_offset)
    }

    /// The offset that is counted next.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Takes note of the id of a record that was counted before.
    pub fn remember(&mut self, record: &RecordView<'_>) {
        if !record.undecodable
            && header_of(record).is_ok()
            && let Ok(transaction) =
                wire::decode(record.value, record.timestamp_ms, &self.course.rules_at(record.offset))
        {
            self.ids.note(record.offset, transaction.id, record.timestamp_ms);
        }
    }

    /// Counts consecutive records.
    pub fn count<'r>(&mut self, records: impl Iterator<Item = RecordView<'r>>) {
        let mut last = None;
        for record in records {
            self.count_one(&record);
            last = Some(record);
        }
        self.windows.put_away();
        if let Some(last) = last {
            self.next_offset = last.offset + 1;
            self.last_record = Some(fingerprint(&last));
        }
    }

    /// Goes over to the settings that hold at an offset.
    fn go_over(&mut self, offset: i64) {
        while let Some(end) = self.course.end(self.passed.len()).filter(|end| end.offset <= offset) {
            self.passed.push(Migration { watermark_ms: self.windows.watermark_ms(), ..end.clone() });
            let leg = self.passed.len();
            self.windows.go_over(&self.course, leg);
            let settings = self.course.settings(leg);
            self.rules = settings.rules();
            self.ids.go_over(settings);
        }
        self.leg_end = self.course.end(self.passed.len()).map_or(i64::MAX, |end| end.offset);
    }

    fn count_one(&mut self, record: &RecordView<'_>) {
        if record.offset >= self.leg_end {
            self.go_over(record.offset);
        }
        self.ledger.consumed += 1;
        if record.undecodable {
            return self.reject(record, Reason::Undecodable);
        }
        let Ok(header) = header_of(record) else { return self.reject(record, Reason::InvalidHeader) };
        let transaction = wire::decode(record.value, record.timestamp_ms, &self.rules);
        let stood_before = match &transaction {
            Ok(transaction) => self.ids.note(record.offset, transaction.id, record.timestamp_ms),
            Err(_) => false,
        };
        match header.map(|header| self.producers.note(header, record.offset)) {
            Some(Sent::Impossible) => return self.reject(record, Reason::InvalidHeader),
            Some(Sent::Again) => {
                self.ledger.redelivered += 1;
                return;
            }
            Some(Sent::First { missing }) => self.ledger.missing_from_sequence += missing,
            None => {}
        }
        match transaction {
            Err(reason) => self.reject(record, reason),
            Ok(_) if stood_before => self.ledger.repeated += 1,
            Ok(transaction) => {
                self.ledger.accepted += 1;
                if record.redriven_from.and_then(Origin::parse).is_some() {
                    self.ledger.mended += 1;
                }
                self.accepted.add(&transaction);
                match self.windows.add(&transaction, record.timestamp_ms) {
                    Timing::OnTime => self.ledger.on_time += 1,
                    Timing::Late => self.ledger.revised += 1,
                    Timing::TooLate => self.ledger.too_late += 1,
                }
            }
        }
    }

    fn reject(&mut self, record: &RecordView<'_>, reason: Reason) {
        self.ledger.rejected[reason.index()] += 1;
        self.rejections.add(record.offset, reason);
    }

    /// The figures at `end`, behind the last record counted.
    pub fn figures_at(self, end: i64) -> Figures {
        self.finish(end).figures
    }

    pub(super) fn finish(mut self, end: i64) -> Recounted {
        self.go_over(end);
        // Whatever offsets are neither records nor skipped hold none.
        let offsets = end - self.first_offset - self.skipped;
        self.ledger.offsets_without_record = offsets.unsigned_abs().saturating_sub(self.ledger.consumed);
        let (sequences, sequences_evicted) = (self.producers.table(), self.producers.evicted());
        let watermark_ms = self.windows.watermark_ms();
        let (windows, closed) = self.windows.finish();
        let figures = Figures {
            migrations: self.passed,
            first_offset: self.first_offset,
            next_offset: end,
            skipped: self.skipped,
            last_record: self.last_record,
            watermark_ms,
            ledger: self.ledger,
            totals: self.accepted.into_totals(),
            windows,
            sequences,
            sequences_evicted,
        };
        Recounted { figures, rejections: self.rejections, closed }
    }
}

/// The offset from which on ids are needed to go on at `next_offset`.
pub(super) fn ids_from(next_offset: i64, id_window_offsets: i64, first_offset: i64) -> i64 {
    next_offset.saturating_sub(id_window_offsets).max(first_offset)
}

/// The record's sequence header, if it has one.
fn header_of(record: &RecordView<'_>) -> Result<Option<SequenceHeader>, Reason> {
    match record.sequence.map(SequenceHeader::parse) {
        None => Ok(None),
        Some(Some(header)) => Ok(Some(header)),
        Some(None) => Err(Reason::InvalidHeader),
    }
}
