//! What people do: which kinds of transaction, in which line of business, by which channel, at which time of day,
//! and for how much.
//!
//! The figures are made up to look right on a chart; none of them comes from real data.

use common::transaction::{Category, Channel, Kind};

use super::markets::Market;

/// Something drawn in fixed proportions, by one look at a table of 256 slots.
#[derive(Clone, Debug)]
pub struct Wheel<T>(Box<[T; 256]>);

impl<T: Copy> Wheel<T> {
    /// A wheel with each item in proportion to its weight, and each at least once (so at most 256 items).
    ///
    /// # Panics
    /// Without items, or with more than 256.
    pub fn new(weights: &[(T, u32)]) -> Self {
        let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
        assert!(!weights.is_empty() && weights.len() <= 256 && total > 0, "a wheel has 1 to 256 items");
        let mut slots = Vec::with_capacity(256);
        let mut weight_so_far = 0;
        for (index, (item, weight)) in weights.iter().enumerate() {
            weight_so_far += weight;
            let items_left = weights.len() - 1 - index;
            let end = (weight_so_far as usize * 256 / total as usize).clamp(slots.len() + 1, 256 - items_left);
            slots.resize(end, *item);
        }
        slots.resize(256, weights[weights.len() - 1].0);
        Self(slots.into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("resized to 256")))
    }

    /// The item that random bits stop at.
    #[inline]
    pub fn at(&self, bits: u64) -> T {
        self.0[usize::from(bits.to_le_bytes()[0])]
    }
}

/// Parts of a day, by the hour in UTC: night, morning, midday, afternoon, evening.
const DAY_PARTS: usize = 5;

fn day_part(hour: i64) -> usize {
    match hour {
        0..=5 => 0,
        6..=10 => 1,
        11..=13 => 2,
        14..=17 => 3,
        _ => 4,
    }
}

/// What is usual, ready to be drawn from.
#[derive(Clone, Debug)]
pub struct Habits {
    kinds: [Wheel<Kind>; DAY_PARTS],
    categories: [Wheel<Category>; DAY_PARTS],
    channels: Vec<Wheel<Channel>>,
}

/// For each kind, its weight in each part of the day.
const KINDS: [(Kind, [u32; DAY_PARTS]); Kind::COUNT] = [
    (Kind::Purchase, [70, 78, 84, 80, 82]),
    (Kind::Refund, [2, 3, 4, 5, 3]),
    (Kind::Withdrawal, [8, 6, 6, 7, 9]),
    (Kind::Transfer, [12, 7, 4, 5, 5]),
    (Kind::Deposit, [8, 6, 2, 3, 1]),
];

/// How one line of business goes.
struct Business {
    category: Category,
    /// Its share of the purchases in each part of the day.
    weights: [u32; DAY_PARTS],
    /// The usual amount, in US cents.
    median_cents: i64,
    /// How far amounts spread, in sixteenths of a doubling per standard deviation.
    spread: i64,
    /// Weights of card at a terminal, browser, telephone.
    channels: [u32; 3],
}

const fn business(
    category: Category,
    weights: [u32; DAY_PARTS],
    median_cents: i64,
    spread: i64,
    channels: [u32; 3],
) -> Business {
    Business { category, weights, median_cents, spread, channels }
}

