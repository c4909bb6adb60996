//! Text from the other side, made harmless: whatever a server sends, nothing of it steers the terminal.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de};

/// Longer texts are cut off: none that is shown is anywhere near that long.
const CHARS_MAX: usize = 300;

/// A text that holds no control characters and nothing that turns the direction of writing or takes no room. The only
/// form in which text of a server gets into the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clean(String);

impl Clean {
    /// What is harmless of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.chars().filter(|&character| is_harmless(character)).take(CHARS_MAX).collect())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A code as people read it.
    #[must_use]
    pub fn words(&self) -> String {
        self.0.replace('_', " ")
    }
}

fn is_harmless(character: char) -> bool {
    let is_invisible = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !character.is_control() && !is_invisible
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Clean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Clean;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Clean, E> {
                Ok(Clean::new(text))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// The time of day of an instant such as 2026-11-20T19:12:01.123Z, in UTC as everything here.
pub(super) fn time_of_day(instant: &Clean) -> &str {
    instant.as_str().get(11..19).unwrap_or_default()
}

/// The same with its day.
pub(super) fn day_and_time(instant: &Clean) -> String {
    format!("{} {}", instant.as_str().get(..10).unwrap_or_default(), time_of_day(instant))
}

/// Microseconds, to three digits.
pub(super) fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..9_995 => format!("{}.{:02} ms", (us + 5) / 1_000, (us + 5) % 1_000 / 10),
        9_995..99_950 => format!("{}.{} ms", (us + 50) / 1_000, (us + 50) % 1_000 / 100),
        99_950..999_500 => format!("{} ms", (us + 500) / 1_000),
        _ => {
            let tenths = us.saturating_add(50_000) / 100_000;
            format!("{}.{} s", crate::report::grouped(tenths / 10), tenths % 10)
        }
    }
}

/// A part of a whole: never "0 %" of what there is, nor "100 %" of what is not all.
pub(super) fn share(part: u64, whole: u64) -> Cow<'static, str> {
    if whole == 0 {
        return "–".into();
    }
    let permyriad = u128::from(part) * 10_000 / u128::from(whole);
    match permyriad {
        0 if part > 0 => "<0.01 %".into(),
        9_991.. if part < whole => ">99.9 %".into(),
        1..10 => format!("0.{permyriad:02} %").into(),
        _ => {
            let permille = (u128::from(part) * 2_000 / u128::from(whole)).div_ceil(2);
            format!("{}.{} %", permille / 10, permille % 10).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let hostile = "\u{1b}[2J\u{1b}]0;title\u{7}EUR\u{9b}31m\r\n\t\u{202e}evil\u{200b}\u{feff}\0\u{7f}";
        let text: String = serde_json::to_string(hostile).unwrap();
        let clean: Clean = serde_json::from_str(&text).unwrap();
        assert_eq!(clean.as_str(), "[2J]0;titleEUR31mevil");
        assert_eq!(Clean::new("Zürich – 東京").as_str(), "Zürich – 東京");
        assert_eq!(Clean::new(&"x".repeat(1_000)).as_str().len(), CHARS_MAX);
    }

    #[test]
    fn times_that_are_none_are_shown_as_nothing() {
        assert_eq!(day_and_time(&Clean::new("2026-11-20T19:12:01.123Z")), "2026-11-20 19:12:01");
        for odd in ["", "noon", "ßßßßßßßßßßßßßßßß"] {
            assert_eq!(time_of_day(&Clean::new(odd)).len() % 8, 0, "{odd}");
        }
    }

    #[test]
    fn durations_have_three_digits() {
        let cases = [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.00 ms"),
            (9_994, "9.99 ms"),
            (9_995, "10.0 ms"),
            (12_345, "12.3 ms"),
            (99_950, "100 ms"),
            (999_499, "999 ms"),
            (999_500, "1.0 s"),
            (1_234_567_890, "1 234.6 s"),
            (u64::MAX, "18 446 744 073 709.5 s"),
        ];
        for (us, text) in cases {
            assert_eq!(duration(us), text);
        }
    }

    #[test]
    fn a_share_is_never_nothing_of_something_nor_all_of_not_all() {
        let cases = [
            (0, 0, "–"),
            (0, 7, "0.0 %"),
            (7, 7, "100.0 %"),
            (1, 1_000_000, "<0.01 %"),
            (5, 10_000, "0.05 %"),
            (999_999, 1_000_000, ">99.9 %"),
            (1, 3, "33.3 %"),
            (2, 3, "66.7 %"),
            (u64::MAX, u64::MAX, "100.0 %"),
        ];
        for (part, whole, text) in cases {
            assert_eq!(share(part, whole), text, "{part} of {whole}");
        }
    }
}
