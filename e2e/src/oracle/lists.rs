//! The closed lists, written down a second time: two lists that must agree find a slip in either.

/// The countries that have an officially assigned ISO 3166-1 alpha-2 code, continent by continent.
const COUNTRIES: &[&str] = &[
    // Africa
    "DZ AO BJ BW BF BI CV CM CF TD KM CG CD CI DJ EG GQ ER SZ ET GA GM GH GN GW KE LS LR LY MG MW ML MR MU YT MA MZ NA NE",
    "NG RE RW SH ST SN SC SL SO ZA SS SD TZ TG TN UG EH ZM ZW IO TF",
    // America
    "AI AG AR AW BS BB BZ BM BO BQ BR CA KY CL CO CR CU CW DM DO EC SV FK GF GL GD GP GT GY HT HN JM MQ MX MS NI PA PY",
    "PE PR BL KN LC MF PM VC SX SR TT TC US UY VE VG VI GS",
    // Asia
    "AF AM AZ BH BD BT BN KH CN CY GE HK IN ID IR IQ IL JP JO KZ KP KR KW KG LA LB MO MY MV MN MM NP OM PK PS PH QA SA",
    "SG LK SY TW TJ TH TL TR TM AE UZ VN YE",
    // Europe
    "AX AL AD AT BY BE BA BG HR CZ DK EE FO FI FR DE GI GR GG VA HU IS IE IM IT JE LV LI LT LU MT MD MC ME NL MK NO PL",
    "PT RO RU SM RS SK SI ES SJ SE CH UA GB",
    // Oceania and Antarctica
    "AS AU CX CC CK FJ PF GU KI MH FM NR NC NZ NU NF MP PW PG PN WS SB TK TO TV UM VU WF AQ BV HM",
];

const TYPES: &[&str] = &["purchase", "refund", "withdrawal", "transfer", "deposit"];
const CHANNELS: &[&str] = &["card_present", "online", "mobile", "atm"];
/// The categories with a name of their own; every other text counts as [`OTHER`].
const CATEGORIES: &[&str] = &[
    "charity",
    "clothing",
    "digital_goods",
    "education",
    "electronics",
    "entertainment",
    "financial",
    "fuel",
    "gambling",
    "groceries",
    "health",
    "household",
    "insurance",
    "lodging",
    "pharmacy",
    "restaurants",
    "telecom",
    "transport",
    "travel",
    "utilities",
];
const OTHER: &str = "other";

pub(super) fn is_country(code: &str) -> bool {
    COUNTRIES.iter().flat_map(|line| line.split(' ')).any(|known| known == code)
}

pub(super) fn is_type(code: &str) -> bool {
    TYPES.contains(&code)
}

pub(super) fn is_channel(code: &str) -> bool {
    CHANNELS.contains(&code)
}

/// A currency counts if ISO 4217 gives it a minor unit: metals and test codes have none.
pub(super) fn is_currency(code: &str) -> bool {
    let capital = code.bytes().all(|byte| byte.is_ascii_uppercase());
    capital && iso_currency::Currency::from_code(code).is_some_and(|currency| currency.exponent().is_some())
}

pub(super) fn category(text: &str) -> &str {
    if CATEGORIES.contains(&text) { text } else { OTHER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_249_countries_and_none_twice() {
        let mut codes: Vec<_> = COUNTRIES.iter().flat_map(|line| line.split(' ')).collect();
        assert_eq!(codes.len(), 249);
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), 249);
    }

    #[test]
    fn currencies_without_a_minor_unit_do_not_count() {
        assert!(is_currency("EUR") && is_currency("JPY") && is_currency("KWD"));
        for code in ["XAU", "XXX", "XTS", "eur", "EURO", ""] {
            assert!(!is_currency(code), "{code}");
        }
    }
}
