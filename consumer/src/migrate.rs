//! `consumer migrate`: goes on with other fold settings, and keeps position, totals, ledger and sequences.
//!
//! It begins a generation whose first snapshots are the highest there are, at the same offsets, with the settings given;
//! see [`crate::fold::Migration`]. Nothing is forgotten and nothing is counted again but what was not durable yet.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    kafka::{Cluster, PartitionReader, ReadOptions},
    service::{ExitCode, output},
    topics::TopicNames,
};
use serde_json::Value;

use crate::{
    clock::{format_time, now_ms},
    command::state_partitions,
    error::ConsumerError,
    fold::{FoldSettings, MIGRATIONS_MAX, Snapshot, windows_from},
    generation,
    restore::{check_log, highest_snapshot},
    settings::{Configuration, WINDOWS_MAX},
};

/// What can be asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Confirm
    #[arg(long)]
    yes: bool,
}

/// Why a pipeline can't go on with other settings.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// There is nothing to go on from.
    #[error(
        "partition {partition} of {topic} has no snapshot: no consumer has counted it yet, so there is nothing to \
         migrate. Nothing was written. Let a consumer run until `consumer summary` names no partition as missing, then \
         say it again; or, if all of it may be counted anew, `consumer reset`"
    )]
    NeverCounted {
        /// The transactions topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The list of settings is full.
    #[error(
        "partition {partition} has been migrated {MIGRATIONS_MAX} times, which is as often as its snapshots can say. \
         Nothing was written. Begin anew with `consumer reset`"
    )]
    TooOften {
        /// The partition.
        partition: i32,
    },
    /// Windows of several lengths are waiting for late transactions.
    #[error(
        "partition {partition} still holds {held} windows of earlier settings, at most {WINDOWS_MAX} may be taken along. \
         Nothing was written. Say it again once the lateness of those has passed"
    )]
    TooManyWindows {
        /// The partition.
        partition: i32,
        /// How many it holds.
        held: usize,
    },
    /// Somebody else has done the same with other settings, or from another place, at the same moment.
    #[error(
        "partition {partition} goes on otherwise than was written: another `consumer migrate` or `consumer reset` ran at the \
         same moment. Nothing is lost, but partitions may differ in their windows. Agree on the settings, and say it again"
    )]
    Overtaken {
        /// The partition.
        partition: i32,
    },
}

/// Begins a generation with the settings given, if that is confirmed and they differ.
///
/// # Errors
/// [`ConsumerError`]; partitions before the one that failed go on with the new settings already, and saying it again
/// takes the others along.
pub(crate) async fn run(configuration: &Configuration, arguments: &Arguments) -> Result<ExitCode, ConsumerError> {
    let names = TopicNames::new(&configuration.topic);
    let (topic, settings) = (&names.transactions, &configuration.fold);
    let cluster = Cluster::new(configuration.connection.clone());
    let partitions = state_partitions(&cluster, &names).await?;
    let mut states = Vec::new();
    for partition in 0..partitions {
        let highest = highest_snapshot(&cluster, &names, partition).await?;
        let missing = || MigrateError::NeverCounted { topic: topic.clone(), partition };
        states.push(highest.ok_or_else(missing)?.snapshot);
    }
    let changes = changes(&states, settings);
    if changes.is_empty() {
        let said = format!("Nothing to migrate: {topic} is counted with these settings already.");
        return Ok(if output::result(&said) { ExitCode::Done } else { ExitCode::NotRight });
    }
    states.iter().try_for_each(can_go_on)?;
    for state in &states {
        // Going on from a log that is gone would hide that it is.
        let mut log = PartitionReader::new(&cluster, topic, state.partition, ReadOptions::default());
        let bounds = log.bounds().await?;
        check_log(&mut log, bounds, state).await?;
    }
    let windows_from_ms = windows_from(&states, settings).filter(|_| changes_windows(&states, settings));
    let (changes, windows) = (changes.join(", "), windows_in_words(windows_from_ms));
    if !arguments.yes {
        return Err(ConsumerError::Unconfirmed(format!(
            "migrate goes on counting {topic} with {changes}. {windows} Position, totals and ledger stay. Consumers that \
             run go over by themselves. Say it again with --yes"
        )));
    }
    let generation = generation::next(&cluster, &names, partitions).await?;
    let migrated: Vec<Snapshot> =
        states.iter().map(|state| state.migrated(generation, settings, windows_from_ms, now_ms())).collect();
    for beginning in &migrated {
        generation::begin(&cluster, &names, beginning).await?;
    }
    // Two at once begin the same generation, each with contents of its own. Mostly one of them sees it here.
    for beginning in &migrated {
        let partition = beginning.partition;
        let highest = highest_snapshot(&cluster, &names, partition).await?;
        if !highest.is_some_and(|highest| goes_on_from(&highest.snapshot, beginning)) {
            return Err(MigrateError::Overtaken { partition }.into());
        }
    }
    let taken = output::result(&format!(
        "Generation {generation} of {topic} goes on in {partitions} partitions with {changes}. {windows}"
    ));
    Ok(if taken { ExitCode::Done } else { ExitCode::NotRight })
}

