//! On paper: what a million, ten million and a hundred million records a second would take, worked out from what was
//! measured on one small machine, and how far the measured points are from the straight lines that this rests on.
//!
//! Assumptions, all of them here: everything runs at half of what it can; three replicas; a follower's copy costs the
//! brokers what a producer's write and a consumer's read cost; prices are round numbers of the large clouds' lists, to be
//! replaced by one's own (`bench plan` then works it out again).

use std::fmt::Write as _;

use crate::{
    place::PARTITIONS,
    results::grouped,
    scale::{Axis, RECORDS, ScaleFigures, ScaleMedians, Side},
};

/// Records a second that are asked about.
const RATES: [f64; 3] = [1e6, 1e7, 1e8];
/// How much of a processor, a network or a disk is used on average: the rest is for peaks, and for what a failed neighbour
/// leaves.
const USED: f64 = 0.5;
const REPLICAS: f64 = 3.0;
/// Partitions beyond those that are needed at an even load: keys are uneven.
const PARTITIONS_SPARE: f64 = 1.5;
/// How long records are kept.
const RETENTION_HOURS: f64 = 24.0;
/// Processors of one consumer or producer.
const CLIENT_CPUS: f64 = 4.0;
/// A broker: processors, bytes a second of network each way (10 Gbit/s), bytes a second of its disks, and bytes on them.
const BROKER_CPUS: f64 = 16.0;
const BROKER_NETWORK: f64 = 1.25e9;
const BROKER_DISK: f64 = 5e8;
const BROKER_DISK_BYTES: f64 = 1.6e13;
/// US dollars: a processor for an hour; a gigabyte kept for a month; a gigabyte from one zone into another, both ends.
const CPU_HOUR_USD: f64 = 0.05;
const DISK_GB_MONTH_USD: f64 = 0.08;
const ZONE_GB_USD: f64 = 0.02;
const HOURS_A_MONTH: f64 = 730.0;

/// What the model rests on.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Of the longest run: start and end are the least part of it.
    consumer: ScaleFigures,
    producer: ScaleFigures,
    /// CPU seconds for a million records of any shape: without any bytes, and for each byte more.
    cpu_by_bytes: Line,
    memory: Memory,
    deviation: Deviation,
}

/// What a consumer needs, MiB.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// By partitions, where it works on all there are; as much as the longest run took at its number of them.
    all_own: Line,
    /// Of the slope, what every partition of the topic costs: its snapshot is shown by every consumer. 0 where that is too
    /// little to be told apart.
    shown: f64,
}

/// How far the furthest point is from what the model says, as a share of that.
#[derive(Clone, Copy, Debug, Default)]
struct Deviation {
    /// CPU of consumers, whatever their number and that of partitions, accounts and records.
    cpu: f64,
    cpu_by_bytes: f64,
    mib_by_partitions: f64,
}

/// Through the first and the last of some points.
#[derive(Clone, Copy, Debug)]
struct Line {
    at_zero: f64,
    slope: f64,
}

impl Line {
    fn through(points: &[(f64, f64)]) -> Option<Self> {
        let (&(x0, y0), &(x1, y1)) = (points.first()?, points.last()?);
        let slope = (y1 - y0) / (x1 - x0);
        slope.is_finite().then_some(Self { at_zero: y0 - slope * x0, slope })
    }

    fn at(self, x: f64) -> f64 {
        self.at_zero + self.slope * x
    }

    fn deviation(self, points: &[(f64, f64)]) -> f64 {
        points.iter().map(|&(x, y)| (y / self.at(x) - 1.0).abs()).fold(0.0, f64::max)
    }
}

/// What a rate takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Partitions of the topic.
    pub partitions: f64,
    /// Consumers of four processors.
    pub consumers: f64,
    /// What each of them needs, MiB.
    pub consumer_mib: f64,
    /// Producers of four processors, where they are Tally's.
    pub producers: f64,
    /// Brokers of sixteen processors, 10 Gbit/s, and 16 TB that take 500 MB/s.
    pub brokers: f64,
    /// Which of these decides how many brokers there are.
    pub bound_by: &'static str,
    /// Bytes a second into all brokers, followers' copies included.
    pub network_in: f64,
    /// Bytes that are kept on all disks.
    pub kept: f64,
    /// US dollars an hour for processors.
    pub cpus_usd: f64,
    /// US dollars an hour for disks, twice as large as what is kept.
    pub disks_usd: f64,
    /// US dollars an hour for traffic between zones.
    pub zones_usd: f64,
}

