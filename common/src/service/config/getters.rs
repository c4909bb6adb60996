//! Getters for words: texts, choices, switches, paths, secrets.

use std::fmt;
use std::path::PathBuf;

use super::Problems;

/// A value that is in no log and no message.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Problems {
    /// A text of 1 to `bytes_max` bytes without control characters.
    pub fn text(&mut self, setting: &'static str, given: &Option<String>, default: &str, bytes_max: usize) -> String {
        let value = self.parsed(setting, given, Some(default), &text_valid(bytes_max), |it| text(it, bytes_max));
        value.unwrap_or_else(|| default.to_owned())
    }

    /// A text as [`Problems::text`] takes it, or nothing.
    pub fn optional_text(&mut self, setting: &'static str, given: &Option<String>, bytes_max: usize) -> Option<String> {
        self.parsed(setting, given, None, &text_valid(bytes_max), |it| text(it, bytes_max))
    }

    /// The path of a file or folder, or nothing. Whether it exists is not looked at.
    pub fn optional_path(&mut self, setting: &'static str, given: &Option<String>) -> Option<PathBuf> {
        self.parsed(setting, given, None, "a path", |it| text(it, usize::MAX)).map(PathBuf::from)
    }

    /// A switch: `true` or `false`, or one of their usual other spellings. As a flag it needs no value when its field
    /// is declared with `num_args = 0..=1, require_equals = true, default_missing_value = "true"`.
    pub fn flag(&mut self, setting: &'static str, given: &Option<String>, default: bool) -> bool {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("is neither true nor false".to_owned()),
        };
        self.parsed(setting, given, Some(&default.to_string()), "true or false", parse).unwrap_or(default)
    }

    /// One of a list of words (their case does not matter), each with what it stands for.
    ///
    /// # Panics
    /// If `default` is not one of the words.
    pub fn one_of<T: Clone>(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        default: &str,
        choices: &[(&str, T)],
    ) -> T {
        let value = self.parsed(setting, given, Some(default), &choices_valid(choices), |text| choice(text, choices));
        value.unwrap_or_else(|| choice(default, choices).expect("the default is one of the choices"))
    }

    /// One of a list of words as [`Problems::one_of`] takes it, or nothing.
    pub fn optional_one_of<T: Clone>(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        choices: &[(&str, T)],
    ) -> Option<T> {
        self.parsed(setting, given, None, &choices_valid(choices), |text| choice(text, choices))
    }

    /// A secret, or nothing. It is taken as it is; only what a mistake at mounting it leaves behind is a problem:
    /// nothing at all, or a line break at an end.
    pub fn optional_secret(&mut self, setting: &'static str, given: &Option<Secret>) -> Option<Secret> {
        self.describe(setting, None, "a text, kept out of logs and messages");
        let value = given.as_ref()?.reveal();
        let wrong = if value.is_empty() {
            "is empty; leave it out instead"
        } else if value.trim_matches(['\r', '\n']) != value {
            "begins or ends with a line break; give it without one"
        } else {
            return Some(Secret::new(value));
        };
        self.add(&[setting], format!("(hidden) {wrong}"));
        None
    }
}

fn text_valid(bytes_max: usize) -> String {
    format!("1 to {bytes_max} bytes of text")
}

fn text(text: &str, bytes_max: usize) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > bytes_max {
        return Err("is too long".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character".to_owned());
    }
    Ok(text.to_owned())
}

fn choices_valid<T>(choices: &[(&str, T)]) -> String {
    let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

fn choice<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, value)| value.clone()).ok_or_else(|| "is none of the choices".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn switches_are_read_in_their_usual_spellings() {
        for (text, value) in [("true", true), ("TRUE", true), ("1", true), ("on", true), ("no", false), ("0", false)] {
            let mut problems = Problems::default();
            assert_eq!(problems.flag("json", &given(text), !value), value, "{text}");
            problems.finish().unwrap();
        }
        let mut problems = Problems::default();
        problems.flag("json", &given("maybe"), false);
        let complaint = "JSON (--json): \"maybe\" is neither true nor false; give true or false";
        assert_eq!(problems.found()[0].to_string(), complaint);
    }

    #[test]
    fn a_choice_outside_the_list_is_shown_the_list() {
        let choices = [("auto", 1), ("json", 2), ("pretty", 3)];
        let mut problems = Problems::default();
        assert_eq!(problems.one_of("log_format", &given("JSON"), "auto", &choices), 2);
        assert_eq!(problems.one_of("log_format", &given("xml"), "auto", &choices), 1);
        let complaint = "LOG_FORMAT (--log-format): \"xml\" is none of the choices; give auto, json or pretty";
        assert_eq!(problems.found()[0].to_string(), complaint);
    }

    #[test]
    fn a_secret_is_in_no_message_and_no_debug_output() {
        let given = |value: &str| Some(Secret::new(value));
        let mut problems = Problems::default();
        let secret = problems.optional_secret("sasl_password", &given("hunter2 ")).unwrap();
        assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("hunter2 ", "(hidden)"));
        assert!(problems.optional_secret("sasl_password", &given("hunter2\n")).is_none());
        assert!(problems.optional_secret("sasl_password", &given("")).is_none());
        let told = problems.finish().unwrap_err().to_string();
        assert!(!told.contains("hunter2") && told.contains("SASL_PASSWORD: (hidden) begins or ends with"), "{told}");
    }

    #[test]
    fn a_text_is_bounded_and_free_of_control_characters() {
        let mut problems = Problems::default();
        assert_eq!(problems.text("group", &given(" tally "), "x", 5), "tally");
        assert_eq!(problems.optional_text("group", &None, 5), None);
        for bad in ["", "toolong", "a\u{0}b"] {
            assert_eq!(problems.optional_text("group", &given(bad), 5), None, "{bad:?}");
        }
        assert_eq!(problems.found().len(), 3);
    }
}
