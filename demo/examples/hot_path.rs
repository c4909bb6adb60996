//! What happens to every record, one step at a time, without clock or Kafka: for counting instructions.
//!
//! `hot_path STEP RECORDS` prepares `RECORDS_MAX` records, always, and does the step for RECORDS of them. Two runs
//! differ by nothing but that, so the difference between their instructions is the step's alone.
//! `.ci/count-instructions.py` takes it. It is here because this crate is built with all the others, and an example because a
//! benchmark is built with another way to panic: all over again, and not as the programs are.

use std::{hint::black_box, process::ExitCode, sync::Arc, time::Duration};

use common::{
    kafka::{Batch, BatchBuilder, Compression},
    service::{Liveness, Metrics, Shutdown},
    wire::{self, Rules},
};
use consumer::{
    fold::{FoldSettings, PartitionState, Snapshot},
    folding::Folding,
    verify::recount::Recount,
};
use producer::{
    alarm::Alarm,
    counters::Counters,
    feed::Feed,
    generate::Generator,
    inject::{Injector, Ratios},
    pace::Pace,
    population::Population,
    publish,
};

/// The largest RECORDS.
const RECORDS_MAX: u64 = 20_000;
/// Room for all of them.
const LANE_BYTES: usize = 64 << 20;
/// Records of a request, about as many as a busy producer sends in one; RECORDS are whole requests.
const REQUEST_RECORDS: usize = 1_000;
const REQUEST_BYTES: usize = 450_000;

const ID_WINDOW_OFFSETS: u32 = 2_000;
const SEED: u64 = 7;
const EPOCH_US: i64 = 1_795_201_921_000_000;
const TOPIC: &str = "transactions";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [step, records] = arguments.as_slice() else {
        eprintln!("hot_path STEP RECORDS: for .ci/count-instructions.py, which knows the steps");
        return ExitCode::from(2);
    };
    let Some(records) = records.parse::<u64>().ok().filter(|records| *records <= RECORDS_MAX) else {
        eprintln!("hot_path: RECORDS is a number up to {RECORDS_MAX}");
        return ExitCode::from(2);
    };
    let end = i64::try_from(records).expect("few");
    let made = made(RECORDS_MAX).await;
    let sent: Vec<Vec<u8>> = requests(&made, made.len()).collect();
    let log: Vec<Batch> = sent.iter().cloned().map(unpacked).collect();
    let views = || log.iter().flat_map(Batch::iter).take_while(|record| record.offset < end);
    let count = usize::try_from(records).expect("few");
    match step.as_str() {
        "produce" => drop(black_box(self::made(records).await)),
        "request" => requests(&made, count).for_each(|request| drop(black_box(request))),
        "unpack" => sent.into_iter().take(count / REQUEST_RECORDS).for_each(|bytes| {
            black_box(unpacked(bytes).iter().last());
        }),
        "decode" => views().for_each(|record| {
            let _ = black_box(wire::decode(record.value, record.timestamp_ms, &Rules::default()));
        }),
        "fold" => {
            let mut folding = Folding::begin(TOPIC, first_state());
            black_box(folding.fold(views(), end, end, |_, verdict| {
                black_box(verdict);
            }));
        }
        "recount" => {
            let mut recount = Recount::from_the_first(&first_snapshot());
            recount.count(views());
            black_box(recount.next_offset());
        }
        _ => {
            eprintln!("hot_path: there is no step {step}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Draws records, a few of them faulty, and writes them into a queue, as a producer does.
async fn made(count: u64) -> publish::Batch {
    let ratios = Ratios { malformed: 0.005, repeat: 0.005, late: 0.005, future: 0.001 };
    let lane = Arc::new(publish::Lane::new(LANE_BYTES));
    let feed = Feed {
        generator: Generator::new(Arc::new(Population::new(SEED, 10_000)), SEED, 0),
        injector: Injector::new(SEED, &ratios),
        pace: Pace { rate: None, epoch_us: EPOCH_US, start_time_ms: Some(EPOCH_US / 1_000) },
        alarm: Alarm::default(),
        count_max: count,
        stop_after: None,
        lanes: vec![Arc::clone(&lane)],
        counters: Arc::new(Counters::new(&Metrics::new("tally_producer", "0"))),
        heartbeat: Liveness::default().heartbeat("feed", Duration::from_secs(30)),
    };
    feed.run(tokio::time::Instant::now(), &Shutdown::manual()).await;
    lane.close();
    lane.take(publish::Batch::default()).await.unwrap_or_default()
}

/// The first `count` of them as requests go to Kafka, and at the offsets at which a broker gives them out.
fn requests(made: &publish::Batch, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut builder = BatchBuilder::new(Compression::None);
    (0..count).step_by(REQUEST_RECORDS).map(move |first| {
        builder.clear(REQUEST_BYTES);
        made.encode(1, first..count.min(first + REQUEST_RECORDS), &[], &mut builder);
        let mut bytes = builder.finish().to_vec();
        bytes[..size_of::<i64>()].copy_from_slice(&i64::try_from(first).expect("few").to_be_bytes());
        bytes
    })
}

fn unpacked(bytes: Vec<u8>) -> Batch {
    Batch::of_log(bytes, 0).expect("what is written can be read")
}

fn first_state() -> PartitionState {
    // Full long before the first of the records that count, as it is in any log of some length.
    let settings = FoldSettings { id_window_offsets: ID_WINDOW_OFFSETS, ..FoldSettings::default() };
    PartitionState::new(1, 0, settings, 0, SEED)
}

fn first_snapshot() -> Snapshot {
    first_state().snapshot(None, EPOCH_US / 1_000)
}
