//! One fold from the first record to the last, by a worker that never crashes and writes down everything.

use std::collections::{BTreeMap, BTreeSet};

use common::wire::Reason;
use consumer::fold::{ClosedWindow, PartitionState, Snapshot, Verdict};

use crate::{
    evidence::{Loss, describe},
    legs::legs,
    log::{Entry, Log},
};

/// Everything that a state with these beginnings may ever show.
pub(crate) struct CrashFree<'a> {
    log: &'a Log,
    /// The state whose way this goes.
    like: &'a Snapshot,
    state: PartitionState,
    last: Option<&'a Entry>,
    /// The state at every offset that was asked for.
    pub(crate) snapshots: BTreeMap<i64, Snapshot>,
    pub(crate) dead_letters: BTreeMap<i64, Reason>,
    /// Every revision of every window, by generation, start and revision.
    pub(crate) windows: BTreeMap<(u64, i64, u64), ClosedWindow>,
}

impl<'a> CrashFree<'a> {
    /// Folds the log as a state that began as `like` did, was migrated where it was and lost the same, noting it down at
    /// `stops`.
    pub(crate) fn run(log: &'a Log, like: &'a Snapshot, losses: &[Loss], stops: &BTreeSet<i64>) -> Self {
        let first = &legs(like)[0];
        let settings = first.settings.clone();
        let state = PartitionState::new(first.generation, like.partition, settings, like.first_offset, 99);
        let (snapshots, dead_letters, windows) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut run = Self { log, like, state, last: None, snapshots, dead_letters, windows };
        let mut stops = stops.iter().copied().peekable();
        for loss in losses {
            // What was written before a loss at the same offset doesn't know of it yet.
            while let Some(stop) = stops.next_if(|stop| *stop <= loss.at()) {
                run.note(stop);
            }
            run.lose(loss);
        }
        stops.for_each(|stop| run.note(stop));
        run
    }

    fn note(&mut self, stop: i64) {
        self.fold_up_to(stop);
        self.snapshots.insert(stop, self.snapshot());
    }

    fn lose(&mut self, loss: &Loss) {
        self.fold_up_to(loss.at());
        match *loss {
            Loss::Skipped { to, .. } => self.state.skip_to(to),
            Loss::Forgot { at, before } => {
                self.restore(&self.snapshot(), before);
                assert_eq!(self.state.next_offset(), at);
            }
        }
    }

    /// Goes on from a snapshot, with the ids that stand at `ids_from` or later.
    fn restore(&mut self, snapshot: &Snapshot, ids_from: i64) {
        self.state = PartitionState::restore(snapshot, 98).expect("this version wrote it");
        let (from, at) = (ids_from.max(self.state.id_window_start()), snapshot.next_offset);
        for entry in self.log.from(from).iter().take_while(|entry| entry.record.offset < at) {
            self.state.remember(&entry.record.view());
        }
        // Given out again at the beginning of a generation, and again by whoever begins there.
        let again = self.state.take_closed_windows();
        self.windows.extend(again.into_iter().map(|window| (identity(&window), window)));
    }

    /// Goes over to another generation where the state did, if that is before `end` or there.
    fn migrate_up_to(&mut self, end: i64) {
        let legs = legs(self.like);
        while let Some(place) = legs.iter().position(|leg| leg.generation == self.state.generation())
            && let Some(migration) = legs[place].end.filter(|migration| migration.offset <= end)
        {
            self.fold_records_up_to(migration.offset);
            let next = &legs[place + 1];
            let migrated = self.snapshot().migrated(next.generation, next.settings, migration.windows_from_ms, 0);
            assert_eq!(migrated.migrations, self.like.migrations[..=place]);
            self.restore(&migrated, i64::MIN);
        }
    }

    fn fold_up_to(&mut self, end: i64) {
        self.migrate_up_to(end);
        self.fold_records_up_to(end);
    }

    fn fold_records_up_to(&mut self, end: i64) {
        for entry in self.log.from(self.state.next_offset()) {
            let record = &entry.record;
            if record.offset >= end {
                break;
            }
            if let Verdict::Rejected(reason) = self.state.fold(&record.view()) {
                self.dead_letters.insert(record.offset, reason);
            }
            assert!(self.state.ledger().is_balanced(), "after offset {}", record.offset);
            for window in self.state.take_closed_windows() {
                let twice = self.windows.insert(identity(&window), window);
                assert_eq!(twice, None, "taken after every record, a revision is given out once");
            }
            self.last = Some(entry);
        }
        self.state.advance_to(end);
    }

    fn snapshot(&self) -> Snapshot {
        self.state.snapshot(self.last.map(|entry| describe(&entry.record)), 0)
    }
}

fn identity(window: &ClosedWindow) -> (u64, i64, u64) {
    (window.generation, window.start_ms, window.revision)
}
