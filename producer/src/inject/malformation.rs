//! The ways a record can be broken, each with the reason it must be rejected for.

use common::wire::{Reason, VALUE_BYTES_MAX_DEFAULT};

/// Depth of [`Malformation::EndlessNesting`].
const NESTING: usize = 10_000;

macro_rules! malformations {
    ($($(#[$meta:meta])* $variant:ident => $reason:ident,)+) => {
        /// One way to break a record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Malformation { $($(#[$meta])* $variant,)+ }

        impl Malformation {
            /// Every way, in the order in which they take turns.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The reason a consumer must reject such a record for.
            pub const fn reason(self) -> Reason {
                match self { $(Self::$variant => Reason::$reason,)+ }
            }
        }
    };
}

malformations! {
    /// Bytes that are no text.
    Garbage => MalformedJson,
    /// No bytes.
    NoBytes => Empty,
    /// No value: what Kafka calls a tombstone.
    Tombstone => Empty,
    /// One byte that is no UTF-8, inside a name.
    InvalidUtf8 => MalformedJson,
    /// The second half is missing.
    Truncated => MalformedJson,
    /// The object inside an array.
    Wrapped => MalformedJson,
    /// Something after the object.
    Trailing => MalformedJson,
    /// An amount in quotes.
    TextForNumber => MalformedJson,
    /// An amount with a decimal point.
    Fraction => MalformedJson,
    /// An amount beyond 64 bits.
    HugeNumber => MalformedJson,
    /// No currency.
    MissingMember => MalformedJson,
    /// Two accounts.
    DoubledMember => MalformedJson,
    /// Brackets that open and never close.
    EndlessNesting => MalformedJson,
    /// Larger than any record may be.
    Oversized => TooLarge,
    /// A version of the format that doesn't exist yet.
    NextVersion => UnsupportedSchemaVersion,
    /// An id of 35 characters.
    ShortId => InvalidId,
    /// An empty account.
    NoAccount => InvalidAccount,
    /// A kind that doesn't exist.
    OtherType => UnknownType,
    /// A code that is no currency.
    OtherCurrency => UnknownCurrency,
    /// Nothing.
    ZeroAmount => InvalidAmount,
    /// Less than nothing.
    NegativeAmount => InvalidAmount,
    /// More than can be.
    ExcessiveAmount => InvalidAmount,
    /// A merchant without a name.
    NoMerchant => InvalidMerchant,
    /// A name that rings a bell.
    ControlCharacter => InvalidMerchant,
    /// A country in small letters.
    SmallCountry => InvalidCountry,
    /// A channel that doesn't exist.
    OtherChannel => InvalidChannel,
    /// The thirtieth of February.
    NoSuchDay => InvalidTime,
    /// A header that is no sequence; the value is valid.
    BrokenHeader => InvalidHeader,
}

impl Malformation {
    /// Breaks the text of a valid record. `bits` are random.
    ///
    /// [`Malformation::Tombstone`] and [`Malformation::BrokenHeader`] don't show in the value: the first leaves
    /// nothing of it, the second all.
    pub fn apply(self, value: &mut Vec<u8>, bits: u64) {
        match self {
            Self::BrokenHeader => {}
            Self::NoBytes | Self::Tombstone => value.clear(),
            Self::Garbage => {
                value.clear();
                // The first byte can begin neither JSON nor UTF-8, whatever the others are.
                value.push(0xff);
                value.extend_from_slice(&bits.to_le_bytes());
            }
            Self::InvalidUtf8 => set(value, "merchant_name", b"\"\xff\""),
            Self::Truncated => value.truncate(value.len() / 2),
            Self::Wrapped => {
                value.insert(0, b'[');
                value.push(b']');
            }
            Self::Trailing => value.push(b'}'),
            Self::TextForNumber => set(value, "amount_minor", b"\"100\""),
            Self::Fraction => set(value, "amount_minor", b"99.5"),
            Self::HugeNumber => set(value, "amount_minor", b"100000000000000000000"),
            Self::MissingMember => remove(value, "currency"),
            Self::DoubledMember => insert(value, b"\"account\":\"ACC-00000000\","),
            Self::EndlessNesting => insert(value, &[b"\"x\":".as_slice(), &[b'['; NESTING]].concat()),
            Self::Oversized => {
                insert(value, &[b"\"x\":\"".as_slice(), &[b'x'; VALUE_BYTES_MAX_DEFAULT], b"\","].concat());
            }
            Self::NextVersion => set(value, "schema_version", b"2"),
            Self::ShortId => set(value, "id", b"\"6f9619ff-8b86-4d01-b42d-00cf4fc964f\""),
            Self::NoAccount => set(value, "account", b"\"\""),
            Self::OtherType => set(value, "type", b"\"chargeback\""),
            Self::OtherCurrency => set(value, "currency", b"\"ZZZ\""),
            Self::ZeroAmount => set(value, "amount_minor", b"0"),
            Self::NegativeAmount => set(value, "amount_minor", b"-100"),
            Self::ExcessiveAmount => set(value, "amount_minor", b"1000000000001"),
            Self::NoMerchant => set(value, "merchant_name", b"\"\""),
            Self::ControlCharacter => set(value, "merchant_name", b"\"Bell \\u0007\""),
            Self::SmallCountry => set(value, "country", b"\"fr\""),
            Self::OtherChannel => set(value, "channel", b"\"phone\""),
            Self::NoSuchDay => set(value, "occurred_at", b"\"2026-02-30T12:00:00.000Z\""),
        }
    }
}

/// Replaces the value of a member. Valid records of ours have neither escapes nor commas inside their texts, so the
/// next `,"` or the closing brace ends it.
fn set(value: &mut Vec<u8>, name: &str, replacement: &[u8]) {
    let label = format!("\"{name}\":");
    let start = find(value, label.as_bytes()) + label.len();
    let end = end_of_member(value, start);
    value.splice(start..end, replacement.iter().copied());
}

/// Removes a member that isn't the last.
fn remove(value: &mut Vec<u8>, name: &str) {
    let start = find(value, format!("\"{name}\":").as_bytes());
    let end = end_of_member(value, start);
    value.drain(start..=end);
}

/// Puts a text right after the opening brace.
fn insert(value: &mut Vec<u8>, text: &[u8]) {
    value.splice(1..1, text.iter().copied());
}

fn end_of_member(value: &[u8], from: usize) -> usize {
    let comma = value[from..].windows(2).position(|pair| pair == b",\"");
    comma.map_or(value.len() - 1, |at| from + at)
}

fn find(value: &[u8], text: &[u8]) -> usize {
    let found = value.windows(text.len()).position(|window| window == text);
    found.expect("every member stands in a record of ours")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use common::wire::{Rules, decode, encode};

    use super::*;
    use crate::generate::Generator;
    use crate::population::Population;

    const NOW_MS: i64 = 1_795_201_921_000;

    #[test]
    fn every_malformation_is_rejected_for_exactly_its_reason() {
        let mut generator = Generator::new(Arc::new(Population::new(7, 1_000)), 7, 0);
        for round in 0..50 {
            for &malformation in Malformation::ALL {
                let draft = generator.next(NOW_MS);
                let account = draft.account_name();
                let mut value = Vec::new();
                encode(&draft.transaction(&account, generator.population()), &mut value);
                malformation.apply(&mut value, round * 0x0123_4567_89ab_cdef);
                // What doesn't show in the value is seen by whoever reads the header.
                let expected = Some(malformation.reason()).filter(|reason| *reason != Reason::InvalidHeader);
                let found = decode(Some(&value), NOW_MS, &Rules::default()).err();
                assert_eq!(found, expected, "{malformation:?}: {:.300}", String::from_utf8_lossy(&value));
            }
        }
    }

    #[test]
    fn every_reason_that_a_producer_can_cause_is_caused() {
        let caused: HashSet<Reason> = Malformation::ALL.iter().map(|malformation| malformation.reason()).collect();
        for &reason in Reason::ALL {
            // A future date is a fault of its own; what can't be decoded takes another client to write.
            let elsewhere = matches!(reason, Reason::FutureDated | Reason::Undecodable);
            assert_eq!(caused.contains(&reason), !elsewhere, "{reason}");
        }
    }
}
