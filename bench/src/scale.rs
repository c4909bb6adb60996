//! Whether a record costs the same whatever there is of the rest: partitions, consumers, accounts, bytes, records. One of
//! these is changed at a time; everything else stays as in [`crate::place`].

use std::{collections::BTreeMap, fmt::Write as _, time::Instant};

use e2e::{Checked, Failure, binaries::binaries, claim, cluster::Lab, process::Process};
use serde::{Deserialize, Serialize};

use crate::{
    cost,
    flags::ScaleSettings,
    model, padding,
    place::{ACCOUNTS, PARTITIONS, Place},
    plot,
    results::{self, Origin, Spread, grouped},
};

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Partitions of the topic.
    Partitions,
    /// Consumers that share eight partitions.
    Consumers,
    /// Accounts that make transactions.
    Accounts,
    /// Least bytes of a record's value, by a member that nobody knows.
    ValueBytes,
    /// Records of the run, on this axis compressed by snappy.
    Records,
}

/// Who does something with the records of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Makes them.
    Producer,
    /// Counts them.
    Consumer,
}

/// Partitions that consumers share.
const SHARED_PARTITIONS: i32 = 8;
/// Records of a run, unless their number is what is changed.
pub const RECORDS: u64 = 1_000_000;
/// Records that are made larger: as many at every size, so that what a run costs besides them is the same.
const RECORDS_PADDED: u64 = 400_000;
/// Bytes of their values; 0 is as the producer makes them. The smallest has hardly more than that: such records are read by the
/// general reader of JSON, and what that costs should not look like the cost of bytes.
const VALUE_BYTES: [u64; 5] = [0, 400, 1_000, 3_000, 10_000];
/// Enough to fill each partition's id window.
const RECORDS_OF_A_PARTITION: u64 = 110_000;
/// Records of the axis of that name, up to as many as are asked for.
const RECORDS_AXIS: [u64; 4] = [100_000, 1_000_000, 10_000_000, 100_000_000];

/// One point of an axis, run by a producer and by consumers.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// What is changed.
    pub axis: Axis,
    /// To this.
    pub value: u64,
    partitions: i32,
    consumers: i32,
    accounts: u64,
    records: u64,
}

/// What one side of a point cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ScaleSample {
    /// What is changed.
    pub axis: Axis,
    /// To this.
    pub value: u64,
    /// Which of both it is.
    pub side: Side,
    /// The round, from 1.
    pub round: u32,
    /// Records.
    pub records: u64,
    /// Mean bytes of a record, key and headers included.
    pub record_bytes: f64,
    /// The same, packed by snappy with others.
    pub packed_bytes: f64,
    /// From the first start to the last end.
    pub seconds: f64,
    /// CPU seconds for a million records, of all processes of this side, start-up included.
    pub cpu_seconds_per_million: f64,
    /// The same of the broker, meanwhile.
    pub broker_cpu_seconds_per_million: f64,
    /// Most memory that any of the processes had resident, MiB.
    pub peak_mib: f64,
}

/// Medians of one side of a point.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ScaleFigures {
    /// Mean bytes of a record, key and headers included.
    pub record_bytes: f64,
    /// The same, packed by snappy with others.
    pub packed_bytes: f64,
    /// Records a second.
    pub records_per_second: f64,
    /// CPU seconds for a million records.
    pub cpu_seconds_per_million: f64,
    /// The same of the broker.
    pub broker_cpu_seconds_per_million: f64,
    /// Most memory resident, MiB.
    pub peak_mib: f64,
}

/// By axis, by value, by side.
pub type ScaleMedians = BTreeMap<Axis, BTreeMap<u64, BTreeMap<Side, ScaleFigures>>>;

/// A measurement.
#[derive(Debug, Serialize)]
pub struct ScaleResults {
    /// Where, when, of what.
    #[serde(flatten)]
    pub origin: Origin,
    /// Every run.
    pub samples: Vec<ScaleSample>,
    /// Of all rounds.
    pub medians: ScaleMedians,
}

impl Axis {
    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Partitions => "partitions",
            Self::Consumers => "consumers",
            Self::Accounts => "accounts",
            Self::ValueBytes => "bytes of a value",
            Self::Records => "records",
        }
    }
}

