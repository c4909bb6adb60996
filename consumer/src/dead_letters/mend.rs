//! What a dead letter becomes before it is sent again: the same bytes, or what a JSON Patch makes of them. What would be
//! rejected once more is not sent at all. Pure.

use std::fmt;

use common::wire::{self, Reason, Rules};
use json_patch::Patch;
use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use super::letter::Letter;

/// A record that can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Its key: the account, as every transaction has it.
    pub account: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// Why a dead letter can't be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmendable {
    /// Its bytes are not there, or not all of them.
    NoBytes,
    /// The patch does not apply to it.
    NoMatch(String),
    /// A number in it would be another one, or written otherwise, once it was read: that is nobody's intention.
    NumberNotKept,
    /// It would be rejected again, for this reason.
    StillRejected(Reason),
}

impl fmt::Display for Unmendable {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBytes => write!(to, "its bytes are not all there"),
            Self::NoMatch(cause) => write!(to, "the patch does not apply: {cause}"),
            Self::NumberNotKept => write!(to, "a patch would change a number that it does not touch"),
            Self::StillRejected(reason) => write!(to, "it would be rejected again: {reason}"),
        }
    }
}

/// Makes of a dead letter what is sent at `now_ms`, if that counts by these rules.
///
/// # Errors
/// [`Unmendable`].
pub fn mend(letter: &Letter, patch: Option<&Patch>, rules: &Rules, now_ms: i64) -> Result<Mended, Unmendable> {
    if letter.truncated_from_bytes.is_some() || letter.reason == Reason::Undecodable.code() {
        return Err(Unmendable::NoBytes);
    }
    let value = match (patch, letter.value.as_deref()) {
        (None, value) => value.map(<[u8]>::to_vec),
        (Some(patch), value) => Some(patched(value.unwrap_or_default(), patch)?),
    };
    let transaction = wire::decode(value.as_deref(), now_ms, rules).map_err(Unmendable::StillRejected)?;
    let account = transaction.account.to_string();
    Ok(Mended { account, value: value.unwrap_or_default() })
}

fn patched(bytes: &[u8], patch: &Patch) -> Result<Vec<u8>, Unmendable> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Unambiguous.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    let mut value =
        read.map_err(|error| Unmendable::NoMatch(format!("it is no JSON that a patch could be applied to: {error}")))?;
    if numbers(bytes) != numbers(&written(&value)) {
        return Err(Unmendable::NumberNotKept);
    }
    json_patch::patch(&mut value, patch).map_err(|error| Unmendable::NoMatch(error.to_string()))?;
    Ok(written(&value))
}

fn written(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("what was read as JSON has a JSON form")
}

/// The numbers of a JSON text as they stand there, sorted: members may be in another order.
fn numbers(json: &[u8]) -> Vec<&[u8]> {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let mut found = Vec::new();
    let mut at = 0;
    while at < json.len() {
        let begin = at;
        match json[at] {
            b'"' => {
                at += 1;
                while at < json.len() && json[at] != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                while at < json.len() && is_of_number(json[at]) {
                    at += 1;
                }
                found.push(&json[begin..at]);
            }
            _ => at += 1,
        }
    }
    found.sort_unstable();
    found
}

/// Reads JSON in which no object has two members of one name: a patch would pick one of them, and nobody would know which.
struct Unambiguous;

impl<'d> DeserializeSeed<'d> for Unambiguous {
    type Value = Value;

    fn deserialize<D: Deserializer<'d>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'d> Visitor<'d> for Unambiguous {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number beyond what JSON readers keep"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            found.push(item);
        }
        Ok(found.into())
    }

    fn visit_map<A: MapAccess<'d>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut found = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if found.insert(name.clone(), value).is_some() {
                return Err(serde::de::Error::custom(format!("it has {name:?} twice")));
            }
        }
        Ok(found.into())
    }
}

#[cfg(test)]
mod tests {
    use common::wire::Origin;
    use serde_json::json;

    use super::*;

    const NOW_MS: i64 = 1_795_176_000_000;

    fn letter(reason: Reason, value: Option<&str>) -> Letter {
        Letter {
            origin: Origin { partition: 0, offset: 1 },
            generation: 1,
            reason: reason.code().to_owned(),
            rejected_at_ms: NOW_MS,
            timestamp_ms: Some(NOW_MS),
            key: None,
            value: value.map(|text| text.as_bytes().to_vec()),
            sequence: None,
            redriven_from: None,
            truncated_from_bytes: None,
        }
    }

