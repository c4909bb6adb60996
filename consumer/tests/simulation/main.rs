//! The whole life of a partition in miniature, thousands of times over: random records, and consumers that crash
//! between any two writes, go on from any snapshot that is left, and wake up late to write what nobody needs any more.
//!
//! ```text
//!   drafts ──log──▶ records with known truth ──┬─▶ world: workers, topics, crashes ──▶ what they left behind ─┐
//!                                              ├─▶ crash-free fold of the same records ───────────────────────┼─▶ equal
//!                                              └─▶ oracle: the rules once more, naively, from the truth ──────┘
//! ```
//!
//! Every amount is a power of two of its own, so a wrong sum names the transaction that was lost or doubled.
//! A failing case is shrunk and its seed is kept in `proptest-regressions`, which later runs play first.
//! `PROPTEST_CASES=1000000 cargo test --release -p consumer --test simulation` goes on for longer.

mod counting;
mod crash_free;
mod evidence;
mod legs;
mod log;
mod moves;
mod oracle;
#[path = "../records/mod.rs"]
mod records;
mod verdict;
mod worker;
mod world;

use consumer::fold::FoldSettings;
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};

use log::Log;
use moves::Move;
use world::World;

/// Settings small enough that every boundary is crossed within a few records.
fn small() -> FoldSettings {
    FoldSettings {
        window_ms: 1_000,
        out_of_order_ms: 200,
        lateness_ms: 3_000,
        future_skew_ms: 500,
        id_window_offsets: 8,
        id_window_age_ms: 1_500,
        value_bytes_max: 1_024,
        ..FoldSettings::default()
    }
}

/// Most records of a log, and most moves of those who work on it.
const RECORDS_MAX: usize = 100;
const MOVES_MAX: usize = 32;

fn moves_with(retention: bool) -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec(Move::strategy(retention), 1..=MOVES_MAX)
}

/// At least `cases` runs; more where `PROPTEST_CASES` says so.
fn at_least(cases: u32) -> Config {
    const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/simulation.txt");
    Config {
        cases: Config::default().cases.max(cases),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))),
        ..Config::default()
    }
}

/// Plays the moves, brings the partition to its end, and again after the worst has happened to the state topic.
fn play(log: &Log, moves: &[Move]) -> Result<(), TestCaseError> {
    let mut world = World::new(log, small());
    for step in moves {
        world.play(step);
    }
    world.finish();
    verdict::check(&world.evidence)?;
    // Former workers wake up and write what they still hold; then compaction keeps the last of their snapshots only.
    world.wake_all();
    world.keep_last_snapshot();
    world.finish();
    verdict::check(&world.evidence)
}

proptest! {
    #![proptest_config(at_least(10_000))]
    #[test]
    fn whatever_crashes_the_result_is_that_of_the_crash_free_fold(
        log in log::strategy(RECORDS_MAX),
        moves in moves_with(false),
    ) {
        play(&log, &moves)?;
    }
}

proptest! {
    #![proptest_config(at_least(2_000))]
    #[test]
    fn what_retention_takes_is_counted_as_skipped_and_nothing_else_is_lost(
        log in log::strategy(RECORDS_MAX),
        moves in moves_with(true),
    ) {
        play(&log, &moves)?;
    }
}
