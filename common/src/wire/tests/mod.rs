//! The contract, as tables: what is accepted, what is rejected, and for which reason when several would do.

mod model;
mod properties;

use std::borrow::Cow;

use super::{Reason, Rules, decode};
use crate::money::Currency;
use crate::transaction::{Category, Channel, Country, Kind, Transaction};

const EXAMPLE: &str = r#"{"id":"6f9619ff-8b86-4d01-b42d-00cf4fc964ff","account":"ACC-00012345","type":"purchase","amount_minor":14250,"currency":"EUR","merchant_name":"Harbour Coffee Ltd","merchant_category":"restaurants","country":"FR","channel":"online","occurred_at":"2026-11-20T19:12:01.123Z","schema_version":1}"#;

/// When the example's record was written, in Kafka's clock.
const KAFKA_MS: i64 = 1_795_201_921_123;

fn example() -> Transaction<'static> {
    Transaction {
        id: 0x6f96_19ff_8b86_4d01_b42d_00cf_4fc9_64ff,
        account: Cow::Borrowed("ACC-00012345"),
        kind: Kind::Purchase,
        amount_minor: 14_250,
        currency: Currency::from_code("EUR").unwrap(),
        merchant_name: Cow::Borrowed("Harbour Coffee Ltd"),
        category: Category::Restaurants,
        country: Country::from_code("FR").unwrap(),
        channel: Channel::Online,
        occurred_at_ms: KAFKA_MS,
    }
}

fn decoded(value: &str) -> Result<Transaction<'_>, Reason> {
    decode(Some(value.as_bytes()), KAFKA_MS, &Rules::default())
}

/// The example with one piece of its text replaced; the piece must be there.
fn with(piece: &str, replacement: &str) -> String {
    assert!(EXAMPLE.contains(piece), "{piece} is not in the example");
    EXAMPLE.replacen(piece, replacement, 1)
}

#[test]
fn the_example_of_the_contract_is_read_and_written() {
    assert_eq!(decoded(EXAMPLE), Ok(example()));
    let mut written = Vec::new();
    super::encode(&example(), &mut written);
    assert_eq!(String::from_utf8(written).unwrap(), EXAMPLE);
}

#[test]
fn an_ordinary_record_borrows_its_texts() {
    let transaction = decoded(EXAMPLE).unwrap();
    assert!(matches!(transaction.account, Cow::Borrowed(_)));
    assert!(matches!(transaction.merchant_name, Cow::Borrowed(_)));
    let reordered = with("{", "{ ");
    let transaction = decoded(&reordered).unwrap();
    assert!(matches!(transaction.merchant_name, Cow::Borrowed(_)));
}

