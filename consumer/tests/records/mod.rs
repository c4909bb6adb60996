//! Records as any program may write them, spelled out by hand: nothing in here uses the project's own encoder, so
//! that a test which counts them agrees with the consumer for no other reason than that both are right.

use std::fmt;

use common::{kafka::RecordView, wire::Reason};

/// 2026-11-20T12:00:00Z, in milliseconds since the epoch: the instant all tests count from.
pub(crate) const NOON_MS: i64 = 1_795_176_000_000;

/// A record in the log.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) sequence: Option<Vec<u8>>,
    pub(crate) redriven_from: Option<Vec<u8>>,
    pub(crate) undecodable: bool,
}

/// On one line, so that a failing case of many records can be read.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let Self { offset, timestamp_ms, value, sequence, redriven_from, undecodable } = self;
        let (value, sequence, origin) = (text(value), text(sequence), text(redriven_from));
        write!(f, "{offset} at {timestamp_ms} ms: {sequence:?} for {origin:?} {value:?} undecodable: {undecodable}")
    }
}

impl Record {
    pub(crate) fn view(&self) -> RecordView<'_> {
        RecordView {
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            value: self.value.as_deref(),
            sequence: self.sequence.as_deref(),
            redriven_from: self.redriven_from.as_deref(),
            undecodable: self.undecodable,
            ..RecordView::default()
        }
    }
}

/// The members of a value that tests vary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) id: u128,
    pub(crate) amount_minor: i64,
    pub(crate) currency: &'static str,
    pub(crate) occurred_at: String,
}

impl Body {
    /// The value, in the members' usual order.
    pub(crate) fn text(&self) -> String {
        let Self { id, amount_minor, currency, occurred_at } = self;
        let id = uuid(*id);
        format!(
            r#"{{"id":"{id}","account":"ACC-00000001","type":"purchase","amount_minor":{amount_minor},"currency":"{currency}","merchant_name":"Harbour Coffee","merchant_category":"restaurants","country":"FR","channel":"online","occurred_at":"{occurred_at}","schema_version":1}}"#
        )
    }
}

fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The text of an instant of the test day.
pub(crate) fn instant(after_noon_ms: i64) -> String {
    let in_day_ms = 12 * 3_600_000 + after_noon_ms;
    assert!((0..86_400_000).contains(&in_day_ms), "{after_noon_ms} ms after noon is another day");
    let (hour, minute, second) = (in_day_ms / 3_600_000, in_day_ms / 60_000 % 60, in_day_ms / 1_000 % 60);
    format!("2026-11-20T{hour:02}:{minute:02}:{second:02}.{:03}Z", in_day_ms % 1_000)
}

/// The value of a `tally-seq` header.
pub(crate) fn sequence(incarnation: u64, sequence: u64) -> Vec<u8> {
    format!("{incarnation:016x}:{sequence}").into_bytes()
}

/// `tally-seq` values that are none.
pub(crate) const BAD_SEQUENCES: &[&str] =
    &["", "7", "00000000000000ab", "00000000000000ab:", "00000000000000ab:0", "00000000000000AB:1", "ab:1", "\u{feff}"];

/// What makes a good value bad: a piece of its text, what stands there instead, and the reason it is rejected for.
pub(crate) const FLAWS: &[(&str, &str, Reason)] = &[
    (r#"{"id""#, r#"["id""#, Reason::MalformedJson),
    (r#""schema_version":1}"#, r#""schema_version":1}}"#, Reason::MalformedJson),
    (r#""channel":"online","#, "", Reason::MalformedJson),
    (r#""country":"FR""#, r#""country":"FR","country":"FR""#, Reason::MalformedJson),
    (r#""amount_minor":"#, r#""amount_minor":1."#, Reason::MalformedJson),
    (r#""amount_minor":"#, r#""amount_minor":99999999999999999999"#, Reason::MalformedJson),
    (r#""schema_version":1"#, r#""schema_version":2"#, Reason::UnsupportedSchemaVersion),
    (r#""id":""#, r#""id":"x"#, Reason::InvalidId),
    ("ACC-00000001", "", Reason::InvalidAccount),
    ("purchase", "barter", Reason::UnknownType),
    (r#""currency":""#, r#""currency":"X"#, Reason::UnknownCurrency),
    (r#""amount_minor":"#, r#""amount_minor":-"#, Reason::InvalidAmount),
    (r#""amount_minor":"#, r#""amount_minor":0,"was":"#, Reason::InvalidAmount),
    (r#""amount_minor":"#, r#""amount_minor":1000000000001,"was":"#, Reason::InvalidAmount),
    ("Harbour Coffee", "", Reason::InvalidMerchant),
    (r#""FR""#, r#""ZZ""#, Reason::InvalidCountry),
    ("online", "by pigeon", Reason::InvalidChannel),
    (r#""occurred_at":""#, r#""occurred_at":"on "#, Reason::InvalidTime),
];

/// The text with one of the [`FLAWS`].
pub(crate) fn flawed(text: &str, (piece, instead, _): (&str, &str, Reason)) -> Vec<u8> {
    assert!(text.contains(piece), "{piece} is no piece of {text}");
    text.replacen(piece, instead, 1).into_bytes()
}