/// All lines of business, in the order of [`Category::ALL`].
const BUSINESSES: [Business; Category::COUNT] = [
    business(Category::Groceries, [4, 18, 20, 22, 20], 3_200, 16, [85, 10, 5]),
    business(Category::Restaurants, [6, 10, 26, 8, 24], 2_400, 14, [80, 8, 12]),
    business(Category::Fuel, [8, 12, 6, 9, 5], 4_800, 9, [96, 0, 4]),
    business(Category::Transport, [8, 18, 8, 14, 8], 650, 14, [50, 15, 35]),
    business(Category::Travel, [3, 3, 3, 3, 4], 26_000, 20, [5, 75, 20]),
    business(Category::Lodging, [3, 3, 2, 3, 3], 14_000, 16, [40, 45, 15]),
    business(Category::Entertainment, [6, 2, 3, 5, 12], 2_800, 14, [40, 35, 25]),
    business(Category::Electronics, [2, 3, 4, 5, 5], 12_000, 22, [40, 45, 15]),
    business(Category::Clothing, [2, 4, 6, 8, 6], 5_500, 16, [55, 30, 15]),
    business(Category::Household, [1, 3, 4, 6, 3], 6_500, 20, [65, 28, 7]),
    business(Category::Health, [2, 5, 4, 5, 1], 7_500, 18, [75, 20, 5]),
    business(Category::Pharmacy, [2, 4, 4, 5, 3], 1_900, 14, [88, 8, 4]),
    business(Category::Utilities, [2, 3, 1, 1, 1], 9_000, 10, [2, 78, 20]),
    business(Category::Telecom, [2, 2, 1, 1, 1], 3_500, 8, [5, 60, 35]),
    business(Category::Education, [1, 2, 1, 2, 1], 8_000, 24, [15, 75, 10]),
    business(Category::Insurance, [1, 2, 1, 1, 1], 11_000, 14, [2, 83, 15]),
    business(Category::Charity, [1, 1, 1, 1, 2], 2_500, 16, [15, 55, 30]),
    business(Category::DigitalGoods, [16, 3, 4, 5, 12], 1_200, 16, [0, 45, 55]),
    business(Category::Gambling, [12, 1, 1, 2, 6], 3_000, 20, [10, 40, 50]),
    business(Category::Financial, [1, 1, 1, 1, 1], 20_000, 20, [10, 45, 45]),
    business(Category::Other, [2, 2, 2, 2, 2], 3_000, 20, [50, 30, 20]),
];

impl Habits {
    /// Builds the tables.
    pub fn new() -> Self {
        let wheel = |part: usize| Wheel::new(&KINDS.map(|(kind, weights)| (kind, weights[part])));
        let kinds = std::array::from_fn(wheel);
        let categories = std::array::from_fn(|part| {
            let weights: Vec<_> = BUSINESSES.iter().map(|it| (it.category, it.weights[part])).collect();
            Wheel::new(&weights)
        });
        let channels = BUSINESSES.iter().map(|business| {
            let ways = [Channel::CardPresent, Channel::Online, Channel::Mobile];
            let weights: Vec<_> = ways.into_iter().zip(business.channels).filter(|(_, weight)| *weight > 0).collect();
            Wheel::new(&weights)
        });
        Self { kinds, categories, channels: channels.collect() }
    }

    /// The kind and the line of business of a transaction at `ms` since 1970.
    #[inline]
    pub fn activity(&self, ms: i64, bits: u64) -> (Kind, Category) {
        let part = day_part(ms.rem_euclid(86_400_000) / 3_600_000);
        let kind = self.kinds[part].at(bits);
        let category = match kind {
            Kind::Purchase | Kind::Refund => self.categories[part].at(bits >> 8),
            Kind::Withdrawal | Kind::Transfer | Kind::Deposit => Category::Financial,
        };
        (kind, category)
    }

    /// The channel of such a transaction.
    #[inline]
    pub fn channel(&self, kind: Kind, category: Category, bits: u64) -> Channel {
        match kind {
            Kind::Purchase | Kind::Refund => self.channels[category.index()].at(bits),
            Kind::Withdrawal => Channel::Atm,
            // Mostly by telephone; cash is paid in at machines.
            Kind::Transfer => [Channel::Mobile, Channel::Mobile, Channel::Online][(bits % 3) as usize],
            Kind::Deposit => [Channel::Atm, Channel::Mobile, Channel::Online][(bits % 3) as usize],
        }
    }

