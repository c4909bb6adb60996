//! The processes: brokers, consumers, producers; and the steps of the schedule, taken on them.
//!
//! Everything goes on at once, so hardly anything here waits: a consumer that was asked to end is looked after (`watch`)
//! while the next fault happens. A process that ends without having been asked to, or ends badly, fails the run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Options;
use super::journal::Journal;
use super::kind::Kind;
use super::schedule::Step;
use super::takeover::{Cause, REST, Takeovers};
use super::watch::{END_DEADLINE, STILL_DEADLINE};
use crate::binaries::binaries;
use crate::cluster::{Brokers, Cluster};
use crate::oracle::Settings;
use crate::process::{Process, Signal};
use crate::stage::Stage;
use crate::{Checked, Failure};

/// Partitions of the topic.
pub const PARTITIONS: i32 = 6;
const TOPIC: &str = "chaos";
/// Faults in what is produced: every kind, each often enough to come up in every run.
const FAULTS: [&str; 8] =
    ["--malformed-ratio", "0.01", "--repeat-ratio", "0.01", "--late-ratio", "0.01", "--future-ratio", "0.002"];
/// What producers compress with, by their number.
const COMPRESSIONS: [&str; 2] = ["snappy", "none"];
/// A producer that has ended, and what it knows of what it sent.
#[derive(Debug)]
pub struct Sent {
    /// The name of its log.
    pub log: String,
    /// Of its sequence headers; `None` where it never came to send.
    pub incarnation: Option<u64>,
    /// Records that were acknowledged to it.
    pub acknowledged: u64,
    /// How many of those it sent have a header that is no sequence, on purpose: nothing in the log says whose they are.
    pub unnumbered: u64,
    /// Whether it was asked to end, so that these are all it sent.
    pub exact: bool,
}

/// The most memory any process of a kind has had resident, KiB.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub struct Peaks {
    /// Consumers.
    pub consumer_kib: u64,
    /// Producers.
    pub producer_kib: u64,
    /// Brokers.
    pub broker_kib: u64,
}

/// Everything that runs.
#[derive(Debug)]
pub struct World {
    /// Topic, group and folder.
    pub stage: Stage<'static>,
    /// What happened.
    pub journal: Journal,
    /// How long partitions were without an owner.
    pub takeovers: Takeovers,
    /// Producers that have ended.
    pub sent: Vec<Sent>,
    /// The most memory used.
    pub peaks: Peaks,
    /// The longest that a consumer took to end after SIGTERM.
    pub drain_max: Duration,
    /// How often each kind of fault was survived.
    pub survived: BTreeMap<Kind, u64>,
    options: Options,
    pub(super) consumers: BTreeMap<u32, Member>,
    pub(super) producers: BTreeMap<u32, Member>,
    pub(super) leaving: Vec<Leaving>,
    broker_hurt: bool,
    /// The last step was one after which all has to come to rest.
    calm: bool,
    pub(super) looked_at_memory: Instant,
    pub(super) reported: Instant,
    pub(super) counted: (u64, Instant),
    // Last, so that brokers end after those who use them.
    pub(super) brokers: Brokers,
}

/// A consumer or producer that runs.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) process: Process,
    pub(super) log: String,
    pub(super) frozen: bool,
}

/// One that was asked to end and hasn't yet.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) role: &'static str,
    pub(super) number: u32,
    pub(super) member: Member,
    pub(super) since: Instant,
}

impl World {
    /// Starts brokers, consumers and producers.
    ///
    /// # Errors
    /// When one of them can't be started.
    pub fn start(options: &Options, mut journal: Journal) -> Checked<Self> {
        // Which may take minutes, and is nothing that time should be counted of.
        journal.event("the binaries are built, unless they are up to date");
        binaries()?;
        journal.event("the brokers are being started");
        let brokers = Brokers::start(journal.folder(), options.brokers)?;
        let mut stage = Stage::in_folder(Cluster::given(brokers.bootstrap()), journal.folder(), TOPIC);
        // Many windows close in a short run, some are revised, and no more of them are open, and in each snapshot, than
        // with the consumer's own settings.
        let short =
            Settings { window_ms: 10_000, out_of_order_ms: 500, lateness_ms: 120_000, skew_ms: 60_000, ..stage.fold() };
        stage.fold_with(short);
        stage.create_topic(PARTITIONS)?;
        // Rolled and cleaned so often that consumers restore from a compacted topic.
        let cleaned = [("cleanup.policy", "compact"), ("segment.ms", "20000"), ("min.cleanable.dirty.ratio", "0.01")];
        let large = ("max.message.bytes", "16777216");
        stage.create(&stage.topic_of("state"), PARTITIONS, &[cleaned.as_slice(), &[large]].concat())?;
        let partitions = usize::try_from(PARTITIONS).expect("there are some");
        let now = Instant::now();
        let mut world = Self {
            stage,
            journal,
            takeovers: Takeovers::of(partitions),
            sent: Vec::new(),
            peaks: Peaks::default(),
            drain_max: Duration::ZERO,
            survived: BTreeMap::new(),
            options: options.clone(),
            consumers: BTreeMap::new(),
            producers: BTreeMap::new(),
            leaving: Vec::new(),
            broker_hurt: false,
            calm: false,
            looked_at_memory: now,
            reported: now,
            counted: (0, now),
            brokers,
        };
        for number in 1..=options.consumers {
            world.start_consumer(number)?;
        }
        for number in 1..=options.producers {
            world.start_producer(number)?;
        }
        world.until("the first records being counted", STILL_DEADLINE, |world| world.durable_count() > Some(0))?;
        Ok(world)
    }