/// Whether a state has come of that beginning of a generation.
fn goes_on_from(state: &Snapshot, beginning: &Snapshot) -> bool {
    state.generation == beginning.generation
        && state.next_offset >= beginning.next_offset
        && (&state.settings, &state.migrations) == (&beginning.settings, &beginning.migrations)
}

fn can_go_on(state: &Snapshot) -> Result<(), MigrateError> {
    let (partition, held) = (state.partition, state.windows_held());
    if state.migrations.len() >= MIGRATIONS_MAX {
        return Err(MigrateError::TooOften { partition });
    }
    // Those of the new settings come on top.
    if i64::try_from(held).unwrap_or(i64::MAX) > WINDOWS_MAX {
        return Err(MigrateError::TooManyWindows { partition, held });
    }
    Ok(())
}

/// Every setting that differs, with what it is now and what it will be. They may differ from partition to partition.
fn changes(states: &[Snapshot], settings: &FoldSettings) -> Vec<String> {
    let new = by_name(settings);
    let mut old: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in states.iter().flat_map(|state| by_name(&state.settings)) {
        if new.get(&name) != Some(&value) {
            old.entry(name).or_default().insert(value);
        }
    }
    let line = |(name, values): (String, BTreeSet<String>)| {
        let values: Vec<String> = values.into_iter().collect();
        let new = new.get(&name).map_or("nothing", String::as_str);
        format!("{} {new} instead of {}", name.to_uppercase(), values.join(" or "))
    };
    old.into_iter().map(line).collect()
}

fn by_name(settings: &FoldSettings) -> BTreeMap<String, String> {
    match serde_json::to_value(settings).expect("numbers always have a JSON form") {
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, value.to_string())).collect(),
        _ => BTreeMap::new(),
    }
}

fn changes_windows(states: &[Snapshot], settings: &FoldSettings) -> bool {
    states.iter().any(|state| state.settings.makes_other_windows_than(settings))
}

fn windows_in_words(windows_from_ms: Option<i64>) -> String {
    match windows_from_ms.map(format_time) {
        Some(from) => format!(
            "Transactions that occurred from {from} on go into the new windows, those before into the windows there \
             are, the last of which may be cut off there."
        ),
        None => "No window changes.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::PartitionState;

    fn state(settings: &FoldSettings) -> Snapshot {
        PartitionState::new(1, 0, settings.clone(), 0, 0).snapshot(None, 0)
    }

    #[test]
    fn what_differs_is_said_setting_by_setting_and_what_does_not_is_not() {
        let (old, other) = (FoldSettings::default(), FoldSettings { lateness_ms: 1, ..FoldSettings::default() });
        let new = FoldSettings { window_ms: 300_000, lateness_ms: 5, ..FoldSettings::default() };
        let said = changes(&[state(&old), state(&other)], &new);
        assert_eq!(said, ["LATENESS_MS 5 instead of 1 or 900000", "WINDOW_MS 300000 instead of 60000"]);
        assert_eq!(changes(&[state(&new)], &new), Vec::<String>::new());
        // Half-way through: one partition has them already, and saying it again goes on.
        assert_eq!(changes(&[state(&new), state(&old)], &new).len(), 2);
    }

    #[test]
    fn a_state_that_came_of_another_migration_is_told_from_ones_own() {
        let before = state(&FoldSettings::default());
        let with = |window_ms| FoldSettings { window_ms, ..FoldSettings::default() };
        let mine = before.migrated(2, &with(300_000), Some(600_000), 5);
        assert!(goes_on_from(&mine, &mine));
        let mut counted_on = mine.clone();
        (counted_on.next_offset, counted_on.written_at_ms) = (7, 9);
        assert!(goes_on_from(&counted_on, &mine), "a consumer has gone over already");
        let mut further = before.clone();
        further.next_offset = 4;
        for theirs in [
            before.migrated(2, &with(120_000), Some(600_000), 5),
            before.migrated(2, &with(300_000), Some(900_000), 5),
            before.migrated(3, &with(300_000), Some(600_000), 5),
            further.migrated(2, &with(300_000), Some(600_000), 5),
            before,
        ] {
            assert!(!goes_on_from(&theirs, &mine), "{theirs:?}");
        }
    }

    #[test]
    fn a_state_that_was_migrated_as_often_as_it_can_say_is_told_to_begin_anew() {
        let mut migrated = state(&FoldSettings::default());
        for generation in 2..18 {
            assert!(can_go_on(&migrated).is_ok(), "before generation {generation}");
            migrated = migrated.migrated(generation, &FoldSettings::default(), None, 0);
        }
        let refused = can_go_on(&migrated).expect_err("sixteen are as many as there may be").to_string();
        assert!(refused.contains("16 times") && refused.contains("consumer reset"), "{refused}");
    }
}
