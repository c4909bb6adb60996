//! Countries: every officially assigned ISO 3166-1 alpha-2 code, as one byte.

use std::fmt;

/// The 249 officially assigned codes, sorted. Reserved and user-assigned ones (`UK`, `EU`, `XK`, `ZZ`, …) are not
/// in it.
#[rustfmt::skip]
const CODES: [&str; 249] = [
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ", "BA", "BB", "BD",
    "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BV", "BW", "BY", "BZ", "CA",
    "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE",
    "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA",
    "GB", "GD", "GE", "GF", "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK",
    "HM", "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP",
    "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT",
    "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK", "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS",
    "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ",
    "OM", "PA", "PE", "PF", "PG", "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS",
    "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST",
    "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW",
    "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI", "VN", "VU", "WF", "WS", "YE", "YT", "ZA",
    "ZM", "ZW",
];

/// Marks a pair of letters that is no country in [`LOOKUP`].
const UNKNOWN: u8 = u8::MAX;

/// For each of the 26² pairs of capital letters, the index in [`CODES`] or [`UNKNOWN`].
static LOOKUP: [u8; 26 * 26] = lookup_table();

/// A country of the closed list: one byte, usable as an index into an array of [`Country::COUNT`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country(u8);

impl Country {
    /// How many countries there are.
    pub const COUNT: usize = CODES.len();

    /// The country with this alpha-2 code in capital letters. Constant time, no allocation.
    #[inline]
    pub fn from_code(code: impl AsRef<[u8]>) -> Option<Self> {
        let &[a, b] = code.as_ref() else { return None };
        let index = *LOOKUP.get(slot(a, b)?)?;
        (index != UNKNOWN).then_some(Self(index))
    }

    /// The country at `index` of the sorted list.
    pub fn from_index(index: usize) -> Option<Self> {
        if index < CODES.len() { u8::try_from(index).ok().map(Self) } else { None }
    }

    /// All countries, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).filter_map(Self::from_index)
    }

    /// The position in the sorted list, below [`Country::COUNT`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The ISO 3166-1 alpha-2 code.
    #[inline]
    pub const fn code(self) -> &'static str {
        CODES[self.0 as usize]
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The place of two capital letters in [`LOOKUP`], `None` if they aren't that.
const fn slot(a: u8, b: u8) -> Option<usize> {
    if a.is_ascii_uppercase() && b.is_ascii_uppercase() {
        Some((a - b'A') as usize * 26 + (b - b'A') as usize)
    } else {
        None
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the list has fewer than 255 codes, which the assertion checks")]
const fn lookup_table() -> [u8; 26 * 26] {
    assert!(CODES.len() < UNKNOWN as usize);
    let mut table = [UNKNOWN; 26 * 26];
    let mut index = 0;
    while index < CODES.len() {
        let code = CODES[index].as_bytes();
        match slot(code[0], code[1]) {
            Some(place) => table[place] = index as u8,
            None => panic!("a country code is two capital letters"),
        }
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_that_of_iso_3166_1() {
        let letters = || 'A'..='Z';
        let assigned: Vec<String> = letters()
            .flat_map(|a| letters().map(move |b| format!("{a}{b}")))
            .filter(|code| code.parse::<iso_currency::Country>().is_ok())
            .collect();
        assert_eq!(CODES.as_slice(), assigned.as_slice());
    }

    #[test]
    fn every_country_is_found_by_its_code_and_its_index() {
        assert_eq!(Country::all().count(), Country::COUNT);
        for (index, country) in Country::all().enumerate() {
            assert_eq!(country.index(), index);
            assert_eq!(Country::from_code(country.code()), Some(country));
        }
        assert_eq!(Country::from_index(Country::COUNT), None);
    }

    #[test]
    fn what_is_no_assigned_code_is_not_found() {
        for code in ["", "F", "FRA", "fr", "Fr", "UK", "EU", "XK", "ZZ", "AA", "F1", "é"] {
            assert_eq!(Country::from_code(code), None, "{code:?}");
        }
    }
}
