//! Drawing transactions from a population: an endless, deterministic stream of plausible ones.
//!
//! What comes out follows from the seed, the salt of the ids and the times given; no clock is read here. One draw
//! allocates nothing.

use std::borrow::Cow;
use std::sync::Arc;

use common::transaction::{Category, Channel, Kind, Transaction};

use crate::dice::{Dice, mix};
use crate::population::{AccountName, Accounts, MARKETS, Population};

/// Share of transactions that an account makes in its home market, in 256ths; the rest is travel.
const AT_HOME: u64 = 230;

/// `occurred_at` lies up to this long before the intended send time: a terminal takes a moment to report. Shorter
/// than the consumer's allowance for disorder, so that an ordinary transaction is never late.
const REPORTING_MS_MAX: u32 = 1_500;

/// A transaction before it is written: small, without texts, cheap to keep and to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The UUID's bits.
    pub id: u128,
    /// Rank of the account.
    pub account: u32,
    /// Index of the merchant.
    pub merchant: u32,
    /// Index of the market the merchant is in.
    pub market: u8,
    /// What happened.
    pub kind: Kind,
    /// The merchant's line of business.
    pub category: Category,
    /// By which way.
    pub channel: Channel,
    /// How much, in the minor unit of the market's currency.
    pub amount_minor: i64,
    /// When, in milliseconds since 1970.
    pub occurred_at_ms: i64,
}

/// The stream of transactions.
#[derive(Debug)]
pub struct Generator {
    population: Arc<Population>,
    dice: Dice,
    id_salt: u128,
}

impl Generator {
    /// The stream of `seed`. `id_salt` is mixed into every id, so that two streams of one seed don't share ids; 0
    /// leaves them as the seed gives them.
    pub fn new(population: Arc<Population>, seed: u64, id_salt: u64) -> Self {
        let id_salt = if id_salt == 0 { 0 } else { u128::from(mix(id_salt)) << 64 | u128::from(mix(!id_salt)) };
        Self { population, dice: Dice::new(seed, "transactions"), id_salt }
    }

    /// The next transaction, meant to be sent at `intended_ms` since 1970.
    #[inline]
    pub fn next(&mut self, intended_ms: i64) -> Draft {
        let Population { accounts, merchants, habits } = &*self.population;
        let dice = &mut self.dice;
        let id = version_4(dice.wide_bits() ^ self.id_salt);
        let account = accounts.pick(dice);
        let (choice, detail, amount) = (dice.bits(), dice.bits(), dice.bits());

        let occurred_at_ms = intended_ms - i64::from(crate::dice::scaled(detail << 32, REPORTING_MS_MAX));
        let at_home = choice & 0xff < AT_HOME;
        // Abroad is someone else's home, so that travellers go where people live.
        let market = if at_home { accounts.home(account) } else { accounts.home(!account) };
        let (kind, category) = habits.activity(occurred_at_ms, choice >> 8);
        Draft {
            id,
            account,
            merchant: merchants.pick(market, category, choice),
            market,
            kind,
            category,
            channel: habits.channel(kind, category, detail >> 32),
            amount_minor: habits.amount_minor(kind, category, &MARKETS[usize::from(market)], amount),
            occurred_at_ms,
        }
    }

    /// The population it draws from.
    pub fn population(&self) -> &Population {
        &self.population
    }
}

impl Draft {
    /// The account's name, which is also the record's key.
    #[inline]
    pub fn account_name(&self) -> AccountName {
        Accounts::name(self.account)
    }

    /// The transaction with its texts; `account` is [`Draft::account_name`], which the caller keeps alive.
    #[inline]
    pub fn transaction<'a>(&self, account: &'a AccountName, population: &'a Population) -> Transaction<'a> {
        let market = &MARKETS[usize::from(self.market)];
        Transaction {
            id: self.id,
            account: Cow::Borrowed(account.as_str()),
            kind: self.kind,
            amount_minor: self.amount_minor,
            currency: market.currency(),
            merchant_name: Cow::Borrowed(population.merchants.name(self.merchant)),
            category: self.category,
            country: market.country(),
            channel: self.channel,
            occurred_at_ms: self.occurred_at_ms,
        }
    }
}

/// Random bits as a UUID of version 4 (RFC 9562, section 5.4).
#[inline]
fn version_4(bits: u128) -> u128 {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0b11 << 62;
    bits & !VERSION & !VARIANT | 0x4 << 76 | 0b10 << 62
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use common::wire::{Rules, decode, encode};

    use super::*;

    const NOON_MS: i64 = 1_795_176_000_000;

    fn generator(seed: u64, id_salt: u64) -> Generator {
        Generator::new(Arc::new(Population::new(seed, 1_000)), seed, id_salt)
    }

    #[test]
    fn every_transaction_is_valid_and_comes_back_from_its_text() {
        let mut generator = generator(7, 0);
        for step in 0..20_000 {
            let now_ms = NOON_MS + step * 10_000;
            let draft = generator.next(now_ms);
            let account = draft.account_name();
            let transaction = draft.transaction(&account, generator.population());
            let mut value = Vec::new();
            encode(&transaction, &mut value);
            assert_eq!(decode(Some(&value), now_ms, &Rules::default()).as_ref(), Ok(&transaction));
            assert!((200..400).contains(&value.len()), "{} bytes", value.len());
            assert!((now_ms - 1_500..=now_ms).contains(&draft.occurred_at_ms));
        }
    }

    #[test]
    fn a_seed_gives_the_same_transactions() {
        let draw = |seed, salt| {
            let mut generator = generator(seed, salt);
            (0..100).map(|step| generator.next(NOON_MS + step)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 0), draw(7, 0));
        assert_ne!(draw(7, 0), draw(8, 0));
    }

    #[test]
    fn a_salt_changes_the_ids_and_nothing_else() {
        let (mut plain, mut salted) = (generator(7, 0), generator(7, 99));
        for step in 0..100 {
            let (a, b) = (plain.next(NOON_MS + step), salted.next(NOON_MS + step));
            assert_ne!(a.id, b.id);
            assert_eq!(a, Draft { id: a.id, ..b });
        }
    }

    #[test]
    fn ids_are_unlike_and_uuids_of_version_4() {
        let mut generator = generator(7, 5);
        let ids: HashSet<u128> = (0..100_000).map(|step| generator.next(NOON_MS + step).id).collect();
        assert_eq!(ids.len(), 100_000);
        for id in ids {
            let id = uuid::Uuid::from_u128(id);
            assert_eq!((id.get_version_num(), id.get_variant()), (4, uuid::Variant::RFC4122));
        }
    }

    #[test]
    fn all_kinds_channels_categories_and_markets_occur() {
        let mut generator = generator(7, 0);
        let drafts: Vec<Draft> = (0..50_000).map(|step| generator.next(NOON_MS + step * 5_000)).collect();
        let distinct = |of: fn(&Draft) -> usize| drafts.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|draft| draft.kind.index()), Kind::COUNT);
        assert_eq!(distinct(|draft| draft.channel.index()), Channel::COUNT);
        assert_eq!(distinct(|draft| draft.category.index()), Category::COUNT);
        assert_eq!(distinct(|draft| usize::from(draft.market)), MARKETS.len());
        let purchases = drafts.iter().filter(|draft| draft.kind == Kind::Purchase).count();
        assert!((35_000..45_000).contains(&purchases), "{purchases}");
    }
}
