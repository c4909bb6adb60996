//! From when a record was meant to be sent until a consumer had done its work on it, at fixed rates in an open loop: a
//! producer that is held up sends late and makes its records no younger.
//!
//! Tally's consumer says itself when it had folded a record and when a durable snapshot held it; from outside, by asking
//! a replica that works on nothing, it is seen when the figures served held it. Kafka's own tool sends one record at a
//! time and waits for it: it knows no rate, and stands there for comparison.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use e2e::{Checked, Failure, binaries::binaries, claim, cluster::Lab, process::Process, stage::READY_DEADLINE, wait};
use serde::Serialize;

use crate::{
    cost,
    flags::LatencySettings,
    peers::Ecosystem,
    percentiles::{self, Percentiles},
    place::{PARTITIONS, Place},
    plot,
    results::{self, Origin, Spread},
};

/// Records that Kafka's own tool sends, one after the other, and the bytes of each.
const TOOL_RECORDS: &str = "5000";
const TOOL_RECORD_BYTES: &str = "300";
/// How long a consumer may take to have folded everything once its producer has ended.
const CATCH_UP_DEADLINE: Duration = Duration::from_secs(60);

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct LatencySample {
    /// What was measured.
    pub program: &'static str,
    /// Records a second; 0 for Kafka's tool, which sends when the record before has come.
    pub rate: u64,
    /// The round, from 1.
    pub round: u32,
    /// What came out.
    #[serde(flatten)]
    pub percentiles: Percentiles,
}

/// Medians over the rounds, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencyFigures {
    /// Half took no longer.
    pub p50_ms: f64,
    /// 99 of a hundred took no longer.
    pub p99_ms: f64,
    /// 999 of a thousand took no longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// A measurement of latencies.
#[derive(Debug, Serialize)]
pub struct LatencyResults {
    /// Where, when, of what.
    #[serde(flatten)]
    pub origin: Origin,
    /// Seconds that counted in each run.
    pub seconds: u64,
    /// Every run.
    pub samples: Vec<LatencySample>,
    /// By rate, then by program.
    pub medians: BTreeMap<u64, BTreeMap<&'static str, LatencyFigures>>,
    /// Programs that could not run here, and why.
    pub not_run: BTreeMap<&'static str, String>,
}

/// What is measured, and what it is called. The first three are compared: from a record's due time until it was counted.
pub const TITLES: [(&str, &str); 6] = [
    ("tally", "Tally: folded"),
    ("go", "Go, franz-go"),
    ("java", "Java, kafka-clients"),
    ("tally_durable", "Tally: in a durable snapshot"),
    ("tally_visible", "Tally: served by another replica"),
    ("kafka_e2e", "Kafka's end-to-end tool, one at a time"),
];

/// Measures, prints a table, and writes JSON and a plot.
///
/// # Errors
/// When there is no Apache Kafka, or a program fails.
pub fn measure(settings: &LatencySettings) -> Checked {
    let lab = Lab::new()?;
    let place = Place::prepare(&lab)?;
    let mut found = LatencyResults {
        origin: Origin::now(),
        seconds: settings.seconds,
        samples: Vec::new(),
        medians: BTreeMap::new(),
        not_run: BTreeMap::new(),
    };
    for round in 1..=settings.rounds {
        found.add("kafka_e2e", 0, round, kafka_tool(&place, round)?);
        for &rate in &settings.rates {
            let run = Run { place: &place, settings, rate, round };
            let (folded, durable) = run.tally()?;
            found.add("tally", rate, round, folded);
            found.add("tally_durable", rate, round, durable);
            for (name, ecosystem) in [("go", Ecosystem::Go), ("java", Ecosystem::Java)] {
                match place.peers.latency_command(ecosystem) {
                    Ok(_) => found.add(name, rate, round, run.peer(name, ecosystem)?),
                    Err(failure) => drop(found.not_run.insert(name, failure.to_string())),
                }
            }
            found.add("tally_visible", rate, round, run.visible()?);
        }
    }
    found.conclude();
    println!("{}", found.table());
    if settings.results {
        results::write_json("latency.json", &found)?;
        results::write_table("latency", &found.table(), results::README)?;
        plot::latency(&found)?;
        eprintln!("written: {}", results::folder().display());
    }
    Ok(())
}

/// One rate in one round.
struct Run<'r, 'l> {
    place: &'r Place<'l>,
    settings: &'r LatencySettings,
    rate: u64,
    round: u32,
}

impl Run<'_, '_> {
    fn topic(&self, what: &str) -> Checked<String> {
        let topic = format!("latency-{what}-{}-{}", self.rate, self.round);
        self.place.create(&topic)?;
        Ok(topic)
    }

