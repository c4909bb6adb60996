//! From a record's bytes to a valid transaction, or to the code of the first check that fails.

use std::fmt;

use chrono::{DateTime, NaiveDate};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Settings, lists};

/// What the totals need of a valid transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valid {
    /// The id's 128 bits.
    pub id: u128,
    /// `type`.
    pub kind: String,
    /// `amount_minor`.
    pub amount_minor: i64,
    /// `currency`.
    pub currency: String,
    /// `merchant_category`, or `other`.
    pub category: String,
    /// `country`.
    pub country: String,
    /// `channel`.
    pub channel: String,
    /// `occurred_at`, milliseconds since the epoch.
    pub occurred_at_ms: i64,
}

const TEXTS: [&str; 9] =
    ["id", "account", "type", "currency", "merchant_name", "merchant_category", "country", "channel", "occurred_at"];
const AMOUNT: &str = "amount_minor";
const VERSION: &str = "schema_version";
const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// Reads and checks a record's value.
///
/// # Errors
/// The reason code of the first check that fails.
pub(super) fn read(value: Option<&[u8]>, timestamp_ms: i64, settings: &Settings) -> Result<Valid, &'static str> {
    let value = value.filter(|bytes| !bytes.is_empty()).ok_or("empty")?;
    if value.len() > settings.value_bytes_max {
        return Err("too_large");
    }
    let text = std::str::from_utf8(value).map_err(|_| "malformed_json")?;
    let Members(members) = serde_json::from_str(text).map_err(|_| "malformed_json")?;
    match only(&members, VERSION)? {
        Node::Integer(1) => {}
        Node::Integer(_) => return Err("unsupported_schema_version"),
        _ => return Err("malformed_json"),
    }
    for name in TEXTS {
        text_of(&members, name)?;
    }
    let Node::Integer(amount_minor) = *only(&members, AMOUNT)? else { return Err("malformed_json") };
    check(&members, amount_minor, timestamp_ms, settings)
}

/// The checks after the shape is known to be right, in the order of the contract.
fn check(
    members: &[(String, Node)],
    amount_minor: i64,
    timestamp_ms: i64,
    settings: &Settings,
) -> Result<Valid, &'static str> {
    let text = |name| text_of(members, name).map(str::to_owned);
    let require = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };

    let id = uuid(&text("id")?).ok_or("invalid_id")?;
    let account = text("account")?;
    let printable = account.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    require(printable && (1..=64).contains(&account.len()), "invalid_account")?;
    let kind = text("type")?;
    require(lists::is_type(&kind), "unknown_type")?;
    let currency = text("currency")?;
    require(lists::is_currency(&currency), "unknown_currency")?;
    require((1..=AMOUNT_MAX).contains(&amount_minor), "invalid_amount")?;
    let merchant = text("merchant_name")?;
    require((1..=256).contains(&merchant.len()) && !merchant.contains(char::is_control), "invalid_merchant")?;
    let country = text("country")?;
    require(lists::is_country(&country), "invalid_country")?;
    let channel = text("channel")?;
    require(lists::is_channel(&channel), "invalid_channel")?;
    let occurred_at_ms = instant(&text("occurred_at")?).ok_or("invalid_time")?;
    require(occurred_at_ms <= timestamp_ms.saturating_add(settings.skew_ms), "future_dated")?;
    let category = lists::category(&text("merchant_category")?).to_owned();
    Ok(Valid { id, kind, amount_minor, currency, category, country, channel, occurred_at_ms })
}

/// 36 characters, hyphens in their places, 32 hexadecimal digits in either case.
fn uuid(text: &str) -> Option<u128> {
    let parts: Vec<&str> = text.split('-').collect();
    let hexadecimal = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if parts.iter().map(|part| part.len()).collect::<Vec<_>>() != [8, 4, 4, 4, 12] || !hexadecimal {
        return None;
    }
    u128::from_str_radix(&parts.concat(), 16).ok()
}

/// RFC 3339 between the years 0 and 9999 of UTC, cut to milliseconds.
fn instant(text: &str) -> Option<i64> {
    // chrono is more generous than the grammar of RFC 3339: a space for the T, and minus signs that aren't ASCII.
    if !text.is_ascii() || !matches!(text.chars().nth(10), Some('T' | 't')) {
        return None;
    }
    let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    let first = NaiveDate::from_ymd_opt(0, 1, 1)?.and_hms_opt(0, 0, 0)?.and_utc();
    let after_last = NaiveDate::from_ymd_opt(10_000, 1, 1)?.and_hms_opt(0, 0, 0)?.and_utc();
    // A leap second is the first of the next minute, which plain arithmetic on milliseconds gives.
    (first <= instant && instant.timestamp_millis() < after_last.timestamp_millis()).then(|| instant.timestamp_millis())
}

/// The one member of that name; missing or doubled is malformed.
fn only<'a>(members: &'a [(String, Node)], name: &str) -> Result<&'a Node, &'static str> {
    let mut found = members.iter().filter(|(key, _)| key == name);
    match (found.next(), found.next()) {
        (Some((_, node)), None) => Ok(node),
        _ => Err("malformed_json"),
    }
}

