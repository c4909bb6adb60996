//! The windows that still take transactions in all partitions, open ones and closed ones, added up. What any partition has
//! let go, being final there, stands whole in the topic of closed windows only.

use std::collections::{BTreeMap, BTreeSet};

use common::wire::parse_ms;
use serde::{Deserialize, Serialize};

use super::page;
use crate::{
    clock::format_time,
    fold::{Cell, GridForm, Snapshot, WindowShare, add_grid},
    summary::partitions_missing,
};

/// What is asked for, as it stands in the URL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowsAsked {
    from: Option<String>,
    to: Option<String>,
    grouping: Option<String>,
    limit: Option<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsQuery {
    /// Windows that begin then or later, in milliseconds since the epoch.
    pub from_ms: i64,
    /// Windows that begin before then.
    pub to_ms: i64,
    /// How their transactions are told apart.
    pub grouping: Grouping,
    /// So many, and those that begin with the last of them.
    pub limit: usize,
}

/// How a window's transactions are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grouping {
    /// By currency.
    Currency,
    /// By type, and in each by currency.
    Type,
}

/// Windows, the newest first.
#[derive(Clone, Debug, Serialize)]
pub struct WindowsAnswer {
    /// How their transactions are told apart.
    pub grouping: Grouping,
    /// One entry each.
    pub windows: Vec<WindowAnswer>,
    /// Ask for those before this time (`to`) next; null where there are no more.
    pub next_to: Option<String>,
    /// Partitions that have no snapshot yet: nothing of theirs is counted here.
    pub partitions_missing: Vec<i32>,
}

/// One window.
#[derive(Clone, Debug, Serialize)]
pub struct WindowAnswer {
    /// Its start, which belongs to it.
    pub window_start: String,
    /// Its end, which does not.
    pub window_end: String,
    /// Whether event time has reached its end in every partition that has any, and each has been counted.
    pub closed: bool,
    /// Late transactions that it took after it had closed.
    pub revision: u64,
    /// Its transactions.
    pub count: u64,
    /// The same, and sums, by the grouping.
    pub cells: Cells,
}

/// Counts and sums.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Cells {
    /// By currency.
    Currency(BTreeMap<String, Cell>),
    /// By type, and in each by currency.
    Type(GridForm),
}

impl Default for WindowsQuery {
    fn default() -> Self {
        Self { from_ms: i64::MIN, to_ms: i64::MAX, grouping: Grouping::Currency, limit: page::PAGE_USUAL }
    }
}

impl WindowsQuery {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(asked: &WindowsAsked) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut time = |name: &str, text: Option<&String>, otherwise: i64| {
            text.map_or(otherwise, |text| {
                parse_ms(text).unwrap_or_else(|| {
                    wrong.push(format!("{name}={text:?} is not a time such as 2026-11-20T19:12:00Z"));
                    otherwise
                })
            })
        };
        let from_ms = time("from", asked.from.as_ref(), i64::MIN);
        let to_ms = time("to", asked.to.as_ref(), i64::MAX);
        let grouping = match asked.grouping.as_deref() {
            None | Some("currency") => Grouping::Currency,
            Some("type") => Grouping::Type,
            Some(other) => {
                wrong.push(format!("grouping={other:?} is neither currency nor type"));
                Grouping::Currency
            }
        };
        let limit = page::limit(asked.limit.as_deref(), &mut wrong);
        if wrong.is_empty() { Ok(Self { from_ms, to_ms, grouping, limit }) } else { Err(wrong) }
    }
}

