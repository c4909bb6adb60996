//! The programs that are measured, and how each is told what to do.

use e2e::{Checked, Failure, binaries::binaries, cluster::Jars, process::Process};
use serde_json::Value;

use crate::{
    peers::Ecosystem,
    place::{ACCOUNTS, Place},
};

/// Lets Kafka's tools have the compiler and the memory that they would have in earnest.
const TOOL_FLAGS: [&str; 3] = ["-Xms512m", "-Xmx512m", "-XX:+UseG1GC"];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// All the work on what is in a topic.
    Consume,
    /// Counting it again and comparing.
    Verify,
    /// Reading it, and nothing else.
    Read,
    /// Making transactions and sending them.
    Produce {
        /// Compressed by snappy, or not.
        snappy: bool,
    },
    /// Sending records that are there already.
    Send,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Tally.
    Tally,
    /// Kafka's performance tools.
    KafkaTool,
    /// A peer.
    Peer(Ecosystem),
}

/// A program with its job.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name in results.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Who made it.
    pub maker: Maker,
    /// What it does.
    pub job: Job,
    /// It works on one in so many records, being slow.
    pub share: u64,
}

const fn program(name: &'static str, title: &'static str, maker: Maker, job: Job, share: u64) -> Program {
    Program { name, title, maker, job, share }
}

/// All of them.
#[rustfmt::skip]
pub const PROGRAMS: [Program; 17] = {
    use Ecosystem::{Confluent, Go, Java, KafkaPython, Streams};
    use Job::{Consume, Produce, Read, Send, Verify};
    use Maker::{KafkaTool, Peer, Tally};
    const PLAIN: Job = Produce { snappy: false };
    const SNAPPY: Job = Produce { snappy: true };
    [
        program("consumer", "Tally: consumer", Tally, Consume, 1),
        program("verify", "Tally: consumer verify", Tally, Verify, 1),
        program("consumer_perf_test", "kafka-consumer-perf-test (reads only)", KafkaTool, Read, 1),
        program("go_consumer", "Go, franz-go", Peer(Go), Consume, 1),
        program("java_consumer", "Java, kafka-clients + Jackson", Peer(Java), Consume, 1),
        program("streams", "Kafka Streams, exactly once", Peer(Streams), Consume, 5),
        program("confluent_consumer", "Python, confluent-kafka + orjson", Peer(Confluent), Consume, 5),
        program("kafka_python_consumer", "Python, kafka-python", Peer(KafkaPython), Consume, 20),
        program("producer", "Tally: producer", Tally, PLAIN, 1),
        program("producer_snappy", "Tally: producer, snappy", Tally, SNAPPY, 1),
        program("producer_perf_test", "kafka-producer-perf-test (sends a file)", KafkaTool, Send, 1),
        program("go_producer", "Go, franz-go", Peer(Go), PLAIN, 1),
        program("go_producer_snappy", "Go, franz-go, snappy", Peer(Go), SNAPPY, 1),
        program("java_producer", "Java, kafka-clients", Peer(Java), PLAIN, 1),
        program("java_producer_snappy", "Java, kafka-clients, snappy", Peer(Java), SNAPPY, 1),
        program("confluent_producer", "Python, confluent-kafka", Peer(Confluent), PLAIN, 5),
        program("kafka_python_producer", "Python, kafka-python + Faker", Peer(KafkaPython), PLAIN, 100),
    ]
};

/// One run of a program.
#[derive(Clone, Copy, Debug)]
pub struct Task<'t> {
    /// The topic.
    pub topic: &'t str,
    /// The consumer group of a peer.
    pub group: &'t str,
    /// How many records there are, or are to be made.
    pub records: u64,
    /// What Kafka's producer tool sends, a file of one record a line.
    pub payloads: &'t str,
}