/// All points, axis after axis.
fn points(records_max: u64) -> Vec<Point> {
    let usual = Point {
        axis: Axis::Partitions,
        value: 0,
        partitions: PARTITIONS,
        consumers: 1,
        accounts: ACCOUNTS,
        records: RECORDS,
    };
    let mut all = Vec::new();
    for partitions in [1_i32, 4, 16, 64] {
        let value = u64::from(partitions.cast_unsigned());
        let records = RECORDS.max(value * RECORDS_OF_A_PARTITION);
        all.push(Point { axis: Axis::Partitions, value, partitions, records, ..usual });
    }
    for consumers in [1_i32, 2, 4, 8] {
        let value = u64::from(consumers.cast_unsigned());
        all.push(Point { axis: Axis::Consumers, value, partitions: SHARED_PARTITIONS, consumers, ..usual });
    }
    for accounts in [10, 1_000, 100_000, 10_000_000] {
        all.push(Point { axis: Axis::Accounts, value: accounts, accounts, ..usual });
    }
    for bytes in VALUE_BYTES {
        let records = if bytes == 0 { RECORDS } else { RECORDS_PADDED };
        all.push(Point { axis: Axis::ValueBytes, value: bytes, records, ..usual });
    }
    for records in RECORDS_AXIS.into_iter().filter(|records| *records <= records_max) {
        all.push(Point { axis: Axis::Records, value: records, records, ..usual });
    }
    all
}

/// Measures, prints tables, and writes JSON, a plot and what docs/capacity.md says.
///
/// # Errors
/// When there is no Apache Kafka, or a program fails.
pub fn measure(settings: &ScaleSettings) -> Checked {
    let lab = Lab::new()?;
    let place = Place::prepare(&lab)?;
    let mut found = ScaleResults { origin: Origin::now(), samples: Vec::new(), medians: BTreeMap::new() };
    for round in 1..=settings.rounds {
        for point in points(settings.records_max) {
            let name = format!("scale-{}-{}-{round}", point.axis.title().replace(' ', "-"), point.value);
            let run = Run { place: &place, point, topic: &name, round };
            let samples = run.both_sides().map_err(|failure| failure.during(&name))?;
            for sample in &samples {
                eprintln!(
                    "{name} {:<8?} {:>9.0} records/s {:>6.2} CPU s per million (broker {:>5.2}) {:>5.0} MiB",
                    sample.side,
                    sample.records as f64 / sample.seconds,
                    sample.cpu_seconds_per_million,
                    sample.broker_cpu_seconds_per_million,
                    sample.peak_mib
                );
            }
            found.samples.extend(samples);
        }
    }
    found.conclude();
    println!("{}", found.table());
    if !settings.results {
        println!("{}", plan_of(&found.medians)?);
        return Ok(());
    }
    results::write_json("scale.json", &found)?;
    results::write_table("scale", &found.table(), results::CAPACITY)?;
    eprintln!("written: {}", results::folder().display());
    plan()
}

