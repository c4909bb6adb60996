//! Where a measurement takes place: an Apache Kafka of its own, its topics, and everything that runs against it.

use std::path::Path;
use std::process::Command;

use e2e::{
    Checked, Failure,
    cluster::{Jars, Lab, jars},
    process::Process,
    stage::Stage,
};

use crate::peers::Peers;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 6;
/// Accounts that make transactions, in every producer.
pub const ACCOUNTS: u64 = 100_000;

/// A broker, and what runs against it.
pub struct Place<'l> {
    /// Tally's programs, and the broker.
    pub stage: Stage<'l>,
    /// Kafka's own tools.
    pub jars: &'static Jars,
    /// The others.
    pub peers: Peers,
}

impl<'l> Place<'l> {
    /// Builds what is to be measured and starts a broker.
    ///
    /// # Errors
    /// When there is no Apache Kafka.
    pub fn prepare(lab: &'l Lab) -> Checked<Self> {
        let jars = jars().map_err(Failure::new)?;
        eprintln!("building Tally and its peers …");
        let peers = Peers::build()?;
        e2e::binaries::binaries()?;
        eprintln!("starting Apache Kafka 4.3.0, one node, {PARTITIONS} partitions …");
        let stage = Stage::with_cluster(lab.for_speed()?, lab, "bench")?;
        Ok(Self { stage, jars, peers })
    }

    /// Makes a topic of [`PARTITIONS`] partitions.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn create(&self, topic: &str) -> Checked {
        self.stage.create(topic, PARTITIONS, &[])
    }

    /// Starts a program of Tally's.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn tally(&self, path: &Path, topic: &str, flags: &[&str], settings: &[(&str, &str)]) -> Checked<Process> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("tally");
        let own = [("KAFKA_TOPIC", topic), ("CONSUMER_GROUP", topic)];
        self.stage.program(name, path, flags, &[&own, settings].concat())
    }

    /// Starts another program.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(&self, command: Command, name: &str) -> Checked<Process> {
        Process::spawn(command, name, self.stage.folder())
    }
}

/// The machine, for whoever reads the figures.
#[must_use]
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let gib = kib.unwrap_or(0_u64) / (1 << 20);
    format!("{count} x {}, {gib} GiB, broker and programs on it", name.unwrap_or("unknown processor"))
}