impl Program {
    /// Whether it reads.
    #[must_use]
    pub fn consumes(&self) -> bool {
        matches!(self.job, Job::Consume | Job::Verify | Job::Read)
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it can't be: it is not built here.
    pub fn start(&self, place: &Place<'_>, task: &Task<'_>) -> Checked<Process> {
        let records = task.records.to_string();
        match (self.maker, self.job) {
            (Maker::Tally, Job::Verify) => place.tally(&binaries()?.consumer, task.topic, &["verify", "--json"], &[]),
            (Maker::Tally, Job::Produce { snappy }) => {
                let accounts = ACCOUNTS.to_string();
                let flags = ["--count", &records, "--rate", "0", "--seed", "1", "--accounts", &accounts, "--json"];
                let compression = ("COMPRESSION", if snappy { "snappy" } else { "none" });
                place.tally(&binaries()?.producer, task.topic, &flags, &[compression])
            }
            (Maker::Tally, _) => place.tally(&binaries()?.consumer, task.topic, &["--until-end", "--json"], &[]),
            (Maker::KafkaTool, Job::Send) => {
                let mut tool = performance_tool(place.jars, "ProducerPerformance");
                tool.args(["--throughput", "-1", "--num-records", &records, "--payload-file", task.payloads])
                    .args(["--command-property", "acks=all", "--topic", task.topic])
                    .args(["--bootstrap-server", place.stage.cluster().bootstrap()]);
                place.spawn(tool, self.name)
            }
            (Maker::KafkaTool, _) => {
                let mut tool = performance_tool(place.jars, "ConsumerPerformance");
                tool.args(["--hide-header", "--num-records", &records, "--topic", task.topic])
                    .args(["--bootstrap-server", place.stage.cluster().bootstrap()]);
                place.spawn(tool, self.name)
            }
            (Maker::Peer(ecosystem), job) => {
                let mut peer = place.peers.command(ecosystem)?;
                match job {
                    Job::Produce { snappy } => peer
                        .args(["produce", "--accounts", &ACCOUNTS.to_string()])
                        .args(["--compression", if snappy { "snappy" } else { "none" }]),
                    _ => peer.args(["consume", "--group", task.group]),
                };
                peer.args(["--bootstrap", place.stage.cluster().bootstrap(), "--topic", task.topic])
                    .args(["--records", &records]);
                place.spawn(peer, self.name)
            }
        }
    }

    /// How long the work took by the program's own account, where it has one, in seconds; and what it counted.
    ///
    /// # Errors
    /// When it did not do what it was told.
    pub fn account(&self, process: &Process, records: u64) -> Checked<(Option<f64>, Value)> {
        if self.maker == Maker::KafkaTool {
            let rate = match self.job {
                Job::Send => rate_sent(&process.stdout()),
                _ => rate_read(&process.stdout()),
            };
            let rate = rate.ok_or_else(|| Failure::new(format!("{} said no rate: {}", self.name, process.stdout())))?;
            #[expect(clippy::cast_precision_loss, reason = "a rate to three digits")]
            return Ok((Some(records as f64 / rate), Value::Null));
        }
        let said = process.last_json()?;
        let (done, seconds) = match (self.maker, self.job) {
            (Maker::Tally, Job::Produce { .. }) => {
                let rate = said["records_per_second"].as_f64();
                #[expect(clippy::cast_precision_loss, reason = "a rate to three digits")]
                (said["acknowledged"].as_u64(), rate.map(|rate| records as f64 / rate))
            }
            (Maker::Tally, Job::Verify) => (said["records"].as_u64(), None),
            (Maker::Tally, _) => (said["ledger"]["consumed"].as_u64(), None),
            _ => (said["records"].as_u64(), said["seconds"].as_f64()),
        };
        if done == Some(records) {
            return Ok((seconds, said));
        }
        Err(Failure::new(format!("{} was to do {records} records and did {done:?}", self.name)))
    }
}

fn performance_tool(jars: &Jars, class: &str) -> std::process::Command {
    let mut tool = jars.java("tool-log4j2.properties", &TOOL_FLAGS);
    tool.arg(format!("org.apache.kafka.tools.{class}"));
    tool
}

/// "1000000 records sent, 812347.7 records/sec (232.41 MB/sec), …", the last such line being the total.
fn rate_sent(output: &str) -> Option<f64> {
    let total = output.lines().rev().find(|line| line.contains(" records sent, "))?;
    total.split(" records sent, ").nth(1)?.split(' ').next()?.parse().ok()
}

/// start, end, MB, MB/s, records, records/s, ms to join the group, ms fetching, MB/s, records/s while fetching
fn rate_read(output: &str) -> Option<f64> {
    output.lines().rev().find_map(|line| line.split(", ").nth(9)?.trim().parse().ok())
}
