//! A cluster in one thread and in virtual time: processes that come, go, die and oversleep; a group that shares
//! partitions out among them; topics that lose acknowledgements, delay writes and compact; and everything random from one
//! seed, so that a history that went wrong goes wrong again.
//!
//! ```text
//!   seed ─▶ plan, logs ─▶ queue of events ─▶ cluster ─┬─▶ process: view, tails, member ─▶ hand: the consumer's own Folding
//!                              ▲                      ├─▶ coordinator                                   │
//!                              └───── delays ─────────┴─▶ topics ◀──── writes, perhaps late, perhaps twice┘
//!                                                            └─▶ verdict: the crash-free fold, the oracle
//! ```
//!
//! The consumer's own here: `Folding`, `Checkpoint::steps`, `PartitionState`, `Snapshot`, `Highest`, `Intake`, `View`.
//! Modelled: Kafka, the network, time, and the loops round them (`crew`, `worker`, `shift`, `restore`, `tail`,
//! `group`), event by event. The simulation next door cuts single partitions up more finely; this one is about who
//! writes when.
//!
//! `SIMULATION_SCHEDULES=100000 cargo test -p consumer --test cluster` plays more, `SIMULATION_SEED=7` from another seed on.

mod cluster;
mod coordinator;
#[path = "../simulation/counting.rs"]
mod counting;
mod counts;
#[path = "../simulation/crash_free.rs"]
mod crash_free;
mod dice;
mod events;
#[path = "../simulation/evidence.rs"]
mod evidence;
mod faults;
mod hand;
#[path = "../simulation/legs.rs"]
mod legs;
#[path = "../simulation/log.rs"]
#[allow(dead_code, reason = "the simulation next door has its logs drawn by proptest")]
mod log;
#[path = "../simulation/oracle.rs"]
mod oracle;
mod plan;
mod process;
mod queue;
#[path = "../records/mod.rs"]
mod records;
mod reset;
mod tail;
mod topics;
#[path = "../simulation/verdict.rs"]
mod verdict;
mod watch;
mod writing;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use cluster::Cluster;
use counts::Counts;
use dice::Dice;
use plan::Plan;

/// Schedules of every run of the tests, and the seed of the first: the same ones each time.
const SCHEDULES: u64 = 2_000;
const FIRST_SEED: u64 = 1;

/// What came of one schedule.
struct Outcome {
    counts: Counts,
    trace: Vec<String>,
    violation: Option<String>,
}

fn play(seed: u64, traced: bool) -> Outcome {
    let mut dice = Dice::new(seed);
    let plan = Plan::draw(&mut dice);
    let logs = Plan::draw_logs(&mut dice);
    let mut cluster = Cluster::new(&logs, plan, dice, traced);
    let panicked = catch_unwind(AssertUnwindSafe(|| cluster.run())).is_err();
    let violation = if panicked { Some("it panicked".to_owned()) } else { cluster.violation.clone() };
    Outcome { counts: cluster.counts.clone(), trace: cluster.take_trace(), violation }
}

/// Plays a range of seeds, on all processors. Gives what happened, and the lowest seed that went wrong.
fn play_all(first: u64, schedules: u64) -> (Counts, Option<u64>) {
    let lanes = thread::available_parallelism().map_or(1, |lanes| lanes.get() as u64);
    let lane = |lane: u64| {
        let mut counts = Counts::default();
        for seed in (first + lane..first + schedules).step_by(usize::try_from(lanes).expect("a few processors")) {
            let outcome = play(seed, false);
            counts.add(&outcome.counts);
            if outcome.violation.is_some() {
                return (counts, Some(seed));
            }
        }
        (counts, None)
    };
    thread::scope(|scope| {
        let playing: Vec<_> = (0..lanes).map(|number| scope.spawn(move || lane(number))).collect();
        playing.into_iter().fold((Counts::default(), None), |(mut all, worst), lane| {
            let (counts, seed): (Counts, Option<u64>) = lane.join().expect("panics of a schedule are caught");
            all.add(&counts);
            (all, worst.into_iter().chain(seed).min())
        })
    })
}

/// Shows a schedule that went wrong.
fn fail(seed: u64) -> ! {
    let Outcome { trace, violation, .. } = play(seed, true);
    eprintln!("{}", trace.join("\n"));
    panic!(
        "seed {seed}: {}\nreplay: SIMULATION_SEED={seed} SIMULATION_SCHEDULES=1 cargo test -p consumer --test cluster",
        violation.as_deref().unwrap_or("it went right when it was played again: the simulation is not deterministic")
    );
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn whoever_comes_goes_dies_or_oversleeps_the_figures_are_those_of_the_crash_free_fold() {
    let (first, schedules) = (setting("SIMULATION_SEED", FIRST_SEED), setting("SIMULATION_SCHEDULES", SCHEDULES));
    let (counts, failed) = play_all(first, schedules);
    if let Some(seed) = failed {
        fail(seed);
    }
    println!("{schedules} schedules from seed {first}: {counts}");
    if schedules >= SCHEDULES {
        assert!(counts.missing().is_empty(), "it never came to {:?}", counts.missing());
    }
}

#[test]
fn a_seed_gives_the_same_history_each_time() {
    for seed in 1..=20 {
        let (first, second) = (play(seed, true), play(seed, true));
        assert_eq!(first.trace, second.trace);
        assert!(first.trace.len() > 10, "{:?}", first.trace);
    }
}