impl Measured {
    /// From a measurement; `None` where it lacks an axis.
    #[must_use]
    pub fn of(medians: &ScaleMedians) -> Option<Self> {
        let along = |axis: Axis, side: Side| {
            let values = medians.get(&axis)?.iter();
            let points = values.filter_map(|(&value, sides)| Some((value, *sides.get(&side)?)));
            Some(points.collect::<Vec<(u64, ScaleFigures)>>())
        };
        let longest = |side: Side| along(Axis::Records, side)?.last().map(|(_, figures)| *figures);
        let (consumer, producer) = (longest(Side::Consumer)?, longest(Side::Producer)?);
        let sizes = along(Axis::ValueBytes, Side::Consumer)?;
        let (_, usual) = *sizes.iter().find(|(bytes, _)| *bytes == 0)?;
        let padded = sizes.iter().filter(|(bytes, _)| *bytes > 0);
        let by_bytes: Vec<_> =
            padded.map(|(_, figures)| (figures.record_bytes, figures.cpu_seconds_per_million)).collect();
        #[expect(clippy::cast_precision_loss, reason = "few partitions")]
        let mib = |points: Vec<(u64, ScaleFigures)>| -> Vec<(f64, f64)> {
            points.iter().map(|(count, figures)| (*count as f64, figures.peak_mib)).collect()
        };
        let by_partitions = mib(along(Axis::Partitions, Side::Consumer)?);
        let shared = mib(along(Axis::Consumers, Side::Consumer)?);
        let mut cpu = 0.0_f64;
        // Each with its like: what is packed arrives at a lower price.
        for (axis, like) in
            [(Axis::Partitions, usual), (Axis::Consumers, usual), (Axis::Accounts, usual), (Axis::Records, consumer)]
        {
            // A short run is mostly its start.
            let points = along(axis, Side::Consumer)?;
            let long = points.iter().filter(|(value, _)| axis != Axis::Records || *value >= RECORDS);
            let off = |figures: &ScaleFigures| figures.cpu_seconds_per_million / like.cpu_seconds_per_million - 1.0;
            cpu = long.map(|(_, figures)| off(figures).abs()).fold(cpu, f64::max);
        }
        let cpu_by_bytes = Line::through(&by_bytes)?;
        let slope = Line::through(&by_partitions)?.slope;
        let all_own = Line { at_zero: consumer.peak_mib - slope * f64::from(PARTITIONS), slope };
        let deviation = Deviation {
            cpu,
            cpu_by_bytes: cpu_by_bytes.deviation(&by_bytes),
            mib_by_partitions: all_own.deviation(&by_partitions),
        };
        let memory = Memory { all_own, shown: shown(all_own, &shared)? };
        Some(Self { consumer, producer, cpu_by_bytes, memory, deviation })
    }