    /// A producer at the run's rate, for warm-up and measurement.
    fn producer(&self, topic: &str) -> Checked<Process> {
        let (rate, duration) =
            (self.rate.to_string(), format!("{}s", self.settings.warmup_seconds + self.settings.seconds));
        let flags = ["--rate", &rate, "--duration", &duration, "--seed", "1", "--json"];
        self.place.tally(&binaries()?.producer, topic, &flags, &[])
    }

    fn consumer(&self, topic: &str, partitions: &str) -> Checked<Process> {
        let settings = [("CONSUMER_PARTITIONS", partitions)];
        let mut consumer = self.place.tally(&binaries()?.consumer, topic, &[], &settings)?;
        consumer.wait_ready(READY_DEADLINE)?;
        Ok(consumer)
    }

    /// Until folded, and until durable.
    fn tally(&self) -> Checked<(Percentiles, Percentiles)> {
        let topic = self.topic("tally")?;
        let consumer = self.consumer(&topic, "0-5")?;
        let mut producer = self.producer(&topic)?;
        wait::let_pass(Duration::from_secs(self.settings.warmup_seconds));
        let before = latencies(&consumer)?;
        cost::of(&mut producer)?;
        let sent = producer.last_json()?["acknowledged"].as_u64();
        wait::until_true("the last record being durable", CATCH_UP_DEADLINE, || {
            latencies(&consumer).is_ok_and(|now| now["durable"]["records"].as_u64() == sent)
        })?;
        let after = latencies(&consumer)?;
        self.place.stage.client().delete_topic(&topic)?;
        let stage = |name| Ok::<_, Failure>(Percentiles::of(&percentiles::between(&before, &after, name)?));
        Ok((stage("folded")?, stage("durable")?))
    }

    /// Until the figures that another replica serves hold it, seen from outside. Of all partitions together: the n-th
    /// record of the schedule counts as there when n are.
    fn visible(&self) -> Checked<Percentiles> {
        let topic = self.topic("visible")?;
        let _consumer = self.consumer(&topic, "0-5")?;
        let replica = self.consumer(&topic, "none")?;
        let mut producer = self.producer(&topic)?;
        let mut seen = Vec::new();
        let mut count = 0;
        let total = self.rate * (self.settings.warmup_seconds + self.settings.seconds);
        let deadline = Instant::now() + Duration::from_secs(total / self.rate) + CATCH_UP_DEADLINE;
        while count < total {
            claim!(Instant::now() < deadline, "the replica shows {count} of {total} records");
            let summary = replica.summary();
            let now_us = chrono::Utc::now().timestamp_micros();
            let consumed = summary.and_then(|summary| summary["ledger"]["consumed"].as_u64()).unwrap_or_default();
            if consumed > count {
                seen.push((now_us, count, consumed));
                count = consumed;
            }
            wait::let_pass(Duration::from_millis(10));
        }
        cost::of(&mut producer)?;
        let began_us = self.began_us(&topic)?;
        self.place.stage.client().delete_topic(&topic)?;
        let mut histogram = percentiles::empty();
        for (now_us, from, to) in seen {
            for index in from.max(self.rate * self.settings.warmup_seconds)..to {
                let intended_us = began_us + i64::try_from(index * 1_000_000 / self.rate).unwrap_or(i64::MAX);
                histogram.saturating_record(u64::try_from(now_us - intended_us).unwrap_or(0).max(1));
            }
        }
        Ok(Percentiles::of(&histogram))
    }

    /// When the first record of the schedule was meant to be sent.
    fn began_us(&self, topic: &str) -> Checked<i64> {
        let mut client = self.place.stage.client();
        let mut first = i64::MAX;
        for partition in 0..PARTITIONS {
            let end = client.log_end(topic, partition)?.min(1);
            client.read_range(topic, partition, 0, end, |record| {
                let header = record.headers.iter().find(|(name, _)| name == "tally-intended-us");
                let text = header.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
                first = first.min(text.and_then(|text| text.parse().ok()).unwrap_or(i64::MAX));
            })?;
        }
        claim!(first < i64::MAX, "no record of {topic} says when it was meant to be sent");
        Ok(first)
    }

    fn peer(&self, name: &str, ecosystem: Ecosystem) -> Checked<Percentiles> {
        let topic = self.topic(name)?;
        let mut peer = self.place.peers.latency_command(ecosystem)?;
        peer.args(["latency", "--bootstrap", self.place.stage.cluster().bootstrap(), "--topic", &topic])
            .args(["--rate", &self.rate.to_string(), "--seconds", &self.settings.seconds.to_string()])
            .args(["--warmup-seconds", &self.settings.warmup_seconds.to_string()]);
        let mut process = self.place.spawn(peer, name)?;
        cost::of(&mut process)?;
        self.place.stage.client().delete_topic(&topic)?;
        Percentiles::read(&process.last_json()?)
    }
}

