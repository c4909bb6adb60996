//! The command line.

use clap::{Args, Parser, Subcommand};

/// Records a run of throughput, unless told otherwise.
const RECORDS: u64 = 2_000_000;
/// Rounds of throughput, unless told otherwise.
const ROUNDS: u32 = 7;

/// Measures Tally beside its peers, on an Apache Kafka of its own; writes JSON and plots into bench/results.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub struct Flags {
    /// What is measured; throughput when left out.
    #[command(subcommand)]
    pub measure: Option<Measure>,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Measure {
    /// Records a second, CPU and memory of producers and consumers
    Throughput(ThroughputSettings),
    /// From intended send to received, at fixed rates
    Latency(LatencySettings),
    /// From start to ready, and from kill -9 to caught up
    Restart(RestartSettings),
    /// What a consumer counts under attack by HTTP clients, beside what it counts without; fails below 0.95
    HostileHttp(HostileSettings),
    /// What a record costs with more partitions, consumers, accounts, bytes or records
    Scale(ScaleSettings),
    /// What larger loads need, worked out again from what `scale` measured last: after a change of prices or machines
    Plan,
}

impl Default for Measure {
    fn default() -> Self {
        Self::Throughput(ThroughputSettings {
            records: RECORDS,
            rounds: ROUNDS,
            only: None,
            require_peers: false,
            results: true,
        })
    }
}

/// How throughput is measured.
#[derive(Debug, Args)]
pub struct ThroughputSettings {
    /// Records a run; slow peers get a share of them
    #[arg(long, value_name = "N", default_value_t = RECORDS)]
    pub records: u64,
    /// Rounds; in each every program runs once, beginning with another one
    #[arg(long, value_name = "N", default_value_t = ROUNDS)]
    pub rounds: u32,
    /// Only programs whose name contains this, and Tally; a trial, which writes no results
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Fail where a peer can't be built, instead of listing it as not run
    #[arg(long)]
    pub require_peers: bool,
    /// Write bench/results; off for a trial
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub results: bool,
}

/// How latency is measured.
#[derive(Debug, Args)]
pub struct LatencySettings {
    /// Records a second, one after the other
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1_000, 10_000, 50_000, 100_000])]
    pub rates: Vec<u64>,
    /// Seconds that count
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub seconds: u64,
    /// Seconds before, which do not
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub warmup_seconds: u64,
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: u32,
    /// Write bench/results; off for a trial
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub results: bool,
}

/// How restarts are measured.
#[derive(Debug, Args)]
pub struct RestartSettings {
    /// Rounds, each with one kill
    #[arg(long, value_name = "N", default_value_t = ROUNDS, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Write bench/results; off for a trial
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub results: bool,
}

/// How an attack by HTTP is measured.
#[derive(Debug, Args)]
pub struct HostileSettings {
    /// The load, records a second
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: u64,
    /// Seconds without the attack, and as many with it
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Write bench/results; off for a trial
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub results: bool,
}

/// How scale is measured.
#[derive(Debug, Args)]
pub struct ScaleSettings {
    /// Most records of a run; 100000000 needs 20 GB of disk and takes a quarter of an hour more a round
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000_000..))]
    pub records_max: u64,
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Write bench/results; off for a trial
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub results: bool,
}
