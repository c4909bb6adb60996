//! What was rejected, as it goes out: the raw bytes, and headers that say where they came from and why.

use std::collections::BTreeMap;

use chrono::DateTime;
use common::{
    kafka::{Record, RecordView},
    wire::{Reason, SEQUENCE_HEADER},
};

/// Header with the reason code.
pub const REASON_HEADER: &str = "tally-reason";
/// Header with the state's generation: identity of a dead letter together with its key.
pub const GENERATION_HEADER: &str = "tally-generation";
/// Header with the rejected record's own key, if it had one.
pub const SOURCE_KEY_HEADER: &str = "tally-source-key";
/// Header with the rejected record's own timestamp, in milliseconds since the epoch.
pub const SOURCE_TIMESTAMP_HEADER: &str = "tally-source-timestamp-ms";

/// Where a rejected record was found.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Generation of the state that rejected it.
    pub generation: u64,
}

/// The dead letter of `record`. Its key is `<partition>/<offset>`; the headers that Kafka Streams would write have
/// the names that KIP-1034 gives them. Stamped with `now_ms`: a rejected record's own time may be anything.
#[must_use]
pub fn dead_letter(source: Source<'_>, record: &RecordView<'_>, reason: Reason, now_ms: i64) -> Record {
    let mut headers = BTreeMap::new();
    let mut put = |name: &str, value: &[u8]| headers.insert(name.to_owned(), value.to_owned());
    put("__streams.errors.topic", source.topic.as_bytes());
    put("__streams.errors.partition", source.partition.to_string().as_bytes());
    put("__streams.errors.offset", record.offset.to_string().as_bytes());
    put("__streams.errors.exception", reason.code().as_bytes());
    put("__streams.errors.message", explain(reason).as_bytes());
    put(REASON_HEADER, reason.code().as_bytes());
    put(GENERATION_HEADER, source.generation.to_string().as_bytes());
    put(SOURCE_TIMESTAMP_HEADER, record.timestamp_ms.to_string().as_bytes());
    if let Some(key) = record.key {
        put(SOURCE_KEY_HEADER, key);
    }
    if let Some(sequence) = record.sequence {
        put(SEQUENCE_HEADER, sequence);
    }
    Record {
        key: Some(format!("{}/{}", source.partition, record.offset).into_bytes()),
        value: record.value.map(<[u8]>::to_vec),
        headers,
        timestamp: DateTime::from_timestamp_millis(now_ms).unwrap_or_default(),
    }
}

/// One sentence for whoever reads dead letters.
fn explain(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidHeader => "the tally-seq header is not one, or jumps further than any producer could",
        Reason::Empty => "the record has no value",
        Reason::TooLarge => "the value is longer than the limit",
        Reason::MalformedJson => "the value is not one JSON object with every member once and of its type",
        Reason::UnsupportedSchemaVersion => "the schema_version is not one that this version knows",
        Reason::InvalidId => "id is not a UUID of 36 characters",
        Reason::InvalidAccount => "account is not 1 to 64 printable ASCII characters",
        Reason::UnknownType => "type is not purchase, refund, withdrawal, transfer or deposit",
        Reason::UnknownCurrency => "currency is not an ISO 4217 code with a minor unit",
        Reason::InvalidAmount => "amount_minor is not from 1 to 10^12",
        Reason::InvalidMerchant => "merchant_name is empty, too long or has control characters",
        Reason::InvalidCountry => "country is not an assigned ISO 3166-1 alpha-2 code in capital letters",
        Reason::InvalidChannel => "channel is not card_present, online, mobile or atm",
        Reason::InvalidTime => "occurred_at is not an RFC 3339 time of a date that exists",
        Reason::FutureDated => "occurred_at lies too far ahead of the record's Kafka timestamp",
        Reason::Undecodable => "the record's batch could not be decoded; its bytes were never seen",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_carries_the_raw_bytes_and_says_whence_and_why() {
        let record = RecordView {
            offset: 12,
            timestamp_ms: -1,
            key: Some(b"\xff"),
            value: Some(b"{\xfe"),
            sequence: Some(b"x"),
            undecodable: false,
        };
        let source = Source { topic: "transactions", partition: 3, generation: 2 };
        let letter = dead_letter(source, &record, Reason::InvalidHeader, 1_000);
        assert_eq!(letter.key.as_deref(), Some(b"3/12".as_slice()));
        assert_eq!(letter.value.as_deref(), Some(b"{\xfe".as_slice()));
        assert_eq!(letter.headers[REASON_HEADER], b"invalid_header");
        assert_eq!(letter.headers["__streams.errors.offset"], b"12");
        assert_eq!(letter.headers[SOURCE_KEY_HEADER], b"\xff");
        assert_eq!(letter.headers[SEQUENCE_HEADER], b"x");
        assert_eq!(letter.headers[SOURCE_TIMESTAMP_HEADER], b"-1");
        assert_eq!(letter.timestamp.timestamp_millis(), 1_000);
    }

    #[test]
    fn a_tombstone_stays_without_a_value() {
        let source = Source { topic: "transactions", partition: 0, generation: 1 };
        assert_eq!(dead_letter(source, &RecordView::default(), Reason::Empty, 0).value, None);
    }
}
