//! Properties over generated records: what is written is read back, and the decoder agrees with its model on
//! records that were damaged in every way that text can be.

use std::borrow::Cow;

use proptest::prelude::*;

use super::model::{self, Facts};
use super::{EXAMPLE, KAFKA_MS};
use crate::money::Currency;
use crate::transaction::*;
use crate::wire::{Rules, canonical, decode, encode, json};

fn merchant_names() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,64}".prop_filter("short enough", |name| name.len() <= MERCHANT_NAME_BYTES_MAX)
}

prop_compose! {
    fn transactions()(
        id: u128,
        account in "[ -~]{1,64}",
        kind in 0..Kind::COUNT,
        amount_minor in 1..=AMOUNT_MINOR_MAX,
        currency in 0..Currency::COUNT,
        merchant_name in merchant_names(),
        category in 0..Category::COUNT,
        country in 0..Country::COUNT,
        channel in 0..Channel::COUNT,
        occurred_at_ms in OCCURRED_AT_MS_MIN..=OCCURRED_AT_MS_MAX,
    ) -> Transaction<'static> {
        Transaction {
            id,
            account: Cow::Owned(account),
            kind: Kind::from_index(kind).unwrap(),
            amount_minor,
            currency: Currency::from_index(currency).unwrap(),
            merchant_name: Cow::Owned(merchant_name),
            category: Category::from_index(category).unwrap(),
            country: Country::from_index(country).unwrap(),
            channel: Channel::from_index(channel).unwrap(),
            occurred_at_ms,
        }
    }
}

/// One piece of damage: where (as a fraction of the text), how many bytes go, what comes instead.
fn damage() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let tokens = [
        "",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\n",
        "0",
        "-",
        "+",
        ".",
        "e",
        "1",
        "null",
        "true",
        "\\u0041",
        "\\ud800",
        "\u{0}",
        "\u{7f}",
        "é",
        "Z",
        "z",
        "T",
        "t",
        "+01:00",
        ":60",
        "\"id\":",
        "\"account\":\"x\",",
        "\"schema_version\":2,",
        "\"schema_version\":1",
        "\"extra\":[1,{}],",
        "9223372036854775808",
        "A",
        "a",
    ];
    let replacement = prop_oneof![
        prop::sample::select(tokens.map(|token| token.as_bytes().to_vec()).to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    (any::<prop::sample::Index>(), 0..6_usize, replacement)
}

fn damaged(text: &[u8], damages: &[(prop::sample::Index, usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for (place, removed, inserted) in damages {
        let start = place.index(bytes.len() + 1);
        let end = (start + removed).min(bytes.len());
        bytes.splice(start..end, inserted.iter().copied());
    }
    bytes
}

fn facts(transaction: &Transaction<'_>) -> Facts {
    Facts {
        id: transaction.id,
        account: transaction.account.to_string(),
        kind: transaction.kind.code().to_owned(),
        amount_minor: transaction.amount_minor,
        currency: transaction.currency.code().to_owned(),
        merchant_name: transaction.merchant_name.to_string(),
        country: transaction.country.code().to_owned(),
        channel: transaction.channel.code().to_owned(),
        occurred_at_ms: transaction.occurred_at_ms,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(transaction in transactions()) {
        let mut value = Vec::new();
        encode(&transaction, &mut value);
        prop_assert_eq!(decode(Some(&value), i64::MAX, &Rules::default()), Ok(transaction));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(value: Vec<u8>, kafka_ms: i64) {
        let _ = decode(Some(&value), kafka_ms, &Rules::default());
    }

    #[test]
    fn the_decoder_agrees_with_its_model_on_damaged_records(
        transaction in transactions(),
        plain: bool,
        damages in prop::collection::vec(damage(), 0..4),
        kafka_ms in prop_oneof![Just(KAFKA_MS), Just(i64::MAX), any::<i64>()],
    ) {
        let mut value = Vec::new();
        if plain { value.extend_from_slice(EXAMPLE.as_bytes()) } else { encode(&transaction, &mut value) }
        let value = damaged(&value, &damages);
        let ours = decode(Some(&value), kafka_ms, &Rules::default());
        if let Some(theirs) = model::decode(&value, kafka_ms) {
            prop_assert_eq!(ours.as_ref().map(facts).map_err(|reason| reason.code()), theirs);
        }
    }

    #[test]
    fn where_the_canonical_reader_answers_the_json_reader_gives_the_same(
        transaction in transactions(),
        damages in prop::collection::vec(damage(), 0..3),
    ) {
        let mut value = Vec::new();
        encode(&transaction, &mut value);
        let Ok(value) = String::from_utf8(damaged(&value, &damages)) else { return Ok(()) };
        if let Some(quick) = canonical::read(&value) {
            let full = json::read(&value);
            prop_assert!(full.is_ok(), "only the canonical reader took it");
            prop_assert_eq!(Some(quick), full.ok());
        }
    }
}
