//! Instants as text, and the one place where the wall clock is read.

use std::time::{SystemTime, UNIX_EPOCH};

use common::wire;

/// Milliseconds since the epoch, by the wall clock.
#[must_use]
pub fn now_ms() -> i64 {
    now_us() / 1_000
}

/// Microseconds since the epoch, by the wall clock.
#[must_use]
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// An instant as `YYYY-MM-DDThh:mm:ss.mmmZ`; one beyond the years 0 to 9999 as the nearest that has such a text.
#[must_use]
pub fn format_time(ms: i64) -> String {
    wire::format_ms(ms).iter().map(|&byte| char::from(byte)).collect()
}