    /// What so many records a second take.
    #[must_use]
    pub fn plan(&self, rate: f64) -> Plan {
        let cpus = |seconds_per_million: f64| rate / 1e6 * seconds_per_million / USED;
        let consumer_cpus = cpus(self.consumer.cpu_seconds_per_million);
        let partitions = (consumer_cpus * PARTITIONS_SPARE).ceil();
        let consumers = (consumer_cpus / CLIENT_CPUS).ceil();
        let producers = (cpus(self.producer.cpu_seconds_per_million) / CLIENT_CPUS).ceil();
        let of_a_copy = self.producer.broker_cpu_seconds_per_million + self.consumer.broker_cpu_seconds_per_million;
        let bytes = rate * self.producer.packed_bytes;
        let network_in = bytes * REPLICAS;
        let kept = network_in * RETENTION_HOURS * 3_600.0;
        let bounds = [
            ("processors", cpus(of_a_copy * REPLICAS) / BROKER_CPUS),
            // What comes in goes out as often: to followers and to one group of consumers.
            ("network", network_in / (BROKER_NETWORK * USED)),
            ("disks' speed", network_in / (BROKER_DISK * USED)),
            ("disks' size", kept / (BROKER_DISK_BYTES * USED)),
            ("replicas", REPLICAS),
        ];
        let (bound_by, brokers) = bounds.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b)).expect("five bounds");
        let brokers = brokers.ceil();
        let all_cpus = (consumers + producers) * CLIENT_CPUS + brokers * BROKER_CPUS;
        // Two of three producers and consumers are in another zone than the leader; both followers are.
        let between_zones = bytes * (2.0 / 3.0 + (REPLICAS - 1.0) + 2.0 / 3.0) * 3_600.0;
        Plan {
            partitions,
            consumers,
            consumer_mib: self.memory.mib((partitions / consumers).ceil(), partitions),
            producers,
            brokers,
            bound_by,
            network_in,
            kept,
            cpus_usd: all_cpus * CPU_HOUR_USD,
            disks_usd: kept / USED / 1e9 * DISK_GB_MONTH_USD / HOURS_A_MONTH,
            zones_usd: between_zones / 1e9 * ZONE_GB_USD,
        }
    }

    /// For docs/capacity.md.
    #[must_use]
    pub fn table(&self) -> String {
        let Self { consumer, producer, cpu_by_bytes, memory, deviation } = self;
        let mut text = format!(
            "A record of {:.0} bytes, {:.0} packed by snappy: consumer {:.2}, producer {:.2} CPU seconds a million, broker \
             {:.2} to take them in and {:.2} to give them out. Records that are not in the usual form: {:.2} and {:.2} more \
             for each kB. A consumer's memory: {:.0} MiB, {:.1} for each partition it works on, {} for each there is. \
             The points furthest from these lines: CPU of a million records and more {:.0} % from others of their form, CPU by \
             bytes {:.0} %, memory by partitions {:.0} %.\n\n| records/s |",
            producer.record_bytes,
            producer.packed_bytes,
            consumer.cpu_seconds_per_million,
            producer.cpu_seconds_per_million,
            producer.broker_cpu_seconds_per_million,
            consumer.broker_cpu_seconds_per_million,
            cpu_by_bytes.at_zero,
            cpu_by_bytes.slope * 1e3,
            memory.all_own.at_zero,
            memory.all_own.slope - memory.shown,
            if memory.shown > 0.0 { format!("{:.2}", memory.shown) } else { "too little to be seen".to_owned() },
            deviation.cpu * 100.0,
            deviation.cpu_by_bytes * 100.0,
            deviation.mib_by_partitions * 100.0,
        );
        let plans = RATES.map(|rate| self.plan(rate));
        for rate in RATES {
            let _ = write!(text, " {} |", grouped(rate));
        }
        text.push_str("\n|---|--:|--:|--:|\n");
        let mut row = |what: &str, cell: &dyn Fn(&Plan) -> String| {
            let _ = writeln!(text, "| {what} | {} |", plans.each_ref().map(cell).join(" | "));
        };
        row("partitions", &|plan| grouped(plan.partitions));
        row("consumers, of 4 processors", &|plan| grouped(plan.consumers));
        row("memory of each, MiB", &|plan| grouped(plan.consumer_mib));
        row("producers, of 4 processors", &|plan| grouped(plan.producers));
        row("brokers, of 16 processors, 10 Gbit/s, 16 TB that take 500 MB/s", &|plan| grouped(plan.brokers));
        row("… of which there are so many for their", &|plan| plan.bound_by.to_owned());
        row("into all brokers, GB/s", &|plan| format!("{:.2}", plan.network_in / 1e9));
        row("kept for 24 hours, three times, TB", &|plan| grouped(plan.kept / 1e12));
        row("processors, USD an hour", &|plan| grouped(plan.cpus_usd));
        row("disks, USD an hour", &|plan| grouped(plan.disks_usd));
        row("between zones, USD an hour", &|plan| grouped(plan.zones_usd));
        text
    }
}

impl Memory {
    fn mib(self, own: f64, all: f64) -> f64 {
        self.all_own.at(own) + self.shown * (all - own)
    }
}

