//! Counts and sums, by each of the five groupings.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Valid;

/// Count, sum, smallest and largest of amounts of one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amounts {
    /// How many.
    pub count: u64,
    /// Their sum, minor units, exact.
    pub sum_minor: i128,
    /// The smallest, minor units.
    pub min_minor: i64,
    /// The largest, minor units.
    pub max_minor: i64,
}

impl Amounts {
    fn of(amount_minor: i64) -> Self {
        Self { count: 1, sum_minor: amount_minor.into(), min_minor: amount_minor, max_minor: amount_minor }
    }

    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_minor += other.sum_minor;
        self.min_minor = self.min_minor.min(other.min_minor);
        self.max_minor = self.max_minor.max(other.max_minor);
    }
}

/// The groupings other than by currency alone.
pub(super) const GROUPINGS: [&str; 4] = ["type", "category", "country", "channel"];

/// Amounts by (grouping, value, currency); grouping `currency` has the currency's code as its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<(&'static str, String, String), Amounts>);

impl Totals {
    /// Adds a transaction to all five groupings.
    pub fn add(&mut self, valid: &Valid) {
        let one = Amounts::of(valid.amount_minor);
        self.join_cell(("currency", valid.currency.clone(), valid.currency.clone()), &one);
        let values = [&valid.kind, &valid.category, &valid.country, &valid.channel];
        for (grouping, value) in GROUPINGS.into_iter().zip(values) {
            self.join_cell((grouping, value.clone(), valid.currency.clone()), &one);
        }
    }

    /// Adds a transaction by currency and by type only, as windows are given out.
    pub fn add_to_window(&mut self, valid: &Valid) {
        let one = Amounts::of(valid.amount_minor);
        self.join_cell(("currency", valid.currency.clone(), valid.currency.clone()), &one);
        self.join_cell((GROUPINGS[0], valid.kind.clone(), valid.currency.clone()), &one);
    }

    /// Adds another set of totals to this one.
    pub fn join(&mut self, other: &Self) {
        for (cell, amounts) in &other.0 {
            self.join_cell(cell.clone(), amounts);
        }
    }

    fn join_cell(&mut self, cell: (&'static str, String, String), amounts: &Amounts) {
        self.0.entry(cell).and_modify(|there| there.join(amounts)).or_insert_with(|| amounts.clone());
    }

    /// In the shape of the summary.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all: Map<String, Value> =
            ["currency"].into_iter().chain(GROUPINGS).map(|name| (name.to_owned(), json!({}))).collect();
        for ((grouping, value, currency), amounts) in &self.0 {
            if *grouping == "currency" {
                all["currency"][value] = json!({ "count": amounts.count, "sum_minor": amounts.sum_minor.to_string(),
                    "min_minor": amounts.min_minor, "max_minor": amounts.max_minor });
            } else {
                all[*grouping][value][currency] =
                    json!({ "count": amounts.count, "sum_minor": amounts.sum_minor.to_string() });
            }
        }
        Value::Object(all)
    }
}
