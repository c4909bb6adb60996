//! The environment as pairs, and its overlay by flags.
//!
//! `std::env::vars` panics on a variable that is not Unicode, and envy, which lower-cases names, calls `PATH` and
//! `Path` a duplicate. So only the variables that a binary declares, spelt in upper case, ever reach envy.

use std::ffi::{OsStr, OsString};

use clap::Command;
use serde_json::{Map, Value};

use super::{Problems, Settings, variable};

/// A copy of the environment, taken once at start.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pairs: Vec<(OsString, OsString)>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self { pairs: std::env::vars_os().collect() }
    }

    /// An environment of these pairs, for tests and for embedding.
    pub fn from_pairs<N: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { pairs: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// The value of `name`, unless it is unset or blank.
    fn value(&self, name: &str) -> Option<&OsStr> {
        let (_, value) = self.pairs.iter().find(|(given, _)| given == name)?;
        let blank = value.to_str().is_some_and(|text| text.trim().is_empty());
        (!blank).then_some(value)
    }
}

/// Lays `flags` over the environment: what a flag gave stays, what it left open is taken from the variable.
///
/// A variable whose value is not Unicode becomes a problem, unless a flag makes it irrelevant.
///
/// # Panics
/// If `S` is not a flat struct of `Option<String>` fields: [`super::faults`] in a test finds that early.
pub fn layered<S: Settings>(flags: S, environment: &Environment, problems: &mut Problems) -> S {
    let mut merged = fields(&flags);
    let mut pairs = Vec::new();
    for field in field_names::<S>() {
        let given_as_flag = merged.get(&field).is_some_and(|value| !value.is_null());
        let name = variable(&field);
        match environment.value(&name).map(OsStr::to_str) {
            Some(Some(text)) if !given_as_flag => pairs.push((name, text.to_owned())),
            Some(None) if !given_as_flag => problems.add(&[&field], "the value of the variable is not UTF-8 text"),
            _ => {}
        }
    }
    let from_environment: S = envy::from_iter(pairs).expect("any text fits an Option<String>");
    for (field, value) in fields(&from_environment) {
        let slot = merged.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value;
        }
    }
    serde_json::from_value(Value::Object(merged)).expect("the fields of S came from S")
}

/// The settings when nothing is set.
pub(crate) fn unset<S: Settings>() -> S {
    envy::from_iter(std::iter::empty()).expect("each field is an Option")
}

/// The declared fields, in order.
pub(super) fn field_names<S: clap::Args>() -> Vec<String> {
    S::augment_args(Command::new("settings")).get_arguments().map(|arg| arg.get_id().to_string()).collect()
}

fn fields<S: Settings>(settings: &S) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => fields,
        other => panic!("settings must be a flat struct of Option<String> fields, not {other:?}"),
    }
}
