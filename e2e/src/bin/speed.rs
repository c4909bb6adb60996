//! Measures producer and consumer against Kafka's own performance tools, on an Apache Kafka of its own.
//!
//! ```text
//! cargo run --release -p e2e --bin speed -- --records 1000000 --rounds 3
//! ```
//!
//! Kafka's tools report their own rates, which leave the start of the JVM out (the consumer's leaves out joining the group,
//! too). Our producer's rate is its own as well; those of our consumer and of `consumer verify` are taken from outside, from
//! start to end, with creating topics, restoring, dead letters and snapshots in them. So where the figures favour anyone, it isn't us.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use e2e::cluster::{Jars, Lab, jars};
use e2e::process::Process;
use e2e::stage::Stage;
use e2e::{Checked, Failure, claim, wait};
use serde_json::Value;

const PARTITIONS: i32 = 6;
/// Different values for Kafka's producer tool to choose from: enough that none of them is cached by anything.
const PAYLOADS: usize = 20_000;
const RUN_DEADLINE: Duration = Duration::from_secs(600);
/// Lets Kafka's tools have the compiler and the memory that they would have in earnest.
const TOOL_FLAGS: [&str; 2] = ["-Xmx512m", "-XX:+UseG1GC"];

/// Runs Kafka's performance tools and ours in turn, prints medians, ratios and memory.
#[derive(Debug, Parser)]
#[command(name = "speed")]
struct Flags {
    /// Records a run
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    records: u64,
    /// Rounds; each runs all five programs
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
}

/// Records a second of each program in each round, and the most memory ours had resident.
#[derive(Debug, Default)]
struct Readings {
    java_producer: Vec<f64>,
    producer: Vec<f64>,
    java_consumer: Vec<f64>,
    consumer: Vec<f64>,
    verify: Vec<f64>,
    producer_peak_kib: u64,
    consumer_peak_kib: u64,
    verify_peak_kib: u64,
}

