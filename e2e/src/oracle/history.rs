//! Settings that were changed on the way (`consumer migrate`): which held up to where, in each partition.
//!
//! Nothing in the log says so: it is what an operator decided, and it is taken from the summary. What follows from it is
//! counted here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Settings;
use crate::{Checked, Failure};

/// A change of settings.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// The first offset that is counted by what comes after it.
    pub offset: i64,
    /// From which event time on there are the windows of what comes after it, milliseconds; unset where no window changes.
    pub windows_from_ms: Option<i64>,
    /// The generation of the state up to here.
    pub from_generation: u64,
    /// The settings up to here.
    pub from: Settings,
}

/// Settings now, and before.
#[derive(Debug, Clone)]
pub struct History {
    settings: Settings,
    changes: BTreeMap<i32, Vec<Change>>,
}

impl From<Settings> for History {
    fn from(settings: Settings) -> Self {
        Self { settings, changes: BTreeMap::new() }
    }
}

impl History {
    /// What led to `settings`, by a summary.
    ///
    /// # Errors
    /// When the summary's migrations don't say what they have to.
    pub fn of(settings: Settings, summary: &Value) -> Checked<Self> {
        let mut changes = BTreeMap::new();
        for partition in summary["partitions"].as_array().into_iter().flatten() {
            let index = i32::try_from(partition["partition"].as_i64().unwrap_or(-1))?;
            let told = partition["migrations"].as_array().into_iter().flatten();
            changes.insert(index, told.map(|told| change(settings, told)).collect::<Checked<Vec<_>>>()?);
        }
        Ok(Self { settings, changes })
    }

    /// The settings now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// What was changed in a partition, in order of offset.
    #[must_use]
    pub fn changes(&self, index: i32) -> Vec<Change> {
        self.changes.get(&index).cloned().unwrap_or_default()
    }
}

fn change(settings: Settings, told: &Value) -> Checked<Change> {
    let number = |of: &Value, name: &str| {
        of[name].as_i64().ok_or_else(|| Failure::new(format!("a migration without {name}: {told}")))
    };
    let from = &told["from"];
    let windows_from = told["windows_from"].as_str().map(chrono::DateTime::parse_from_rfc3339).transpose()?;
    Ok(Change {
        offset: number(told, "offset")?,
        windows_from_ms: windows_from.map(|at| at.timestamp_millis()),
        from_generation: number(told, "from_generation")?.unsigned_abs(),
        from: Settings {
            window_ms: number(from, "window_ms")?,
            out_of_order_ms: number(from, "out_of_order_ms")?,
            lateness_ms: number(from, "lateness_ms")?,
            skew_ms: number(from, "future_skew_ms")?,
            id_window_offsets: number(from, "id_window_offsets")?,
            id_window_ms: number(from, "id_window_age_ms")?,
            value_bytes_max: usize::try_from(number(from, "value_bytes_max")?)?,
            ..settings
        },
    })
}
