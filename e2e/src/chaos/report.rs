//! What a run comes to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::Options;
use super::judge::Verdicts;
use super::kind::Kind;
use super::takeover::{Cause, Takeover};
use super::world::{Peaks, World};

/// Upper ends of the histogram of takeovers, seconds; the last column is everything above.
const SECONDS: [f64; 8] = [1.0, 2.0, 3.0, 5.0, 7.0, 8.0, 12.0, 20.0];

/// A run that came to its end.
#[derive(Debug)]
pub struct Report {
    options: Options,
    elapsed: Duration,
    survived: BTreeMap<Kind, u64>,
    takeovers: Vec<Takeover>,
    drain_max: Duration,
    peaks: Peaks,
    own_peak_kib: u64,
    verdicts: Verdicts,
}

impl Report {
    /// What there is to say.
    #[must_use]
    pub fn of(options: &Options, world: &World, verdicts: Verdicts, elapsed: Duration) -> Self {
        Self {
            options: options.clone(),
            elapsed,
            survived: world.survived.clone(),
            takeovers: world.takeovers.done.clone(),
            drain_max: world.drain_max,
            peaks: world.peaks,
            own_peak_kib: own_peak_kib(),
            verdicts,
        }
    }

    /// Whether every count agrees.
    #[must_use]
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// As one object. Times in milliseconds, memory in KiB.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut faults = json!({});
        for kind in Kind::ALL {
            faults[kind.role()][kind.words()] = json!(self.survived.get(&kind).copied().unwrap_or(0));
        }
        let takeovers: Vec<Value> = self.rows().map(|row| row.to_json()).collect();
        let verdicts = &self.verdicts;
        json!({
            "agree": verdicts.agree(),
            "seed": self.options.seed,
            "elapsed_ms": millis(self.elapsed),
            "faults": faults,
            "faults_in_all": self.survived.values().sum::<u64>(),
            "takeovers": takeovers,
            "drain_ms_max": millis(self.drain_max),
            "records": { "counted": verdicts.counted_records, "acknowledged": verdicts.acknowledged,
                "redelivered": verdicts.redelivered, "verified": verdicts.verified_records },
            "memory_kib": { "consumer": self.peaks.consumer_kib, "producer": self.peaks.producer_kib,
                "broker": self.peaks.broker_kib, "chaos": self.own_peak_kib },
            "verify": { "verdict": verdicts.verify, "elapsed_ms": millis(verdicts.verify_took) },
            "oracle": { "differences": verdicts.differences, "elapsed_ms": millis(verdicts.oracle_took) },
        })
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        let rows =
            [(Cause::Killed, true), (Cause::Killed, false), (Cause::Terminated, true), (Cause::Terminated, false)];
        rows.into_iter().map(|(cause, alone)| {
            let wanted = self.takeovers.iter().filter(|takeover| takeover.cause == cause && takeover.alone == alone);
            let mut took: Vec<Duration> = wanted.map(|takeover| takeover.took).collect();
            took.sort_unstable();
            Row { cause, alone, took }
        })
    }
}

/// Takeovers of one kind, the shortest first.
#[derive(Debug)]
struct Row {
    cause: Cause,
    alone: bool,
    took: Vec<Duration>,
}

fn median(sorted: &[Duration]) -> Option<Duration> {
    sorted.get(sorted.len() / 2).copied()
}

impl Row {
    /// How many fall below each of [`SECONDS`] and not below the one before, and how many above all of them.
    fn histogram(&self) -> Vec<usize> {
        let below = |limit: f64| self.took.iter().filter(|took| took.as_secs_f64() < limit).count();
        let counts: Vec<usize> = SECONDS.iter().map(|&limit| below(limit)).chain([self.took.len()]).collect();
        counts.iter().zip([0].iter().chain(&counts)).map(|(upto, before)| upto - before).collect()
    }

