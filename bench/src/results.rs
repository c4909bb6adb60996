//! What was measured, and what comes of it: medians, ratios, a table, a JSON file.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    path::PathBuf,
    process::Command,
};

use e2e::{Checked, Failure};
use serde::Serialize;

use crate::{
    cost::Cost,
    place::machine,
    program::{Maker, PROGRAMS, Program},
};

/// One run of a program.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// The program.
    pub program: &'static str,
    /// The round, from 1.
    pub round: u32,
    /// Records it worked on.
    pub records: u64,
    /// How long that took: by its own account, or from its start to its end where it has none.
    pub seconds: f64,
    /// Records a second.
    pub records_per_second: f64,
    /// CPU seconds for a million records, start-up included.
    pub cpu_seconds_per_million: f64,
    /// What the whole run cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Middle, least and most of some figures.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of these figures; zeros of none.
    #[must_use]
    pub fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        Self { median: at(sorted.len() / 2), min: at(0), max: at(sorted.len().saturating_sub(1)) }
    }
}

/// A program's figures over all rounds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// Records a second.
    pub records_per_second: Spread,
    /// CPU seconds for a million records.
    pub cpu_seconds_per_million: Spread,
    /// Most memory resident, MiB.
    pub peak_mib: Spread,
}

/// Where figures come from.
#[derive(Debug, Default, Serialize)]
pub struct Origin {
    /// The machine.
    pub machine: String,
    /// The day.
    pub measured_at: String,
    /// The commit, with a plus if anything was changed since.
    pub commit: String,
}

impl Origin {
    /// Here and now.
    #[must_use]
    pub fn now() -> Self {
        Self { machine: machine(), measured_at: chrono::Utc::now().format("%Y-%m-%d").to_string(), commit: commit() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}; {} at {}", self.machine, self.measured_at, self.commit)
    }
}

/// A measurement.
#[derive(Debug, Default, Serialize)]
pub struct Results {
    /// Where, when, of what.
    #[serde(flatten)]
    pub origin: Origin,
    /// Records of a run without a share.
    pub records: u64,
    /// Every run.
    pub samples: Vec<Sample>,
    /// By program.
    pub medians: BTreeMap<&'static str, Figures>,
    /// How many times as fast as another a program of Tally's is: the median over the rounds, each compared within itself.
    pub ratios: BTreeMap<String, f64>,
    /// The same with the least and the most.
    pub ratio_spreads: BTreeMap<String, Spread>,
    /// Programs that could not run here, and why.
    pub not_run: BTreeMap<&'static str, String>,
}

/// Ours, theirs.
const RATIOS: [(&str, &str); 16] = [
    ("consumer", "consumer_perf_test"),
    ("consumer", "go_consumer"),
    ("consumer", "java_consumer"),
    ("consumer", "streams"),
    ("consumer", "confluent_consumer"),
    ("consumer", "kafka_python_consumer"),
    ("verify", "consumer"),
    ("producer", "producer_perf_test"),
    ("producer", "go_producer"),
    ("producer", "java_producer"),
    ("producer", "confluent_producer"),
    ("producer", "kafka_python_producer"),
    ("producer_snappy", "producer"),
    ("producer_snappy", "producer_perf_test"),
    ("producer_snappy", "go_producer_snappy"),
    ("producer_snappy", "java_producer_snappy"),
];

impl Results {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(records: u64) -> Self {
        Self { origin: Origin::now(), records, ..Self::default() }
    }

    /// Works out medians and ratios.
    pub fn conclude(&mut self) {
        for Program { name, .. } in PROGRAMS {
            let own = || self.samples.iter().filter(|sample| sample.program == name);
            if own().next().is_some() {
                let figures = Figures {
                    records_per_second: Spread::of(own().map(|sample| sample.records_per_second)),
                    cpu_seconds_per_million: Spread::of(own().map(|sample| sample.cpu_seconds_per_million)),
                    peak_mib: Spread::of(own().map(|sample| sample.cost.peak_mib)),
                };
                self.medians.insert(name, figures);
            }
        }
        for (ours, theirs) in RATIOS {
            // Round by round: a machine that is slower for a while is so for both.
            let of = |program: &str, round: u32| {
                let mut samples = self.samples.iter();
                samples.find(|sample| (sample.program, sample.round) == (program, round))
            };
            let own = self.samples.iter().filter(|sample| sample.program == ours);
            let ratios: Vec<f64> = own
                .filter_map(|own| Some(own.records_per_second / of(theirs, own.round)?.records_per_second))
                .collect();
            if !ratios.is_empty() {
                let Spread { median, min, max } = Spread::of(ratios.into_iter());
                let rounded = |ratio: f64| (ratio * 100.0).round() / 100.0;
                let spread = Spread { median: rounded(median), min: rounded(min), max: rounded(max) };
                self.ratios.insert(format!("{ours}_vs_{theirs}"), spread.median);
                self.ratio_spreads.insert(format!("{ours}_vs_{theirs}"), spread);
            }
        }
    }

