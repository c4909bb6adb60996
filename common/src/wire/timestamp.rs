//! RFC 3339 timestamps, as milliseconds since 1970 (UTC).
//!
//! Reading accepts what RFC 3339's grammar does: any offset, any number of fractional digits (used to the
//! millisecond, the rest cut off towards the past), `t` and `z` in either case, leap seconds (`:60`, which count as
//! the first second of the next minute). It refuses dates that don't exist, and instants that lie outside the years
//! 0 to 9999 of UTC because they could not be written again. The usual form `YYYY-MM-DDThh:mm:ss.mmmZ` is read
//! without a library; everything else goes through `chrono`, and a property test holds the two together.
//!
//! Days are counted with the algorithms of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

use crate::transaction::{OCCURRED_AT_MS_MAX, OCCURRED_AT_MS_MIN};

/// Bytes of a timestamp as we write it.
pub const TIMESTAMP_BYTES: usize = 24;

const DAY_MS: i64 = 86_400_000;

/// Reads a timestamp. `None`: it is none, or its date doesn't exist, or it lies outside the years 0 to 9999.
#[inline]
pub fn parse_ms(text: &str) -> Option<i64> {
    parse_usual(text.as_bytes()).or_else(|| parse_any(text))
}

/// Writes a timestamp in UTC with milliseconds. Instants outside the years 0 to 9999 have no text in RFC 3339; they
/// are written as the nearest one that has.
pub fn format_ms(ms: i64) -> [u8; TIMESTAMP_BYTES] {
    let ms = ms.clamp(OCCURRED_AT_MS_MIN, OCCURRED_AT_MS_MAX);
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let in_day = ms.rem_euclid(DAY_MS);

    let mut text = *b"0000-00-00T00:00:00.000Z";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], in_day / 3_600_000);
    put(&mut text[14..16], in_day / 60_000 % 60);
    put(&mut text[17..19], in_day / 1_000 % 60);
    put(&mut text[20..23], in_day % 1_000);
    text
}

/// Fills `place` with the decimal digits of `value`.
fn put(place: &mut [u8], value: i64) {
    let mut rest = value;
    for byte in place.iter_mut().rev() {
        *byte = b'0' + u8::try_from(rest % 10).expect("a remainder of ten is one digit");
        rest /= 10;
    }
}

/// The usual form; `None` says only "not that form", not "no timestamp".
#[inline]
fn parse_usual(text: &[u8]) -> Option<i64> {
    let text: &[u8; TIMESTAMP_BYTES] = text.try_into().ok()?;
    let marks = [text[4], text[7], text[10], text[13], text[16], text[19], text[23]];
    if marks != *b"--T::.Z" {
        return None;
    }
    let year = digits(&text[0..4])?;
    let month = digits(&text[5..7])?;
    let day = digits(&text[8..10])?;
    let hour = digits(&text[11..13])?;
    let minute = digits(&text[14..16])?;
    let second = digits(&text[17..19])?;
    let ms = digits(&text[20..23])?;
    let exists = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    exists.then(|| days_from_civil(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000 + ms)
}

/// Every other form of RFC 3339.
#[cold]
fn parse_any(text: &str) -> Option<i64> {
    // `chrono` also takes a space for the `T` and a typographic minus sign in the offset, which the grammar doesn't.
    if !text.is_ascii() || !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
        return None;
    }
    let ms = chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
    (OCCURRED_AT_MS_MIN..=OCCURRED_AT_MS_MAX).contains(&ms).then_some(ms)
}

