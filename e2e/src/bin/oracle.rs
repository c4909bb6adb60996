//! Counts a topic a second time, independently, and holds a summary against it.
//!
//! ```text
//! consumer --until-end --json | tail -n 1 > summary.json
//! cargo run --release -p e2e --bin oracle -- --summary summary.json
//! ```
//!
//! Exit codes: 0 the summary is exact, 1 it differs, 2 it could not be checked.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::ExitCode;

use clap::Parser;
use e2e::oracle::{Ends, History, Settings, differences, invariants_broken, recount_each};
use e2e::{Checked, schema};
use serde_json::Value;

/// Counts a topic of transactions a second time, sharing no code with the consumer, and compares. Settings are those that
/// hold now; before a `consumer migrate` it follows what the summary says of them.
#[derive(Debug, Parser)]
#[command(name = "oracle")]
struct Flags {
    /// Brokers to start from, separated by commas
    #[arg(long, value_name = "HOST:PORT", default_value_t = variable("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))]
    kafka_bootstrap_servers: String,
    /// Topic of the transactions
    #[arg(long, value_name = "NAME", default_value_t = variable("KAFKA_TOPIC", "transactions"))]
    topic: String,
    /// File with the summary to check, - for standard input; without it, the count itself is printed
    #[arg(long, value_name = "FILE")]
    summary: Option<String>,
    /// Length of a window, as the consumer was told
    #[arg(long, value_name = "MS", default_value_t = Settings::default().window_ms)]
    window_ms: i64,
    /// How far the watermark stays behind, as the consumer was told
    #[arg(long, value_name = "MS", default_value_t = Settings::default().out_of_order_ms)]
    out_of_order_ms: i64,
    /// How long a closed window takes late transactions, as the consumer was told
    #[arg(long, value_name = "MS", default_value_t = Settings::default().lateness_ms)]
    lateness_ms: i64,
    /// How far ahead a transaction may be dated, as the consumer was told
    #[arg(long, value_name = "MS", default_value_t = Settings::default().skew_ms)]
    future_skew_ms: i64,
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn main() -> ExitCode {
    match check(&Flags::parse()) {
        Ok(wrong) if wrong.is_empty() => ExitCode::SUCCESS,
        Ok(wrong) => {
            eprintln!("{} differences:", wrong.len());
            wrong.iter().for_each(|line| eprintln!("  {line}"));
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("could not check: {failure}");
            ExitCode::from(2)
        }
    }
}

fn check(flags: &Flags) -> Checked<Vec<String>> {
    let settings = Settings {
        window_ms: flags.window_ms,
        out_of_order_ms: flags.out_of_order_ms,
        lateness_ms: flags.lateness_ms,
        skew_ms: flags.future_skew_ms,
        ..Settings::default()
    };
    let count = |ends: &Ends, history: &History| {
        recount_each(&flags.kafka_bootstrap_servers, &flags.topic, ends, history, |_, _, _| Ok(()))
    };
    let Some(file) = &flags.summary else {
        let counted = count(&Ends::Now, &settings.into())?.to_json();
        println!("{counted}");
        return Ok(invariants_broken(&counted));
    };
    let mut text = String::new();
    match file.as_str() {
        "-" => std::io::stdin().read_to_string(&mut text)?,
        path => std::fs::File::open(path)?.read_to_string(&mut text)?,
    };
    let summary: Value = serde_json::from_str(text.trim())?;
    // As far as the summary goes: the pipeline may be running on.
    let ends: BTreeMap<i32, i64> = partitions(&summary).collect();
    let counted = count(&Ends::At(ends), &History::of(settings, &summary)?)?.to_json();
    let mut wrong = schema::violations(&summary);
    wrong.extend(invariants_broken(&summary));
    wrong.extend(differences(&counted, &summary));
    if wrong.is_empty() {
        let consumed = &counted["ledger"]["consumed"];
        println!("exact: {consumed} records of {} counted twice, every number is the same", flags.topic);
    }
    Ok(wrong)
}

/// Each partition of a summary with its next offset.
fn partitions(summary: &Value) -> impl Iterator<Item = (i32, i64)> {
    summary["partitions"].as_array().into_iter().flatten().filter_map(|partition| {
        let index = i32::try_from(partition["partition"].as_i64()?).ok()?;
        Some((index, partition["next_offset"].as_i64()?))
    })
}
