//! On paper: what a million, ten million and a hundred million records a second would take, worked out from what was
//! measured on one small machine, and how far the measured points are from the straight lines that this rests on.
//!
//! Assumptions, all of them here: everything runs at half of what it can; three replicas; a follower's copy costs the
//! brokers what a producer's write and a consumer's read cost; prices are round numbers of the large clouds' lists, to be
//! replaced by one's own.

use std::fmt::Write as _;

use crate::{
    results::grouped,
    scale::{Axis, RECORDS as USUAL_RECORDS, ScaleFigures, ScaleMedians},
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
/// A broker: processors, bytes a second of network each way (10 Gbit/s), and of its disks.
const BROKER_CPUS: f64 = 16.0;
const BROKER_NETWORK: f64 = 1.25e9;
const BROKER_DISK: f64 = 5e8;
/// US dollars: a processor for an hour; a gigabyte kept for a month; a gigabyte from one zone into another, both ends.
const CPU_HOUR_USD: f64 = 0.05;
const DISK_GB_MONTH_USD: f64 = 0.08;
const ZONE_GB_USD: f64 = 0.02;
const HOURS_A_MONTH: f64 = 730.0;

/// What the model rests on.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    consumer: ScaleFigures,
    producer: ScaleFigures,
    /// CPU seconds for a million records: without any bytes, and for each byte more.
    cpu_by_bytes: Line,
    /// MiB: without partitions, and for each.
    mib_by_partitions: Line,
    deviation: Deviation,
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
    /// Brokers of sixteen processors, 10 Gbit/s and 500 MB/s of disk.
    pub brokers: f64,
    /// Which of these decides how many brokers there are.
    pub bound_by: &'static str,
    /// Bytes a second into all brokers, followers' copies included.
    pub network_in: f64,
    /// Bytes that are kept on all disks.
    pub kept: f64,
    /// US dollars an hour: processors, disks, traffic between zones.
    pub usd_an_hour: [f64; 3],
}

