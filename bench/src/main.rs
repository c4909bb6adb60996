//! `cargo run --release -p bench`: see the library.

use std::process::ExitCode;

use bench::{Flags, Measure, hostile, latency, restart, scale, throughput};
use clap::Parser;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let measured = match flags.measure.unwrap_or_default() {
        Measure::Throughput(settings) => throughput::measure(&settings),
        Measure::Latency(settings) => latency::measure(&settings),
        Measure::Restart(settings) => restart::measure(&settings),
        Measure::HostileHttp(settings) => hostile::measure(&settings),
        Measure::Scale(settings) => scale::measure(&settings),
        Measure::Plan => scale::plan(),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
