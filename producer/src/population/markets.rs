//! The countries that transactions come from, with their currency and a price level that makes amounts plausible.
//!
//! The price levels are rough and only there so that a coffee costs 4 euros and 700 yen; nothing computes with them
//! but the generator of amounts.

use common::money::Currency;
use common::transaction::Country;

use super::habits::Wheel;

/// A country with the money that is paid with there.
#[derive(Clone, Copy, Debug)]
pub struct Market {
    /// ISO 3166-1 alpha-2.
    country: &'static str,
    /// ISO 4217.
    currency: &'static str,
    /// What a price of one US cent is there, in thousandths of the currency's minor unit.
    pub price_level: i64,
    /// The smallest note that cash machines give, in minor units.
    pub note_minor: i64,
    /// Share of the accounts that are at home here.
    pub weight: u32,
}

impl Market {
    /// The country.
    pub fn country(&self) -> Country {
        Country::from_code(self.country).expect("a test reads every country of the table")
    }

    /// Its currency.
    pub fn currency(&self) -> Currency {
        Currency::from_code(self.currency).expect("a test reads every currency of the table")
    }
}

const fn market(
    country: &'static str,
    currency: &'static str,
    price_level: i64,
    note_minor: i64,
    weight: u32,
) -> Market {
    Market { country, currency, price_level, note_minor, weight }
}

/// All markets. Their order is part of what a seed means.
pub const MARKETS: [Market; 24] = [
    market("US", "USD", 1_000, 2_000, 40),
    market("DE", "EUR", 920, 1_000, 30),
    market("FR", "EUR", 920, 1_000, 24),
    market("GB", "GBP", 790, 1_000, 24),
    market("IT", "EUR", 850, 1_000, 16),
    market("ES", "EUR", 780, 1_000, 16),
    market("NL", "EUR", 950, 1_000, 10),
    market("IE", "EUR", 980, 1_000, 4),
    market("CH", "CHF", 1_150, 2_000, 6),
    market("SE", "SEK", 10_500, 10_000, 5),
    market("PL", "PLN", 2_800, 5_000, 8),
    market("CZ", "CZK", 16_000, 20_000, 4),
    market("CA", "CAD", 1_300, 2_000, 8),
    market("MX", "MXN", 11_000, 20_000, 6),
    market("BR", "BRL", 3_200, 5_000, 8),
    market("IN", "INR", 25_000, 50_000, 12),
    market("SG", "SGD", 1_250, 5_000, 4),
    market("AU", "AUD", 1_500, 5_000, 7),
    market("ZA", "ZAR", 9_000, 10_000, 3),
    market("AE", "AED", 3_300, 10_000, 3),
    market("JP", "JPY", 1_100, 1_000, 10),
    market("KR", "KRW", 10_000, 10_000, 5),
    market("KW", "KWD", 2_900, 5_000, 2),
    market("TN", "TND", 1_800, 10_000, 1),
];

/// A wheel that stops at each market as often as accounts are at home there.
pub fn wheel() -> Wheel<u8> {
    let weights: Vec<(u8, u32)> = (0_u8..).zip(&MARKETS).map(|(index, market)| (index, market.weight)).collect();
    Wheel::new(&weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_market_is_a_country_with_a_currency() {
        for market in MARKETS {
            assert_eq!(market.country().code(), market.country);
            assert_eq!(market.currency().code(), market.currency);
            assert!(market.price_level > 0 && market.note_minor > 0 && market.weight > 0, "{market:?}");
        }
    }

    #[test]
    fn currencies_with_no_two_and_three_digits_occur() {
        let exponents: Vec<u8> = MARKETS.iter().map(|market| market.currency().exponent()).collect();
        for exponent in [0, 2, 3] {
            assert!(exponents.contains(&exponent));
        }
    }
}
