//! What HTTP clients that mean harm cost a consumer: how much it counts while they are at it, beside how much it counts
//! when they are not, at a rate that goes on whatever the consumer does.
//!
//! Its own HTTP server has no place left then, so what it has made durable is asked of a consumer that only shows what
//! others count, and that nobody attacks. Attack, broker, producer and consumer share the machine.

use std::time::{Duration, Instant};

use e2e::{
    Checked, Failure,
    binaries::binaries,
    claim,
    cluster::Lab,
    hostile::Attack,
    process::Process,
    stage::{READY_DEADLINE, RUN_DEADLINE},
    wait,
};
use serde::Serialize;

use crate::{
    cost::cpu_seconds,
    flags::HostileSettings,
    place::{PARTITIONS, Place},
    results::{self, Origin, Spread, grouped},
};

/// Least share of its throughput that a consumer must keep.
const RATIO_MIN: f64 = 0.95;
/// Time before anything is measured, and after each change.
const SETTLING: Duration = Duration::from_secs(5);
/// Between two looks at what is durable.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One round.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HostileSample {
    /// Records a second that became durable while nobody attacked.
    pub before: f64,
    /// The same under attack.
    pub during: f64,
    /// The second in terms of the first.
    pub ratio: f64,
    /// What the consumer took of a processor while nobody attacked.
    pub cpu_before: f64,
    /// The same under attack.
    pub cpu_during: f64,
    /// Connections that the attack made.
    pub connections: u64,
    /// Questions for `/livez` under attack, all of which were answered.
    pub probes: u64,
    /// Longest wait for one of these answers, in milliseconds.
    pub probe_ms_max: f64,
}

/// A measurement.
#[derive(Debug, Serialize)]
pub struct HostileResults {
    /// Where, when, of what.
    #[serde(flatten)]
    pub origin: Origin,
    /// The load, records a second.
    pub rate: u64,
    /// Seconds of each half of a round.
    pub seconds: u64,
    /// Most memory that the consumer had resident, MiB.
    pub resident_mib_max: u64,
    /// Every round.
    pub samples: Vec<HostileSample>,
    /// Middle, least and most of the ratios.
    pub ratio: Spread,
}

/// Measures, prints a table, and writes JSON.
///
/// # Errors
/// When there is no Apache Kafka, a program fails, or the consumer loses more than it may.
pub fn measure(settings: &HostileSettings) -> Checked {
    let lab = Lab::new()?;
    let place = Place::prepare(&lab)?;
    let topic = "hostile";
    place.create(topic)?;
    let programs = binaries()?;
    let all = format!("0-{}", PARTITIONS - 1);
    let mut consumer = place.tally(&programs.consumer, topic, &[], &[("CONSUMER_PARTITIONS", &all)])?;
    let mut onlooker = place.tally(&programs.consumer, topic, &[], &[("CONSUMER_PARTITIONS", "none")])?;
    consumer.wait_ready(READY_DEADLINE)?;
    onlooker.wait_ready(READY_DEADLINE)?;
    // Longer than this lasts; it is stopped when it is dropped.
    let producer =
        place.tally(&programs.producer, topic, &["--rate", &settings.rate.to_string(), "--duration", "1h"], &[])?;
    wait::until_true("something being durable", RUN_DEADLINE, || durable(&onlooker).is_ok_and(|durable| durable > 0))?;
    let span = Duration::from_secs(settings.seconds);
    let mut samples = Vec::new();
    for round in 1..=settings.rounds {
        wait::let_pass(SETTLING);
        let (before, cpu_before) = rate_of(&onlooker, &consumer, span, || Ok(()))?;
        let attack = Attack::on(consumer.address());
        wait::let_pass(SETTLING);
        let (mut probes, mut slowest) = (0, Duration::ZERO);
        let (during, cpu_during) = rate_of(&onlooker, &consumer, span, || {
            let asked = Instant::now();
            let status = consumer.get("/livez").map(|answer| answer.status);
            claim!(status == Some(200), "/livez under attack: {status:?}");
            (probes, slowest) = (probes + 1, slowest.max(asked.elapsed()));
            Ok(())
        })?;
        let connections = attack.connections().values().sum();
        drop(attack);
        let (ratio, probe_ms_max) = (during / before, slowest.as_secs_f64() * 1_000.0);
        eprintln!(
            "round {round}: {before:.0} records/s before, {during:.0} under {connections} connections: {ratio:.3}; \
             {cpu_before:.2} and {cpu_during:.2} of a processor"
        );
        samples.push(HostileSample {
            before,
            during,
            ratio,
            cpu_before,
            cpu_during,
            connections,
            probes,
            probe_ms_max,
        });
    }
    let resident_kib = consumer.resident_peak_kib().ok_or_else(|| Failure::new("the consumer has ended"))?;
    drop(producer);
    let found = HostileResults {
        origin: Origin::now(),
        rate: settings.rate,
        seconds: settings.seconds,
        resident_mib_max: resident_kib.div_ceil(1_024),
        ratio: Spread::of(samples.iter().map(|sample| sample.ratio)),
        samples,
    };
    println!("{}", found.table());
    if settings.results {
        results::write_json("hostile.json", &found)?;
        results::write_table("hostile", &found.table(), results::EXPLANATION)?;
    }
    claim!(found.ratio.median >= RATIO_MIN, "the ratio is {:.3}, not at least {RATIO_MIN}", found.ratio.median);
    Ok(())
}

