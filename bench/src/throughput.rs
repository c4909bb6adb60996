//! Records a second: every program once a round, beginning with another one each time, on the same broker and data.

use std::collections::{BTreeMap, btree_map::Entry};

use e2e::{Checked, Failure, binaries::binaries, claim, cluster::Lab};
use serde_json::Value;

use crate::{
    agreement, cost,
    flags::ThroughputSettings,
    place::{ACCOUNTS, Place},
    plot,
    program::{Job, Maker, PROGRAMS, Program, Task},
    results::{self, Results, Sample},
};

/// Different values for Kafka's producer tool to choose from: enough that none of them is cached by anything.
const PAYLOADS: u64 = 20_000;

/// What consumers read: made once by Tally's producer, with everything in it that a consumer has to notice.
struct Log {
    topic: String,
    /// What Tally has counted in it.
    counted: Value,
}

/// Measures, prints a table, and writes JSON and plots.
///
/// # Errors
/// When there is no Apache Kafka, when a program fails, or when two have not counted the same.
pub fn measure(settings: &ThroughputSettings) -> Checked {
    let lab = Lab::new()?;
    let place = Place::prepare(&lab)?;
    let mut programs: Vec<Program> = PROGRAMS.into_iter().filter(|program| is_wanted(program, settings)).collect();
    let mut results = Results::new(settings.records);
    programs.retain(|program| match program.maker {
        Maker::Peer(ecosystem) => match place.peers.command(ecosystem) {
            Ok(_) => true,
            Err(failure) => {
                results.not_run.insert(program.name, failure.to_string());
                false
            }
        },
        _ => true,
    });
    claim!(results.not_run.is_empty() || !settings.require_peers, "can't be built here: {:?}", results.not_run);
    let payloads = payloads(&place)?;
    let mut logs = BTreeMap::new();
    for program in programs.iter().filter(|program| program.consumes()) {
        if let Entry::Vacant(entry) = logs.entry(program.share) {
            entry.insert(log(&place, program.share, settings.records)?);
        }
    }
    for round in 1..=settings.rounds {
        let first = round as usize * 5 % programs.len();
        for program in programs[first..].iter().chain(&programs[..first]) {
            let sample = run(&place, program, round, settings.records, &logs, &payloads)
                .map_err(|failure| failure.during(program.name))?;
            eprintln!(
                "round {round}: {:<40} {:>10.0} records/s {:>7.2} CPU s per million {:>6.0} MiB",
                program.title, sample.records_per_second, sample.cpu_seconds_per_million, sample.cost.peak_mib
            );
            results.samples.push(sample);
        }
    }
    results.conclude();
    println!("{}", results.table());
    if settings.results && settings.only.is_none() {
        results::write_json("throughput.json", &results)?;
        results::write_table("throughput", &results.table(), results::README)?;
        plot::throughput(&results)?;
        eprintln!("written: {}", results::folder().display());
    }
    Ok(())
}

/// Tally's programs and what Kafka brings are what the others are compared with.
fn is_wanted(program: &Program, settings: &ThroughputSettings) -> bool {
    settings.only.as_ref().is_none_or(|only| program.name.contains(only) || program.maker == Maker::Tally)
}

fn run(
    place: &Place<'_>,
    program: &Program,
    round: u32,
    records: u64,
    logs: &BTreeMap<u64, Log>,
    payloads: &str,
) -> Checked<Sample> {
    let records = records.div_ceil(program.share);
    let own_topic = format!("bench-{}-{round}", program.name.replace('_', "-"));
    let (topic, log) = match logs.get(&program.share) {
        Some(log) if program.consumes() => (&log.topic, Some(log)),
        _ => (&own_topic, None),
    };
    if log.is_none() {
        place.create(topic)?;
    } else if (program.maker, program.job) == (Maker::Tally, Job::Consume) {
        forget(place, topic)?;
    }
    let task = Task { topic, group: &own_topic, records, payloads };
    let mut process = program.start(place, &task)?;
    let cost = cost::of(&mut process)?;
    let (seconds, said) = program.account(&process, records)?;
    match log {
        Some(log) if program.job == Job::Consume => agreement::check(program.name, &said, &log.counted)?,
        Some(_) if program.job == Job::Verify => {
            claim!(said["verdict"] == "equal", "verify found a difference: {said}");
        }
        Some(_) => {}
        None => place.stage.client().delete_topic(topic)?,
    }
    let seconds = seconds.unwrap_or(cost.wall_seconds);
    #[expect(clippy::cast_precision_loss, reason = "rates to three digits")]
    let count = records as f64;
    Ok(Sample {
        program: program.name,
        round,
        records,
        seconds,
        records_per_second: count / seconds,
        cpu_seconds_per_million: cost.cpu_seconds * 1e6 / count,
        cost,
    })
}

/// One in `share` of the records, with a few of every kind that is refused, dropped or late.
fn log(place: &Place<'_>, share: u64, records: u64) -> Checked<Log> {
    let (topic, records) = (format!("bench-log-{share}"), records.div_ceil(share));
    eprintln!("making {records} transactions in {topic} …");
    place.create(&topic)?;
    let (count, accounts) = (records.to_string(), ACCOUNTS.to_string());
    let flags = ["--count", &count, "--rate", "0", "--seed", "7", "--accounts", &accounts, "--json"];
    let faults = [
        ("MALFORMED_RATIO", "0.005"),
        ("REPEAT_RATIO", "0.005"),
        ("LATE_RATIO", "0.005"),
        ("FUTURE_RATIO", "0.001"),
        ("COMPRESSION", "none"),
    ];
    cost::of(&mut place.tally(&binaries()?.producer, &topic, &flags, &faults)?)?;
    let mut consumer = place.tally(&binaries()?.consumer, &topic, &["--until-end", "--json"], &[])?;
    cost::of(&mut consumer)?;
    let counted = consumer.last_json()?;
    claim!(counted["ledger"]["consumed"] == records, "Tally has not counted all of {topic}: {}", counted["ledger"]);
    Ok(Log { topic, counted })
}

/// Has Tally begin anew on a log that it has counted.
fn forget(place: &Place<'_>, topic: &str) -> Checked {
    cost::of(&mut place.tally(&binaries()?.consumer, topic, &["reset", "--yes"], &[])?).map(drop)
}

/// A file of transactions as Tally makes them, one a line, for Kafka's tool to send.
fn payloads(place: &Place<'_>) -> Checked<String> {
    let topic = "bench-payloads";
    place.create(topic)?;
    let flags = ["--count", &PAYLOADS.to_string(), "--rate", "0", "--seed", "1"];
    cost::of(&mut place.tally(&binaries()?.producer, topic, &flags, &[])?)?;
    let mut lines = Vec::new();
    for (_, record) in place.stage.client().read_topic(topic)? {
        lines.extend(record.value.unwrap_or_default());
        lines.push(b'\n');
    }
    let path = place.stage.folder().join("payloads");
    std::fs::write(&path, lines)?;
    path.to_str().map(str::to_owned).ok_or_else(|| Failure::new("the folder for temporary files has no name in UTF-8"))
}
