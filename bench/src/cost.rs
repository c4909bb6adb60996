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
    let started = Instant::now();
    let mut peak_kib = 0;
    let cpu_seconds = wait::until(&format!("the end of {}", process.name()), RUN_DEADLINE, || {
        peak_kib = process.resident_peak_kib().unwrap_or(0).max(peak_kib);
        // Looked at before anybody asks for its exit code: until then an ended process still has its times.
        cpu_seconds_at_end(process.id())
    })?;
    let wall_seconds = started.elapsed().as_secs_f64();
    process.expect_exit(0, RUN_DEADLINE).map_err(|failure| {
        let last = process.stderr().lines().rev().take(12).map(str::to_owned).collect::<Vec<_>>();
        Failure::new(format!("{failure}:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n")))
    })?;
    #[expect(clippy::cast_precision_loss, reason = "memory to three digits")]
    let peak_mib = peak_kib as f64 / 1024.0;
    Ok(Cost { wall_seconds, cpu_seconds, peak_mib })
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
