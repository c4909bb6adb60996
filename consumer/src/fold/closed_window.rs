//! One partition's share of a window that closed, as it goes out.

use std::collections::BTreeMap;

use common::money::Currency;
use serde::Serialize;

use super::{
    Grid,
    totals::{Cell, GridForm, kind_code},
};

/// A window at one revision. The same revision always has the same contents, whoever gives it out and how often;
/// revisions between two that were given out may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedWindow {
    /// The state's generation.
    pub generation: u64,
    /// The generation that the count began with: what those from it on have given out counts along, see
    /// `docs/formats.md`. The same as `generation` where nothing was migrated.
    pub since_generation: u64,
    /// The partition whose share this is.
    pub partition: i32,
    /// Start, in milliseconds since the epoch; belongs to the window.
    pub start_ms: i64,
    /// End, in milliseconds since the epoch; does not belong to the window.
    pub end_ms: i64,
    /// 0 as it closed, and one more for each late transaction since.
    pub revision: u64,
    /// Counts and sums by kind and currency.
    pub grid: Grid,
}

#[derive(Serialize)]
struct Form<'a, C: Serialize> {
    generation: u64,
    partition: i32,
    window_start: &'a str,
    window_end: &'a str,
    grouping: &'a str,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_generation: Option<u64>,
    cells: C,
}

impl ClosedWindow {
    /// The records of the window: one for each grouping, each a key and a JSON value.
    #[must_use]
    pub fn to_records(&self) -> Vec<(String, Vec<u8>)> {
        let mut by_currency: BTreeMap<&'static str, Cell> = BTreeMap::new();
        for (_, currency, cell) in self.grid.cells() {
            by_currency.entry(Currency::code(currency)).or_default().add(cell);
        }
        let by_kind: GridForm = self.grid.to_form(kind_code);
        vec![self.record("currency", &by_currency), self.record("type", &by_kind)]
    }

    fn record<C: Serialize>(&self, grouping: &str, cells: C) -> (String, Vec<u8>) {
        let window_start = crate::clock::format_time(self.start_ms);
        let window_end = crate::clock::format_time(self.end_ms);
        let Self { generation, partition, revision, .. } = *self;
        let key = format!("{generation}/{partition}/{window_start}/{grouping}/{revision}");
        let (window_start, window_end) = (window_start.as_str(), window_end.as_str());
        let since_generation = (self.since_generation != generation).then_some(self.since_generation);
        let form =
            Form { generation, partition, window_start, window_end, grouping, revision, since_generation, cells };
        (key, serde_json::to_vec(&form).expect("text and numbers always have a JSON form"))
    }
}

#[cfg(test)]
mod tests {
    use common::transaction::Kind;

    use super::*;

    #[test]
    fn a_window_goes_out_once_for_each_grouping_under_a_key_that_tells_them_apart() {
        let mut grid = Grid::new(Kind::COUNT);
        let euro = Currency::from_code("EUR").unwrap();
        grid.cell(Kind::Purchase.index(), euro).add_amount(150);
        grid.cell(Kind::Refund.index(), euro).add_amount(50);
        let (start_ms, end_ms, revision) = (0, 60_000, 2);
        let window =
            ClosedWindow { generation: 1, since_generation: 1, partition: 4, start_ms, end_ms, revision, grid };
        let records = window.to_records();
        assert_eq!(records[0].0, "1/4/1970-01-01T00:00:00.000Z/currency/2");
        assert_eq!(records[1].0, "1/4/1970-01-01T00:00:00.000Z/type/2");
        let value: serde_json::Value = serde_json::from_slice(&records[0].1).unwrap();
        assert_eq!(value["cells"]["EUR"], serde_json::json!({"count": 2, "sum_minor": "200"}));
        let value: serde_json::Value = serde_json::from_slice(&records[1].1).unwrap();
        assert_eq!(value["cells"]["refund"]["EUR"]["sum_minor"], "50");
        assert_eq!(value["window_end"], "1970-01-01T00:01:00.000Z");
        assert_eq!(value.get("since_generation"), None);
        let migrated = ClosedWindow { generation: 3, ..window };
        let value: serde_json::Value = serde_json::from_slice(&migrated.to_records()[0].1).unwrap();
        assert_eq!((&value["generation"], &value["since_generation"]), (&3.into(), &1.into()));
    }
}