impl Measured {
    /// From a measurement; `None` where it lacks an axis.
    #[must_use]
    pub fn of(medians: &ScaleMedians) -> Option<Self> {
        let side = |axis: Axis, side: &'static str| {
            let values = medians.get(&axis)?.iter();
            let points = values.filter_map(|(&value, sides)| Some((value, *sides.get(side)?)));
            Some(points.collect::<Vec<(u64, ScaleFigures)>>())
        };
        let at = |points: &[(u64, ScaleFigures)], value: u64| {
            points.iter().find(|(known, _)| *known == value).map(|(_, figures)| *figures)
        };
        let consumer = at(&side(Axis::Records, "consumer")?, USUAL_RECORDS)?;
        let producer = at(&side(Axis::Records, "producer")?, USUAL_RECORDS)?;
        let by_bytes: Vec<_> = side(Axis::ValueBytes, "consumer")?
            .iter()
            .map(|(_, figures)| (figures.record_bytes, figures.cpu_seconds_per_million))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "few partitions")]
        let by_partitions: Vec<_> = side(Axis::Partitions, "consumer")?
            .iter()
            .map(|(count, figures)| (*count as f64, figures.peak_mib))
            .collect();
        // Each with its like: what is packed arrives at a lower price.
        let usual = at(&side(Axis::ValueBytes, "consumer")?, 0)?;
        let mut cpu_off = 0.0_f64;
        for (axis, like) in
            [(Axis::Partitions, usual), (Axis::Consumers, usual), (Axis::Accounts, usual), (Axis::Records, consumer)]
        {
            // A short run is mostly its start.
            let long = side(axis, "consumer")?;
            let long = long.iter().filter(|(value, _)| axis != Axis::Records || *value >= USUAL_RECORDS);
            let off =
                |figures: &ScaleFigures| (figures.cpu_seconds_per_million / like.cpu_seconds_per_million - 1.0).abs();
            cpu_off = long.map(|(_, figures)| off(figures)).fold(cpu_off, f64::max);
        }
        let (cpu_by_bytes, mib_by_partitions) = (Line::through(&by_bytes)?, Line::through(&by_partitions)?);
        let deviation = Deviation {
            cpu: cpu_off,
            cpu_by_bytes: cpu_by_bytes.deviation(&by_bytes),
            mib_by_partitions: mib_by_partitions.deviation(&by_partitions),
        };
        Some(Self { consumer, producer, cpu_by_bytes, mib_by_partitions, deviation })
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
        let bounds = [
            ("processors", cpus(of_a_copy * REPLICAS) / BROKER_CPUS),
            // What comes in goes out as often: to followers and to one group of consumers.
            ("network", network_in / (BROKER_NETWORK * USED)),
            ("disk", network_in / (BROKER_DISK * USED)),
            ("replicas", REPLICAS),
        ];
        let (bound_by, brokers) = bounds.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b)).expect("four bounds");
        let brokers = brokers.ceil();
        let kept = network_in * RETENTION_HOURS * 3_600.0;
        let all_cpus = (consumers + producers) * CLIENT_CPUS + brokers * BROKER_CPUS;
        // Two of three producers and consumers are in another zone than the leader; both followers are.
        let between_zones = bytes * (2.0 / 3.0 + (REPLICAS - 1.0) + 2.0 / 3.0) * 3_600.0;
        Plan {
            partitions,
            consumers,
            consumer_mib: self.mib_by_partitions.at((partitions / consumers).ceil()),
            producers,
            brokers,
            bound_by,
            network_in,
            kept,
            usd_an_hour: [
                all_cpus * CPU_HOUR_USD,
                kept / 1e9 / USED * DISK_GB_MONTH_USD / HOURS_A_MONTH,
                between_zones / 1e9 * ZONE_GB_USD,
            ],
        }
    }

    /// For docs/capacity.md.
    #[must_use]
    pub fn table(&self) -> String {
        let Self { consumer, producer, cpu_by_bytes, mib_by_partitions, deviation } = self;
        let percent = |share: f64| share * 100.0;
        let mut text = format!(
            "A record of {:.0} bytes, {:.0} packed by snappy: consumer {:.2}, producer {:.2} CPU seconds a million, broker \
             {:.2} to take them in and {:.2} to give them out. A consumer takes {:.2} + {:.2} a kB; {:.0} MiB + {:.1} a \
             partition. Furthest from that of all points measured: CPU {:.0} %, by bytes {:.0} %, memory {:.0} %.\n\n\
             | records/s |",
            producer.record_bytes,
            producer.packed_bytes,
            consumer.cpu_seconds_per_million,
            producer.cpu_seconds_per_million,
            producer.broker_cpu_seconds_per_million,
            consumer.broker_cpu_seconds_per_million,
            cpu_by_bytes.at_zero,
            cpu_by_bytes.slope * 1e3,
            mib_by_partitions.at_zero,
            mib_by_partitions.slope,
            percent(deviation.cpu),
            percent(deviation.cpu_by_bytes),
            percent(deviation.mib_by_partitions),
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
        row("brokers, of 16 processors, 10 Gbit/s, 500 MB/s", &|plan| grouped(plan.brokers));
        row("… of which there are so many for their", &|plan| plan.bound_by.to_owned());
        row("into all brokers, GB/s", &|plan| format!("{:.2}", plan.network_in / 1e9));
        row("kept for 24 hours, three times, TB", &|plan| grouped(plan.kept / 1e12));
        row("processors, USD an hour", &|plan| grouped(plan.usd_an_hour[0]));
        row("disks, USD an hour", &|plan| grouped(plan.usd_an_hour[1]));
        row("between zones, USD an hour", &|plan| grouped(plan.usd_an_hour[2]));
        text
    }
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
        let both = |figures: ScaleFigures| BTreeMap::from([("consumer", figures), ("producer", figures)]);
        let same = |values: &[u64]| values.iter().map(|&value| (value, both(figures(2.0, 10.0, 300.0)))).collect();
        BTreeMap::from([
            (
                Axis::Partitions,
                BTreeMap::from([(1, both(figures(2.0, 12.0, 300.0))), (4, both(figures(2.0, 18.0, 300.0)))]),
            ),
            (Axis::Consumers, same(&[1, 2])),
            (Axis::Accounts, same(&[10])),
            (
                Axis::ValueBytes,
                BTreeMap::from([(0, both(figures(2.0, 0.0, 300.0))), (1_000, both(figures(4.0, 0.0, 1_300.0)))]),
            ),
            (Axis::Records, same(&[1_000_000])),
        ])
    }

    #[test]
    fn a_plan_has_twice_the_processors_that_the_work_takes_and_at_least_three_brokers() {
        let measured = Measured::of(&medians()).unwrap();
        let plan = measured.plan(1e6);
        // 2 CPU seconds a second, at half load 4: one consumer, six partitions, 10 MiB and 2 for each.
        assert_eq!((plan.consumers, plan.partitions, plan.producers), (1.0, 6.0, 1.0));
        assert!((plan.consumer_mib - 22.0).abs() < 1e-9, "{plan:?}");
        assert_eq!((plan.brokers, plan.bound_by), (3.0, "replicas"));
        let large = measured.plan(1e8);
        // 3 CPU seconds a million for three copies, at half load: 600 processors; 30 GB/s on disks of 250 MB/s.
        assert_eq!((large.brokers, large.bound_by), (120.0, "disk"));
        assert!((measured.cpu_by_bytes.slope - 0.002).abs() < 1e-9, "{measured:?}");
    }

    #[test]
    fn a_point_off_the_line_shows_in_the_deviation_and_a_missing_axis_in_no_model() {
        let mut off = medians();
        off.get_mut(&Axis::Consumers).unwrap().get_mut(&2).unwrap().insert("consumer", figures(3.0, 10.0, 300.0));
        assert!((Measured::of(&off).unwrap().deviation.cpu - 0.5).abs() < 1e-9);
        off.remove(&Axis::Accounts);
        assert!(Measured::of(&off).is_none());
    }
}
