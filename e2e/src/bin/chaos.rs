//! Hurts a whole pipeline at random, on three brokers of Apache Kafka, and demands an exact account at the end.
//!
//! ```text
//! cargo run --release -p e2e --bin chaos -- --minutes 10 --seed 7
//! ```
//!
//! Exit codes: 0 every count agrees exactly, 1 they differ or something ended that should not have. A failed run leaves its
//! folder in `target/chaos` and prints the command that plays the same schedule again. Kafka's data takes about a gigabyte
//! for a million records while it runs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::chaos::schedule::Step;
use e2e::chaos::{self, Course, Options};
use e2e::cluster::BROKERS;
use e2e::{Checked, Failure, binaries};

/// Hurts brokers, producers and consumers at random, then counts everything twice.
#[derive(Debug, Parser)]
#[command(name = "chaos")]
struct Flags {
    /// How long faults go on; starting and judging come on top
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    minutes: f64,
    /// Instead of everything: 1, then up to 4, then 2 consumers, so many of them killed on the way, and nothing else
    #[arg(long, value_name = "KILLS", value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with_all = ["minutes", "consumers"])]
    scaling: Option<u32>,
    /// The same seed makes the same schedule of faults; left out, one is drawn
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Transactions a second, of all producers together
    #[arg(long, value_name = "N", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Producers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    producers: u32,
    /// Consumers at first; up to two more join
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    consumers: u32,
    /// Brokers: one is enough where none of them is hurt
    #[arg(long, value_name = "N", default_value_t = BROKERS, value_parser = clap::value_parser!(u32).range(1..=i64::from(BROKERS)), requires = "scaling")]
    brokers: u32,
    /// How the group shares partitions out: classic or consumer (KIP-848)
    #[arg(long, value_name = "NAME", default_value = "classic", value_parser = ["classic", "consumer"])]
    group_protocol: String,
    /// Keep the run's folder, with Kafka's data in it, also when all is well
    #[arg(long)]
    keep: bool,
    /// Print the schedule, and do nothing
    #[arg(long)]
    plan: bool,
    /// Print the report as JSON too, on the last line
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let seed = flags.seed.unwrap_or_else(rand::random);
    match play(&flags, seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("chaos: FAILED: {failure}");
            let Flags { minutes, rate, producers, consumers, group_protocol, .. } = &flags;
            let course = match flags.scaling {
                Some(kills) => format!("--scaling {kills} --brokers {}", flags.brokers),
                None => format!("--minutes {minutes} --consumers {consumers}"),
            };
            eprintln!(
                "the same schedule again: cargo run -p e2e --bin chaos -- {course} --seed {seed} --rate {rate} \
                 --producers {producers} --group-protocol {group_protocol}"
            );
            ExitCode::FAILURE
        }
    }
}

fn play(flags: &Flags, seed: u64) -> Checked {
    let options = Options {
        course: match flags.scaling {
            Some(kills) => Course::Scaling(kills),
            None => Course::Everything(Duration::try_from_secs_f64(flags.minutes * 60.0)?),
        },
        seed,
        rate: flags.rate,
        producers: flags.producers,
        consumers: if flags.scaling.is_some() { 1 } else { flags.consumers },
        brokers: flags.brokers,
        group_protocol: flags.group_protocol.clone(),
    };
    if flags.plan {
        let line = |(at_ms, step): (u64, Step)| println!("{:3}:{:02}  {step}", at_ms / 60_000, at_ms / 1_000 % 60);
        chaos::plan(&options).into_iter().for_each(line);
        return Ok(());
    }
    let folder = folder(seed)?;
    let kept = |failure: Failure| Failure::new(format!("{failure}\neverything there is to know: {}", folder.display()));
    let report = chaos::run(&options, &folder).map_err(kept)?;
    if flags.json {
        println!("{}", report.to_json());
    }
    chaos::judge::demand(report.verdicts()).map_err(kept)?;
    if !flags.keep {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// A new folder in `target/chaos`.
fn folder(seed: u64) -> Checked<PathBuf> {
    let name = format!("{}-seed-{seed}", chrono::Utc::now().format("%Y%m%d-%H%M%S"));
    let folder = binaries::target_folder()?.join("chaos").join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
