//! Looking after everything that runs while time passes or something is awaited.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::world::{Leaving, Member, Sent, World};
use crate::{Checked, Failure, wait};

/// Between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two looks at what costs more: memory, and whether the cluster is whole.
const LOOK_AT_MEMORY_EVERY: Duration = Duration::from_secs(1);
/// A consumer's memory is told of each time the highest of all has grown by so much, KiB.
const MEMORY_STEP_KIB: u64 = 16 << 10;
/// Between two lines on how far things are.
const REPORT_EVERY: Duration = Duration::from_secs(20);
/// How long a process may take to end that was asked to. A producer waits for what is not acknowledged yet.
pub(super) const END_DEADLINE: Duration = Duration::from_secs(90);
/// How long the cluster may take to have all replicas in sync again.
const WHOLE_DEADLINE: Duration = Duration::from_secs(240);
/// How long the durable count may stand still. Far above what any fault takes.
pub(super) const STILL_DEADLINE: Duration = Duration::from_secs(180);

impl World {
    /// Lets time pass, and looks after everything meanwhile.
    ///
    /// # Errors
    /// What has gone wrong.
    pub fn pass(&mut self, duration: Duration) -> Checked {
        let began = Instant::now();
        loop {
            self.look()?;
            let left = duration.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            wait::let_pass(left.min(LOOK_EVERY));
        }
    }

    /// Waits until `holds`, and looks after everything meanwhile.
    ///
    /// # Errors
    /// When it doesn't within `deadline`, or something goes wrong.
    pub fn until(&mut self, what: &str, deadline: Duration, mut holds: impl FnMut(&mut Self) -> bool) -> Checked {
        let began = Instant::now();
        while !holds(self) {
            if began.elapsed() > deadline {
                return Err(Failure::new(format!("waited {} s in vain for this: {what}", deadline.as_secs())));
            }
            self.pass(LOOK_EVERY)?;
        }
        Ok(())
    }

    /// Waits until every replica is in sync: seen twice, as what brokers know may be a moment old.
    ///
    /// # Errors
    /// When it isn't within four minutes, or something goes wrong.
    pub fn until_whole(&mut self) -> Checked {
        for _ in 0..2 {
            self.pass(LOOK_AT_MEMORY_EVERY / 2)?;
            self.until("all replicas being in sync", WHOLE_DEADLINE, |world| world.brokers.is_whole())?;
        }
        Ok(())
    }

    /// Waits until every partition that was left by its owner is worked on again.
    ///
    /// # Errors
    /// When one isn't, or something goes wrong.
    pub fn until_taken_over(&mut self) -> Checked {
        self.until("every partition being worked on", WHOLE_DEADLINE, |world| world.takeovers.is_over())
    }

    fn look(&mut self) -> Checked {
        if let Some(ended) = self.brokers.unexpected_end() {
            return Err(ended);
        }
        for member in self.consumers.values_mut().chain(self.producers.values_mut()) {
            if !member.process.runs() {
                let code = member.process.wait(Duration::ZERO)?;
                return Err(Failure::new(format!("{} ended by itself with exit code {code}", member.log)));
            }
        }
        self.look_at_leaving()?;
        let up = self.consumers.iter().filter(|(_, member)| !member.frozen);
        for takeover in self.takeovers.look(up.map(|(&number, member)| (number, &member.process)))? {
            let (seconds, after) = (takeover.took.as_secs_f64(), takeover.cause.words());
            let among = if takeover.alone { "" } else { ", among other faults" };
            self.journal.event(format_args!("taken over     {seconds:.1} s after {after} of a consumer{among}"));
        }
        if self.looked_at_memory.elapsed() > LOOK_AT_MEMORY_EVERY {
            self.looked_at_memory = Instant::now();
            let before = self.peaks.consumer_kib;
            self.consumers.values().for_each(|member| self.peaks.consumer(member));
            if self.peaks.consumer_kib / MEMORY_STEP_KIB > before / MEMORY_STEP_KIB {
                let highest = self.consumers.values().max_by_key(|member| member.process.resident_peak_kib());
                let (log, mib) = (highest.map_or("", |member| &member.log), self.peaks.consumer_kib / 1024);
                self.journal.event(format_args!("               {log} has had {mib} MiB of memory resident"));
            }
            self.producers.values().for_each(|member| self.peaks.producer(member));
            self.peaks.broker_kib = self.brokers.resident_peaks_kib().fold(self.peaks.broker_kib, u64::max);
        }
        if self.reported.elapsed() > REPORT_EVERY { self.report_progress() } else { Ok(()) }
    }

    fn look_at_leaving(&mut self) -> Checked {
        for index in (0..self.leaving.len()).rev() {
            let Leaving { role, member, since, .. } = &mut self.leaving[index];
            let (role, took) = (*role, since.elapsed());
            if member.process.runs() {
                if took > END_DEADLINE {
                    return Err(Failure::new(format!("{} doesn't end after SIGTERM", member.log)));
                }
                continue;
            }
            let code = member.process.wait(Duration::ZERO)?;
            let Leaving { number, member, .. } = self.leaving.swap_remove(index);
            if code != 0 {
                return Err(Failure::new(format!("{} ended with exit code {code} after SIGTERM", member.log)));
            }
            self.journal.event(format_args!("{:<14} {role} {number} after {:.1} s", "ended", took.as_secs_f64()));
            if role == "consumer" {
                self.drain_max = self.drain_max.max(took);
            } else {
                let summary = member.process.last_json()?;
                let acknowledged = summary["acknowledged"].as_u64().unwrap_or_default();
                let incarnation = summary["incarnation"].as_str().and_then(|text| u64::from_str_radix(text, 16).ok());
                let unnumbered = summary["faults"]["rejected"]["invalid_header"].as_u64().unwrap_or_default();
                self.sent.push(Sent { log: member.log, incarnation, acknowledged, unnumbered, exact: true });
            }
        }
        Ok(())
    }

    fn report_progress(&mut self) -> Checked {
        self.reported = Instant::now();
        let known = self.durable_count();
        let count = known.unwrap_or(0);
        let (before, since) = self.counted;
        // Once the producers have ended it may stand still for as long as it takes to judge.
        if count > before || self.producers.is_empty() {
            self.counted = (count, Instant::now());
        } else if since.elapsed() > STILL_DEADLINE {
            let seconds = since.elapsed().as_secs();
            return Err(Failure::new(format!("the durable count has stood still at {count} for {seconds} s")));
        }
        let up = |members: &BTreeMap<u32, Member>| members.values().filter(|member| !member.frozen).count();
        let (consumers, producers) = (up(&self.consumers), up(&self.producers));
        self.journal.event(format_args!(
            "               {} records counted durably; {consumers} consumers and {producers} producers up",
            known.map_or("unknown how many".to_owned(), |count| count.to_string())
        ));
        Ok(())
    }

    /// Records in durable snapshots, as the consumers that are up know them; `None` while none of them does.
    pub(super) fn durable_count(&self) -> Option<u64> {
        let up = self.consumers.values().filter(|member| !member.frozen);
        let counts = up.filter_map(|member| member.process.summary()?["ledger"]["consumed"].as_u64());
        counts.max()
    }
}
