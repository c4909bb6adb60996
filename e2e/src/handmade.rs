//! Records written by hand: transactions of our own making, as any other client might send them.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::kafka::Record;

/// Now, in milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// A valid transaction as JSON. Each number gives another id and another amount, so that a total shows which is missing.
#[must_use]
pub fn transaction(number: u32, occurred_at_ms: i64) -> Value {
    let pick = |list: &[&'static str]| list[number as usize % list.len()];
    let occurred_at = chrono::DateTime::from_timestamp_millis(occurred_at_ms).unwrap_or_default();
    json!({
        "id": format!("{number:08x}-e2e0-4000-8000-000000000000"),
        "account": format!("ACC-{:08}", number % 97),
        "type": pick(&["purchase", "refund", "withdrawal", "transfer", "deposit"]),
        "amount_minor": 1_000_003_i64 * i64::from(number) % 1_000_000_000 + 1,
        "currency": pick(&["EUR", "USD", "JPY", "KWD", "CHF", "GBP", "INR"]),
        "merchant_name": "Handmade Ltd",
        "merchant_category": pick(&["restaurants", "fuel", "something new"]),
        "country": pick(&["FR", "US", "JP", "KW", "CH", "GB", "IN", "BR", "ZA", "NZ", "SE"]),
        "channel": pick(&["card_present", "online", "mobile", "atm"]),
        "occurred_at": occurred_at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "schema_version": 1,
    })
}

/// The record of a valid transaction that occurs now, without headers.
#[must_use]
pub fn record(number: u32) -> Record {
    let now_ms = now_ms();
    let value = transaction(number, now_ms);
    let key = value["account"].as_str().map(|account| Bytes::copy_from_slice(account.as_bytes()));
    Record { key, ..Record::new(now_ms, Some(value.to_string().as_bytes())) }
}

/// The same as a producer with sequences writes it.
#[must_use]
pub fn numbered(number: u32, incarnation: u64, sequence: u64) -> Record {
    let header = format!("{incarnation:016x}:{sequence}");
    record(number).with_header(b"tally-seq", Some(header.as_bytes()))
}