impl WindowsAnswer {
    /// From one snapshot a partition, of a topic that has so many `partitions`.
    #[must_use]
    pub fn of(snapshots: &[impl AsRef<Snapshot>], partitions: i32, query: &WindowsQuery) -> Self {
        let watermarks = || snapshots.iter().filter_map(|snapshot| snapshot.as_ref().watermark_ms);
        let (slowest_ms, fastest_ms) = (watermarks().min(), watermarks().max());
        // What the fastest partition has let go is not all there any more: what is left of it would look like the whole.
        let is_whole = |share: &WindowShare<'_>| fastest_ms.is_none_or(|fastest_ms| fastest_ms < share.final_ms);
        let is_asked = |share: &WindowShare<'_>| (query.from_ms..query.to_ms).contains(&share.start_ms);
        let shares = || {
            let all = snapshots.iter().flat_map(|snapshot| snapshot.as_ref().windows());
            all.filter(|share| is_asked(share) && is_whole(share))
        };
        // First which ones, then what is in them: many may be asked for a few.
        let found: BTreeSet<(i64, i64)> = shares().map(|share| (share.start_ms, share.end_ms)).collect();
        // Where partitions were migrated at different times, two windows may begin at once; a page has both or neither.
        let last = found.iter().rev().nth(query.limit.max(1) - 1).map_or(i64::MIN, |(start_ms, _)| *start_ms);
        let mut sums: BTreeMap<(i64, i64), (u64, GridForm)> = BTreeMap::new();
        for WindowShare { start_ms, end_ms, revision, cells, .. } in shares().filter(|share| share.start_ms >= last) {
            let sum = sums.entry((start_ms, end_ms)).or_default();
            sum.0 += revision;
            add_grid(&mut sum.1, cells);
        }
        let missing = partitions_missing(snapshots.iter().map(|snapshot| snapshot.as_ref().partition), partitions);
        let newest = sums.into_iter().rev();
        let windows = newest.map(|((start_ms, end_ms), (revision, cells))| WindowAnswer {
            window_start: format_time(start_ms),
            window_end: format_time(end_ms),
            closed: missing.is_empty() && slowest_ms.is_some_and(|slowest_ms| slowest_ms >= end_ms),
            revision,
            count: cells.values().flat_map(BTreeMap::values).map(|cell| cell.count).sum(),
            cells: query.grouping.of(cells),
        });
        let windows = windows.collect();
        let next_to = found.first().filter(|(start_ms, _)| *start_ms < last).map(|_| format_time(last));
        Self { grouping: query.grouping, windows, next_to, partitions_missing: missing }
    }
}