    /// The amount of such a transaction in minor units of the market's currency: roughly log-normal round the usual
    /// one; whole notes at cash machines.
    #[inline]
    pub fn amount_minor(&self, kind: Kind, category: Category, market: &Market, bits: u64) -> i64 {
        let business = &BUSINESSES[category.index()];
        let minor = log_normal(business.median_cents, business.spread, bits) * market.price_level / 1_000;
        let minor = if kind == Kind::Withdrawal { minor / market.note_minor * market.note_minor } else { minor };
        let minor_min = if kind == Kind::Withdrawal { market.note_minor } else { 1 };
        minor.clamp(minor_min, common::transaction::AMOUNT_MINOR_MAX)
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self::new()
    }
}

/// `median` times two to the power of a nearly normal number, in integers only.
///
/// Four uniform 16-bit numbers add up to nearly a normal one (mean 2^17, standard deviation 2^16/√3); between whole
/// powers of two the curve is replaced by straight lines. `spread` is in sixteenths of a doubling per 2^16.
fn log_normal(median: i64, spread: i64, bits: u64) -> i64 {
    const ONE: i64 = 1 << 16;
    let sum = (0..4).map(|part| (bits >> (16 * part) & 0xffff).cast_signed()).sum::<i64>();
    let exponent = (sum - 2 * ONE) * spread * 2 / 16;
    let (whole, fraction) = (exponent.div_euclid(ONE), exponent.rem_euclid(ONE));
    let scaled = median * (ONE + fraction);
    if whole >= 0 { scaled << whole >> 16 } else { scaled >> -whole >> 16 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::population::MARKETS;

    #[test]
    fn a_wheel_holds_each_item_in_proportion_and_none_is_left_out() {
        let wheel = Wheel::new(&[('a', 96), ('b', 32), ('c', 0), ('d', 128)]);
        let count = |item| (0..256_u64).filter(|&bits| wheel.at(bits) == item).count();
        assert_eq!((count('a'), count('b'), count('c'), count('d')), (96, 32, 1, 127));
        let only = Wheel::new(&[('x', 1)]);
        assert!((0..256_u64).all(|bits| only.at(bits) == 'x'));
    }

    #[test]
    fn tables_stand_in_the_order_of_their_lists() {
        assert!(BUSINESSES.iter().map(|it| it.category).eq(Category::ALL.iter().copied()));
        assert!(KINDS.iter().map(|it| it.0).eq(Kind::ALL.iter().copied()));
    }

    #[test]
    fn cash_comes_from_cash_machines_in_whole_notes() {
        let habits = Habits::new();
        let mut dice = Dice::new(1, "test");
        for market in &MARKETS {
            for _ in 0..1_000 {
                let bits = dice.bits();
                let minor = habits.amount_minor(Kind::Withdrawal, Category::Financial, market, bits);
                assert!(minor > 0 && minor % market.note_minor == 0, "{market:?}: {minor}");
                assert_eq!(habits.channel(Kind::Withdrawal, Category::Financial, bits), Channel::Atm);
            }
        }
    }

    #[test]
    fn amounts_lie_round_the_usual_one_and_spread_to_both_sides() {
        let mut dice = Dice::new(1, "test");
        let mut amounts: Vec<i64> = (0..10_001).map(|_| log_normal(2_400, 14, dice.bits())).collect();
        amounts.sort_unstable();
        assert!((2_200..2_600).contains(&amounts[5_000]), "{}", amounts[5_000]);
        assert!((700..1_700).contains(&amounts[1_000]), "{}", amounts[1_000]);
        assert!((3_400..8_000).contains(&amounts[9_000]), "{}", amounts[9_000]);
        assert!(amounts[0] > 50 && amounts[10_000] < 100_000, "{} {}", amounts[0], amounts[10_000]);
    }

    #[test]
    fn lunch_is_eaten_at_midday_and_games_are_bought_at_night() {
        let habits = Habits::new();
        let mut dice = Dice::new(1, "test");
        let mut share = |hour: i64, wanted: Category| {
            (0..10_000).filter(|_| habits.activity(hour * 3_600_000, dice.bits()).1 == wanted).count()
        };
        assert!(share(12, Category::Restaurants) > 2 * share(8, Category::Restaurants));
        assert!(share(2, Category::DigitalGoods) > 2 * share(12, Category::DigitalGoods));
    }
}