    fn to_json(&self) -> Value {
        json!({ "after": self.cause.words(), "alone": self.alone, "count": self.took.len(),
            "ms_p50": median(&self.took).map(millis), "ms_max": self.took.last().copied().map(millis),
            "histogram": { "seconds": SECONDS, "counts": self.histogram() } })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "\nfaults survived: {}", self.survived.values().sum::<u64>())?;
        for role in ["consumer", "producer", "broker", "cluster"] {
            let kinds = Kind::ALL.into_iter().filter(|kind| kind.role() == role);
            let counts = kinds.map(|kind| format!("{} {}", kind.words(), self.survived.get(&kind).unwrap_or(&0)));
            writeln!(to, "  {role:<10} {}", counts.collect::<Vec<_>>().join(", "))?;
        }
        let heads: String = SECONDS.iter().map(|limit| format!("{:>4}", format!("<{limit}"))).collect();
        writeln!(
            to,
            "\n{:<50} {:>4} {:>5} {:>5}  {heads} more",
            "seconds until every partition moved on", "n", "p50", "max"
        )?;
        for row in self.rows() {
            let among = if row.alone { "by itself" } else { "among other faults" };
            let name = format!("  after {} of a consumer, {among}", row.cause.words());
            let cells: String = row.histogram().iter().map(|count| format!("{count:>4}")).collect();
            let (median, longest) = (seconds(median(&row.took)), seconds(row.took.last().copied()));
            writeln!(to, "{name:<50} {:>4} {median} {longest}  {cells}", row.took.len())?;
        }
        writeln!(to, "  longest drain of a consumer: {:.1} s", self.drain_max.as_secs_f64())?;
        self.write_records(to)
    }
}

impl Report {
    fn write_records(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdicts = &self.verdicts;
        writeln!(to, "\nrecords    {} acknowledged to their producers", verdicts.acknowledged)?;
        let resent = verdicts.redelivered;
        writeln!(
            to,
            "           {} in the log, {resent} of them sent again by their producers",
            verdicts.counted_records
        )?;
        let mib = |kib: u64| kib.div_ceil(1024);
        let Peaks { consumer_kib, producer_kib, broker_kib } = self.peaks;
        writeln!(
            to,
            "memory     consumer {} MiB, producer {} MiB, broker {} MiB, this program {} MiB (highest of any)",
            mib(consumer_kib),
            mib(producer_kib),
            mib(broker_kib),
            mib(self.own_peak_kib)
        )?;
        let (records, took) = (verdicts.verified_records, verdicts.verify_took.as_secs_f64());
        writeln!(to, "verify     {}: {records} records counted again in {took:.1} s", verdicts.verify)?;
        let (records, took) = (verdicts.counted_records, verdicts.oracle_took.as_secs_f64());
        let oracle = match verdicts.differences.len() {
            0 => "exact".to_owned(),
            count => format!("{count} differences"),
        };
        writeln!(to, "oracle     {oracle}: {records} records counted in {took:.1} s")?;
        verdicts.differences.iter().try_for_each(|line| writeln!(to, "  {line}"))
    }
}

fn seconds(took: Option<Duration>) -> String {
    took.map_or_else(|| format!("{:>5}", "-"), |took| format!("{:>5.1}", took.as_secs_f64()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The most memory this process has had resident, KiB.
fn own_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    line.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_takeover_falls_into_one_column() {
        let took = [0.5, 0.9, 1.0, 6.2, 6.9, 19.9, 20.0].map(Duration::from_secs_f64).to_vec();
        let row = Row { cause: Cause::Killed, alone: true, took };
        assert_eq!(row.histogram(), [2, 1, 0, 0, 2, 0, 0, 1, 1]);
        assert_eq!(median(&row.took), Some(Duration::from_secs_f64(6.2)));
    }

    #[test]
    fn without_takeovers_there_is_nothing_to_divide_by() {
        let row = Row { cause: Cause::Terminated, alone: true, took: Vec::new() };
        assert_eq!((median(&row.took), row.histogram().iter().sum::<usize>()), (None, 0));
    }
}