impl Grouping {
    fn of(self, cells: GridForm) -> Cells {
        match self {
            Self::Type => Cells::Type(cells),
            Self::Currency => {
                let mut by_currency: BTreeMap<String, Cell> = BTreeMap::new();
                for (currency, cell) in cells.into_values().flatten() {
                    by_currency.entry(currency).or_default().add(&cell);
                }
                Cells::Currency(by_currency)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::fold::{FoldSettings, PartitionState};

    const MINUTE_MS: i64 = 60_000;
    const PARTITIONS: i32 = 3;

    /// A partition that has come to `watermark_ms`, with windows of a length: start, revision, count.
    fn snapshot(
        partition: i32,
        window_ms: i64,
        watermark_ms: Option<i64>,
        windows: &[(i64, u64, u64)],
    ) -> Arc<Snapshot> {
        let settings = FoldSettings { window_ms, ..FoldSettings::default() };
        let state = PartitionState::new(1, partition, settings, 0, 0).snapshot(None, 0);
        let mut value: Value = serde_json::from_slice(&state.to_value()).unwrap();
        value["watermark_ms"] = json!(watermark_ms);
        let form = |&(start_ms, revision, count): &(i64, u64, u64)| {
            let cells = json!({"purchase": {"EUR": {"count": count, "sum_minor": "5"}}});
            json!({"start_ms": start_ms, "closed": false, "revision": revision, "cells": cells})
        };
        value["windows"] = windows.iter().map(form).collect();
        Arc::new(Snapshot::parse(value.to_string().as_bytes()).unwrap())
    }

    fn asked(snapshots: &[Arc<Snapshot>], query: &WindowsQuery) -> Value {
        serde_json::to_value(WindowsAnswer::of(snapshots, PARTITIONS, query)).unwrap()
    }

    #[test]
    fn shares_of_a_window_are_added_up_and_it_is_closed_when_it_is_in_all_of_them() {
        let partitions = [
            snapshot(0, MINUTE_MS, Some(MINUTE_MS), &[(0, 2, 10), (MINUTE_MS, 0, 1)]),
            snapshot(1, MINUTE_MS, Some(MINUTE_MS - 1), &[(0, 0, 5)]),
            snapshot(2, MINUTE_MS, None, &[]),
        ];
        let answer = asked(&partitions, &WindowsQuery::default());
        let window = &answer["windows"][1];
        assert_eq!((&window["count"], &window["revision"], &window["closed"]), (&json!(15), &json!(2), &json!(false)));
        assert_eq!(window["cells"], json!({"EUR": {"count": 15, "sum_minor": "10"}}));
        let [first, _, third] = partitions;
        let all_there = [first, snapshot(1, MINUTE_MS, Some(MINUTE_MS), &[]), third];
        assert_eq!(asked(&all_there, &WindowsQuery::default())["windows"][1]["closed"], true);
        let answer = asked(&all_there[..2], &WindowsQuery::default());
        assert_eq!((&answer["windows"][1]["closed"], &answer["partitions_missing"]), (&json!(false), &json!([2])));
    }

    #[test]
    fn what_is_left_of_a_window_that_a_partition_has_let_go_is_not_shown_as_the_whole() {
        let lateness_ms = FoldSettings::default().lateness_ms;
        let behind = snapshot(0, MINUTE_MS, Some(MINUTE_MS), &[(0, 0, 10), (MINUTE_MS, 0, 1)]);
        let ahead = |watermark_ms| snapshot(1, MINUTE_MS, Some(watermark_ms), &[(MINUTE_MS, 0, 1)]);
        let shown = |watermark_ms| {
            let answer = asked(&[Arc::clone(&behind), ahead(watermark_ms)], &WindowsQuery::default());
            answer["windows"].as_array().map(Vec::len)
        };
        assert_eq!(shown(MINUTE_MS + lateness_ms - 1), Some(2));
        assert_eq!(shown(MINUTE_MS + lateness_ms), Some(1));
    }

    #[test]
    fn a_page_never_parts_windows_that_begin_at_once_and_the_next_one_goes_on_behind_it() {
        let partitions = [
            snapshot(0, MINUTE_MS, None, &[(0, 0, 1), (5 * MINUTE_MS, 0, 1), (6 * MINUTE_MS, 0, 1)]),
            snapshot(1, 5 * MINUTE_MS, None, &[(5 * MINUTE_MS, 0, 1)]),
        ];
        let mut query = WindowsQuery { limit: 2, ..WindowsQuery::default() };
        let first = asked(&partitions, &query);
        let starts = |answer: &Value| {
            let windows = answer["windows"].as_array().unwrap().iter();
            windows.map(|window| window["window_start"].as_str().unwrap()[14..19].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            (starts(&first), &first["next_to"]),
            (vec!["06:00".to_owned(), "05:00".to_owned(), "05:00".to_owned()], &json!("1970-01-01T00:05:00.000Z"),)
        );
        query.to_ms = 5 * MINUTE_MS;
        let second = asked(&partitions, &query);
        assert_eq!((starts(&second), &second["next_to"]), (vec!["00:00".to_owned()], &Value::Null));
    }

    #[test]
    fn all_that_is_wrong_with_a_question_is_said_at_once() {
        let text = |text: &str| Some(text.to_owned());
        let asked = WindowsAsked { from: text("yesterday"), to: None, grouping: text("account"), limit: text("0") };
        let wrong = WindowsQuery::parse(&asked).unwrap_err().join("; ");
        assert!(
            ["from=\"yesterday\"", "grouping=\"account\"", "limit=\"0\""].iter().all(|part| wrong.contains(part)),
            "{wrong}"
        );
    }
}