fn latencies(consumer: &Process) -> Checked<serde_json::Value> {
    let answer = consumer.get("/api/v1/latency").ok_or_else(|| Failure::new("the consumer does not answer"))?;
    Ok(serde_json::from_str(&answer.body)?)
}

fn kafka_tool(place: &Place<'_>, round: u32) -> Checked<Percentiles> {
    let topic = format!("latency-kafka-{round}");
    place.stage.create(&topic, 1, &[])?;
    let mut tool = place.jars.java("tool-log4j2.properties", &["-Xmx512m"]);
    tool.args(["org.apache.kafka.tools.EndToEndLatency", "--bootstrap-server", place.stage.cluster().bootstrap()])
        .args(["--topic", &topic, "--num-records", TOOL_RECORDS, "--producer-acks", "all"])
        .args(["--record-size", TOOL_RECORD_BYTES]);
    let mut process = place.spawn(tool, "kafka-e2e-latency")?;
    cost::of(&mut process)?;
    // "Percentiles: 50th = 1, 99th = 3, 99.9th = 9", in milliseconds.
    let output = process.stdout();
    let percentile = |name: &str| {
        let after = output.split_once(&format!("{name} = "))?.1;
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok().map(|ms| ms * 1_000)
    };
    let (p50, p99, p999) = (percentile("50th"), percentile("99th"), percentile("99.9th"));
    let missing = || Failure::new(format!("Kafka's end-to-end tool said no percentiles: {output}"));
    Ok(Percentiles {
        records: TOOL_RECORDS.parse()?,
        p50_us: p50.ok_or_else(missing)?,
        p99_us: p99.ok_or_else(missing)?,
        p999_us: p999.ok_or_else(missing)?,
        max_us: 0,
    })
}

impl LatencyResults {
    fn add(&mut self, program: &'static str, rate: u64, round: u32, percentiles: Percentiles) {
        let Percentiles { p50_us, p99_us, p999_us, max_us, .. } = percentiles;
        eprintln!(
            "round {round}: {rate:>6}/s {program:<14} p50 {p50_us:>8} p99 {p99_us:>8} p99.9 {p999_us:>8} max {max_us:>8} µs"
        );
        self.samples.push(LatencySample { program, rate, round, percentiles });
    }

    fn conclude(&mut self) {
        for sample in &self.samples {
            let same = || {
                let (program, rate) = (sample.program, sample.rate);
                self.samples.iter().filter(move |other| (other.program, other.rate) == (program, rate))
            };
            #[expect(clippy::cast_precision_loss, reason = "milliseconds to three digits")]
            let median = |of: fn(&Percentiles) -> u64| {
                Spread::of(same().map(|sample| of(&sample.percentiles) as f64 / 1_000.0)).median
            };
            let figures = LatencyFigures {
                p50_ms: median(|found| found.p50_us),
                p99_ms: median(|found| found.p99_us),
                p999_ms: median(|found| found.p999_us),
                max_ms: median(|found| found.max_us),
            };
            self.medians.entry(sample.rate).or_default().insert(sample.program, figures);
        }
    }

    /// For README.md.
    #[must_use]
    pub fn table(&self) -> String {
        let rounds = self.samples.iter().map(|sample| sample.round).max().unwrap_or_default();
        let mut text = format!(
            "{}; milliseconds from intended send, medians of {rounds} rounds of {} s.\n\n\
             | rate | | p50 | p99 | p99.9 | max |\n|--:|---|--:|--:|--:|--:|\n",
            self.origin, self.seconds
        );
        for (rate, programs) in &self.medians {
            for (name, title) in TITLES {
                let Some(LatencyFigures { p50_ms, p99_ms, p999_ms, max_ms }) = programs.get(name) else { continue };
                let rate = if *rate == 0 { "–".to_owned() } else { format!("{rate}/s") };
                let max = if *max_ms > 0.0 { format!("{max_ms:.1}") } else { "–".to_owned() };
                let _ = writeln!(text, "| {rate} | {title} | {p50_ms:.1} | {p99_ms:.1} | {p999_ms:.1} | {max} |");
            }
        }
        for (program, why) in &self.not_run {
            let _ = writeln!(text, "\nNot run here: {program} ({why})");
        }
        text
    }
}