#[test]
fn other_spellings_of_the_same_record_give_the_same_transaction() {
    let mut members: Vec<&str> = EXAMPLE.trim_matches(['{', '}']).split(',').collect();
    members.reverse();
    let deep = format!(r#"{{"extra":{}1{},"id""#, "[".repeat(30_000), "]".repeat(30_000));
    for value in [
        format!(" {}\r\n\t", EXAMPLE.replace(':', " : ").replace(" : 12 : 01", ":12:01")),
        format!("{{{}}}", members.join(",")),
        with("6f9619ff-8b86-4d01-b42d", "6F9619FF-8B86-4D01-B42D"),
        with("Harbour Coffee", r"H\u0061rbour\u0020Coffee"),
        with("ACC-", r"\u0041CC\u002d"),
        with(r#""id""#, r#""\u0069d""#),
        with("19:12:01.123Z", "20:12:01.123999999+01:00"),
        with(r#"{"id""#, r#"{"extra":null,"extra":[{"id":1},1.5e300,"\n"],"":{},"id""#),
        with(r#"{"id""#, r#"{"ID":1,"Account":2,"id ":3,"id""#),
        with(r#"{"id""#, &deep),
    ] {
        assert_eq!(decoded(&value), Ok(example()), "{value:.400}");
    }
}

#[test]
fn what_is_not_one_json_object_is_malformed() {
    let array = {
        let values: Vec<&str> =
            EXAMPLE.trim_matches(['{', '}']).split(",\"").map(|m| m.split_once(':').unwrap().1).collect();
        format!("[{}]", values.join(","))
    };
    for value in [
        " ",
        "null",
        "true",
        "1",
        "\"text\"",
        "[]",
        "{}",
        "{",
        "garbage",
        "{\"id\"}",
        &array,
        &format!("[{EXAMPLE}]"),
        &format!("{EXAMPLE}{EXAMPLE}"),
        &format!("{EXAMPLE}\n{EXAMPLE}"),
        &format!("{EXAMPLE}x"),
        &format!("{EXAMPLE},"),
        &format!("{EXAMPLE}\0"),
        &format!("\u{feff}{EXAMPLE}"),
        &EXAMPLE[..EXAMPLE.len() - 1],
        &EXAMPLE[1..],
        &with("}", ",}"),
        &with("{", "{,"),
        &with(",", ",,"),
        &with("\"id\"", "'id'"),
        &with("\"id\"", "id"),
        &with("14250", "014250"),
        &with("14250", "+14250"),
        &with("14250", "0x37aa"),
        &with("14250", ".5"),
        &with("14250", "NaN"),
        &with("Coffee", "Cof\nfee"),
        &with("Coffee", r"Cof\fee\q"),
        &with("Coffee", r"Cof\u12"),
        &with("Coffee", r"\ud800"),
        &with("{", "/* comment */{"),
        &"[".repeat(60_000),
        &"{\"a\":".repeat(10_000),
    ] {
        assert_eq!(decoded(value), Err(Reason::MalformedJson), "{value:.400}");
    }
}

#[test]
fn a_member_of_another_json_type_is_malformed() {
    for (name, value) in EXAMPLE.trim_matches(['{', '}']).split(",\"").map(|member| member.split_once(':').unwrap()) {
        let name = name.trim_matches('"');
        let others: &[&str] = if value.starts_with('"') {
            &["null", "1", "true", "[]", "{}", "[\"a\"]"]
        } else {
            &[
                "null",
                "1.0",
                "1e0",
                "\"1\"",
                "true",
                "[1]",
                "{}",
                "9223372036854775808",
                "-9223372036854775809",
                "1e400",
            ]
        };
        for other in others {
            let text = with(&format!("\"{name}\":{value}"), &format!("\"{name}\":{other}"));
            assert_eq!(decoded(&text), Err(Reason::MalformedJson), "{text}");
        }
    }
}

#[test]
fn a_known_member_missing_or_twice_is_malformed() {
    for member in EXAMPLE.trim_matches(['{', '}']).split(",\"") {
        let member = format!("\"{}", member.trim_start_matches('"'));
        let twice = with("{", &format!("{{{member},"));
        assert_eq!(decoded(&twice), Err(Reason::MalformedJson), "{twice}");
        let missing = with(&member, "\"other\":0");
        assert_eq!(decoded(&missing), Err(Reason::MalformedJson), "{missing}");
    }
}

#[test]
fn invalid_utf_8_is_malformed_wherever_it_stands() {
    let ignored = with("{", "{\"extra\":\"?\",");
    for (text, place) in [(EXAMPLE, "Harbour"), (EXAMPLE, "currency"), (&ignored, "?")] {
        let mut bytes = text.as_bytes().to_vec();
        bytes[text.find(place).unwrap()] = 0xff;
        assert_eq!(decode(Some(&bytes), KAFKA_MS, &Rules::default()), Err(Reason::MalformedJson));
    }
}

#[test]
fn nothing_is_empty_and_too_much_is_too_large() {
    let rules = Rules::default();
    assert_eq!(decode(None, KAFKA_MS, &rules), Err(Reason::Empty));
    assert_eq!(decode(Some(b""), KAFKA_MS, &rules), Err(Reason::Empty));
    let largest = format!("{EXAMPLE}{}", " ".repeat(rules.value_bytes_max - EXAMPLE.len()));
    assert_eq!(decoded(&largest), Ok(example()));
    assert_eq!(decoded(&format!("{largest} ")), Err(Reason::TooLarge));
    assert_eq!(decode(Some(&vec![0xff; 900_000]), KAFKA_MS, &rules), Err(Reason::TooLarge));
}

#[test]
fn another_schema_version_is_named_whatever_else_is_wrong() {
    for version in ["0", "2", "-1", "9223372036854775807"] {
        let text = with("\"schema_version\":1", &format!("\"schema_version\":{version}"));
        assert_eq!(decoded(&text), Err(Reason::UnsupportedSchemaVersion), "{text}");
        let first = format!("{{\"schema_version\":{version},\"account\":7,\"account\":8,\"amount_minor\":1e999}}");
        assert_eq!(decoded(&first), Err(Reason::UnsupportedSchemaVersion), "{first}");
    }
    for text in [
        "{\"schema_version\":2,\"schema_version\":2}",
        "{\"schema_version\":2,\"schema_version\":1}",
        "{\"schema_version\":2.0}",
        "{\"schema_version\":\"2\"}",
        "{\"schema_version\":9223372036854775808}",
        "{\"schema_version\":2",
        "{\"schema_version\":2}}",
        "{\"extra\":{\"schema_version\":2}}",
        "[{\"schema_version\":2}]",
        "{\"schema_version\":1}",
    ] {
        assert_eq!(decoded(text), Err(Reason::MalformedJson), "{text}");
    }
}

/// For each check of one member: a value that fails it, in the order in which the checks are made.
const BROKEN: [(&str, &str, Reason); 10] = [
    ("6f9619ff-", "6f9619ff", Reason::InvalidId),
    ("ACC-00012345", "", Reason::InvalidAccount),
    ("purchase", "Purchase", Reason::UnknownType),
    ("EUR", "XXX", Reason::UnknownCurrency),
    ("14250", "0", Reason::InvalidAmount),
    ("Harbour Coffee Ltd", "", Reason::InvalidMerchant),
    ("\"FR\"", "\"fr\"", Reason::InvalidCountry),
    ("online", "phone", Reason::InvalidChannel),
    ("2026-11-20T", "2026-11-31T", Reason::InvalidTime),
    ("2026-11-20T", "2026-11-21T", Reason::FutureDated),
];

#[test]
fn of_several_faults_the_first_in_the_order_of_the_checks_is_named() {
    for first in 0..BROKEN.len() {
        let mut text = EXAMPLE.to_owned();
        for (piece, replacement, _) in &BROKEN[first..] {
            text = text.replacen(piece, replacement, 1);
        }
        assert_eq!(decoded(&text), Err(BROKEN[first].2), "{text}");
    }
}

#[test]
fn each_member_is_checked_at_its_bounds() {
    use Reason::*;
    let account = |account: &str| with("ACC-00012345", account);
    let amount = |amount: &str| with("14250", amount);
    let merchant = |name: &str| with("Harbour Coffee Ltd", name);
    for (text, expected) in [
        (account("x"), None),
        (account(&"x".repeat(64)), None),
        (account(" ~"), None),
        (account(&"x".repeat(65)), Some(InvalidAccount)),
        (account("ACC-é"), Some(InvalidAccount)),
        (account("ACC\\u0000"), Some(InvalidAccount)),
        (account("ACC\\t"), Some(InvalidAccount)),
        (account("ACC\u{7f}"), Some(InvalidAccount)),
        (with("purchase", "chargeback"), Some(UnknownType)),
        (with("purchase", ""), Some(UnknownType)),
        (with("EUR", "JPY"), None),
        (with("EUR", "eur"), Some(UnknownCurrency)),
        (with("EUR", "EURO"), Some(UnknownCurrency)),
        (with("EUR", "XAU"), Some(UnknownCurrency)),
        (with("EUR", ""), Some(UnknownCurrency)),
        (amount("1"), None),
        (amount("1000000000000"), None),
        (amount("1000000000001"), Some(InvalidAmount)),
        (amount("9223372036854775807"), Some(InvalidAmount)),
        (amount("-1"), Some(InvalidAmount)),
        (amount("-9223372036854775808"), Some(InvalidAmount)),
        (merchant("é"), None),
        (merchant("Bob \\\"The Grill\\\" \\/ Söhne 株式会社 \\ud83c\\udf54"), None),
        (merchant(&"x".repeat(256)), None),
        (merchant(&"x".repeat(257)), Some(InvalidMerchant)),
        (merchant(&"é".repeat(129)), Some(InvalidMerchant)),
        (merchant("a\\nb"), Some(InvalidMerchant)),
        (merchant("a\u{7f}b"), Some(InvalidMerchant)),
        (merchant("a\u{85}b"), Some(InvalidMerchant)),
        (with("restaurants", ""), None),
        (with("restaurants", "\\u0000 anything"), None),
        (with("\"FR\"", "\"ZZ\""), Some(InvalidCountry)),
        (with("\"FR\"", "\"FRA\""), Some(InvalidCountry)),
        (with("\"FR\"", "\"\""), Some(InvalidCountry)),
        (with("online", "ATM"), Some(InvalidChannel)),
        (with("2026-11-20T", "0000-11-20T"), None),
        (with("2026-11-20T19:12:01.123Z", ""), Some(InvalidTime)),
        (with("2026-11-20T19:12:01.123Z", "20 Nov 2026"), Some(InvalidTime)),
    ] {
        assert_eq!(decoded(&text).err(), expected, "{text}");
    }
}

#[test]
fn the_future_begins_after_the_skew() {
    let rules = Rules { future_skew_ms: 1_000, ..Rules::default() };
    let at = |kafka_ms: i64| decode(Some(EXAMPLE.as_bytes()), kafka_ms, &rules).err();
    assert_eq!(at(KAFKA_MS - 1_000), None);
    assert_eq!(at(KAFKA_MS - 1_001), Some(Reason::FutureDated));
    assert_eq!(at(-1), Some(Reason::FutureDated));
    assert_eq!(at(i64::MIN), Some(Reason::FutureDated));
    assert_eq!(at(i64::MAX), None);
}

#[test]
fn the_codes_are_those_of_the_contract_in_its_order() {
    let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    let contract = "invalid_header empty too_large malformed_json unsupported_schema_version invalid_id \
        invalid_account unknown_type unknown_currency invalid_amount invalid_merchant invalid_country \
        invalid_channel invalid_time future_dated undecodable";
    assert_eq!(codes.join(" "), contract);
    for (index, &reason) in Reason::ALL.iter().enumerate() {
        assert_eq!((reason.index(), Reason::from_index(index)), (index, Some(reason)));
        assert_eq!(Reason::from_code(reason.code()), Some(reason));
    }
}