/// What a partition costs whoever does not work on it: with more consumers on the same partitions, each works on fewer and
/// shows as many.
fn shown(all_own: Line, shared: &[(f64, f64)]) -> Option<f64> {
    let (&(fewest, alone), &(most, beside_others)) = (shared.first()?, shared.last()?);
    // The last point has one partition each, so there are as many as consumers.
    let own_fewer = most / fewest - 1.0;
    let own = (alone - beside_others) / own_fewer;
    Some((all_own.slope - own).clamp(0.0, all_own.slope.max(0.0)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn figures(cpu: f64, mib: f64, bytes: f64) -> ScaleFigures {
        ScaleFigures {
            record_bytes: bytes,
            packed_bytes: 100.0,
            records_per_second: 1e6,
            cpu_seconds_per_million: cpu,
            broker_cpu_seconds_per_million: 0.5,
            peak_mib: mib,
        }
    }

    fn medians() -> ScaleMedians {
        let both = |figures: ScaleFigures| BTreeMap::from([(Side::Consumer, figures), (Side::Producer, figures)]);
        let axis = |points: &[(u64, f64, f64, f64)]| {
            points.iter().map(|&(value, cpu, mib, bytes)| (value, both(figures(cpu, mib, bytes)))).collect()
        };
        BTreeMap::from([
            // 10 MiB, and 2 for each partition.
            (Axis::Partitions, axis(&[(1, 2.0, 12.0, 300.0), (4, 2.0, 18.0, 300.0)])),
            // Of these, 1.5 for each of its own: 26 with eight of its own, 15.5 with one.
            (Axis::Consumers, axis(&[(1, 2.0, 26.0, 300.0), (8, 2.0, 15.5, 300.0)])),
            (Axis::Accounts, axis(&[(10, 2.0, 10.0, 300.0)])),
            (Axis::ValueBytes, axis(&[(0, 2.0, 0.0, 300.0), (400, 3.0, 0.0, 500.0), (1_400, 5.0, 0.0, 1_500.0)])),
            // 22 MiB with six partitions, as the line has it.
            (Axis::Records, axis(&[(100_000, 9.0, 10.0, 300.0), (1_000_000, 2.0, 22.0, 300.0)])),
        ])
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found}, not {expected}");
    }

    #[test]
    fn a_plan_has_twice_the_processors_that_the_work_takes_and_at_least_three_brokers() {
        let measured = Measured::of(&medians()).unwrap();
        let plan = measured.plan(1e6);
        // 2 CPU seconds a second, at half load 4: one consumer, six partitions.
        assert_eq!((plan.consumers, plan.partitions, plan.producers), (1.0, 6.0, 1.0));
        assert_near(plan.consumer_mib, 22.0);
        // 3 copies of 100 MB/s for a day are 25.92 TB: at half use, four brokers of 16 TB.
        assert_eq!((plan.brokers, plan.bound_by), (4.0, "disks' size"));
        assert_near(plan.network_in, 3e8);
        assert_near(plan.kept, 2.592e13);
        assert_near(plan.cpus_usd, f64::from(4 + 4 + 4 * 16) * 0.05);
        assert_near(plan.disks_usd, 51_840.0 * 0.08 / 730.0);
        // 100 MB/s, of which 10/3 cross zones: 1200 GB an hour.
        assert_near(plan.zones_usd, 24.0);
        assert_near(measured.plan(1.0).brokers, REPLICAS);
    }

    #[test]
    fn memory_counts_the_partitions_that_others_work_on_too() {
        let plan = Measured::of(&medians()).unwrap().plan(1e8);
        // 100 consumers and 600 partitions: six each of 2 MiB, 594 others of half a MiB.
        assert_eq!((plan.consumers, plan.partitions), (100.0, 600.0));
        assert_near(plan.consumer_mib, 22.0 + 594.0 * 0.5);
    }

    #[test]
    fn what_bytes_cost_is_told_apart_from_what_another_form_costs() {
        let measured = Measured::of(&medians()).unwrap();
        assert_near(measured.cpu_by_bytes.slope, 0.002);
        assert_near(measured.cpu_by_bytes.at_zero, 2.0);
    }

    #[test]
    fn a_point_off_the_line_shows_in_the_deviation_and_a_missing_axis_in_no_model() {
        let mut off = medians();
        off.get_mut(&Axis::Consumers).unwrap().get_mut(&8).unwrap().insert(Side::Consumer, figures(3.0, 15.5, 300.0));
        assert_near(Measured::of(&off).unwrap().deviation.cpu, 0.5);
        off.remove(&Axis::Accounts);
        assert!(Measured::of(&off).is_none());
    }
}
