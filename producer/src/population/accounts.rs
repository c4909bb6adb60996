//! Accounts: few are very busy, many are hardly ever seen. Everything about one follows from its rank.

use super::markets;
use crate::dice::{Dice, mix, scaled};
use crate::population::habits::Wheel;

/// Most accounts a population can have: names have 8 digits, and rank → name is one-to-one below this.
pub const ACCOUNTS_MAX: u32 = 100_000_000;

/// Flattens the head of the distribution: without it the busiest account alone would make 6 % of all transactions.
const HEAD: u32 = 64;

/// The accounts of a population.
#[derive(Clone, Debug)]
pub struct Accounts {
    seed: u64,
    count: u32,
    /// Octaves of the distribution: see [`Accounts::pick`].
    octaves: u32,
    homes: Wheel<u8>,
}

impl Accounts {
    /// `count` accounts, from 1 to [`ACCOUNTS_MAX`].
    pub fn new(seed: u64, count: u32) -> Self {
        let count = count.clamp(1, ACCOUNTS_MAX);
        let octaves = (HEAD + count - 1).ilog2() - HEAD.ilog2() + 1;
        Self { seed, count, octaves, homes: markets::wheel() }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Draws the rank of an account, 0 for the busiest, in nearly the proportions of Zipf's law (activity falls off
    /// as 1/(rank + 64)).
    ///
    /// Under that law every octave of ranks (64–127, 128–255, …) is equally busy, so: draw an octave, then a place in
    /// it. Constant time, no table, and no floating-point function that another machine could round differently.
    #[inline]
    pub fn pick(&self, dice: &mut Dice) -> u32 {
        loop {
            let bits = dice.bits();
            let octave = HEAD << scaled(bits, self.octaves);
            let place = scaled(bits << 32, octave);
            // The last octave may be cut short; beyond its end there is nobody.
            let rank = octave + place - HEAD;
            if rank < self.count {
                return rank;
            }
        }
    }

    /// The market that an account is at home in, as an index into [`MARKETS`](super::MARKETS).
    #[inline]
    pub fn home(&self, rank: u32) -> u8 {
        self.homes.at(mix(self.seed ^ u64::from(rank)))
    }

    /// The name of an account.
    #[inline]
    pub fn name(rank: u32) -> AccountName {
        // Ranks are spread over the numbers, so that the busiest accounts aren't those with the lowest. The factor
        // has no divisor in common with 10^8, so no two ranks get the same number.
        let number = (u64::from(rank) * 48_271 + 12_345) % u64::from(ACCOUNTS_MAX);
        let mut name = *b"ACC-00000000";
        let mut rest = number;
        for digit in name[4..].iter_mut().rev() {
            *digit += u8::try_from(rest % 10).expect("a remainder of ten is one digit");
            rest /= 10;
        }
        AccountName(name)
    }
}

/// The name of an account: `ACC-` and 8 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountName([u8; 12]);

impl AccountName {
    /// As bytes: the key of the account's records.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text.
    #[inline]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII by construction")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_busiest_hundredth_makes_about_half_of_all_transactions() {
        let accounts = Accounts::new(1, 100_000);
        let mut dice = Dice::new(1, "test");
        let draws = 200_000;
        let mut of_busiest = 0;
        let mut of_first = 0;
        for _ in 0..draws {
            let rank = accounts.pick(&mut dice);
            assert!(rank < 100_000);
            of_busiest += u32::from(rank < 1_000);
            of_first += u32::from(rank == 0);
        }
        assert!((draws * 3 / 10..draws * 6 / 10).contains(&of_busiest), "{of_busiest} of {draws}");
        assert!((draws / 2_000..draws / 250).contains(&of_first), "{of_first} of {draws}");
    }

    #[test]
    fn every_account_is_seen_whatever_their_number() {
        for count in [1, 2, 63, 64, 65, 100, 1_000] {
            let accounts = Accounts::new(1, count);
            let mut dice = Dice::new(1, "test");
            let seen: HashSet<u32> = (0..100_000).map(|_| accounts.pick(&mut dice)).collect();
            assert_eq!(seen.len(), count as usize);
        }
    }

    #[test]
    fn names_are_unlike_and_of_the_form_that_is_promised() {
        let names: HashSet<AccountName> = (0..200_000).map(Accounts::name).collect();
        assert_eq!(names.len(), 200_000);
        assert_eq!(Accounts::name(0).as_str(), "ACC-00012345");
        assert_eq!(Accounts::name(ACCOUNTS_MAX - 1).as_str().len(), 12);
    }

    #[test]
    fn an_account_is_at_home_in_one_market_and_all_markets_are_someones_home() {
        let accounts = Accounts::new(1, 100_000);
        assert_eq!(accounts.home(17), accounts.home(17));
        let homes: HashSet<u8> = (0..5_000).map(|rank| accounts.home(rank)).collect();
        assert_eq!(homes.len(), super::super::MARKETS.len());
    }
}
