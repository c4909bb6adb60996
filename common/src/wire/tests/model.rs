//! The decoder once more: slow, plain, and written from the contract with other tools (a tree of JSON values, the
//! `uuid`, `chrono` and `iso_currency` crates), for tests and the fuzz target to compare with.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// What a record says, as the model sees it: texts, and the numbers worth comparing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) id: u128,
    pub(super) account: String,
    pub(super) kind: String,
    pub(super) amount_minor: i64,
    pub(super) currency: String,
    pub(super) merchant_name: String,
    pub(super) country: String,
    pub(super) channel: String,
    pub(super) occurred_at_ms: i64,
}

const TEXTS: [&str; 9] =
    ["id", "account", "type", "currency", "merchant_name", "merchant_category", "country", "channel", "occurred_at"];

/// The facts or the code of the reason; `None` where the tree of values can't hold what JSON allows (nesting beyond
/// its limit, numbers beyond a float, lone surrogates) and the model therefore has no opinion.
pub(super) fn decode(value: &[u8], kafka_timestamp_ms: i64) -> Option<Result<Facts, &'static str>> {
    if value.is_empty() {
        return Some(Err("empty"));
    }
    if value.len() > 65_536 {
        return Some(Err("too_large"));
    }
    let Ok(text) = std::str::from_utf8(value) else { return Some(Err("malformed_json")) };
    let members = match serde_json::from_str::<Members>(text) {
        Ok(members) => members.0,
        Err(error) => {
            let error = error.to_string();
            let beyond = ["recursion limit", "number out of range", "surrogate", "hex escape"];
            return if beyond.iter().any(|what| error.contains(what)) { None } else { Some(Err("malformed_json")) };
        }
    };
    Some(facts(&members, kafka_timestamp_ms))
}

fn facts(members: &[(String, Value)], kafka_timestamp_ms: i64) -> Result<Facts, &'static str> {
    let find = |name: &str| match members.iter().filter(|(key, _)| key == name).collect::<Vec<_>>().as_slice() {
        [(_, value)] => Ok(value.clone()),
        _ => Err("malformed_json"),
    };
    if find("schema_version")?.as_i64().ok_or("malformed_json")? != 1 {
        return Err("unsupported_schema_version");
    }
    let mut texts = Vec::new();
    for name in TEXTS {
        texts.push(find(name)?.as_str().ok_or("malformed_json")?.to_owned());
    }
    let amount_minor = find("amount_minor")?.as_i64().ok_or("malformed_json")?;
    let text = |name: &str| texts[TEXTS.iter().position(|known| *known == name).unwrap()].clone();

    let id = text("id");
    let parsed = uuid::Uuid::try_parse(&id).map_err(|_| "invalid_id")?;
    ensure(parsed.hyphenated().to_string() == id.to_lowercase(), "invalid_id")?;
    let account = text("account");
    let printable = account.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    ensure(printable && !account.is_empty() && account.len() <= 64, "invalid_account")?;
    let kinds = ["purchase", "refund", "withdrawal", "transfer", "deposit"];
    ensure(kinds.contains(&text("type").as_str()), "unknown_type")?;
    let currency = iso_currency::Currency::from_code(&text("currency")).ok_or("unknown_currency")?;
    ensure(currency.exponent().is_some(), "unknown_currency")?;
    ensure(amount_minor > 0 && amount_minor <= 10_i64.pow(12), "invalid_amount")?;
    let merchant_name = text("merchant_name");
    let fits = !merchant_name.is_empty() && merchant_name.len() <= 256;
    ensure(fits && !merchant_name.contains(char::is_control), "invalid_merchant")?;
    // The list has an entry without a code, too.
    ensure(!text("country").is_empty() && text("country").parse::<iso_currency::Country>().is_ok(), "invalid_country")?;
    ensure(["card_present", "online", "mobile", "atm"].contains(&text("channel").as_str()), "invalid_channel")?;
    let occurred_at_ms = instant(&text("occurred_at")).ok_or("invalid_time")?;
    ensure(i128::from(occurred_at_ms) <= i128::from(kafka_timestamp_ms) + 300_000, "future_dated")?;
    Ok(Facts {
        id: parsed.as_u128(),
        account,
        kind: text("type"),
        amount_minor,
        currency: text("currency"),
        merchant_name,
        country: text("country"),
        channel: text("channel"),
        occurred_at_ms,
    })
}

fn ensure(holds: bool, reason: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(reason) }
}

/// Only what RFC 3339's grammar allows, and only instants within the years 0 to 9999 of UTC.
fn instant(text: &str) -> Option<i64> {
    use chrono::Datelike;
    let grammar = text.bytes().enumerate().all(|(at, byte)| match byte {
        b'0'..=b'9' | b'-' | b':' | b'.' | b'+' => true,
        b'T' | b't' => at == 10,
        b'Z' | b'z' => at + 1 == text.len(),
        _ => false,
    });
    let instant = chrono::DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    // A leap second at the very end of the year 9999 belongs to the next minute, which is too late.
    let ms = instant.timestamp_millis();
    let in_range = (0..=9999).contains(&instant.year()) && ms <= 253_402_300_799_999;
    (grammar && in_range).then_some(ms)
}

/// An object's members as they stand, names repeated or not.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}
