//! Getters for numbers: integers, decimals, ratios.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Problems;

impl Problems {
    /// An integer in `range`, in `unit` (may be empty); `default` when left out.
    pub fn integer<T>(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        default: T,
        range: RangeInclusive<T>,
        unit: &str,
    ) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let valid = valid("an integer", &range, unit);
        self.parsed(setting, given, Some(&default.to_string()), &valid, |text| integer(text, &range)).unwrap_or(default)
    }

    /// An integer in `range`, or nothing.
    pub fn optional_integer<T>(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        range: RangeInclusive<T>,
        unit: &str,
    ) -> Option<T>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        self.parsed(setting, given, None, &valid("an integer", &range, unit), |text| integer(text, &range))
    }

    /// A decimal number in `range`, in `unit`; for rates and the like, never for money.
    pub fn decimal(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        default: f64,
        range: RangeInclusive<f64>,
        unit: &str,
    ) -> f64 {
        let valid = valid("a number", &range, unit);
        self.parsed(setting, given, Some(&default.to_string()), &valid, |text| decimal(text, &range)).unwrap_or(default)
    }

    /// A share from 0 (never) to 1 (always).
    pub fn ratio(&mut self, setting: &'static str, given: &Option<String>, default: f64) -> f64 {
        self.decimal(setting, given, default, 0.0..=1.0, "")
    }
}

fn valid<T: Display>(kind: &str, range: &RangeInclusive<T>, unit: &str) -> String {
    let space = if unit.is_empty() { "" } else { " " };
    format!("{kind} from {} to {}{space}{unit}", range.start(), range.end())
}

fn integer<T: FromStr + PartialOrd>(text: &str, range: &RangeInclusive<T>) -> Result<T, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is not an integer".to_owned());
    }
    // Digits alone that do not fit the type are as far out of range as digits that do.
    text.parse().ok().filter(|value| range.contains(value)).ok_or_else(|| "is out of range".to_owned())
}

fn decimal(text: &str, range: &RangeInclusive<f64>) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    // NaN is in no range.
    if range.contains(&value) { Ok(value) } else { Err("is out of range".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn complaint(ask: impl FnOnce(&mut Problems)) -> Option<String> {
        let mut problems = Problems::default();
        ask(&mut problems);
        problems.found().first().map(ToString::to_string)
    }

    #[test]
    fn integers_are_taken_within_their_range_only() {
        for (text, expected) in [("1", Some(1)), (" 9\n", Some(9)), ("+5", Some(5)), ("0", None), ("10", None)] {
            let mut problems = Problems::default();
            let value = problems.integer("n", &given(text), 4_u32, 1..=9, "");
            assert_eq!((value, problems.found().is_empty()), (expected.unwrap_or(4), expected.is_some()), "{text:?}");
        }
    }

    #[test]
    fn a_bad_integer_is_told_what_would_be_valid() {
        let ask = |text: &'static str| {
            complaint(move |p| {
                p.integer("rate", &given(text), 1_u16, 1..=500, "records/s");
            })
        };
        let out_of_range = "is out of range; give an integer from 1 to 500 records/s";
        assert_eq!(
            ask("fast").unwrap(),
            "RATE (--rate): \"fast\" is not an integer; give an integer from 1 to 500 records/s"
        );
        assert_eq!(ask("501").unwrap(), format!("RATE (--rate): \"501\" {out_of_range}"));
        assert_eq!(ask("-1").unwrap(), format!("RATE (--rate): \"-1\" {out_of_range}"));
        let huge = "99999999999999999999999999999999999999999999";
        assert_eq!(ask(huge).unwrap(), format!("RATE (--rate): \"{huge}\" {out_of_range}"));
        for text in ["", "1.0", "1e3", "0x10", "--1", "-", "１"] {
            assert!(ask(text).unwrap().contains("is not an integer"), "{text:?}");
        }
    }

    fn share(text: &str) -> Option<String> {
        complaint(|problems| {
            problems.ratio("share", &given(text), 0.0);
        })
    }

    #[test]
    fn a_ratio_is_a_number_from_0_to_1() {
        for text in ["0", "1", "0.25", "1e-3"] {
            assert_eq!(share(text), None, "{text}");
        }
        for text in ["NaN", "inf", "-0.1", "1.0001", "10%", ""] {
            assert!(share(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_left_out_is_the_default_and_no_problem() {
        let mut problems = Problems::default();
        assert_eq!(problems.integer("n", &None, 7_i64, -9..=9, ""), 7);
        assert_eq!(problems.optional_integer::<u8>("m", &None, 1..=2, ""), None);
        problems.finish().unwrap();
    }
}
