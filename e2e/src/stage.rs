//! Where one scenario plays: its broker, its topics, its consumer group, its folder, and the programs it starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::binaries::binaries;
use crate::cluster::{Cluster, Kind, Lab};
use crate::kafka::Client;
use crate::oracle::{self, Ends, History, Recount, Settings};
use crate::process::Process;
use crate::{Checked, Failure, evidence, ports, schema, wait};

/// How long a bounded run of a program may take. Generous: the machine may be busy with other tests.
pub const RUN_DEADLINE: Duration = Duration::from_secs(120);
/// How long a program may take to get ready.
pub const READY_DEADLINE: Duration = Duration::from_secs(60);
/// Multiplies the number of records that scenarios make.
const SCALE_VARIABLE: &str = "E2E_SCALE";

/// How many files of output are shown when a scenario fails, and how many lines of each.
const LOGS_SHOWN_MAX: usize = 8;
const LOG_LINES_SHOWN_MAX: usize = 25;

/// How much of a scenario's name its topics bear.
const TOPIC_PREFIX_CHARS: usize = 24;

/// One scenario's own world.
#[derive(Debug)]
pub struct Stage<'l> {
    cluster: Held<'l>,
    folder: PathBuf,
    topic: String,
    fold: Settings,
    started: AtomicU32,
}

#[derive(Debug)]
enum Held<'l> {
    Shared(&'l Cluster),
    Own(Box<Cluster>),
}

/// `count` records, times the scale that whoever runs the tests asked for.
#[must_use]
pub fn scaled(count: u64) -> u64 {
    let scale = std::env::var(SCALE_VARIABLE).ok().and_then(|scale| scale.parse::<u64>().ok());
    count * scale.unwrap_or(1).max(1)
}

impl<'l> Stage<'l> {
    /// A stage for the scenario of that name; with a broker of its own if it hurts it.
    ///
    /// # Errors
    /// When the broker can't be started.
    pub fn new(lab: &'l Lab, kind: Kind, name: &str, own_broker: bool) -> Checked<Self> {
        let cluster = if own_broker { Held::Own(Box::new(lab.own(kind)?)) } else { Held::Shared(lab.shared(kind)?) };
        Self::around(cluster, lab, &format!("{kind:?}-{name}").to_lowercase(), name)
    }

    /// A stage around a broker that was started for it.
    ///
    /// # Errors
    /// When there is no place for its files.
    pub fn with_cluster(cluster: Cluster, lab: &Lab, name: &str) -> Checked<Self> {
        Self::around(Held::Own(Box::new(cluster)), lab, name, name)
    }

    /// A stage on which no broker answers.
    ///
    /// # Errors
    /// When there is no place for its files.
    pub fn without_broker(lab: &'l Lab, name: &str) -> Checked<Self> {
        let nowhere = Cluster::given(&format!("127.0.0.1:{}", ports::free()));
        Self::around(Held::Own(Box::new(nowhere)), lab, &format!("local-{name}"), name)
    }

    /// A stage around brokers that are looked after elsewhere, with a folder that is there already and stays.
    #[must_use]
    pub fn in_folder(cluster: Cluster, folder: &Path, topic: &str) -> Self {
        Self {
            cluster: Held::Own(Box::new(cluster)),
            folder: folder.to_owned(),
            topic: topic.to_owned(),
            fold: Settings::default(),
            started: AtomicU32::new(0),
        }
    }

    /// What consumer and oracle fold with.
    #[must_use]
    pub fn fold(&self) -> Settings {
        self.fold
    }

    fn around(cluster: Held<'l>, lab: &Lab, folder: &str, name: &str) -> Checked<Self> {
        let folder = lab.folder().join(folder);
        std::fs::create_dir_all(&folder)?;
        // The cluster may be somebody's who runs these tests again and again.
        let short: String = name.chars().take(TOPIC_PREFIX_CHARS).collect();
        let topic = format!("{short}-{}", chrono::Utc::now().timestamp_millis());
        Ok(Self { cluster, folder, topic, fold: Settings::default(), started: AtomicU32::new(0) })
    }

