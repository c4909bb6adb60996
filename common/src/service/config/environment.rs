//! The environment as pairs, and its overlay by flags.
//!
//! `std::env::vars` panics on a variable that is not Unicode, and envy, which lower-cases names, calls `PATH` and
//! `Path` a duplicate. So only the variables that a binary declares, spelt in upper case, ever reach envy.

use std::ffi::{OsStr, OsString};

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
#[expect(clippy::needless_pass_by_value, reason = "nobody should read the flags alone after this")]
pub fn layered<S: Settings>(flags: S, environment: &Environment, problems: &mut Problems) -> S {
    let mut merged = fields(&flags);
    let mut pairs = Vec::new();
    // The fields as envy knows them: a secret is no argument.
    for field in fields(&unset::<S>()).into_iter().map(|(field, _)| field) {
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

fn fields<S: Settings>(settings: &S) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => fields,
        other => panic!("settings must be a flat struct of Option<String> fields, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[derive(Debug, Default, PartialEq, clap::Args, serde::Serialize, serde::Deserialize)]
    struct Example {
        #[arg(long)]
        kafka_topic: Option<String>,
        #[arg(long)]
        rate: Option<String>,
    }

    impl Settings for Example {
        type Configuration = ();
        fn validate(&self, _: &mut Problems) {}
    }

    fn example(topic: Option<&str>, rate: Option<&str>) -> Example {
        Example { kafka_topic: topic.map(str::to_owned), rate: rate.map(str::to_owned) }
    }

    /// What comes of the flags over the environment, and the problems on the way.
    fn over(flags: Example, environment: &Environment) -> (Example, Vec<String>) {
        let mut problems = Problems::default();
        let settings = layered(flags, environment, &mut problems);
        (settings, problems.found().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_flag_beats_its_variable_and_leaves_the_others() {
        let environment = Environment::from_pairs([("KAFKA_TOPIC", "from-env"), ("RATE", "5")]);
        let (settings, problems) = over(example(Some("from-flag"), None), &environment);
        assert_eq!(settings, example(Some("from-flag"), Some("5")));
        assert!(problems.is_empty());
    }

    #[test]
    fn a_blank_variable_is_unset_but_an_empty_flag_is_given() {
        let environment = Environment::from_pairs([("KAFKA_TOPIC", ""), ("RATE", " \n")]);
        assert_eq!(over(example(None, None), &environment).0, example(None, None));
        let environment = Environment::from_pairs([("RATE", "5")]);
        assert_eq!(over(example(None, Some("")), &environment).0, example(None, Some("")));
    }

    #[test]
    fn variables_that_are_not_ours_are_never_touched() {
        let not_text = || OsString::from_vec(vec![b'x', 0xff]);
        let environment = Environment::from_pairs([
            (OsString::from("kafka_topic"), OsString::from("lower case is another variable")),
            (OsString::from("Rate"), OsString::from("so is this")),
            (OsString::from("PATH"), OsString::from("/bin")),
            (OsString::from("Path"), not_text()),
            (not_text(), OsString::from("a name that is not text")),
            (OsString::from("RATE"), OsString::from("5")),
        ]);
        assert_eq!(over(example(None, None), &environment), (example(None, Some("5")), vec![]));
    }

    #[test]
    fn a_variable_that_is_not_text_is_a_problem_unless_a_flag_beats_it() {
        let environment = Environment::from_pairs([("RATE", OsString::from_vec(vec![0xff]))]);
        let (settings, problems) = over(example(None, None), &environment);
        assert_eq!(settings, example(None, None));
        assert_eq!(problems, ["RATE (--rate): the value of the variable is not UTF-8 text"]);
        assert_eq!(over(example(None, Some("9")), &environment), (example(None, Some("9")), vec![]));
    }

    #[test]
    fn text_that_looks_like_something_else_stays_text() {
        for text in ["1,2", "true", "null", "{}", "=", "$(x)", "é"] {
            let environment = Environment::from_pairs([("KAFKA_TOPIC", text)]);
            assert_eq!(over(example(None, None), &environment).0, example(Some(text), None));
        }
    }
}
