//! One financial transaction, and the closed lists its members come from.
//!
//! This is the domain both sides speak: what a transaction *is*, independent of how it is written (see
//! [`wire`](crate::wire)) and of Kafka. Every list is closed, so that totals can be kept in arrays and so that two
//! partitions always agree on what a value means. Indices follow the order of the list, are never stored, and may
//! change with it; what is stored is the code.

mod country;
mod lists;

use std::borrow::Cow;

pub use country::Country;
pub use lists::{Category, Channel, Kind};

use crate::money::Currency;

/// The largest amount of a transaction, in minor units; the smallest is 1.
///
/// The bound keeps a sum of 10^18 such amounts inside an `i128`, so totals can't overflow.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000;

/// The longest account name, in bytes (all of them printable ASCII).
pub const ACCOUNT_BYTES_MAX: usize = 64;

/// The longest merchant name, in bytes of UTF-8.
pub const MERCHANT_NAME_BYTES_MAX: usize = 256;

/// The first instant a transaction can have occurred at: 0000-01-01T00:00:00Z, in milliseconds since 1970.
pub const OCCURRED_AT_MS_MIN: i64 = -62_167_219_200_000;

/// The last instant a transaction can have occurred at: 9999-12-31T23:59:59.999Z, in milliseconds since 1970.
pub const OCCURRED_AT_MS_MAX: i64 = 253_402_300_799_999;

/// A valid transaction, borrowing its texts from the record it was read from.
///
/// Whoever has one from [`wire::decode`](crate::wire::decode) may rely on every bound named in this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction<'a> {
    /// The UUID, as the number its 32 hexadecimal digits write.
    pub id: u128,
    /// Whose account: 1 to [`ACCOUNT_BYTES_MAX`] printable ASCII characters. Also the record's key.
    pub account: Cow<'a, str>,
    /// What happened.
    pub kind: Kind,
    /// How much, in the currency's minor unit: 1 to [`AMOUNT_MINOR_MAX`], positive for every kind.
    pub amount_minor: i64,
    /// In which currency.
    pub currency: Currency,
    /// With whom: 1 to [`MERCHANT_NAME_BYTES_MAX`] bytes without control characters.
    pub merchant_name: Cow<'a, str>,
    /// The merchant's line of business.
    pub category: Category,
    /// Where.
    pub country: Country,
    /// By which way.
    pub channel: Channel,
    /// When, in milliseconds since 1970 (UTC), from [`OCCURRED_AT_MS_MIN`] to [`OCCURRED_AT_MS_MAX`].
    pub occurred_at_ms: i64,
}
