//! Whether what the workers left behind is what the records amount to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use consumer::fold::{ClosedWindow, Snapshot};
use proptest::prelude::*;

use crate::{
    crash_free::CrashFree,
    evidence::{Evidence, Loss, Stored},
    legs::{leg_at, legs},
    oracle::{self, Expected},
};

/// Compares everything in the topics with the crash-free fold and with the oracle.
#[allow(dead_code, reason = "the cluster's simulation leaves the windows inside snapshots to the crash-free fold")]
pub(crate) fn check(evidence: &Evidence<'_>) -> Result<(), TestCaseError> {
    let (newest, expected) = check_figures(evidence)?;
    check_held(newest, &expected)
}

/// The same, but for the windows that the newest snapshot still holds, which only its bytes show: they take time to read.
/// Gives the newest snapshot, and what the oracle expects of it.
pub(crate) fn check_figures<'e>(evidence: &'e Evidence<'_>) -> Result<(&'e Snapshot, Expected), TestCaseError> {
    let newest = evidence.newest().expect("the last worker wrote a snapshot");
    let (last, losses) = (&*newest.snapshot, &newest.losses);
    prop_assert_eq!(last.next_offset, evidence.log.end_offset);
    prop_assert!(evidence.state_topic.iter().all(|other| other.snapshot.generation <= last.generation));

    // Snapshots of states that lost something else, or began elsewhere, speak of another past.
    let same_past: Vec<Snapshot> = evidence
        .ever_made
        .iter()
        .filter(|stored| is_past_of(&stored.losses, stored.snapshot.next_offset, losses))
        .filter(|stored| has_same_beginning(&stored.snapshot, last))
        .map(|stored| timeless(&stored.snapshot))
        .collect();
    let stops: BTreeSet<i64> = same_past.iter().map(|past| past.next_offset).collect();
    let crash_free = CrashFree::run(evidence.log, last, losses, &stops);
    for past in &same_past {
        prop_assert_eq!(past, &crash_free.snapshots[&past.next_offset]);
    }

    // Every generation leaves an anchor at its very beginning, as good as any snapshot, as soon as anybody works on it.
    let has_anchor = |generation| evidence.anchors.iter().any(|anchor| anchor.generation == generation);
    let beginning = |snapshot: &Snapshot| snapshot.migrations.last().map_or(snapshot.first_offset, |last| last.offset);
    let is_worked_on = |snapshot: &Snapshot| snapshot.next_offset > beginning(snapshot);
    let worked_on = evidence.state_topic.iter().filter(|stored| is_worked_on(&stored.snapshot));
    prop_assert!(worked_on.map(|stored| stored.snapshot.generation).all(has_anchor));
    prop_assert!(evidence.anchors.iter().all(|anchor| evidence.ever_made.iter().any(|made| made.snapshot == *anchor)));

    let lost_alike = evidence.ever_made.iter().all(|stored| has_lost_alike(stored, last, losses));
    check_dead_letters(evidence, last, &crash_free, lost_alike)?;
    check_windows(evidence, last, &crash_free, lost_alike)?;

    let expected = oracle::count(evidence.log, last, losses);
    prop_assert_eq!(&crash_free.dead_letters, &expected.rejected);
    check_numbers(last, &expected)?;
    check_closed(last, &crash_free, &expected)?;
    Ok((last, expected))
}

/// When a snapshot was written is all that may differ.
pub(crate) fn timeless(snapshot: &Snapshot) -> Snapshot {
    let mut timeless = snapshot.clone();
    (timeless.written_at_ms, timeless.anchored_at_ms) = (0, None);
    timeless
}

/// Whether two states began alike: with the same settings, at the same place, on the same way.
fn has_same_beginning(one: &Snapshot, other: &Snapshot) -> bool {
    (one.generation, one.first_offset) == (other.generation, other.first_offset)
        && (&one.settings, &one.migrations) == (&other.settings, &other.migrations)
}

/// Whether a state is on none of the legs of `last`, or lost on it what `last` did. What became of it behind the end of
/// its leg is of no concern.
fn has_lost_alike(stored: &Stored, last: &Snapshot, all: &[Loss]) -> bool {
    let other = &stored.snapshot;
    let legs = legs(last);
    let Some(place) = legs.iter().position(|leg| leg.generation == other.generation) else { return true };
    let (leg, end) = (&legs[place], legs[place].end_offset());
    let losses: Vec<Loss> = stored.losses.iter().filter(|loss| loss.at() < end).copied().collect();
    other.first_offset == last.first_offset
        && other.settings == *leg.settings
        && other.migrations == last.migrations[..place]
        && is_past_of(&losses, other.next_offset.min(end), all)
}

/// Whether a state at `next_offset` with these losses may have become the one that lost `all`.
fn is_past_of(losses: &[Loss], next_offset: i64, all: &[Loss]) -> bool {
    all.starts_with(losses) && all.get(losses.len()).is_none_or(|next| next.at() >= next_offset)
}

/// After dropping repeats: no dead letter is missing, and none is there for a record that was not rejected.
fn check_dead_letters(
    evidence: &Evidence<'_>,
    last: &Snapshot,
    crash_free: &CrashFree<'_>,
    lost_alike: bool,
) -> Result<(), TestCaseError> {
    // What a generation rejected behind its end, before its consumers had heard of that, counts no more.
    let ours =
        evidence.dead_letters.iter().filter(|letter| letter.generation == leg_at(last, letter.offset).generation);
    let written: BTreeMap<_, _> = ours.map(|letter| (letter.offset, letter.reason)).collect();
    if lost_alike {
        prop_assert_eq!(&written, &crash_free.dead_letters);
    }
    for (offset, reason) in &crash_free.dead_letters {
        prop_assert!(written.contains_key(offset), "no dead letter for offset {} ({})", offset, reason);
    }
    Ok(())
}

