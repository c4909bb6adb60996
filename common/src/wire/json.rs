//! The members of a record, from JSON in any form.
//!
//! This is what "one flat JSON object" means here: an object and nothing but white space around it, each known
//! member exactly once and of its type, every other member ignored whatever it holds (twice, nested however deep:
//! the parser skips values without recursion). A JSON array is not taken for an object, a float not for an integer.
//! Strings are borrowed unless they contain escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::decode::Members;
use super::{Reason, SCHEMA_VERSION};

/// Reads the members, or says which of the two reasons of this step it is.
pub(super) fn read(text: &str) -> Result<Members<'_>, Reason> {
    match serde_json::from_str::<Known<'_>>(text) {
        Ok(Known { schema_version: SCHEMA_VERSION, members }) => Ok(members),
        Ok(_) => Err(Reason::UnsupportedSchemaVersion),
        // A later version may have other members, so the version has the first word: it is looked for again.
        Err(_) => match serde_json::from_str::<Version>(text) {
            Ok(Version(SCHEMA_VERSION)) | Err(_) => Err(Reason::MalformedJson),
            Ok(_) => Err(Reason::UnsupportedSchemaVersion),
        },
    }
}

/// All known members of an object.
struct Known<'a> {
    schema_version: i64,
    members: Members<'a>,
}

impl<'de> Deserialize<'de> for Known<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KnownVisitor)
    }
}

struct KnownVisitor;

impl<'de> Visitor<'de> for KnownVisitor {
    type Value = Known<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Known<'de>, A::Error> {
        let mut text: [Option<Text<'de>>; TEXTS] = [const { None }; TEXTS];
        let (mut amount_minor, mut schema_version) = (None, None);
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Text(member) => once(&mut text[member as usize], &mut map)?,
                Key::AmountMinor => once(&mut amount_minor, &mut map)?,
                Key::SchemaVersion => once(&mut schema_version, &mut map)?,
                Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let mut take = |member: Member| text[member as usize].take().map(|text| text.0).ok_or_else(missing::<A::Error>);
        Ok(Known {
            schema_version: schema_version.ok_or_else(missing::<A::Error>)?,
            members: Members {
                id: take(Member::Id)?,
                account: take(Member::Account)?,
                kind: take(Member::Type)?,
                amount_minor: amount_minor.ok_or_else(missing::<A::Error>)?,
                currency: take(Member::Currency)?,
                merchant_name: take(Member::MerchantName)?,
                merchant_category: take(Member::MerchantCategory)?,
                country: take(Member::Country)?,
                channel: take(Member::Channel)?,
                occurred_at: take(Member::OccurredAt)?,
            },
        })
    }
}

/// Reads the value of a member into its slot, which must be empty.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(slot: &mut Option<T>, map: &mut A) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::custom("a known member twice"));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

fn missing<E: Error>() -> E {
    E::custom("a known member is missing")
}

/// The members whose value is a text.
#[derive(Clone, Copy)]
enum Member {
    Id,
    Account,
    Type,
    Currency,
    MerchantName,
    MerchantCategory,
    Country,
    Channel,
    OccurredAt,
}

const TEXTS: usize = Member::OccurredAt as usize + 1;

/// A member's name, recognised without keeping it.
enum Key {
    Text(Member),
    AmountMinor,
    SchemaVersion,
    Unknown,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
        Ok(match name {
            "id" => Key::Text(Member::Id),
            "account" => Key::Text(Member::Account),
            "type" => Key::Text(Member::Type),
            "amount_minor" => Key::AmountMinor,
            "currency" => Key::Text(Member::Currency),
            "merchant_name" => Key::Text(Member::MerchantName),
            "merchant_category" => Key::Text(Member::MerchantCategory),
            "country" => Key::Text(Member::Country),
            "channel" => Key::Text(Member::Channel),
            "occurred_at" => Key::Text(Member::OccurredAt),
            "schema_version" => Key::SchemaVersion,
            _ => Key::Unknown,
        })
    }
}

/// A string, borrowed where it can be. (`Cow`'s own `Deserialize` always copies.)
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// The one `schema_version` of an object, everything else ignored.
struct Version(i64);

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(VersionVisitor)
    }
}

struct VersionVisitor;

impl<'de> Visitor<'de> for VersionVisitor {
    type Value = Version;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Version, A::Error> {
        let mut version = None;
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::SchemaVersion => once(&mut version, &mut map)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        version.map(Version).ok_or_else(missing)
    }
}