    /// For README.md: one table of consumers, one of producers, and what Tally is compared with each.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{}; medians of {} rounds, {} records a run (least to most). The machine is shared with others, and the rates \
             rise and fall with what they do: look at what Tally is in the same round.\n",
            self.origin,
            self.samples.iter().map(|sample| sample.round).max().unwrap_or_default(),
            grouped(self.records as f64)
        );
        for (title, ours, consumes) in [("consumer", "consumer", true), ("producer", "producer", false)] {
            let _ = writeln!(
                text,
                "\n| {title} | records/s | Tally is | CPU s per million | peak MiB |\n|---|--:|--:|--:|--:|"
            );
            for program in PROGRAMS.iter().filter(|program| program.consumes() == consumes) {
                let Some(figures) = self.medians.get(program.name) else { continue };
                let Figures { records_per_second: rate, cpu_seconds_per_million: cpu, peak_mib } = figures;
                let snappy = format!("{ours}_snappy_vs_{}", program.name);
                let spreads = &self.ratio_spreads;
                let ratio = spreads.get(&format!("{ours}_vs_{}", program.name)).or(spreads.get(&snappy));
                let ratio = ratio.filter(|_| program.maker != Maker::Tally);
                let ratio = ratio.map_or("–".to_owned(), |Spread { median, min, max }| {
                    format!("{} × ({} to {})", short(*median), short(*min), short(*max))
                });
                let _ = writeln!(
                    text,
                    "| {} | {} ({} to {}) | {ratio} | {:.2} | {:.0} |",
                    program.title,
                    grouped(rate.median),
                    grouped(rate.min),
                    grouped(rate.max),
                    cpu.median,
                    peak_mib.median
                );
            }
        }
        for (program, why) in &self.not_run {
            let _ = writeln!(text, "\nNot run here: {program} ({why})");
        }
        text
    }
}

/// Where most people look.
pub const README: &str = "README.md";
/// Where what is measured is explained.
pub const EXPLANATION: &str = "bench/README.md";
/// Where those look who plan a deployment.
pub const CAPACITY: &str = "docs/capacity.md";

/// `bench/results`.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// Writes figures as JSON into [`folder`].
///
/// # Errors
/// When the file can't be written.
pub fn write_json(name: &str, figures: &impl Serialize) -> Checked {
    std::fs::create_dir_all(folder())?;
    let mut text = serde_json::to_string_pretty(figures)?;
    text.push('\n');
    Ok(std::fs::write(folder().join(name), text)?)
}

/// Writes a table into [`folder`], and into a document between the comments that bear its name.
///
/// # Errors
/// When a file can't be written, or the comments are not there.
pub fn write_table(name: &str, table: &str, document: &str) -> Checked {
    std::fs::write(folder().join(format!("{name}.md")), table)?;
    let path = folder().join("../..").join(document);
    let text = std::fs::read_to_string(&path)?;
    let (begin, end) = (format!("<!-- bench:{name} -->\n"), format!("<!-- /bench:{name} -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.ok_or_else(|| Failure::new(format!("{document} has no place for {name}")))?;
    Ok(std::fs::write(&path, format!("{before}{begin}{table}{end}{after}"))?)
}

/// The commit that is measured, with a plus if anything was changed since; `unknown` outside a repository.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else { return "unknown".to_owned() };
    // What is measured is Rust; results and texts may be in the making.
    let changed = git(&["status", "--porcelain", "--", "../common", "../consumer", "../producer", "../Cargo.lock"]);
    if changed.is_some_and(|changed| !changed.is_empty()) { commit + "+" } else { commit }
}

/// A ratio with as many digits as mean something.
fn short(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

/// A rate to three digits, its thousands apart.
pub(crate) fn grouped(rate: f64) -> String {
    let digits = format!("{:.0}", (rate / 1_000.0).round() * 1_000.0);
    let digits = if rate < 100_000.0 { format!("{rate:.0}") } else { digits };
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle_whatever_the_order() {
        let spread = Spread::of([3.0, 1.0, 2.0].into_iter());
        assert_eq!(format!("{} {} {}", spread.median, spread.min, spread.max), "2 1 3");
    }

    #[test]
    fn thousands_stand_apart_and_large_rates_have_three_digits_less() {
        assert_eq!(grouped(1_234_567.0), "1 235 000");
        assert_eq!(grouped(18_234.4), "18 234");
        assert_eq!(grouped(950.0), "950");
    }

    #[test]
    fn documents_say_what_was_measured_last() {
        let read = |path: PathBuf| std::fs::read_to_string(path).expect("it is in the repository");
        let documents = [README, EXPLANATION, CAPACITY].map(|document| read(folder().join("../..").join(document)));
        let mut tables = 0;
        for entry in std::fs::read_dir(folder()).expect("it is in the repository") {
            let path = entry.expect("it can be listed").path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".md")) else { continue };
            let block = format!("<!-- bench:{name} -->\n{}<!-- /bench:{name} -->", read(path.clone()));
            assert!(
                documents.iter().any(|text| text.contains(&block)),
                "no document says what bench/results/{name}.md does"
            );
            tables += 1;
        }
        assert!(tables >= 5, "only {tables} tables");
    }

    #[test]
    fn ratios_are_those_of_medians_and_only_of_what_was_run() {
        let sample = |program, rate| Sample {
            program,
            round: 1,
            records: 1,
            seconds: 1.0,
            records_per_second: rate,
            cpu_seconds_per_million: 1.0,
            cost: Cost::default(),
        };
        let mut results = Results {
            samples: vec![sample("consumer", 30.0), sample("go_consumer", 20.0), sample("consumer", 30.0)],
            ..Results::default()
        };
        results.conclude();
        assert_eq!(results.ratios.keys().collect::<Vec<_>>(), ["consumer_vs_go_consumer"]);
        assert!(
            results.table().contains("| Go, franz-go | 20 (20 to 20) | 1.5 × (1.5 to 1.5) |"),
            "{}",
            results.table()
        );
    }
}
