//! The stage: one partition, its log, and the state that is made of it.

use common::wire::Reason;
use consumer::fold::{FoldSettings, LastRecord, Ledger, PartitionState, Snapshot, Verdict, windows_from};

use crate::records::{Body, NOON_MS, Record, instant, sequence};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    OnTime,
    Revised,
    TooLate,
    Redelivered,
    Repeated,
    Rejected(Reason),
}

/// Settings small enough to walk over every boundary.
pub(crate) fn small() -> FoldSettings {
    FoldSettings {
        window_ms: 1_000,
        out_of_order_ms: 200,
        lateness_ms: 3_000,
        future_skew_ms: 500,
        id_window_offsets: 4,
        id_window_age_ms: 1_000,
        value_bytes_max: 1_024,
        ..FoldSettings::default()
    }
}

/// A valid record of 1.00 EUR that occurred, and was written, at this time.
pub(crate) fn paid(id: u128, after_noon_ms: i64) -> Record {
    let body = Body { id, amount_minor: 100, currency: "EUR", occurred_at: instant(after_noon_ms) };
    Record { timestamp_ms: NOON_MS + after_noon_ms, value: Some(body.text().into_bytes()), ..Record::default() }
}

/// The record with this `tally-seq`.
pub(crate) fn numbered(record: Record, incarnation: u64, number: u64) -> Record {
    Record { sequence: Some(sequence(incarnation, number)), ..record }
}

/// Plays a scene straight on, and again with a restart before each record.
pub(crate) fn both_ways(settings: &FoldSettings, first_offset: i64, play: impl Fn(&mut Scene)) {
    straight_on(settings, first_offset, &play);
    play(&mut Scene::new(settings, first_offset, true));
}

/// Plays a scene once, without restarts but those it asks for.
pub(crate) fn straight_on(settings: &FoldSettings, first_offset: i64, play: impl Fn(&mut Scene)) {
    play(&mut Scene::new(settings, first_offset, false));
}

pub(crate) struct Scene {
    pub(crate) state: PartitionState,
    pub(crate) log: Vec<Record>,
    restarts: bool,
}

impl Scene {
    pub(crate) fn new(settings: &FoldSettings, first_offset: i64, restarts: bool) -> Self {
        Self { state: PartitionState::new(1, 3, settings.clone(), first_offset, 7), log: Vec::new(), restarts }
    }

    /// Folds a record at the next offset.
    pub(crate) fn fold(&mut self, record: Record) -> Fate {
        let offset = self.state.next_offset();
        self.fold_at(offset, record)
    }

    /// Folds records of these ids that were paid at these times.
    pub(crate) fn fold_all(&mut self, paid_at: &[(u128, i64)]) {
        for &(id, after_noon_ms) in paid_at {
            self.fold(paid(id, after_noon_ms));
        }
    }

    /// Folds a record at `offset`, and checks what must hold after each.
    pub(crate) fn fold_at(&mut self, offset: i64, record: Record) -> Fate {
        if self.restarts {
            self.restart();
        }
        let record = Record { offset, ..record };
        let before = *self.state.ledger();
        let verdict = self.state.fold(&record.view());
        let after = self.state.ledger();
        let fate = match verdict {
            Verdict::Accepted(_) if after.on_time > before.on_time => Fate::OnTime,
            Verdict::Accepted(_) if after.revised > before.revised => Fate::Revised,
            Verdict::Accepted(_) => Fate::TooLate,
            Verdict::Redelivered => Fate::Redelivered,
            Verdict::Repeated => Fate::Repeated,
            Verdict::Rejected(reason) => Fate::Rejected(reason),
        };
        assert!(after.is_balanced(), "after {fate:?}: {after:?}");
        assert_eq!(column(after, fate), column(&before, fate) + 1, "{fate:?} has a column of its own");
        self.log.push(record);
        fate
    }

    /// The state as a snapshot, its closed windows given out.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.state.take_closed_windows();
        let last_record = self.log.last().map(|record| LastRecord {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            sha256: String::new(),
        });
        self.state.snapshot(last_record, 0)
    }

    /// Goes on from a snapshot, as another process would.
    pub(crate) fn restart(&mut self) {
        let snapshot = self.snapshot();
        self.go_on_from(&snapshot);
        assert_eq!(self.snapshot(), snapshot);
    }

    /// Goes on with other settings, as after `consumer migrate`. Gives from when on their windows hold, after noon.
    pub(crate) fn migrate(&mut self, settings: &FoldSettings) -> Option<i64> {
        let snapshot = self.snapshot();
        let windows_from_ms = windows_from(std::slice::from_ref(&snapshot), settings);
        self.go_on_from(&snapshot.migrated(snapshot.generation + 1, settings, windows_from_ms, 0));
        self.snapshot().migrations.last()?.windows_from_ms.map(|ms| ms - NOON_MS)
    }

    fn go_on_from(&mut self, snapshot: &Snapshot) {
        let read = Snapshot::parse(&snapshot.to_value()).expect("it was written a moment ago");
        let mut state = PartitionState::restore(&read, 11).expect("and by the same version");
        let from = state.id_window_start();
        for record in self.log.iter().filter(|record| record.offset >= from) {
            state.remember(&record.view());
        }
        self.state = state;
    }

    /// Count and sum in EUR.
    pub(crate) fn euros(&mut self) -> (u64, i128) {
        let totals = self.snapshot().totals;
        totals.by_currency().get("EUR").map_or((0, 0), |cell| (cell.count, cell.sum_minor))
    }
}

fn column(ledger: &Ledger, fate: Fate) -> u64 {
    match fate {
        Fate::OnTime => ledger.on_time,
        Fate::Revised => ledger.revised,
        Fate::TooLate => ledger.too_late,
        Fate::Redelivered => ledger.redelivered,
        Fate::Repeated => ledger.repeated,
        Fate::Rejected(reason) => ledger.rejected[reason.index()],
    }
}
