//! Everything around the fold, as plain lists: the topics, the workers, and what goes wrong between them.
//!
//! Former workers stay alive until they crash: nothing here fences them.

use std::{slice, sync::Arc};

use consumer::fold::{FoldSettings, MIGRATIONS_MAX, PartitionState, windows_from};

use crate::{
    evidence::{Evidence, Stored, Write},
    log::Log,
    moves::Move,
    worker::{Out, Worker},
};

/// The partition of all simulations.
const PARTITION: i32 = 5;

/// More workers than this at a time show nothing new.
const WORKERS_MAX: usize = 4;

pub(crate) struct World<'a> {
    log: &'a Log,
    settings: FoldSettings,
    log_start: i64,
    generations: u64,
    written: i64,
    workers: Vec<Worker>,
    pub(crate) evidence: Evidence<'a>,
    group_commit: Option<i64>,
}

impl<'a> World<'a> {
    pub(crate) fn new(log: &'a Log, settings: FoldSettings) -> Self {
        Self {
            log,
            settings,
            log_start: log.first_offset,
            generations: 1,
            written: 0,
            workers: Vec::new(),
            evidence: Evidence::of(log),
            group_commit: None,
        }
    }

    pub(crate) fn play(&mut self, step: &Move) {
        match step.clone() {
            Move::Start => self.start(),
            Move::Fold { who, records, into_hole } => {
                let place = self.place(who);
                self.workers[place].counting.fold(self.log, self.log_start, self.log.end_offset, records, into_hole);
            }
            Move::Checkpoint { who } => {
                let place = self.place(who);
                self.checkpoint(place);
            }
            Move::Write { who, writes } => {
                let place = self.place(who);
                self.write(place, writes);
            }
            Move::Crash { who } => {
                let place = self.place(who);
                self.workers.remove(place);
            }
            Move::Compact { kept } => {
                let last = self.evidence.state_topic.len().saturating_sub(1);
                let mut place = 0;
                self.evidence.state_topic.retain(|_| {
                    place += 1;
                    place > last || kept >> (place % 64) & 1 == 1
                });
            }
            Move::Lose { newest } => {
                let left = self.evidence.state_topic.len().saturating_sub(newest).max(1);
                self.evidence.state_topic.truncate(left);
            }
            Move::Retain { offsets } => self.log_start = (self.log_start + offsets).min(self.log.end_offset),
            Move::Reset { window_ms, id_window_offsets } => self.reset(window_ms, id_window_offsets),
            Move::Migrate { settings } => self.migrate(&settings),
        }
    }

    /// Where a worker stands; there is always one.
    fn place(&mut self, who: usize) -> usize {
        if self.workers.is_empty() {
            self.start();
        }
        self.workers.len() - 1 - who % self.workers.len()
    }

    fn start(&mut self) {
        let worker = match self.evidence.newest() {
            Some(stored) => Worker::restore(stored, self.log, self.log_start),
            None => {
                assert_eq!(self.group_commit, None, "a group commit follows a snapshot");
                Worker::begin(PartitionState::new(1, PARTITION, self.settings.clone(), self.log_start, 1))
            }
        };
        self.add(worker);
    }

    fn add(&mut self, worker: Worker) {
        if self.workers.len() == WORKERS_MAX {
            self.workers.remove(0);
        }
        self.workers.push(worker);
    }

    fn reset(&mut self, window_ms: i64, id_window_offsets: u32) {
        self.generations += 1;
        let settings = FoldSettings { window_ms, id_window_offsets, ..self.settings.clone() };
        self.add(Worker::begin(PartitionState::new(self.generations, PARTITION, settings, self.log_start, 2)));
        let place = self.workers.len() - 1;
        self.checkpoint(place);
        self.write(place, usize::MAX);
    }

    fn migrate(&mut self, settings: &FoldSettings) {
        let Some(Stored { snapshot, losses }) = self.evidence.newest().cloned() else { return };
        if snapshot.migrations.len() == MIGRATIONS_MAX {
            return;
        }
        self.generations += 1;
        let windows_from_ms = windows_from(slice::from_ref(&*snapshot), settings);
        let migrated = snapshot.migrated(self.generations, settings, windows_from_ms, self.written);
        let stored = Stored { snapshot: Arc::new(migrated), losses };
        self.evidence.ever_made.push(stored.clone());
        self.evidence.state_topic.push(stored);
        self.start();
    }

    fn checkpoint(&mut self, place: usize) {
        self.written += 1;
        let made = self.workers[place].checkpoint(self.written);
        self.evidence.ever_made.push(made);
    }

    fn write(&mut self, place: usize, writes: usize) {
        for _ in 0..writes {
            match self.workers[place].writes.pop_front() {
                None => break,
                Some(Out::Write(Write::DeadLetter(letter))) => self.evidence.dead_letters.push(letter),
                Some(Out::Write(Write::Window(window))) => self.evidence.windows.push(window),
                Some(Out::Write(Write::Snapshot(stored))) => self.evidence.state_topic.push(stored),
                Some(Out::Write(Write::Anchor(snapshot))) => self.evidence.anchors.push(snapshot),
                Some(Out::Commit(offset)) => self.group_commit = Some(offset),
            }
        }
    }

    /// A last worker brings the partition to the log's end.
    pub(crate) fn finish(&mut self) {
        self.start();
        let place = self.workers.len() - 1;
        self.workers[place].counting.fold(self.log, self.log_start, self.log.end_offset, usize::MAX, i64::MAX);
        self.checkpoint(place);
        self.write(place, usize::MAX);
    }

    /// Everyone writes what they still hold, the newest first, so that the oldest snapshot comes last.
    pub(crate) fn wake_all(&mut self) {
        for place in (0..self.workers.len()).rev() {
            self.write(place, usize::MAX);
        }
    }

    pub(crate) fn keep_last_snapshot(&mut self) {
        let last = self.evidence.state_topic.len() - 1;
        self.evidence.state_topic.drain(..last);
    }
}