    /// The broker.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        match &self.cluster {
            Held::Shared(cluster) => cluster,
            Held::Own(cluster) => cluster,
        }
    }

    /// The broker, to hurt it.
    ///
    /// # Panics
    /// When the scenario didn't ask for a broker of its own.
    pub fn own_cluster(&mut self) -> &mut Cluster {
        match &mut self.cluster {
            Held::Own(cluster) => cluster,
            Held::Shared(_) => panic!("a scenario that hurts its broker is listed with a broker of its own"),
        }
    }

    /// A client of the broker.
    #[must_use]
    pub fn client(&self) -> Client {
        self.cluster().client()
    }

    /// Where the scenario's files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The topic of transactions.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Has consumer and oracle fold with short windows, so that many of them close and are revised in a short run.
    pub fn use_short_windows(&mut self) {
        self.fold =
            Settings { window_ms: 2_000, out_of_order_ms: 500, lateness_ms: 300_000, skew_ms: 60_000, ..self.fold };
    }

    /// Has consumer and oracle fold with these.
    pub fn fold_with(&mut self, settings: Settings) {
        self.fold = settings;
    }

    /// One of the topics that go with it: `state`, `dlq`, `windows`.
    #[must_use]
    pub fn topic_of(&self, what: &str) -> String {
        format!("{}.{what}", self.topic)
    }

    /// The consumer group.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}-group", self.topic)
    }

    /// Makes the topic of transactions before any of the programs does.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn create_topic(&self, partitions: i32) -> Checked {
        self.create(&self.topic, partitions, &[])
    }

    /// Makes a topic and waits until it can be written to.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn create(&self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Checked {
        self.client().create_topic(topic, partitions, configs)?;
        self.wait_led(topic, Some(partitions))
    }

    /// Waits until every partition of a topic has a leader: a broker announces a topic before they are in office.
    fn wait_led(&self, topic: &str, partitions: Option<i32>) -> Checked {
        let mut client = self.client();
        wait::until_true(&format!("topic {topic} being led"), READY_DEADLINE, || {
            let count = partitions.or_else(|| client.partition_count(topic).ok().flatten());
            count.is_some_and(|count| (0..count).all(|partition| client.log_end(topic, partition).is_ok()))
        })
    }

    /// How many records one of the topics that go with the stage's holds; `None` where there is no such topic.
    ///
    /// # Errors
    /// When the broker doesn't answer.
    pub fn length_of(&self, what: &str) -> Checked<Option<usize>> {
        let topic = self.topic_of(what);
        if self.client().partition_count(&topic)?.is_none() {
            return Ok(None);
        }
        self.wait_led(&topic, None)?;
        Ok(Some(self.client().read_topic(&topic)?.len()))
    }

    /// Starts the producer with these flags.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn producer(&self, flags: &[&str]) -> Checked<Process> {
        self.program("producer", &binaries()?.producer, flags, &[])
    }

    /// Starts the consumer with these flags.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn consumer(&self, flags: &[&str]) -> Checked<Process> {
        self.program("consumer", &binaries()?.consumer, flags, &[])
    }

    /// Starts a program with settings of its own on top of the stage's.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn program(&self, name: &str, path: &Path, flags: &[&str], settings: &[(&str, &str)]) -> Checked<Process> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let http = std::net::SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let mut command = Command::new(path);
        command
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME" || name == "RUST_BACKTRACE"))
            .env("KAFKA_BOOTSTRAP_SERVERS", self.cluster().bootstrap())
            .env("KAFKA_TOPIC", &self.topic)
            .env("HTTP_LISTEN", http.to_string())
            .args(flags);
        if name == "consumer" {
            command.env("CONSUMER_GROUP", self.group());
            command.env("WINDOW_MS", self.fold.window_ms.to_string());
            command.env("OUT_OF_ORDER_MS", self.fold.out_of_order_ms.to_string());
            command.env("LATENESS_MS", self.fold.lateness_ms.to_string());
            command.env("FUTURE_SKEW_MS", self.fold.skew_ms.to_string());
        }
        command.envs(settings.iter().copied());
        Ok(Process::spawn(command, &format!("{number:02}-{name}"), &self.folder)?.serving(http))
    }

    /// What its programs have printed and logged last, for whoever has to find out why a claim doesn't hold.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        let output = files.iter().filter(|path| path.extension().is_some_and(|end| end == "out" || end == "err"));
        // Of twenty killed consumers the last few tell enough.
        let output: Vec<&PathBuf> = output.collect();
        output.iter().skip(output.len().saturating_sub(LOGS_SHOWN_MAX)).map(|path| last_lines(path)).collect()
    }

    /// Runs the producer to its end, which must be a good one.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub fn produce(&self, flags: &[&str]) -> Checked {
        self.producer(flags)?.expect_exit(0, RUN_DEADLINE)
    }

    /// Runs the consumer up to the end of the log and gives its summary.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub fn consume_to_end(&self, flags: &[&str]) -> Checked<Value> {
        let mut consumer = self.consumer(&[&["--until-end", "--json"], flags].concat())?;
        consumer.expect_exit(0, RUN_DEADLINE)?;
        consumer.last_json()
    }

    /// The summary as it can be had from outside.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub fn summary_from_outside(&self) -> Checked<Value> {
        let mut consumer = self.consumer(&["summary", "--json"])?;
        consumer.expect_exit(0, RUN_DEADLINE)?;
        consumer.last_json()
    }

    /// Counts the topic independently, as far as a bounded reader sees it now.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn recount(&self) -> Checked<Recount> {
        Ok(oracle::recount(&mut self.client(), &self.topic, &Ends::Now, &self.fold.into())?)
    }

    /// Claims that a summary is what the oracle counts, that it balances and has the published shape, and that dead
    /// letters and closed windows in Kafka are what the oracle expects. Where the summary says that other settings held
    /// before, so they did for the oracle.
    ///
    /// # Errors
    /// With every difference.
    pub fn claim_agreement(&self, summary: &Value) -> Checked<Recount> {
        let history = History::of(self.fold, summary)?;
        let recount = oracle::recount(&mut self.client(), &self.topic, &Ends::Now, &history)?;
        self.claim_agreement_with(summary, &recount)?;
        Ok(recount)
    }

    /// The same with a count made before, for logs whose beginning is gone.
    ///
    /// # Errors
    /// With every difference.
    pub fn claim_agreement_with(&self, summary: &Value, recount: &Recount) -> Checked {
        let mut wrong = schema::violations(summary);
        wrong.extend(oracle::invariants_broken(summary));
        wrong.extend(oracle::differences(&recount.to_json(), summary));
        let mut client = self.client();
        for what in ["dlq", "windows"] {
            self.wait_led(&self.topic_of(what), None)?;
        }
        for (&index, counted) in &recount.0 {
            let generation = generation(summary, index);
            wrong.extend(evidence::dead_letters(&mut client, &self.topic, generation, index, counted)?);
            wrong.extend(evidence::windows(&mut client, &self.topic, generation, index, counted)?);
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let shown = wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n  ");
        Err(Failure::new(format!("the summary and the oracle differ in {} places:\n  {shown}", wrong.len())))
    }
}

/// The generation of a partition's state that a summary shows.
#[must_use]
pub fn generation(summary: &Value, index: i32) -> u64 {
    let mut partitions = summary["partitions"].as_array().into_iter().flatten();
    let partition = partitions.find(|partition| partition["partition"] == index);
    partition.and_then(|partition| partition["generation"].as_u64()).unwrap_or(1)
}

fn last_lines(path: &Path) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN_MAX)..].join("\n    ");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if shown.is_empty() { String::new() } else { format!("--- {name} ({} lines)\n    {shown}\n", lines.len()) }
}