fn text_of<'a>(members: &'a [(String, Node)], name: &str) -> Result<&'a str, &'static str> {
    match only(members, name)? {
        Node::Text(text) => Ok(text),
        _ => Err("malformed_json"),
    }
}

/// A JSON value as far as anyone looks at it.
#[derive(Debug)]
enum Node {
    Integer(i64),
    Text(String),
    /// Anything that no known member may be, integers beyond 64 bits among them.
    Unfit,
}

/// The known members of an object, doubled ones kept.
struct Members(Vec<(String, Node)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if TEXTS.contains(&name.as_str()) || name == AMOUNT || name == VERSION {
                        members.push((name, map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a JSON value")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
                Ok(Node::Integer(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(i64::try_from(number).map_or(Node::Unfit, Node::Integer))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Unfit)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Unfit)
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Unfit)
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Node::Unfit)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Node::Unfit)
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"6f9619ff-8b86-4d01-b42d-00cf4fc964ff","account":"ACC-00012345","type":"purchase",
        "amount_minor":14250,"currency":"EUR","merchant_name":"Harbour Coffee Ltd","merchant_category":"restaurants",
        "country":"FR","channel":"online","occurred_at":"2026-11-20T19:12:01.123Z","schema_version":1}"#;
    const OCCURRED_AT_MS: i64 = 1_795_201_921_123;

    fn judge(value: &str) -> Result<Valid, &'static str> {
        read(Some(value.as_bytes()), OCCURRED_AT_MS, &Settings::default())
    }

    fn changed(from: &str, to: &str) -> Result<Valid, &'static str> {
        assert!(GOOD.contains(from), "{from} is not in the example");
        judge(&GOOD.replace(from, to))
    }

    #[test]
    fn the_example_of_the_contract_is_valid() {
        let valid = judge(GOOD).unwrap();
        assert_eq!(valid.id, 0x6f96_19ff_8b86_4d01_b42d_00cf_4fc9_64ff);
        assert_eq!((valid.amount_minor, valid.occurred_at_ms), (14_250, OCCURRED_AT_MS));
        assert_eq!((valid.category.as_str(), valid.channel.as_str()), ("restaurants", "online"));
    }

    #[test]
    fn every_reason_has_its_record() {
        let long = format!("{GOOD}{}", " ".repeat(66_000));
        let cases = [
            (r#""id":"6f9619ff-"#, r#""id":"6f9619ff"#, "invalid_id"),
            (r#""ACC-00012345""#, r#""""#, "invalid_account"),
            (r#""purchase""#, r#""Purchase""#, "unknown_type"),
            (r#""EUR""#, r#""EUX""#, "unknown_currency"),
            ("14250", "0", "invalid_amount"),
            ("14250", "1000000000001", "invalid_amount"),
            ("14250", "9223372036854775808", "malformed_json"),
            ("14250", "142.5", "malformed_json"),
            (r#""Harbour Coffee Ltd""#, r#""\u0007""#, "invalid_merchant"),
            (r#""FR""#, r#""UK""#, "invalid_country"),
            (r#""online""#, r#""fax""#, "invalid_channel"),
            ("2026-11-20T", "2026-11-31T", "invalid_time"),
            ("19:12:01.123Z", "19:17:01.124Z", "future_dated"),
            (r#""schema_version":1"#, r#""schema_version":2"#, "unsupported_schema_version"),
            (r#""schema_version":1"#, r#""schema_version":1,"id":"x""#, "malformed_json"),
            (r#""type":"purchase","#, "", "malformed_json"),
        ];
        for (from, to, reason) in cases {
            assert_eq!(changed(from, to), Err(reason), "{from} -> {to}");
        }
        assert_eq!(judge(""), Err("empty"));
        assert_eq!(judge(&long), Err("too_large"));
        assert_eq!(judge(&format!("{GOOD}x")), Err("malformed_json"));
        assert_eq!(judge(&format!("[{GOOD}]")), Err("malformed_json"));
    }

    #[test]
    fn another_version_is_seen_before_members_are() {
        assert_eq!(judge(r#"{"schema_version":2}"#), Err("unsupported_schema_version"));
        assert_eq!(judge(r#"{"schema_version":2,"schema_version":2}"#), Err("malformed_json"));
        assert_eq!(judge(r#"{"schema_version":"2"}"#), Err("malformed_json"));
        assert_eq!(judge(r#"{"schema_version":2"#), Err("malformed_json"));
    }

    #[test]
    fn what_the_contract_lets_pass_passes() {
        for (from, to) in [
            ("6f9619ff", "6F9619FF"),
            (r#""restaurants""#, r#""space tourism""#),
            (r#""schema_version":1"#, r#""schema_version":1,"extra":[{"id":1}]"#),
            ("19:12:01.123Z", "20:12:01.123999999+01:00"),
            ("19:12:01.123Z", "19:17:01.123Z"),
        ] {
            assert!(changed(from, to).is_ok(), "{from} -> {to}");
        }
    }
}
