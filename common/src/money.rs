//! Money: which currencies exist, and how an amount in minor units is written for people.
//!
//! Amounts are integers in the currency's minor unit (cents for EUR, yen for JPY, fils for KWD); nothing here or
//! anywhere else in the project turns one into a floating-point number, and amounts of different currencies are
//! never added. The list of codes is closed and written out below because it is part of what a snapshot means:
//! a dependency update must not silently turn a rejected record into an accepted one. The exponents come from the
//! `iso_currency` crate; a test keeps both in step.

use std::fmt;
use std::sync::LazyLock;

/// Every ISO 4217 alphabetic code that has a minor-unit exponent, sorted: the metals, the bond-market units, the
/// test code and `XXX` have none and are no currencies a transaction could be in. Codes that were replaced lately
/// (`HRK`, `ZWL`, …) stay, because records of their time may still arrive.
#[rustfmt::skip]
const CODES: [&str; 170] = [
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF", "BMD",
    "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CLF", "CLP",
    "CNY", "COP", "COU", "CRC", "CUC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR",
    "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HRK", "HTG", "HUF", "IDR",
    "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD",
    "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR",
    "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK",
    "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP",
    "SLE", "SLL", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD",
    "TWD", "TZS", "UAH", "UGX", "USD", "USN", "UYI", "UYU", "UYW", "UZS", "VED", "VES", "VND", "VUV", "WST", "XAD",
    "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG", "ZWL",
];

/// Marks a triple of letters that is no currency in [`LOOKUP`].
const UNKNOWN: u8 = u8::MAX;

/// For each of the 26³ triples of capital letters, the index in [`CODES`] or [`UNKNOWN`]: one load instead of a
/// search, because every record of the pipeline passes here.
static LOOKUP: [u8; 26 * 26 * 26] = lookup_table();

/// Minor-unit digits per index, asked of `iso_currency` once.
static EXPONENTS: LazyLock<[u8; CODES.len()]> = LazyLock::new(|| {
    CODES.map(|code| {
        let exponent = iso_currency::Currency::from_code(code).and_then(iso_currency::Currency::exponent);
        let exponent = exponent.expect("a test compares the list with the crate's");
        u8::try_from(exponent).expect("ISO 4217 exponents are at most 4")
    })
});

/// A currency of the closed list: one byte, comparable, usable as an index into an array of [`Currency::COUNT`].
///
/// The index follows the order of the codes and may change when the list does, so it is never written anywhere;
/// what is stored is the [code](Currency::code).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(u8);

impl Currency {
    /// How many currencies there are.
    pub const COUNT: usize = CODES.len();

    /// The currency with this ISO 4217 alphabetic code in capital letters. Constant time, no allocation.
    #[inline]
    pub fn from_code(code: impl AsRef<[u8]>) -> Option<Self> {
        let &[a, b, c] = code.as_ref() else { return None };
        let index = *LOOKUP.get(slot(a, b, c)?)?;
        (index != UNKNOWN).then_some(Self(index))
    }

    /// The currency at `index` of the sorted list.
    pub fn from_index(index: usize) -> Option<Self> {
        if index < CODES.len() { u8::try_from(index).ok().map(Self) } else { None }
    }

    /// All currencies, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).filter_map(Self::from_index)
    }

    /// The position in the sorted list, below [`Currency::COUNT`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The ISO 4217 alphabetic code.
    #[inline]
    pub const fn code(self) -> &'static str {
        CODES[self.0 as usize]
    }

    /// Decimal digits of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u8 {
        EXPONENTS[self.index()]
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The place of three capital letters in [`LOOKUP`], `None` if they aren't that.
const fn slot(a: u8, b: u8, c: u8) -> Option<usize> {
    if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_uppercase() {
        Some(((a - b'A') as usize * 26 + (b - b'A') as usize) * 26 + (c - b'A') as usize)
    } else {
        None
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the list has fewer than 255 codes, which the assertion checks")]
const fn lookup_table() -> [u8; 26 * 26 * 26] {
    assert!(CODES.len() < UNKNOWN as usize);
    let mut table = [UNKNOWN; 26 * 26 * 26];
    let mut index = 0;
    while index < CODES.len() {
        let code = CODES[index].as_bytes();
        match slot(code[0], code[1], code[2]) {
            Some(place) => table[place] = index as u8,
            None => panic!("a currency code is three capital letters"),
        }
        index += 1;
    }
    table
}

/// Writes an amount in minor units for people: `format_minor(123450, EUR)` is `1 234.50 EUR`.
///
/// Exact for every `i128`: the digits are cut by the currency's exponent, nothing is divided into fractions.
pub fn format_minor(minor: i128, currency: Currency) -> String {
    let exponent = usize::from(currency.exponent());
    // At least one digit stands before the decimal point.
    let digits = format!("{:0width$}", minor.unsigned_abs(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);

    let mut text = String::with_capacity(digits.len() * 4 / 3 + 8);
    if minor < 0 {
        text.push('-');
    }
    for (position, digit) in whole.char_indices() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if exponent > 0 {
        text.push('.');
        text.push_str(fraction);
    }
    text.push(' ');
    text.push_str(currency.code());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::from_code(code).unwrap()
    }

    #[test]
    fn the_list_is_what_the_crate_knows_with_an_exponent() {
        let letters = || 'A'..='Z';
        let mut expected = Vec::new();
        for code in letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}")))) {
            if iso_currency::Currency::from_code(&code).is_some_and(|currency| currency.exponent().is_some()) {
                expected.push(code);
            }
        }
        assert_eq!(CODES.as_slice(), expected.as_slice());
    }

    #[test]
    fn every_currency_is_found_by_its_code_and_its_index() {
        assert_eq!(Currency::all().count(), Currency::COUNT);
        for (index, currency) in Currency::all().enumerate() {
            assert_eq!(currency.index(), index);
            assert_eq!(Currency::from_code(currency.code()), Some(currency));
            assert_eq!(Currency::from_code(currency.code().as_bytes()), Some(currency));
            assert_eq!(Currency::from_code(currency.code().to_ascii_lowercase()), None);
        }
        assert_eq!(Currency::from_index(Currency::COUNT), None);
    }

    #[test]
    fn what_is_no_currency_is_not_found() {
        for code in ["", "E", "EU", "EURO", "eur", "XXX", "XTS", "XAU", "XAG", "XDR", "ZZZ", "€", "E R", "EU\u{ff}"] {
            assert_eq!(Currency::from_code(code), None, "{code:?}");
        }
    }

    #[test]
    fn exponents_are_those_of_iso_4217() {
        for (code, exponent) in [("EUR", 2), ("USD", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("TND", 3), ("UYW", 4)] {
            assert_eq!(currency(code).exponent(), exponent, "{code}");
        }
    }

    #[test]
    fn amounts_are_written_exactly() {
        for (minor, code, text) in [
            (0, "EUR", "0.00 EUR"),
            (5, "EUR", "0.05 EUR"),
            (123_450, "EUR", "1 234.50 EUR"),
            (-123_450, "EUR", "-1 234.50 EUR"),
            (-7, "USD", "-0.07 USD"),
            (100_000_000, "USD", "1 000 000.00 USD"),
            (999, "JPY", "999 JPY"),
            (1_000, "JPY", "1 000 JPY"),
            (1_234_567, "KWD", "1 234.567 KWD"),
            (i128::MIN, "JPY", "-170 141 183 460 469 231 731 687 303 715 884 105 728 JPY"),
        ] {
            assert_eq!(format_minor(minor, currency(code)), text);
        }
    }
}
