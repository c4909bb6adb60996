//! What goes wrong, who comes and who goes; and how everything is mended in the end.

use crate::{cluster::Cluster, coordinator::ProcessId, events::Event, plan::Fault};

/// More processes than this at a time show nothing new.
const PROCESSES_MAX: usize = 4;
/// Longest pause of a process: well above the session timeout.
const PAUSE_MS_MAX: i64 = 15_000;

impl Cluster<'_> {
    pub(crate) fn fault(&mut self) {
        if !self.is_troubled() {
            return;
        }
        let pause_ms = self.plan.fault_pause_ms;
        let after_ms = self.dice.between(1, pause_ms);
        self.queue.put(after_ms, Event::Fault);
        let here: Vec<ProcessId> = self.here().collect();
        let fault = self.draw_fault();
        match fault {
            Fault::Start if here.len() < PROCESSES_MAX => {
                self.watch.disturb(self.queue.now_ms());
                self.start_process();
            }
            Fault::Stop | Fault::Kill | Fault::Pause if !here.is_empty() => {
                let id = here[self.dice.below(here.len())];
                match fault {
                    Fault::Stop => self.stop(id),
                    Fault::Kill => self.kill(id),
                    _ => self.pause(id),
                }
            }
            Fault::Compact => {
                let partition = self.dice.below(self.topics.len());
                self.compact(partition);
            }
            Fault::Reset => self.reset(),
            Fault::Retain if self.plan.retention => self.retain(),
            _ => {}
        }
    }

    fn draw_fault(&mut self) -> Fault {
        let weather = self.plan.weather;
        let mut drawn = self.dice.between(0, weather.iter().map(|(_, weight)| weight).sum::<i64>() - 1);
        let chosen = weather.iter().find(|(_, weight)| {
            drawn -= weight;
            drawn < 0
        });
        chosen.map_or(Fault::Start, |(fault, _)| *fault)
    }

    /// The log of a partition loses its beginning.
    fn retain(&mut self) {
        let partition = self.dice.below(self.topics.len());
        let offsets = self.dice.between(1, 12);
        self.topics[partition].retain(offsets);
        self.counts.retained += 1;
        let log_start = self.topics[partition].log_start;
        self.note(|| format!("{partition}: the log now begins at {log_start}"));
    }

    /// Who is there, even if paused.
    fn here(&self) -> impl Iterator<Item = ProcessId> {
        self.processes.iter().flatten().map(|process| process.id)
    }

    fn stop(&mut self, id: ProcessId) {
        let Some(mut process) = self.processes[id].take() else { return };
        self.watch.disturb(self.queue.now_ms());
        if !process.is_paused && !process.is_stopping {
            self.counts.stopped += 1;
            self.stop_process(&mut process);
        }
        if !process.is_gone {
            self.processes[id] = Some(process);
        }
    }

    fn kill(&mut self, id: ProcessId) {
        self.note(|| format!("process {id} is killed"));
        self.watch.disturb(self.queue.now_ms());
        self.counts.killed += 1;
        self.processes[id] = None;
    }

    fn pause(&mut self, id: ProcessId) {
        let short = self.dice.chance(400);
        let pause_ms = if short { self.dice.between(100, 4_000) } else { self.dice.between(6_000, PAUSE_MS_MAX) };
        let now_ms = self.queue.now_ms();
        let Some(process) = &mut self.processes[id] else { return };
        if process.is_paused {
            return;
        }
        process.is_paused = true;
        self.watch.disturb(now_ms);
        self.counts.paused += 1;
        self.queue.put(pause_ms, Event::Resume(id));
        self.note(|| format!("process {id} is paused for {pause_ms} ms"));
    }

    /// A paused process goes on, with everything that came meanwhile.
    pub(crate) fn resume(&mut self, id: ProcessId) {
        let now_ms = self.queue.now_ms();
        let Some(process) = &mut self.processes[id] else { return };
        if !std::mem::take(&mut process.is_paused) {
            return;
        }
        let put_off = std::mem::take(&mut process.put_off);
        self.watch.disturb(now_ms);
        self.note(|| format!("process {id} goes on"));
        put_off.into_iter().for_each(|inner| self.queue.put(0, Event::Process(id, inner)));
    }

    pub(crate) fn compact(&mut self, partition: usize) {
        let (now_ms, lag_ms) = (self.now_ms(), self.plan.compaction_lag_ms);
        let kept_highest = self.topics[partition].compact(now_ms, lag_ms);
        self.counts.compacted += 1;
        if !kept_highest {
            self.counts.undone += 1;
            self.watch.highest_was_lost(partition);
        }
        self.note(|| format!("{partition}: compacted{}", if kept_highest { "" } else { "; the highest is gone" }));
    }

    /// Everybody who was paused goes on, some go, at least one stays, and nothing goes wrong from here on but what is
    /// on its way already.
    pub(crate) fn heal(&mut self) {
        self.note(|| "everything is mended".to_owned());
        self.healed_ms = Some(self.now_ms());
        self.watch.disturb(self.queue.now_ms());
        for id in 0..self.processes.len() {
            self.resume(id);
        }
        let mut here: Vec<ProcessId> =
            self.processes.iter().flatten().filter(|process| !process.is_stopping).map(|process| process.id).collect();
        while here.len() > 1 && self.dice.chance(600) {
            let id = here.swap_remove(self.dice.below(here.len()));
            if self.dice.chance(500) {
                self.kill(id);
            } else {
                self.stop(id);
            }
        }
        if here.is_empty() {
            self.start_process();
        }
    }
}
