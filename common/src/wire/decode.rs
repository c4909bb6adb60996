//! From a record's value to a transaction, or to the reason why it is none.
//!
//! The steps, each with its own reasons: bytes → text → members (two readers that agree: [`canonical`] for the form
//! we write ourselves, [`json`] for everything else) → checked transaction. The order of the checks in here *is* the
//! contract's order.

use std::borrow::Cow;

use super::{FUTURE_SKEW_MS_DEFAULT, Reason, VALUE_BYTES_MAX_DEFAULT, canonical, id, json, timestamp};
use crate::money::Currency;
use crate::transaction::{
    ACCOUNT_BYTES_MAX, AMOUNT_MINOR_MAX, Category, Channel, Country, Kind, MERCHANT_NAME_BYTES_MAX, Transaction,
};

/// The two limits of validation that are settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How far `occurred_at` may lie ahead of the record's Kafka timestamp, in milliseconds.
    pub future_skew_ms: i64,
    /// The largest value, in bytes.
    pub value_bytes_max: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { future_skew_ms: FUTURE_SKEW_MS_DEFAULT, value_bytes_max: VALUE_BYTES_MAX_DEFAULT }
    }
}

/// The members of a record, of the right JSON types but not looked at yet. `schema_version` was 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Members<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) account: Cow<'a, str>,
    pub(super) kind: Cow<'a, str>,
    pub(super) amount_minor: i64,
    pub(super) currency: Cow<'a, str>,
    pub(super) merchant_name: Cow<'a, str>,
    pub(super) merchant_category: Cow<'a, str>,
    pub(super) country: Cow<'a, str>,
    pub(super) channel: Cow<'a, str>,
    pub(super) occurred_at: Cow<'a, str>,
}

/// Reads and validates the value of a record whose Kafka timestamp is `kafka_timestamp_ms` (milliseconds since 1970).
///
/// The transaction borrows its texts from `value`; only a text with JSON escapes is copied. The header's reason,
/// [`Reason::InvalidHeader`], comes before all of these and is found by
/// [`SequenceHeader::parse`](super::SequenceHeader::parse).
pub fn decode<'a>(value: Option<&'a [u8]>, kafka_timestamp_ms: i64, rules: &Rules) -> Result<Transaction<'a>, Reason> {
    let value = value.filter(|value| !value.is_empty()).ok_or(Reason::Empty)?;
    if value.len() > rules.value_bytes_max {
        return Err(Reason::TooLarge);
    }
    // All of it, once: a text with a stray byte is malformed even where the byte stands in a member we ignore.
    let text = std::str::from_utf8(value).map_err(|_| Reason::MalformedJson)?;
    let members = match canonical::read(text) {
        Some(members) => members,
        None => json::read(text)?,
    };
    let transaction = check(members)?;
    if transaction.occurred_at_ms > kafka_timestamp_ms.saturating_add(rules.future_skew_ms) {
        return Err(Reason::FutureDated);
    }
    Ok(transaction)
}

/// The checks that look at one member each. The fields of the literal are evaluated in the order they are written.
fn check(members: Members<'_>) -> Result<Transaction<'_>, Reason> {
    Ok(Transaction {
        id: id::parse(&members.id).ok_or(Reason::InvalidId)?,
        account: Some(members.account).filter(|account| is_account(account)).ok_or(Reason::InvalidAccount)?,
        kind: Kind::from_code(&members.kind).ok_or(Reason::UnknownType)?,
        currency: Currency::from_code(members.currency.as_bytes()).ok_or(Reason::UnknownCurrency)?,
        amount_minor: Some(members.amount_minor)
            .filter(|amount| (1..=AMOUNT_MINOR_MAX).contains(amount))
            .ok_or(Reason::InvalidAmount)?,
        merchant_name: Some(members.merchant_name).filter(|name| is_name(name)).ok_or(Reason::InvalidMerchant)?,
        category: Category::of(&members.merchant_category),
        country: Country::from_code(members.country.as_bytes()).ok_or(Reason::InvalidCountry)?,
        channel: Channel::from_code(&members.channel).ok_or(Reason::InvalidChannel)?,
        occurred_at_ms: timestamp::parse_ms(&members.occurred_at).ok_or(Reason::InvalidTime)?,
    })
}

fn is_account(account: &str) -> bool {
    (1..=ACCOUNT_BYTES_MAX).contains(&account.len()) && account.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn is_name(name: &str) -> bool {
    let has_control = if name.is_ascii() {
        name.bytes().any(|byte| byte.is_ascii_control())
    } else {
        name.chars().any(char::is_control)
    };
    (1..=MERCHANT_NAME_BYTES_MAX).contains(&name.len()) && !has_control
}
