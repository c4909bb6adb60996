//! Every number of a snapshot that its records decide, in plain maps, and by name.
//!
//! A snapshot is read into these through its published form and not field by field: a member that the form has and
//! these have not is an error, so that no number can be added to snapshots and be left out of the comparison.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use crate::{
    clock::format_time,
    fold::{LastRecord, Ledger, Migration, Snapshot},
};

/// Members of a snapshot that say what it is rather than what was counted: the recount takes them from it.
const IDENTITY: [&str; 7] =
    ["format", "generation", "settings", "partition", "written_at_ms", "written_by", "anchored_at_ms"];

/// What is written where one side has no such number.
const NOTHING: &str = "nothing";

/// What was counted up to an offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Where other settings held before. All but the watermark reached there is the snapshot's own word.
    #[serde(default)]
    pub migrations: Vec<Migration>,
    /// The first offset counted.
    pub first_offset: i64,
    /// The offset after the last one counted.
    pub next_offset: i64,
    /// Offsets that retention took before they were read.
    pub skipped: i64,
    /// The last record counted.
    pub last_record: Option<LastRecord>,
    /// Event time reached.
    pub watermark_ms: Option<i64>,
    /// Where every record ended.
    pub ledger: Ledger,
    /// What was accepted.
    pub totals: Totals,
    /// The windows that still take transactions.
    pub windows: Vec<Window>,
    /// Producer, last sequence, last offset.
    pub sequences: Vec<(String, u64, i64)>,
    /// Producers that made room for others.
    pub sequences_evicted: u64,
}

/// Counts and sums, by currency and by four groupings within each currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// By currency alone.
    pub currency: BTreeMap<String, Volume>,
    /// By kind of transaction.
    #[serde(rename = "type")]
    pub kind: Grid,
    /// By the merchant's category.
    pub category: Grid,
    /// By country.
    pub country: Grid,
    /// By channel.
    pub channel: Grid,
}

/// Member of a grouping, currency, share.
pub type Grid = BTreeMap<String, BTreeMap<String, Share>>;

/// How many transactions, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Their sum in the currency's minor unit.
    pub sum_minor: Exact,
}

/// A share with its smallest and its largest amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// How many.
    pub count: u64,
    /// Their sum in the currency's minor unit.
    pub sum_minor: Exact,
    /// The smallest amount.
    pub min_minor: i64,
    /// The largest amount.
    pub max_minor: i64,
}

/// A window that still takes transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its start, in milliseconds since the epoch.
    pub start_ms: i64,
    /// Whether the watermark has reached its end.
    pub closed: bool,
    /// Late transactions since then.
    pub revision: u64,
    /// By kind and currency.
    pub cells: Grid,
}

/// A sum of any size, written as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exact(pub i128);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'d> Deserialize<'d> for Exact {
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A number that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which number.
    pub name: String,
    /// What Kafka holds: the snapshot, a dead letter, a closed window.
    pub found: String,
    /// What the log comes to.
    pub recounted: String,
}

impl Difference {
    /// A number that is `found` here and `recounted` there.
    #[must_use]
    pub fn new(name: impl Into<String>, found: &dyn Display, recounted: &dyn Display) -> Self {
        Self { name: name.into(), found: found.to_string(), recounted: recounted.to_string() }
    }
}

impl Figures {
    /// The figures of a snapshot.
    ///
    /// # Errors
    /// Names what these figures don't know.
    pub fn of(snapshot: &Snapshot) -> Result<Self, serde_json::Error> {
        let mut form = serde_json::to_value(snapshot)?;
        if let Some(members) = form.as_object_mut() {
            members.retain(|name, _| !IDENTITY.contains(&name.as_str()));
        }
        serde_json::from_value(form)
    }

    /// Every number that differs from the recount's, in the order of their names.
    #[must_use]
    pub fn differences_from(&self, recount: &Self) -> Vec<Difference> {
        let (found, recounted) = (self.by_name(), recount.by_name());
        let names: BTreeSet<&String> = found.keys().chain(recounted.keys()).collect();
        let of = |figures: &BTreeMap<String, String>, name: &String| {
            figures.get(name).map_or_else(|| NOTHING.to_owned(), Clone::clone)
        };
        names
            .into_iter()
            .filter(|&name| found.get(name) != recounted.get(name))
            .map(|name| Difference::new(name, &of(&found, name), &of(&recounted, name)))
            .collect()
    }

    /// How many offsets have no place in the ledger, if any: the one thing that can be said without the log.
    #[must_use]
    pub fn unbalanced(&self) -> Option<Difference> {
        let offsets = i128::from(self.next_offset) - i128::from(self.first_offset) - i128::from(self.skipped);
        let counted = i128::from(self.ledger.consumed) + i128::from(self.ledger.offsets_without_record);
        let unequal = offsets != counted || !self.ledger.is_balanced();
        unequal.then(|| {
            let left = "next_offset - first_offset - skipped";
            let right = "consumed + offsets_without_record";
            Difference::new(
                "ledger",
                &format!("{right} = {counted}"),
                &format!("{left} = {offsets}, columns that add up"),
            )
        })
    }

    fn by_name(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        let mut form = serde_json::to_value(self).expect("text and numbers always have a JSON form");
        let lists = ["migrations", "windows", "sequences"];
        if let Some(members) = form.as_object_mut() {
            members.retain(|name, _| !lists.contains(&name.as_str()));
        }
        put(&mut names, String::new(), &form);
        for migration in &self.migrations {
            let form = serde_json::to_value(migration).expect("text and numbers always have a JSON form");
            put(&mut names, format!("migrations.{}", migration.offset), &form);
        }
        for window in &self.windows {
            let form = serde_json::to_value(window).expect("text and numbers always have a JSON form");
            put(&mut names, format!("windows.{}", format_time(window.start_ms)), &form);
        }
        for (incarnation, last_sequence, last_offset) in &self.sequences {
            let form = serde_json::json!({ "last_sequence": last_sequence, "last_offset": last_offset });
            put(&mut names, format!("sequences.{incarnation}"), &form);
        }
        names
    }
}

/// Puts the leaves of `value` under names that tell the way to them.
fn put(names: &mut BTreeMap<String, String>, mut name: String, value: &Value) {
    if let Value::Object(members) = value {
        for (member, value) in members {
            put(names, if name.is_empty() { member.clone() } else { format!("{name}.{member}") }, value);
        }
        return;
    }
    // A list that has the same key twice: both are looked at.
    while names.contains_key(&name) {
        name.push_str(" (again)");
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    names.insert(name, text);
}