    /// What the run is to be like.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    fn start_consumer(&mut self, number: u32) -> Checked {
        if self.consumers.contains_key(&number) {
            return Err(Failure::new(format!("consumer {number} is to be started, and is there already")));
        }
        let flags = ["--snapshot-interval-ms", "500", "--consumer-group-protocol", &self.options.group_protocol];
        let process = self.stage.consumer(&flags)?;
        let log = process.name().to_owned();
        self.consumers.insert(number, Member { process, log, frozen: false });
        Ok(())
    }

    fn start_producer(&mut self, number: u32) -> Checked {
        if self.producers.contains_key(&number) {
            return Err(Failure::new(format!("producer {number} is to be started, and is there already")));
        }
        let rate = (self.options.rate / self.options.producers).max(1).to_string();
        let seed = self.options.seed.wrapping_mul(1_000).wrapping_add(number.into()).to_string();
        let compression = COMPRESSIONS[number as usize % COMPRESSIONS.len()];
        let flags =
            ["--rate", &rate, "--seed", &seed, "--compression", compression, "--flush-timeout", "60s", "--json"];
        let process = self.stage.producer(&[flags.as_slice(), &FAULTS].concat())?;
        let log = process.name().to_owned();
        self.producers.insert(number, Member { process, log, frozen: false });
        Ok(())
    }

    /// Takes a step of the schedule. What needs a whole cluster waits for it.
    ///
    /// # Errors
    /// When something went wrong in the meantime, or the step can't be taken.
    pub fn take(&mut self, step: Step) -> Checked {
        if std::mem::replace(&mut self.calm, step.in_calm) || step.in_calm {
            self.until_taken_over()?;
        }
        if step.in_calm || (step.kind.needs_whole_cluster() && !step.heals) {
            self.until_whole()?;
        }
        if step.in_calm {
            self.pass(REST)?;
        }
        let log = self.log_of(step);
        self.journal.event(format_args!("{step}{log}"));
        let number = step.target;
        match step.kind.role() {
            "consumer" => self.step_on_consumer(step.kind, number, step.heals)?,
            "producer" => self.step_on_producer(step.kind, number, step.heals)?,
            _ => self.step_on_brokers(step.kind, number, step.heals)?,
        }
        if !step.heals {
            *self.survived.entry(step.kind).or_default() += 1;
        }
        Ok(())
    }

    fn log_of(&self, step: Step) -> String {
        let members = if step.kind.role() == "producer" { &self.producers } else { &self.consumers };
        let found = members.get(&step.target).filter(|_| matches!(step.kind.role(), "consumer" | "producer"));
        found.map(|member| format!(" ({})", member.log)).unwrap_or_default()
    }

    fn step_on_consumer(&mut self, kind: Kind, number: u32, heals: bool) -> Checked {
        let calm = !self.broker_hurt && self.consumers.values().all(|member| !member.frozen);
        match (kind, heals) {
            (Kind::KillConsumer, false) => {
                let mut member = self.consumers.remove(&number).ok_or_else(absent)?;
                self.peaks.consumer(&member);
                self.takeovers.begin(Cause::Killed, calm);
                member.process.kill9()
            }
            (Kind::TerminateConsumer | Kind::LeaveConsumer, false) => {
                let mut member = self.consumers.remove(&number).ok_or_else(absent)?;
                self.takeovers.begin(Cause::Terminated, calm);
                member.process.signal(Signal::Term)?;
                self.leaving.push(Leaving { role: "consumer", number, member, since: Instant::now() });
                Ok(())
            }
            (Kind::FreezeConsumer, _) => {
                self.takeovers.disturb();
                self.consumers.get_mut(&number).ok_or_else(absent)?.freeze(!heals)
            }
            _ => {
                self.takeovers.disturb();
                self.start_consumer(number)
            }
        }
    }

    fn step_on_producer(&mut self, kind: Kind, number: u32, heals: bool) -> Checked {
        match (kind, heals) {
            (Kind::KillProducer, false) => {
                let mut member = self.producers.remove(&number).ok_or_else(absent)?;
                self.peaks.producer(&member);
                let metrics = member.process.get("/metrics").map(|answer| answer.body).unwrap_or_default();
                member.process.kill9()?;
                let incarnation = incarnation(&member.process.stderr());
                let acknowledged = count(&metrics, "tally_producer_records_acknowledged_total ");
                let unnumbered = count(&metrics, "tally_producer_faults_injected_total{fault=\"invalid_header\"} ");
                self.sent.push(Sent { log: member.log, incarnation, acknowledged, unnumbered, exact: false });
                Ok(())
            }
            (Kind::TerminateProducer, false) => self.end_producer(number),
            (Kind::FreezeProducer, _) => self.producers.get_mut(&number).ok_or_else(absent)?.freeze(!heals),
            _ => self.start_producer(number),
        }
    }

    fn end_producer(&mut self, number: u32) -> Checked {
        let mut member = self.producers.remove(&number).ok_or_else(absent)?;
        member.process.signal(Signal::Term)?;
        self.leaving.push(Leaving { role: "producer", number, member, since: Instant::now() });
        Ok(())
    }

    fn step_on_brokers(&mut self, kind: Kind, number: u32, heals: bool) -> Checked {
        self.takeovers.disturb();
        self.broker_hurt = !heals && kind != Kind::MoveLeaders;
        match (kind, heals) {
            (Kind::KillBroker, false) => self.brokers.kill9(number),
            (Kind::RestartBroker, false) => self.brokers.stop(number),
            (Kind::StallBroker | Kind::FreezeBroker, false) => self.brokers.freeze(number, Signal::Stop),
            (Kind::StallBroker | Kind::FreezeBroker, true) => self.brokers.freeze(number, Signal::Continue),
            (Kind::MoveLeaders, _) => {
                let moved = self.brokers.move_leaders()?;
                self.journal.event(format_args!("               {moved} partitions have another leader"));
                Ok(())
            }
            _ => self.brokers.start_broker(number),
        }
    }

    /// Asks every producer to end, and waits until all have, with everything acknowledged.
    ///
    /// # Errors
    /// When one ends badly.
    pub fn end_producers(&mut self) -> Checked {
        let numbers: Vec<u32> = self.producers.keys().copied().collect();
        numbers.into_iter().try_for_each(|number| self.end_producer(number))?;
        self.until("the producers' end", END_DEADLINE, |world| world.leaving.is_empty())
    }

    /// Asks every consumer to end, and waits until all have.
    ///
    /// # Errors
    /// When one ends badly.
    pub fn end_consumers(&mut self) -> Checked {
        while let Some((number, mut member)) = self.consumers.pop_first() {
            self.peaks.consumer(&member);
            member.process.signal(Signal::Term)?;
            self.leaving.push(Leaving { role: "consumer", number, member, since: Instant::now() });
        }
        self.until("the consumers' end", END_DEADLINE, |world| world.leaving.is_empty())
    }
}

impl Member {
    fn freeze(&mut self, frozen: bool) -> Checked {
        self.frozen = frozen;
        self.process.signal(if frozen { Signal::Stop } else { Signal::Continue })
    }
}

impl Peaks {
    pub(super) fn consumer(&mut self, member: &Member) {
        self.consumer_kib = self.consumer_kib.max(member.process.resident_peak_kib().unwrap_or(0));
    }

    pub(super) fn producer(&mut self, member: &Member) {
        self.producer_kib = self.producer_kib.max(member.process.resident_peak_kib().unwrap_or(0));
    }
}

fn absent() -> Failure {
    Failure::new("the schedule asks for somebody who isn't there")
}

/// The count behind a metric's name and labels; 0 where it isn't there.
fn count(metrics: &str, metric: &str) -> u64 {
    metrics.lines().find_map(|line| line.strip_prefix(metric)?.parse().ok()).unwrap_or(0)
}

/// The incarnation that a producer says in its log when it begins to send.
fn incarnation(log: &str) -> Option<u64> {
    let text = log.split_once("\"incarnation\":\"")?.1.split('"').next()?;
    u64::from_str_radix(text, 16).ok()
}
