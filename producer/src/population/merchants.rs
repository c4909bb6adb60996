//! Merchants: a pool of names, so many for each market and line of business, built once from a seed.

use common::transaction::Category;
use fake::Fake as _;
use fake::faker::name::en::LastName;

use super::markets::MARKETS;
use crate::dice::Dice;

/// Merchants of each line of business in each market.
const PER_BUSINESS: u32 = 5;

/// All merchants, by market, then line of business.
#[derive(Debug)]
pub struct Merchants {
    names: Vec<Box<str>>,
}

impl Merchants {
    /// Draws the names.
    pub fn new(dice: &mut Dice) -> Self {
        let mut names = Vec::with_capacity(MARKETS.len() * Category::COUNT * PER_BUSINESS as usize);
        for _ in &MARKETS {
            for category in Category::ALL {
                for _ in 0..PER_BUSINESS {
                    let owner: String = LastName().fake_with_rng(dice.generator());
                    let trades = trades(*category);
                    let trade = trades[dice.below(u32::try_from(trades.len()).expect("a few")) as usize];
                    names.push(format!("{owner} {trade}").into_boxed_str());
                }
            }
        }
        Self { names }
    }

    /// Draws a merchant of one line of business in one market.
    #[inline]
    pub fn pick(&self, market: u8, category: Category, bits: u64) -> u32 {
        let categories = u32::try_from(Category::COUNT).expect("a few");
        let category = u32::try_from(category.index()).expect("a few");
        (u32::from(market) * categories + category) * PER_BUSINESS + crate::dice::scaled(bits, PER_BUSINESS)
    }

    /// The name of a merchant.
    #[inline]
    pub fn name(&self, merchant: u32) -> &str {
        &self.names[merchant as usize]
    }
}

/// What follows the owner's name on the sign.
fn trades(category: Category) -> &'static [&'static str] {
    match category {
        Category::Groceries => &["Market", "Foods", "Supermarket", "Bakery"],
        Category::Restaurants => &["Coffee Ltd", "Grill", "Kitchen", "Bistro", "Tea Rooms"],
        Category::Fuel => &["Energy Station", "Fuels", "Charging Park"],
        Category::Transport => &["Taxi", "Rail", "Bus Lines", "Parking"],
        Category::Travel => &["Airways", "Travel", "Cruises"],
        Category::Lodging => &["Hotel", "Inn", "Apartments"],
        Category::Entertainment => &["Cinema", "Concert Hall", "Bowling"],
        Category::Electronics => &["Electronics", "Computers", "Audio & Video"],
        Category::Clothing => &["Fashion", "Shoes", "Tailors"],
        Category::Household => &["Furniture", "Garden Centre", "Hardware"],
        Category::Health => &["Dental Practice", "Clinic", "Opticians"],
        Category::Pharmacy => &["Pharmacy", "Chemists"],
        Category::Utilities => &["Power & Light", "Water", "Gas"],
        Category::Telecom => &["Telecom", "Mobile"],
        Category::Education => &["Books", "Academy", "Language School"],
        Category::Insurance => &["Insurance", "Mutual"],
        Category::Charity => &["Foundation", "Relief Fund"],
        Category::DigitalGoods => &["Games", "Music", "Apps"],
        Category::Gambling => &["Lottery", "Bets"],
        Category::Financial => &["Bank", "Savings Bank", "Credit Union"],
        Category::Other => &["Services", "& Sons", "Trading"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_merchant_for_every_line_of_business_in_every_market() {
        let merchants = Merchants::new(&mut Dice::new(1, "merchants"));
        for market in 0..u8::try_from(MARKETS.len()).unwrap() {
            for &category in Category::ALL {
                for bits in [0, u64::MAX / 2, u64::MAX] {
                    let name = merchants.name(merchants.pick(market, category, bits));
                    assert!(trades(category).iter().any(|trade| name.ends_with(trade)), "{category:?}: {name}");
                    assert!(name.len() <= 64, "{name}");
                }
            }
        }
    }

    #[test]
    fn a_seed_names_the_same_merchants() {
        let names = |seed| Merchants::new(&mut Dice::new(seed, "merchants")).names;
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
    }
}