/// After dropping repeats: the highest revision of every window is there, and every revision has its one contents.
fn check_windows(
    evidence: &Evidence<'_>,
    last: &Snapshot,
    crash_free: &CrashFree<'_>,
    lost_alike: bool,
) -> Result<(), TestCaseError> {
    let generations: Vec<u64> = legs(last).iter().map(|leg| leg.generation).collect();
    let ours = || evidence.windows.iter().map(Arc::as_ref).filter(|window| generations.contains(&window.generation));
    for window in ours().filter(|window| lost_alike && window.generation == last.generation) {
        let identity = (window.generation, window.start_ms, window.revision);
        prop_assert_eq!(Some(window), crash_free.windows.get(&identity), "window {:?}", identity);
    }
    for window in highest(crash_free.windows.values()).values() {
        prop_assert!(ours().any(|written| &written == window), "never written: {:?}", window);
    }
    Ok(())
}

fn highest<'a>(windows: impl Iterator<Item = &'a ClosedWindow>) -> BTreeMap<i64, &'a ClosedWindow> {
    let mut highest: BTreeMap<i64, &ClosedWindow> = BTreeMap::new();
    for window in windows {
        let known = highest.entry(window.start_ms).or_insert(window);
        if (window.generation, window.revision) > (known.generation, known.revision) {
            *known = window;
        }
    }
    highest
}

/// The snapshot's numbers are the oracle's.
fn check_numbers(last: &Snapshot, expected: &Expected) -> Result<(), TestCaseError> {
    prop_assert_eq!(&last.ledger, &expected.ledger);
    prop_assert!(last.ledger.is_balanced());
    prop_assert_eq!(last.skipped, expected.skipped);
    let offsets = last.ledger.consumed + last.ledger.offsets_without_record + last.skipped.unsigned_abs();
    prop_assert_eq!((last.next_offset - last.first_offset).unsigned_abs(), offsets);
    prop_assert_eq!(last.watermark_ms, expected.watermark_ms);
    let counted: Vec<_> = last.totals.by_currency().iter().map(|(code, cell)| (code.as_str(), *cell)).collect();
    let amounts: Vec<_> = expected.amounts.iter().collect();
    prop_assert_eq!(counted.len(), amounts.len());
    for ((code, cell), (currency, amounts)) in counted.into_iter().zip(amounts) {
        prop_assert_eq!(code, *currency);
        prop_assert_eq!(cell.sum_minor, sum(amounts), "{}: {:b} is not the sum of {:?}", code, cell.sum_minor, amounts);
        prop_assert_eq!(cell.count, amounts.len() as u64);
        prop_assert_eq!(Some(cell.min_minor), amounts.iter().copied().min());
        prop_assert_eq!(Some(cell.max_minor), amounts.iter().copied().max());
    }
    Ok(())
}

/// Every window that has closed was given out with all its amounts, and no other.
fn check_closed(last: &Snapshot, crash_free: &CrashFree<'_>, expected: &Expected) -> Result<(), TestCaseError> {
    let given_out = highest(crash_free.windows.values());
    let closed = expected.windows.iter().filter(|(_, window)| Some(window.end_ms) <= expected.watermark_ms);
    let closed: Vec<_> = closed.collect();
    prop_assert_eq!(given_out.len(), closed.len());
    for (window, (start_ms, oracle::Window { end_ms, generation, amounts, .. })) in given_out.values().zip(closed) {
        prop_assert_eq!(window.start_ms, *start_ms);
        prop_assert_eq!(window.end_ms, *end_ms);
        prop_assert_eq!(window.generation, generation.unwrap_or(last.generation), "window {}", start_ms);
        prop_assert_eq!(window.since_generation, legs(last)[0].generation);
        prop_assert_eq!(window.partition, last.partition);
        let mut cells = BTreeMap::new();
        for (_, currency, cell) in window.grid.cells() {
            cells.insert(currency.code(), (cell.count, cell.sum_minor));
        }
        let mut by_currency: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for (currency, amount_minor) in amounts {
            by_currency.entry(currency).or_default().push(*amount_minor);
        }
        let sums = by_currency.into_iter().map(|(currency, amounts)| (currency, (amounts.len() as u64, sum(&amounts))));
        prop_assert_eq!(cells, sums.collect::<BTreeMap<_, _>>(), "window {}", start_ms);
    }
    Ok(())
}

#[allow(dead_code, reason = "see `check`")]
/// The windows in the snapshot are those that may still change, and no more than there is room for.
fn check_held(last: &Snapshot, expected: &Expected) -> Result<(), TestCaseError> {
    let snapshot: serde_json::Value = serde_json::from_slice(&last.to_value()).expect("a snapshot is JSON");
    let held = snapshot["windows"].as_array().expect("windows are a list");
    let held: Vec<_> = held.iter().map(|window| window["start_ms"].as_i64()).collect();
    let alive = expected.windows.iter().filter(|(_, window)| Some(window.final_ms) > expected.watermark_ms);
    let alive: Vec<_> = alive.map(|(start_ms, _)| Some(*start_ms)).collect();
    prop_assert_eq!(&held, &alive);
    let most: i64 = legs(last).iter().map(|leg| leg.settings.windows_max()).sum();
    prop_assert!(held.len() as u64 <= most.unsigned_abs(), "{:?}", held);
    Ok(())
}

fn sum(amounts: &[i64]) -> i128 {
    amounts.iter().copied().map(i128::from).sum()
}
