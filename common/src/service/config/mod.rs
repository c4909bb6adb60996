//! Configuration: flags over environment over defaults, checked as a whole, every problem reported at once.
//!
//! A binary declares one flat struct of `Option<String>` fields. The field `flush_interval_ms` is at once the
//! variable `FLUSH_INTERVAL_MS` (read with envy) and the flag `--flush-interval-ms` (read with clap); a flag beats
//! the variable, and an empty variable counts as unset. Its [`Settings::validate`] turns the strings into typed
//! values through the getters of [`Problems`], which carry the default, the unit and the range, so that `--help`
//! and the table in the README come from the same declaration as the check and cannot drift from it.
//!
//! ```
//! use common::service::config::{Environment, Problems, Settings, layered};
//!
//! #[derive(clap::Args, serde::Serialize, serde::Deserialize)]
//! struct Example {
//!     /// Records a second
//!     #[arg(long, value_name = "N")]
//!     rate: Option<String>,
//!     /// Print JSON
//!     #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
//!     json: Option<String>,
//! }
//!
//! impl Settings for Example {
//!     type Configuration = (u32, bool);
//!     fn validate(&self, problems: &mut Problems) -> (u32, bool) {
//!         // Every getter is called every time: a call is also the declaration of the setting.
//!         (problems.integer("rate", &self.rate, 1_000, 1..=1_000_000, "records/s"), problems.flag("json", &self.json, false))
//!     }
//! }
//!
//! let mut problems = Problems::default();
//! let flags = Example { rate: None, json: Some("true".into()) };
//! let settings = layered(flags, &Environment::from_pairs([("RATE", "50"), ("JSON", "false")]), &mut problems);
//! assert_eq!(settings.validate(&mut problems), (50, true));
//! problems.finish().unwrap();
//! ```
//!
//! Promises: a secret's value is never in a message and never taken from an argument; variables that are not declared, not
//! Unicode or only differ in case from ours are never touched. Never does: read files, or look at the environment after start.

mod address;
mod environment;
mod getters;
mod kafka;
mod number;
mod problems;
mod span;
mod table;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use environment::unset;
pub use environment::{Environment, layered};
pub use getters::Secret;
pub use problems::{ConfigurationError, Described, Problem, Problems};
pub(crate) use table::annotate;
pub use table::{Row, faults, markdown, rows};

/// The settings of a binary: one flat struct of `Option<String>` fields.
pub trait Settings: clap::Args + Serialize + DeserializeOwned {
    /// The typed values that the binary runs with.
    type Configuration;

    /// Turns the strings into typed values. Problems are added to `problems`, and a placeholder stands in for the
    /// value, so that one bad setting does not hide the next; the caller drops the result where there are any.
    /// Every getter must be called every time, since its call also declares default and range for `--help`.
    fn validate(&self, problems: &mut Problems) -> Self::Configuration;
}

/// The environment variable of a field: `kafka_topic` → `KAFKA_TOPIC`.
pub fn variable(field: &str) -> String {
    field.to_ascii_uppercase()
}

/// The flag of a field: `kafka_topic` → `--kafka-topic`. A secret has none.
pub fn flag(field: &str) -> Option<String> {
    (!is_secret(field)).then(|| format!("--{}", field.replace('_', "-")))
}

/// Whether a field holds a secret: its name ends with `_password`, `_token` or `_headers`. Whoever may list processes sees their
/// arguments, so there is only the variable; the field is a [`Secret`] with `#[arg(skip)]`.
fn is_secret(field: &str) -> bool {
    ["_password", "_token", "_headers"].iter().any(|end| field.ends_with(end))
}
