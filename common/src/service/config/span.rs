//! Getters for time: durations in milliseconds, durations with a unit, points in time.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Problems;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Problems {
    /// A duration given as an integer of milliseconds; the setting's name ends in `_ms`.
    pub fn duration_ms(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        default_ms: u64,
        range_ms: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_millis(self.integer(setting, given, default_ms, range_ms, "ms"))
    }

    /// A duration that people type: `250ms`, `30s`, `5m`, `2h`, `7d`; a bare number is seconds.
    pub fn duration(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let valid = valid(&range);
        self.parsed(setting, given, Some(&written(default)), &valid, |text| duration(text, &range)).unwrap_or(default)
    }

    /// A duration as [`Problems::duration`] takes it, or nothing.
    pub fn optional_duration(
        &mut self,
        setting: &'static str,
        given: &Option<String>,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.parsed(setting, given, None, &valid(&range), |text| duration(text, &range))
    }

    /// A point in time, RFC 3339 with any offset, or nothing.
    pub fn optional_time(&mut self, setting: &'static str, given: &Option<String>) -> Option<DateTime<Utc>> {
        self.parsed(setting, given, None, "an RFC 3339 time such as 2026-11-20T19:12:01Z", |text| {
            let time = DateTime::parse_from_rfc3339(text).map_err(|error| format!("is not a time ({error})"))?;
            Ok(time.to_utc())
        })
    }
}

fn valid(range: &RangeInclusive<Duration>) -> String {
    format!(
        "a duration from {} to {}, such as 250ms, 30s, 5m, 2h or 7d",
        written(*range.start()),
        written(*range.end())
    )
}

/// A duration in the largest unit that it is a whole number of.
fn written(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = UNITS.iter().rev().find(|(_, unit_ms)| ms != 0 && ms % unit_ms == 0);
    whole.map_or_else(|| "0s".to_owned(), |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms))
}

fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let not_one = || "is not a duration".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = if unit.is_empty() { "s" } else { unit.trim_start() };
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(not_one)?;
    if digits == 0 {
        return Err(not_one());
    }
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit_ms));
    let value = ms.map(Duration::from_millis).filter(|value| range.contains(value));
    value.ok_or_else(|| "is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(7 * 86_400);

    #[test]
    fn durations_are_read_in_every_unit_and_in_seconds_without_one() {
        for (text, ms) in
            [("250ms", 250), ("30s", 30_000), ("30", 30_000), ("5 m", 300_000), ("2h", 7_200_000), ("7d", 604_800_000)]
        {
            assert_eq!(duration(text, &RANGE), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn a_bad_duration_is_a_problem() {
        for (text, wrong) in [
            ("", "is not a duration"),
            ("s", "is not a duration"),
            ("5 weeks", "is not a duration"),
            ("-5s", "is not a duration"),
            ("1.5s", "is not a duration"),
            ("0s", "is out of range"),
            ("8d", "is out of range"),
            ("18446744073709551615d", "is out of range"),
            ("99999999999999999999999s", "is out of range"),
        ] {
            assert_eq!(duration(text, &RANGE), Err(wrong.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_in_its_largest_whole_unit() {
        for (ms, text) in [(0, "0s"), (1_500, "1500ms"), (60_000, "1m"), (90_000, "90s"), (86_400_000, "1d")] {
            assert_eq!(written(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn a_time_may_have_any_offset() {
        let mut problems = Problems::default();
        let time = problems.optional_time("start_time", &Some("2026-11-20T20:12:01+01:00".to_owned()));
        assert_eq!(time.unwrap().to_rfc3339(), "2026-11-20T19:12:01+00:00");
        problems.optional_time("start_time", &Some("yesterday".to_owned()));
        assert!(problems.found()[0].message.starts_with("\"yesterday\" is not a time"));
    }
}
