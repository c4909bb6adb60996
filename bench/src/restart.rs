//! How soon a consumer is there: from its start until it is ready, and from `kill -9` until it has caught up with a load
//! that goes on. Its partitions are given to it, so that no consumer group waits for anything.

use std::time::{Duration, Instant};

use e2e::{Checked, Failure, binaries::binaries, claim, cluster::Lab, process::Process, stage::READY_DEADLINE, wait};
use serde::Serialize;
use serde_json::Value;

use crate::{
    flags::RestartSettings,
    place::{PARTITIONS, Place},
    results::{self, Origin, Spread},
};

/// Records before anything is measured: all that an id window of each partition remembers, and more.
const RECORDS_BEFORE: u64 = 800_000;
/// The load while consumers are killed, records a second.
const RATE: u64 = 10_000;
/// Caught up is who lags by no more than arrives in a tenth of a second.
const LAG_MAX: u64 = RATE / 10;
/// A consumer that has not caught up by then never will.
const CAUGHT_UP_DEADLINE: Duration = Duration::from_secs(60);
/// Load before each kill.
const PAUSE: Duration = Duration::from_secs(3);

/// One round, in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RestartSample {
    /// From the start of a consumer that nothing was ever counted by, on a topic of its own, until it is ready.
    pub first_ready: f64,
    /// From `kill -9` and the start right after it until it is ready.
    pub ready: f64,
    /// Until it has caught up.
    pub caught_up: f64,
}

/// A measurement.
#[derive(Debug, Serialize)]
pub struct RestartResults {
    /// Where, when, of what.
    #[serde(flatten)]
    pub origin: Origin,
    /// The load, records a second.
    pub rate: u64,
    /// Every round.
    pub samples: Vec<RestartSample>,
    /// Middle, least and most of each.
    pub first_ready: Spread,
    /// The same.
    pub ready: Spread,
    /// The same.
    pub caught_up: Spread,
}

/// Measures, prints a table, and writes JSON.
///
/// # Errors
/// When there is no Apache Kafka, or a program fails.
pub fn measure(settings: &RestartSettings) -> Checked {
    let lab = Lab::new()?;
    let place = Place::prepare(&lab)?;
    let topic = "restart";
    place.create(topic)?;
    eprintln!("making {RECORDS_BEFORE} transactions …");
    produce(&place, topic, &["--rate", "0", "--count", &RECORDS_BEFORE.to_string()])?
        .expect_exit(0, CAUGHT_UP_DEADLINE)?;
    let (mut consumer, ..) = start(&place, topic)?;
    // Longer than this lasts; it is stopped when it is dropped.
    let producer = produce(&place, topic, &["--rate", &RATE.to_string(), "--duration", "1h"])?;
    let mut samples = Vec::new();
    for round in 1..=settings.rounds {
        wait::let_pass(PAUSE);
        let untouched = format!("restart-first-{round}");
        place.create(&untouched)?;
        let (mut first, first_ready) = start_until_ready(&place, &untouched)?;
        first.kill9()?;
        consumer.kill9()?;
        let (again, ready, caught_up) = start(&place, topic)?;
        consumer = again;
        eprintln!(
            "round {round}: first {first_ready:.3} s to ready; after kill -9 {ready:.3} s to ready, {caught_up:.3} s to caught up"
        );
        samples.push(RestartSample { first_ready, ready, caught_up });
    }
    drop(producer);
    let spread = |of: fn(&RestartSample) -> f64| Spread::of(samples.iter().map(of));
    let found = RestartResults {
        origin: Origin::now(),
        rate: RATE,
        first_ready: spread(|sample| sample.first_ready),
        ready: spread(|sample| sample.ready),
        caught_up: spread(|sample| sample.caught_up),
        samples,
    };
    println!("{}", found.table());
    if settings.results {
        results::write_json("restart.json", &found)?;
        results::write_table("restart", &found.table(), results::README)?;
    }
    Ok(())
}

fn produce(place: &Place<'_>, topic: &str, flags: &[&str]) -> Checked<Process> {
    place.tally(&binaries()?.producer, topic, flags, &[])
}

/// Starts a consumer of all partitions; with the seconds until it was ready, looked at more often than scenarios do.
fn start_until_ready(place: &Place<'_>, topic: &str) -> Checked<(Process, f64)> {
    let all = format!("0-{}", PARTITIONS - 1);
    let began = Instant::now();
    let mut consumer = place.tally(&binaries()?.consumer, topic, &[], &[("CONSUMER_PARTITIONS", &all)])?;
    while consumer.get("/readyz").is_none_or(|answer| answer.status != 200) {
        claim!(consumer.runs(), "the consumer has ended instead of getting ready: {}", consumer.stderr());
        claim!(began.elapsed() < READY_DEADLINE, "the consumer does not get ready: {}", consumer.stderr());
        wait::let_pass(Duration::from_millis(2));
    }
    Ok((consumer, began.elapsed().as_secs_f64()))
}

/// The same, and the seconds until it had caught up.
fn start(place: &Place<'_>, topic: &str) -> Checked<(Process, f64, f64)> {
    let began = Instant::now();
    let (consumer, ready) = start_until_ready(place, topic)?;
    let deadline = began + CAUGHT_UP_DEADLINE;
    while !has_caught_up(&consumer)? {
        claim!(Instant::now() < deadline, "the consumer does not catch up: {}", consumer.stderr());
        wait::let_pass(Duration::from_millis(5));
    }
    Ok((consumer, ready, began.elapsed().as_secs_f64()))
}

/// Whether it reads, and lags by next to nothing in all partitions together.
fn has_caught_up(consumer: &Process) -> Checked<bool> {
    let answer = consumer.get("/api/v1/partitions").ok_or_else(|| Failure::new("the consumer does not answer"))?;
    let answer: Value = serde_json::from_str(&answer.body)?;
    let partitions = answer["partitions"].as_array().cloned().unwrap_or_default();
    // Of a partition it knows none before it has read there.
    let lags = partitions.iter().filter_map(|partition| partition["live"]["lag_records"].as_u64());
    let lags: Vec<u64> = lags.collect();
    Ok(lags.len() == usize::try_from(PARTITIONS)? && lags.iter().sum::<u64>() <= LAG_MAX)
}

impl RestartResults {
    /// For README.md.
    #[must_use]
    pub fn table(&self) -> String {
        let row = |what: &str, Spread { median, min, max }: Spread| {
            format!("| {what} | {median:.2} | {min:.2} to {max:.2} |\n")
        };
        format!(
            "{}; seconds, medians of {} rounds; {RATE} records/s meanwhile, partitions given by `CONSUMER_PARTITIONS`.\n\n\
             | from | median | least to most |\n|---|--:|--:|\n{}{}{}",
            self.origin,
            self.samples.len(),
            row("first start to ready", self.first_ready),
            row("`kill -9` to ready again", self.ready),
            row("`kill -9` to caught up", self.caught_up),
        )
    }
}