fn main() -> ExitCode {
    match measure(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("speed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(flags: &Flags) -> Checked {
    let jars = jars().map_err(Failure::new)?;
    let lab = Lab::new()?;
    eprintln!("starting Apache Kafka 4.3.0, one node, {PARTITIONS} partitions …");
    let stage = Stage::with_cluster(lab.for_speed()?, &lab, "speed")?;
    let payloads = payloads(&stage)?;
    let mut readings = Readings::default();
    for round in 1..=flags.rounds {
        let (theirs, ours) = (format!("java-{round}"), format!("ours-{round}"));
        readings.java_producer.push(java_producer(&stage, jars, &theirs, &payloads, flags.records)?);
        readings.producer.push(our_producer(&stage, &ours, flags.records, &mut readings.producer_peak_kib)?);
        // Both read what ours has written.
        readings.java_consumer.push(java_consumer(&stage, jars, &ours, flags.records)?);
        readings.consumer.push(our_consumer(&stage, &ours, flags.records, &mut readings.consumer_peak_kib)?);
        readings.verify.push(our_verify(&stage, &ours, flags.records, &mut readings.verify_peak_kib)?);
        eprintln!(
            "round {round}: produced {:.0} (theirs) {:.0} (ours), consumed {:.0} (theirs) {:.0} (ours), verified {:.0} \
             records/s",
            last(&readings.java_producer),
            last(&readings.producer),
            last(&readings.java_consumer),
            last(&readings.consumer),
            last(&readings.verify)
        );
        let mut client = stage.client();
        client.delete_topic(&theirs)?;
        client.delete_topic(&ours)?;
    }
    print(flags, &readings);
    Ok(())
}

fn print(flags: &Flags, readings: &Readings) {
    println!("{} | {} records a run, medians of {} rounds", machine(), flags.records, flags.rounds);
    println!("{:<28} {:>14}", "", "records/s");
    let row = |name: &str, rates: &[f64]| println!("{name:<28} {:>14.0}", median(rates));
    row("kafka-producer-perf-test", &readings.java_producer);
    row("producer --rate 0", &readings.producer);
    row("kafka-consumer-perf-test", &readings.java_consumer);
    row("consumer --until-end", &readings.consumer);
    row("consumer verify", &readings.verify);
    let ratio = |ours: &[f64], theirs: &[f64]| median(ours) / median(theirs);
    println!("producer: {:.2} x kafka-producer-perf-test", ratio(&readings.producer, &readings.java_producer));
    println!("consumer: {:.2} x kafka-consumer-perf-test", ratio(&readings.consumer, &readings.java_consumer));
    let mib = |kib: u64| kib.div_ceil(1024);
    println!(
        "resident: producer {} MiB, consumer {} MiB, consumer verify {} MiB",
        mib(readings.producer_peak_kib),
        mib(readings.consumer_peak_kib),
        mib(readings.verify_peak_kib)
    );
}

/// A file of transactions as our producer makes them, one a line, for Kafka's tool to send.
fn payloads(stage: &Stage<'_>) -> Checked<PathBuf> {
    stage.produce(&["--count", &PAYLOADS.to_string(), "--rate", "0", "--seed", "1"])?;
    let mut lines = Vec::new();
    for (_, record) in stage.client().read_topic(stage.topic())? {
        lines.extend(record.value.unwrap_or_default());
        lines.push(b'\n');
    }
    let path = stage.folder().join("payloads");
    std::fs::write(&path, lines)?;
    Ok(path)
}

fn java_producer(stage: &Stage<'_>, jars: &Jars, topic: &str, payloads: &Path, records: u64) -> Checked<f64> {
    stage.create(topic, PARTITIONS, &[])?;
    let mut tool = jars.java("tool-log4j2.properties", &TOOL_FLAGS);
    tool.args(["org.apache.kafka.tools.ProducerPerformance", "--throughput", "-1", "--topic", topic])
        .args(["--bootstrap-server", stage.cluster().bootstrap(), "--num-records", &records.to_string()])
        .arg("--payload-file")
        .arg(payloads)
        .args(["--command-property", "acks=all"]);
    // "1000000 records sent, 812347.7 records/sec (232.41 MB/sec), …", the last such line being the total.
    let output = output_of(tool)?;
    let total = output.lines().rev().find(|line| line.contains(" records sent, "));
    let rate = total.and_then(|line| line.split(" records sent, ").nth(1)?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| Failure::new(format!("kafka-producer-perf-test said no rate: {output}")))
}

fn java_consumer(stage: &Stage<'_>, jars: &Jars, topic: &str, records: u64) -> Checked<f64> {
    let mut tool = jars.java("tool-log4j2.properties", &TOOL_FLAGS);
    tool.args(["org.apache.kafka.tools.ConsumerPerformance", "--topic", topic, "--hide-header"]).args([
        "--bootstrap-server",
        stage.cluster().bootstrap(),
        "--num-records",
        &records.to_string(),
    ]);
    // start, end, MB, MB/s, records, records/s, ms to join the group, ms fetching, MB/s, records/s while fetching
    let output = output_of(tool)?;
    let rate = output.lines().rev().find_map(|line| line.split(", ").nth(9)?.trim().parse().ok());
    rate.ok_or_else(|| Failure::new(format!("kafka-consumer-perf-test said no rate: {output}")))
}

fn our_producer(stage: &Stage<'_>, topic: &str, records: u64, peak_kib: &mut u64) -> Checked<f64> {
    let count = records.to_string();
    let path = &e2e::binaries::binaries()?.producer;
    let flags = ["--count", &count, "--rate", "0", "--seed", "1", "--json"];
    let mut producer = stage.program("producer", path, &flags, &[("KAFKA_TOPIC", topic)])?;
    watch(&mut producer, peak_kib)?;
    let summary = producer.last_json()?;
    claim!(summary["acknowledged"].as_u64() == Some(records), "the producer sent something else: {summary}");
    summary["records_per_second"].as_f64().ok_or_else(|| Failure::new(format!("the producer said no rate: {summary}")))
}

fn our_consumer(stage: &Stage<'_>, topic: &str, records: u64, peak_kib: &mut u64) -> Checked<f64> {
    let (summary, rate) = timed_consumer(stage, topic, &["--until-end", "--json"], records, peak_kib)?;
    claim!(summary["ledger"]["consumed"].as_u64() == Some(records), "the consumer read something else: {summary}");
    Ok(rate)
}

/// Counts again what [`our_consumer`] has counted, and compares.
fn our_verify(stage: &Stage<'_>, topic: &str, records: u64, peak_kib: &mut u64) -> Checked<f64> {
    let (report, rate) = timed_consumer(stage, topic, &["verify", "--json"], records, peak_kib)?;
    claim!(report["records"].as_u64() == Some(records), "verify counted something else: {report}");
    Ok(rate)
}

/// What a run of the consumer's binary says at its end, and how many of `records` it got through in a second.
fn timed_consumer(
    stage: &Stage<'_>,
    topic: &str,
    flags: &[&str],
    records: u64,
    peak_kib: &mut u64,
) -> Checked<(Value, f64)> {
    let path = &e2e::binaries::binaries()?.consumer;
    let started = Instant::now();
    let mut consumer = stage.program("consumer", path, flags, &[("KAFKA_TOPIC", topic), ("CONSUMER_GROUP", topic)])?;
    watch(&mut consumer, peak_kib)?;
    let elapsed = started.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a rate to three digits")]
    let rate = records as f64 / elapsed.as_secs_f64();
    Ok((consumer.last_json()?, rate))
}

/// Waits for a program's end, and keeps an eye on its memory meanwhile.
fn watch(process: &mut Process, peak_kib: &mut u64) -> Checked {
    wait::until_true("a measured program ending", RUN_DEADLINE, || {
        *peak_kib = process.resident_peak_kib().unwrap_or(0).max(*peak_kib);
        !process.runs()
    })?;
    process.expect_exit(0, RUN_DEADLINE)
}

fn output_of(mut command: Command) -> Checked<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    claim!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

fn last(rates: &[f64]) -> f64 {
    rates.last().copied().unwrap_or_default()
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{} x {}", count, name.unwrap_or("unknown processor"))
}