/// The number that decimal digits write; `None` if one of them isn't a digit.
#[inline]
fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The year is taken to begin in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date (year, month, day) that lies `days` after 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_rfc_3339_is_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-20T19:12:01.123Z", 1_795_201_921_123),
            ("2026-11-20t19:12:01.123z", 1_795_201_921_123),
            ("2026-11-20T20:12:01.123+01:00", 1_795_201_921_123),
            ("2026-11-20T13:42:01.123-05:30", 1_795_201_921_123),
            ("2026-11-20T19:12:01.123-00:00", 1_795_201_921_123),
            ("2026-11-20T19:12:01.1239Z", 1_795_201_921_123),
            ("2026-11-20T19:12:01.123999999Z", 1_795_201_921_123),
            ("2026-11-20T19:12:01.1239999999999Z", 1_795_201_921_123),
            ("2026-11-20T19:12:01.1Z", 1_795_201_921_100),
            ("2024-02-29T00:00:00.000Z", 1_709_164_800_000),
            ("2000-02-29T00:00:00.000Z", 951_782_400_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1969-12-31T23:59:59.9991Z", -1),
            ("1969-12-31T23:59:59.0009Z", -1_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("2016-12-31T23:59:60.500Z", 1_483_228_800_500),
            ("0000-01-01T00:00:00.000Z", OCCURRED_AT_MS_MIN),
            ("9999-12-31T23:59:59.999Z", OCCURRED_AT_MS_MAX),
        ] {
            assert_eq!(parse_ms(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_of_rfc_3339_is_refused() {
        for text in [
            "",
            "2026-11-20",
            "2026-11-20T19:12:01",
            "2026-11-20T19:12Z",
            "2026-11-20 19:12:01.123Z",
            "2026-11-20T19:12:01,123Z",
            "2026-11-20T19:12:01.Z",
            "2026-11-20T19:12:01.123",
            "2026-11-20T19:12:01.123Z ",
            " 2026-11-20T19:12:01.123Z",
            "2026-11-20T19:12:01.123+0100",
            "2026-11-20T19:12:01.123+01",
            "2026-11-20T19:12:01.123+24:00",
            "2026-11-20T19:12:01.123+01:60",
            "2026-11-20T19:12:01.123\u{2212}01:00",
            "2026-11-20T24:00:00.000Z",
            "2026-11-20T19:60:00.000Z",
            "2026-11-20T19:12:61.000Z",
            "2026-13-20T19:12:01.123Z",
            "2026-00-20T19:12:01.123Z",
            "2026-11-00T19:12:01.123Z",
            "2026-11-31T19:12:01.123Z",
            "2026-02-29T19:12:01.123Z",
            "1900-02-29T19:12:01.123Z",
            "26-11-20T19:12:01.123Z",
            "+2026-11-20T19:12:01.123Z",
            "12026-11-20T19:12:01.123Z",
            "-001-11-20T19:12:01.123Z",
            "2026-11-2xT19:12:01.123Z",
            "２０２６-11-20T19:12:01.123Z",
            "0000-01-01T00:00:00.000+00:01",
            "9999-12-31T23:59:59.999-00:01",
            "1795201921123",
        ] {
            assert_eq!(parse_ms(text), None, "{text:?}");
        }
    }

    /// Texts of the usual form, with digits that need not make a date.
    fn usual_form() -> impl Strategy<Value = String> {
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3}Z"
    }

    proptest! {
        #[test]
        fn the_short_way_and_chrono_agree(text in usual_form()) {
            match parse_usual(text.as_bytes()) {
                Some(ms) => prop_assert_eq!(parse_any(&text), Some(ms)),
                // The short way leaves leap seconds to chrono.
                None => prop_assert!(parse_any(&text).is_none() || &text[17..19] == "60"),
            }
        }

        #[test]
        fn what_is_written_is_what_chrono_writes_and_is_read_back(ms in OCCURRED_AT_MS_MIN..=OCCURRED_AT_MS_MAX) {
            let text = String::from_utf8(format_ms(ms).to_vec()).unwrap();
            let by_chrono = chrono::DateTime::from_timestamp_millis(ms).unwrap();
            prop_assert_eq!(&text, &by_chrono.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
            prop_assert_eq!(parse_usual(text.as_bytes()), Some(ms));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Some(ms) = parse_ms(&text) {
                prop_assert!((OCCURRED_AT_MS_MIN..=OCCURRED_AT_MS_MAX).contains(&ms));
            }
        }
    }

    #[test]
    fn instants_without_a_text_are_written_as_the_nearest_that_has_one() {
        assert_eq!(&format_ms(i64::MIN), b"0000-01-01T00:00:00.000Z");
        assert_eq!(&format_ms(i64::MAX), b"9999-12-31T23:59:59.999Z");
    }
}