/// Works out again what larger loads need, and draws what it rests on, from what was measured last.
///
/// # Errors
/// When nothing was.
pub fn plan() -> Checked {
    #[derive(Deserialize)]
    struct Known {
        medians: ScaleMedians,
    }
    let path = results::folder().join("scale.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::new(format!("{}: {error}; measure `scale` first", path.display())))?;
    let Known { medians } = serde_json::from_str(&text)?;
    let plan = plan_of(&medians)?;
    println!("{plan}");
    plot::scale(&medians)?;
    results::write_table("capacity", &plan, results::CAPACITY)
}

fn plan_of(medians: &ScaleMedians) -> Checked<String> {
    let measured = model::Measured::of(medians).ok_or_else(|| Failure::new("the model needs all axes"))?;
    Ok(measured.table())
}

/// One point in one round.
struct Run<'r, 'l> {
    place: &'r Place<'l>,
    point: Point,
    topic: &'r str,
    round: u32,
}

impl Run<'_, '_> {
    /// What it cost to make the records, where a producer can make such, and to count them.
    fn both_sides(&self) -> Checked<Vec<ScaleSample>> {
        let Point { axis, value, partitions, .. } = self.point;
        let stage = &self.place.stage;
        stage.create(self.topic, partitions, &[])?;
        let mut samples = vec![self.sample(Side::Producer, || Ok(vec![self.producer()?]))?];
        if axis == Axis::ValueBytes && value > 0 {
            let padded = format!("{}-padded", self.topic);
            stage.create(&padded, partitions, &[])?;
            padding::pad(&mut stage.client(), self.topic, &padded, usize::try_from(value)?)?;
            stage.client().delete_topic(self.topic)?;
            // A producer makes no such records: what it cost is of no use here.
            samples.clear();
            samples.push(Run { topic: &padded, ..*self }.counted()?);
            stage.client().delete_topic(&padded)?;
        } else {
            samples.push(self.counted()?);
            stage.client().delete_topic(self.topic)?;
        }
        Ok(samples)
    }

    fn counted(&self) -> Checked<ScaleSample> {
        let sample = self.sample(Side::Consumer, || self.consumers())?;
        // Each has counted its partitions; together all of them.
        let consumer = self.place.tally(&binaries()?.consumer, self.topic, &["summary", "--json"], &[]);
        let mut consumer = consumer?;
        cost::of(&mut consumer)?;
        let consumed = consumer.last_json()?["ledger"]["consumed"].as_u64();
        claim!(consumed == Some(self.point.records), "{consumed:?} of {} records were counted", self.point.records);
        Ok(sample)
    }

    fn producer(&self) -> Checked<Process> {
        let (records, accounts) = (self.point.records.to_string(), self.point.accounts.to_string());
        let flags = ["--count", &records, "--rate", "0", "--seed", "7", "--accounts", &accounts, "--json"];
        let compression = if self.point.axis == Axis::Records { "snappy" } else { "none" };
        self.place.tally(&binaries()?.producer, self.topic, &flags, &[("COMPRESSION", compression)])
    }

    /// All of them at once, each with its part of the partitions.
    fn consumers(&self) -> Checked<Vec<Process>> {
        let Point { partitions, consumers, .. } = self.point;
        let share = partitions / consumers;
        (0..consumers)
            .map(|number| {
                let own = format!("{}-{}", number * share, (number + 1) * share - 1);
                let settings = [("CONSUMER_PARTITIONS", own.as_str())];
                self.place.tally(&binaries()?.consumer, self.topic, &["--until-end", "--json"], &settings)
            })
            .collect()
    }

    fn sample(&self, side: Side, start: impl FnOnce() -> Checked<Vec<Process>>) -> Checked<ScaleSample> {
        let Point { axis, value, records, .. } = self.point;
        let broker = || {
            let seconds = self.place.stage.cluster().process_id().and_then(cost::cpu_seconds);
            seconds.ok_or_else(|| Failure::new("the broker is gone"))
        };
        let broker_before = broker()?;
        let began = Instant::now();
        let mut processes = start()?;
        let costs = cost::of_all(&mut processes)?;
        let seconds = began.elapsed().as_secs_f64();
        let broker_cpu_seconds = broker()? - broker_before;
        let (record_bytes, packed_bytes) = padding::mean_bytes(&mut self.place.stage.client(), self.topic)?;
        #[expect(clippy::cast_precision_loss, reason = "costs to three digits")]
        let per_million = |cpu_seconds: f64| cpu_seconds * 1e6 / records as f64;
        Ok(ScaleSample {
            axis,
            value,
            side,
            round: self.round,
            records,
            record_bytes,
            packed_bytes,
            seconds,
            cpu_seconds_per_million: per_million(costs.iter().map(|cost| cost.cpu_seconds).sum()),
            broker_cpu_seconds_per_million: per_million(broker_cpu_seconds),
            peak_mib: costs.iter().map(|cost| cost.peak_mib).fold(0.0, f64::max),
        })
    }
}

impl ScaleResults {
    fn conclude(&mut self) {
        for ScaleSample { axis, value, side, .. } in &self.samples {
            let same =
                self.samples.iter().filter(|other| (other.axis, other.value, other.side) == (*axis, *value, *side));
            let same: Vec<&ScaleSample> = same.collect();
            let median = |of: fn(&ScaleSample) -> f64| Spread::of(same.iter().copied().map(of)).median;
            #[expect(clippy::cast_precision_loss, reason = "rates to three digits")]
            let figures = ScaleFigures {
                record_bytes: median(|sample| sample.record_bytes),
                packed_bytes: median(|sample| sample.packed_bytes),
                records_per_second: median(|sample| sample.records as f64 / sample.seconds),
                cpu_seconds_per_million: median(|sample| sample.cpu_seconds_per_million),
                broker_cpu_seconds_per_million: median(|sample| sample.broker_cpu_seconds_per_million),
                peak_mib: median(|sample| sample.peak_mib),
            };
            self.medians.entry(*axis).or_default().entry(*value).or_default().insert(*side, figures);
        }
    }

    /// For docs/capacity.md: what is changed, and what a record costs then.
    #[must_use]
    pub fn table(&self) -> String {
        let rounds = self.samples.iter().map(|sample| sample.round).max().unwrap_or_default();
        let mut text = format!("{}; medians of {rounds} rounds.\n\n", self.origin);
        text.push_str(
            "| | | consumer: records/s | CPU s per million | peak MiB | producer: records/s | CPU s per million | peak MiB |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for (axis, values) in &self.medians {
            for (value, sides) in values {
                let cells = |side: Side| {
                    sides.get(&side).map_or("– | – | –".to_owned(), |figures| {
                        let ScaleFigures { records_per_second, cpu_seconds_per_million, peak_mib, .. } = figures;
                        format!("{} | {cpu_seconds_per_million:.2} | {peak_mib:.0}", grouped(*records_per_second))
                    })
                };
                let shown = match (axis, value) {
                    (Axis::ValueBytes, 0) => "as made".to_owned(),
                    #[expect(clippy::cast_precision_loss, reason = "small")]
                    (_, value) => grouped(*value as f64),
                };
                let _ = writeln!(
                    text,
                    "| {} | {shown} | {} | {} |",
                    axis.title(),
                    cells(Side::Consumer),
                    cells(Side::Producer)
                );
            }
        }
        text
    }
}
