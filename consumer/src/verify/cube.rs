//! What was accepted, in one table with a line for each combination of currency, kind, category, country and channel.
//! The totals are its margins, added up at the end: the fold adds each transaction to five cells instead.

use std::collections::BTreeMap;

use ahash::AHashMap;
use common::{
    money::Currency,
    transaction::{Category, Channel, Country, Kind, Transaction},
};

use super::figures::{Exact, Grid, Share, Totals, Volume};

/// Most lines before they are added up: bounds the memory whatever comes.
const LINES_MAX: usize = 65_536;

/// Combination, and what it came to.
#[derive(Debug)]
pub(super) struct Cube {
    lines: AHashMap<Line, Volume>,
    /// What was there at the start, and lines that were added up already.
    margins: Totals,
}

/// Currency, country, kind, category and channel by their indices, packed: hashed once, not five times.
type Line = u64;

impl Cube {
    pub(super) fn new(margins: Totals) -> Self {
        Self { lines: AHashMap::new(), margins }
    }

    pub(super) fn add(&mut self, transaction: &Transaction<'_>) {
        if self.lines.len() >= LINES_MAX {
            self.add_up();
        }
        let line = self.lines.entry(line_of(transaction)).or_insert(NONE);
        *line = together(line, &one(transaction.amount_minor));
    }

    pub(super) fn into_totals(mut self) -> Totals {
        self.add_up();
        self.margins
    }

    fn add_up(&mut self) {
        let margins = &mut self.margins;
        for (line, volume) in self.lines.drain() {
            let [currency, country, kind, category, channel] = indices(line);
            let currency = Currency::from_index(currency).map_or("?", Currency::code);
            let sum = margins.currency.entry(currency.to_owned()).or_insert(NONE);
            *sum = together(sum, &volume);
            let share = Share { count: volume.count, sum_minor: volume.sum_minor };
            put(&mut margins.kind, Kind::from_index(kind).map(Kind::code), currency, share);
            put(&mut margins.category, Category::from_index(category).map(Category::code), currency, share);
            put(&mut margins.country, Country::from_index(country).map(Country::code), currency, share);
            put(&mut margins.channel, Channel::from_index(channel).map(Channel::code), currency, share);
        }
    }
}

/// Nothing, to be added to.
const NONE: Volume = Volume { count: 0, sum_minor: Exact(0), min_minor: i64::MAX, max_minor: i64::MIN };

fn one(amount_minor: i64) -> Volume {
    Volume { count: 1, sum_minor: Exact(amount_minor.into()), min_minor: amount_minor, max_minor: amount_minor }
}

fn together(one: &Volume, other: &Volume) -> Volume {
    Volume {
        count: one.count + other.count,
        sum_minor: Exact(one.sum_minor.0 + other.sum_minor.0),
        min_minor: one.min_minor.min(other.min_minor),
        max_minor: one.max_minor.max(other.max_minor),
    }
}

/// Adds a share to a grid.
pub(super) fn put(grid: &mut Grid, member: Option<&str>, currency: &str, share: Share) {
    let row: &mut BTreeMap<String, Share> = grid.entry(member.unwrap_or("?").to_owned()).or_default();
    let cell = row.entry(currency.to_owned()).or_default();
    *cell = Share { count: cell.count + share.count, sum_minor: Exact(cell.sum_minor.0 + share.sum_minor.0) };
}

/// Bits of each index but the first. The closed lists are far shorter than that.
const BITS: u32 = 12;

fn line_of(transaction: &Transaction<'_>) -> Line {
    let indices = [
        transaction.currency.index(),
        transaction.country.index(),
        transaction.kind.index(),
        transaction.category.index(),
        transaction.channel.index(),
    ];
    indices.iter().fold(0, |line, &index| line << BITS | index as u64)
}

fn indices(mut line: Line) -> [usize; 5] {
    let mut indices = [0; 5];
    for index in indices.iter_mut().rev() {
        *index = usize::try_from(line & ((1 << BITS) - 1)).expect("twelve bits fit");
        line >>= BITS;
    }
    indices
}

const _: () = assert!(
    Currency::COUNT <= 1 << BITS
        && Country::COUNT <= 1 << BITS
        && Kind::COUNT <= 1 << BITS
        && Category::COUNT <= 1 << BITS
        && Channel::COUNT <= 1 << BITS
);
