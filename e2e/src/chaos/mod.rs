//! Chaos: brokers, producers and consumers as real processes, hurt at random, and an exact account at the end.
//!
//! ```text
//!   schedule ── what is done to whom, from a seed: pure
//!     world  ── takes its steps on real processes, and looks after all of them
//!       takeover ── how long partitions were without an owner
//!   judge    ── heals, waits, counts: `consumer verify`, the oracle, what was acknowledged
//!   report   ── faults, takeovers, records, memory, verdicts
//! ```
//!
//! A run promises that a difference of one cent, one lost acknowledged record or one process that ends by itself makes
//! it fail, and that a failed run leaves its folder: logs of all processes, Kafka's data, the schedule as it was taken,
//! and both counts. It proves nothing about schedules that were not played: that is what the simulation is for.

mod journal;
pub mod judge;
pub mod kind;
pub mod report;
pub mod scaling;
pub mod schedule;
pub mod takeover;
mod watch;
pub mod world;

use std::path::Path;
use std::time::{Duration, Instant};

pub use report::Report;

use crate::Checked;
use journal::Journal;
use schedule::{Schedule, Step};
use world::World;

/// What a run is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is done, and for how long.
    pub course: Course,
    /// Of the schedule and of what is produced.
    pub seed: u64,
    /// Transactions a second, of all producers together.
    pub rate: u32,
    /// Producers.
    pub producers: u32,
    /// Consumers at first; up to two more join.
    pub consumers: u32,
    /// Brokers.
    pub brokers: u32,
    /// `classic` or `consumer`.
    pub group_protocol: String,
}

/// What is done in a run.
#[derive(Debug, Clone, Copy)]
pub enum Course {
    /// Faults of all kinds, for so long.
    Everything(Duration),
    /// One consumer, then up to four, then two, and so many of them killed on the way.
    Scaling(u32),
}

/// Where the steps come from.
enum Steps {
    Everything(Box<Schedule>, Duration),
    Scaling(std::vec::IntoIter<Step>),
}

impl Steps {
    fn of(options: &Options) -> Self {
        match options.course {
            Course::Everything(duration) => {
                let schedule = Schedule::new(options.seed, options.consumers, options.producers);
                Self::Everything(Box::new(schedule), duration)
            }
            Course::Scaling(kills) => Self::Scaling(scaling::steps(options.seed, kills).into_iter()),
        }
    }

    /// The next step, `elapsed` after the first moment; at the end, how long that is off and what is left to be done so
    /// that all are well.
    fn next_step(&mut self, elapsed: Duration) -> Result<Step, (Duration, Vec<Step>)> {
        match self {
            Self::Scaling(steps) => steps.next().ok_or((Duration::ZERO, Vec::new())),
            Self::Everything(schedule, duration) => {
                let step = schedule.next_step();
                let left = duration.saturating_sub(elapsed);
                if Duration::from_millis(step.pause_ms) < left {
                    Ok(step)
                } else {
                    Err((left, schedule.all_heals(step)))
                }
            }
        }
    }
}

/// What a run would do and when at the earliest, milliseconds after its first moment; the ends of what is still going on
/// come on top.
#[must_use]
pub fn plan(options: &Options) -> Vec<(u64, Step)> {
    let mut all = Steps::of(options);
    let mut at_ms = 0;
    let steps = std::iter::from_fn(|| {
        let step = all.next_step(Duration::from_millis(at_ms)).ok()?;
        at_ms += step.pause_ms;
        Some((at_ms, step))
    });
    steps.collect()
}

/// Plays a run in an empty folder, and prints what happens.
///
/// # Errors
/// When it can't be played to its end: something didn't start, ended by itself, or never came back.
pub fn run(options: &Options, folder: &Path) -> Checked<Report> {
    let began = Instant::now();
    let mut journal = Journal::open(folder)?;
    let course = match options.course {
        Course::Everything(duration) => format!("{} s of faults", duration.as_secs()),
        Course::Scaling(kills) => format!("1 to 4 to 2 consumers and {kills} kills"),
    };
    journal.line(format_args!(
        "chaos: seed {}, {course}, {} brokers, {} producers with {} transactions/s in all, {} consumers ({}), logs in {}",
        options.seed,
        options.brokers,
        options.producers,
        options.rate,
        options.consumers,
        options.group_protocol,
        folder.display()
    ));
    let mut world = World::start(options, journal)?;
    let outcome = play(&mut world, Steps::of(options), began);
    if let Err(failure) = &outcome {
        world.journal.event(format_args!("FAILED: {failure}"));
    }
    outcome
}

fn play(world: &mut World, mut steps: Steps, began: Instant) -> Checked<Report> {
    let faults_began = Instant::now();
    loop {
        match steps.next_step(faults_began.elapsed()) {
            Ok(step) => {
                world.pass(Duration::from_millis(step.pause_ms))?;
                world.take(step)?;
            }
            Err((left, heals)) => {
                world.pass(left)?;
                world.journal.event("no more faults: everything heals");
                heals.into_iter().try_for_each(|heal| world.take(heal))?;
                return end(world, began);
            }
        }
    }
}

/// Waits until all is well, and judges.
fn end(world: &mut World, began: Instant) -> Checked<Report> {
    world.until_whole()?;
    world.until_taken_over()?;
    world.end_producers()?;
    let verdicts = judge::judge(world)?;
    world.end_consumers()?;
    let report = Report::of(world.options(), world, verdicts, began.elapsed());
    world.journal.line(&report);
    Ok(report)
}
