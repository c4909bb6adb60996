//! Who transacts with whom: a population that follows from a seed.
//!
//! ```text
//!   seed ─▶ Accounts   how busy each is, its name, its home market     (computed, nothing stored)
//!        ─▶ Merchants  name, market, line of business                  (a pool, built once)
//!           Markets    countries with their currency and price level   (a table)
//!           Habits     what people buy, how and when in the day        (tables)
//! ```
//!
//! Nothing here draws the transactions themselves ([`generate`](crate::generate)); everything here is fixed for a
//! run, small (a few hundred kilobytes however many accounts), and the same for every process with the same seed.

pub mod accounts;
pub mod habits;
pub mod markets;
pub mod merchants;

pub use accounts::{AccountName, Accounts};
pub use habits::Habits;
pub use markets::{MARKETS, Market};
pub use merchants::Merchants;

use crate::dice::Dice;

/// Everything that is fixed for a run.
#[derive(Debug)]
pub struct Population {
    /// Those who pay.
    pub accounts: Accounts,
    /// Those who are paid.
    pub merchants: Merchants,
    /// What is usual.
    pub habits: Habits,
}

impl Population {
    /// The population of `seed` with `accounts` accounts (at least one).
    pub fn new(seed: u64, accounts: u32) -> Self {
        Self {
            accounts: Accounts::new(seed, accounts),
            merchants: Merchants::new(&mut Dice::new(seed, "merchants")),
            habits: Habits::new(),
        }
    }
}