/// How many records are durable, in all partitions.
fn durable(onlooker: &Process) -> Checked<u64> {
    let summary = onlooker.summary().ok_or_else(|| Failure::new("the onlooker shows no figures"))?;
    summary["ledger"]["consumed"].as_u64().ok_or_else(|| Failure::new("the summary has no count"))
}

/// Records a second over about `span`, between two moments at which more became durable: snapshots are a second apart. And
/// what `consumer` took of a processor meanwhile.
fn rate_of(
    onlooker: &Process,
    consumer: &Process,
    span: Duration,
    mut meanwhile: impl FnMut() -> Checked,
) -> Checked<(f64, f64)> {
    let cpu_seconds = || cpu_seconds(consumer.id()).ok_or_else(|| Failure::new("the consumer has ended"));
    let (first, began) = next_change(onlooker, durable(onlooker)?, &mut meanwhile)?;
    let cpu_first = cpu_seconds()?;
    let (mut last, mut ended) = (first, began);
    while ended.duration_since(began) < span {
        (last, ended) = next_change(onlooker, last, &mut meanwhile)?;
    }
    let seconds = ended.duration_since(began).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate to four digits")]
    Ok(((last - first) as f64 / seconds, (cpu_seconds()? - cpu_first) / seconds))
}

/// Waits until more than `known` is durable, and says how much and when.
fn next_change(onlooker: &Process, known: u64, mut meanwhile: impl FnMut() -> Checked) -> Checked<(u64, Instant)> {
    let asked = Instant::now();
    loop {
        let durable = durable(onlooker)?;
        if durable > known {
            return Ok((durable, Instant::now()));
        }
        claim!(asked.elapsed() < RUN_DEADLINE, "nothing more becomes durable after {known} records");
        meanwhile()?;
        wait::let_pass(LOOK_EVERY);
    }
}

impl HostileResults {
    /// For bench/README.md.
    #[must_use]
    pub fn table(&self) -> String {
        let shown = |of: fn(&HostileSample) -> f64, number: fn(f64) -> String| {
            let Spread { median, min, max } = Spread::of(self.samples.iter().map(of));
            format!("{} | {} to {}", number(median), number(min), number(max))
        };
        let spread = |of| shown(of, grouped);
        let processor = |of| shown(of, |share| format!("{share:.2}"));
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let connections = spread(|sample| sample.connections as f64);
        let Spread { median, min, max } = self.ratio;
        format!(
            "{}; medians of {} rounds of twice {} s; {} records/s meanwhile. The consumer had {} MiB resident at most.\n\n\
             | | median | least to most |\n|---|--:|--:|\n\
             | durable records/s before | {} |\n| the same under attack | {} |\n\
             | **ratio** | **{median:.3}** | {min:.3} to {max:.3} |\n\
             | of a processor, the consumer before | {} |\n| the same under attack | {} |\n\
             | connections of an attack | {} |\n| slowest `/livez`, ms | {} |\n",
            self.origin,
            self.samples.len(),
            self.seconds,
            self.rate,
            self.resident_mib_max,
            spread(|sample| sample.before),
            spread(|sample| sample.during),
            processor(|sample| sample.cpu_before),
            processor(|sample| sample.cpu_during),
            connections,
            spread(|sample| sample.probe_ms_max),
        )
    }
}
