//! The list of everything that is wrong with a configuration, and of everything that was asked of it.

use std::fmt;

use super::{flag, variable};

/// Longest part of a bad value that a message repeats, in characters.
const SHOWN_CHARACTERS: usize = 80;

/// Collects every problem of a configuration, and what each setting's default and range are.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    described: Vec<Described>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The fields concerned; one, or several that contradict each other.
    pub settings: Vec<String>,
    /// What is wrong and what would be valid.
    pub message: String,
}

/// What a getter said of a setting when it was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The field.
    pub setting: &'static str,
    /// The default as one would write it; `None` where leaving the setting out means something of its own.
    pub default: Option<String>,
    /// What is valid, with range and unit.
    pub valid: String,
}

/// A configuration that cannot be run with. Its text has one line for each problem, after a line with their number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigurationError {
    /// The problems, in the order in which they were found; never empty.
    pub problems: Vec<Problem>,
}

impl Problems {
    /// Adds a problem of one field, or of several together. The names of variables and flags are put before `message`.
    pub fn add(&mut self, settings: &[&str], message: impl Into<String>) {
        let settings = settings.iter().map(|&name| name.to_owned()).collect();
        self.found.push(Problem { settings, message: message.into() });
    }

    /// What has been found so far.
    pub fn found(&self) -> &[Problem] {
        &self.found
    }

    /// Default and range of each setting that a getter was called for, in that order, each once.
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// Ends the check.
    ///
    /// # Errors
    /// [`ConfigurationError`] with all problems, where there is at least one.
    pub fn finish(self) -> Result<(), ConfigurationError> {
        if self.found.is_empty() { Ok(()) } else { Err(ConfigurationError { problems: self.found }) }
    }

    /// The getter that all others come down to, public for values that only one binary has.
    ///
    /// `valid` completes "give …": `an integer from 1 to 9`. `parse` gets the trimmed text and says on failure what
    /// is wrong with it, completing "`text` …": `is not an integer`.
    pub fn parsed<T>(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        default: Option<&str>,
        valid: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.describe(setting, default, valid);
        let text = given.as_deref()?.trim();
        match parse(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.add(&[setting], format!("{} {wrong}; give {valid}", shown(text)));
                None
            }
        }
    }

    pub(crate) fn describe(&mut self, setting: &'static str, default: Option<&str>, valid: &str) {
        if self.described.iter().all(|known| known.setting != setting) {
            let default = default.map(str::to_owned);
            self.described.push(Described { setting, default, valid: valid.to_owned() });
        }
    }
}

/// A value as a message repeats it: quoted, control characters escaped, cut where it is very long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, setting) in self.settings.iter().enumerate() {
            let joint = if index == 0 { "" } else { " and " };
            write!(f, "{joint}{}", variable(setting))?;
            if let Some(flag) = flag(setting) {
                write!(f, " ({flag})")?;
            }
        }
        write!(f, ": {}", self.message)
    }
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "1 problem in the configuration:")?,
            count => write!(f, "{count} problems in the configuration:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_a_line_with_variable_and_flag_after_their_number() {
        let mut problems = Problems::default();
        problems.add(&["http_listen"], "is busy");
        problems.add(&["sasl_username", "sasl_password"], "must be given together");
        assert_eq!(
            problems.finish().unwrap_err().to_string(),
            "2 problems in the configuration:\n  HTTP_LISTEN (--http-listen): is busy\n  \
             SASL_USERNAME (--sasl-username) and SASL_PASSWORD: must be given together"
        );
    }

    #[test]
    fn a_bad_value_is_repeated_escaped_and_cut() {
        let mut problems = Problems::default();
        let bad = Some(format!("a\n\u{1b}[2J{}", "é".repeat(500)));
        let none = problems.parsed("kind", &bad, None, "a kind", |_| Err::<(), _>("is odd".to_owned()));
        assert!(none.is_none());
        let message = &problems.found()[0].message;
        assert!(message.starts_with("\"a\\n\\u{1b}[2J"), "{message}");
        assert!(message.ends_with("… (1006 bytes) is odd; give a kind"), "{message}");
        assert_eq!(message.chars().filter(|&c| c == 'é').count(), 74);
    }
}
