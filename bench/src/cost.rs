//! What a run of a program costs: time by the wall, CPU time, and the most memory it had resident.

use std::time::{Duration, Instant};

use e2e::{Checked, Failure, process::Process, wait};
use serde::Serialize;

/// The unit of CPU times in `/proc`: hundredths of a second on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// A run that takes longer has hung.
const RUN_DEADLINE: Duration = Duration::from_secs(900);

/// What a run cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    /// From its start to its end, seconds.
    pub wall_seconds: f64,
    /// In user and kernel mode, of all its threads, seconds.
    pub cpu_seconds: f64,
    /// Most memory resident, MiB.
    pub peak_mib: f64,
}

/// Waits for the end of a program that has just been started, which must be a good one.
///
/// # Errors
/// When it ends badly or not at all.
pub fn of(process: &mut Process) -> Checked<Cost> {
    of_all(std::slice::from_mut(process)).map(|costs| costs[0])
}

/// The same of several that run beside each other; wall times are from now on.
///
/// # Errors
/// When one of them ends badly or not at all.
pub fn of_all(processes: &mut [Process]) -> Checked<Vec<Cost>> {
    let started = Instant::now();
    let mut costs = vec![Cost::default(); processes.len()];
    let mut running: Vec<usize> = (0..processes.len()).collect();
    let names: Vec<&str> = processes.iter().map(Process::name).collect();
    wait::until_true(&format!("the end of {}", names.join(", ")), RUN_DEADLINE, || {
        running.retain(|&index| {
            let (process, cost) = (&processes[index], &mut costs[index]);
            // An ended process has no memory any more, but still its times, until somebody asks for its exit code.
            #[expect(clippy::cast_precision_loss, reason = "memory to three digits")]
            let peak_mib = process.resident_peak_kib().unwrap_or(0) as f64 / 1024.0;
            cost.peak_mib = cost.peak_mib.max(peak_mib);
            let Some(cpu_seconds) = cpu_seconds_at_end(process.id()) else { return true };
            cost.cpu_seconds = cpu_seconds;
            cost.wall_seconds = started.elapsed().as_secs_f64();
            false
        });
        running.is_empty()
    })?;
    processes.iter_mut().try_for_each(expect_good_end)?;
    Ok(costs)
}

fn expect_good_end(process: &mut Process) -> Checked {
    process.expect_exit(0, RUN_DEADLINE).map_err(|failure| {
        let last = process.stderr().lines().rev().take(12).map(str::to_owned).collect::<Vec<_>>();
        Failure::new(format!("{failure}:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n")))
    })
}

/// The CPU time that a process has used so far, in seconds; `None` where there is no such process.
#[must_use]
pub fn cpu_seconds(id: u32) -> Option<f64> {
    Some(times(id)?.1)
}

/// The CPU time of a process that has ended and that nobody has asked for its exit code; `None` while it runs.
fn cpu_seconds_at_end(id: u32) -> Option<f64> {
    times(id).and_then(|(state, seconds)| (state == "Z").then_some(seconds))
}

/// What state a process is in, and the CPU time that it has used, in seconds.
fn times(id: u32) -> Option<(String, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; after it: state, …, user time, kernel time.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(((*fields.first()?).to_owned(), (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}
