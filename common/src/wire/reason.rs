//! Why a record is rejected.

use std::fmt;

macro_rules! reasons {
    ($($(#[$meta:meta])* $variant:ident = $code:literal,)+) => {
        /// Why a record was rejected: the first check that failed, in the order of [`Reason::ALL`].
        ///
        /// The code is what dead letters and the ledger carry; codes may be added, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $($(#[$meta])* $variant,)+ }

        impl Reason {
            /// Every reason, in the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many reasons there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The code in the ledger and in the dead letter's headers.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The reason with this code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// The `tally-seq` header is there but isn't one, or it jumps further than any producer could.
    InvalidHeader = "invalid_header",
    /// No value (a tombstone), or one of no bytes.
    Empty = "empty",
    /// The value is longer than the limit.
    TooLarge = "too_large",
    /// Not one JSON object in UTF-8 with every member once and of its type.
    MalformedJson = "malformed_json",
    /// A well-formed object of a version of the format that this code doesn't know.
    UnsupportedSchemaVersion = "unsupported_schema_version",
    /// `id` isn't a UUID of 36 characters.
    InvalidId = "invalid_id",
    /// `account` is empty, too long, or not printable ASCII.
    InvalidAccount = "invalid_account",
    /// `type` isn't one of the five.
    UnknownType = "unknown_type",
    /// `currency` isn't a currency code of ISO 4217.
    UnknownCurrency = "unknown_currency",
    /// `amount_minor` is zero, negative or too large.
    InvalidAmount = "invalid_amount",
    /// `merchant_name` is empty, too long, or contains control characters.
    InvalidMerchant = "invalid_merchant",
    /// `country` isn't an assigned ISO 3166-1 alpha-2 code in capital letters.
    InvalidCountry = "invalid_country",
    /// `channel` isn't one of the four.
    InvalidChannel = "invalid_channel",
    /// `occurred_at` isn't an RFC 3339 timestamp of a date that exists.
    InvalidTime = "invalid_time",
    /// `occurred_at` lies further ahead of the record's Kafka timestamp than the skew allowed.
    FutureDated = "future_dated",
    /// The record's batch can't be read by any client at hand, so its value was never seen.
    Undecodable = "undecodable",
}

impl Reason {
    /// The position in [`Reason::ALL`], below [`Reason::COUNT`].
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The reason at `index` of [`Reason::ALL`].
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