    fn transaction() -> Value {
        json!({"id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "account": "ACC-00000001", "type": "purchase",
            "amount_minor": 14_250, "currency": "EUR", "merchant_name": "Harbour Coffee Ltd",
            "merchant_category": "restaurants", "country": "FR", "channel": "online",
            "occurred_at": "2026-11-20T12:00:00Z", "schema_version": 1, "note": [1.5, null, true]})
    }

    fn with(name: &str, value: Value) -> String {
        let mut altered = transaction();
        altered[name] = value;
        altered.to_string()
    }

    fn mended(letter: &Letter, patch: Value) -> Result<Mended, Unmendable> {
        let patch = (!patch.is_null()).then(|| serde_json::from_value::<Patch>(patch).expect("a patch"));
        mend(letter, patch.as_ref(), &Rules::default(), NOW_MS)
    }

    #[test]
    fn a_letter_whose_numbers_a_patch_would_not_keep_is_left_alone() {
        let patch = serde_json::from_value(json!([{"op": "add", "path": "/a", "value": 1.50}])).expect("a patch");
        let kept = br#"{"n":[0,-1,7.25,18446744073709551615],"s":"1.0e2 \"1.0e2","b":true}"#;
        assert!(patched(kept, &patch).is_ok());
        for number in ["12345678901234567890123", "0.12345678901234567890123", "1.0e2", "1.50", "-0"] {
            let text = format!(r#"{{"number":{number}}}"#);
            assert_eq!(patched(text.as_bytes(), &patch), Err(Unmendable::NumberNotKept), "{number}");
        }
    }

    #[test]
    fn a_patch_makes_a_transaction_of_it_and_leaves_the_rest() {
        let bad = letter(Reason::UnknownCurrency, Some(&with("currency", json!("euro"))));
        let patch = json!([{"op": "test", "path": "/currency", "value": "euro"},
                           {"op": "replace", "path": "/currency", "value": "EUR"}]);
        let good = mended(&bad, patch.clone()).expect("it can be mended");
        assert_eq!(good.account, "ACC-00000001");
        assert_eq!(serde_json::from_slice::<Value>(&good.value).unwrap(), transaction());
        // The test keeps it from others.
        let other = letter(Reason::UnknownCurrency, Some(&with("currency", json!("yen"))));
        assert!(matches!(mended(&other, patch), Err(Unmendable::NoMatch(_))));
    }

    #[test]
    fn without_a_patch_the_same_bytes_go_out_where_they_count_now() {
        let text = transaction().to_string();
        // Dated ahead then, not any more; or its header was what was wrong.
        for reason in [Reason::FutureDated, Reason::InvalidHeader] {
            assert_eq!(
                mended(&letter(reason, Some(&text)), Value::Null).map(|good| good.value),
                Ok(text.clone().into_bytes())
            );
        }
        let bad = with("amount_minor", json!(0));
        let told = mended(&letter(Reason::InvalidAmount, Some(&bad)), Value::Null);
        assert_eq!(told, Err(Unmendable::StillRejected(Reason::InvalidAmount)));
        let told = mended(&letter(Reason::Empty, None), Value::Null);
        assert_eq!(told, Err(Unmendable::StillRejected(Reason::Empty)));
    }

    #[test]
    fn what_is_not_all_there_or_says_two_things_is_not_guessed_at() {
        let text = transaction().to_string();
        let cut = Letter { truncated_from_bytes: Some(2_000_000), ..letter(Reason::TooLarge, Some(&text)) };
        let unseen = letter(Reason::Undecodable, None);
        for letter in [cut, unseen] {
            assert_eq!(mended(&letter, json!([])), Err(Unmendable::NoBytes));
        }
        let twice = text.replacen('{', "{\"amount_minor\":1,", 1);
        let nested = text.replacen('{', "{\"extra\":[{\"a\":1,\"a\":2}],", 1);
        for text in [twice.as_str(), nested.as_str(), "{", "{} {}", ""] {
            let told = mended(&letter(Reason::MalformedJson, Some(text)), json!([]));
            assert!(matches!(told, Err(Unmendable::NoMatch(_))), "{text}: {told:?}");
        }
    }

    #[test]
    fn json_nested_without_end_is_refused_and_overflows_nothing() {
        let deep = "[".repeat(1 << 16);
        assert!(matches!(mended(&letter(Reason::MalformedJson, Some(&deep)), json!([])), Err(Unmendable::NoMatch(_))));
    }
}
