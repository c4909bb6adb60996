//! Counts and sums of accepted transactions: by currency, and by kind, category, country and channel within each
//! currency. Never across currencies.

use std::collections::BTreeMap;

use common::{
    money::Currency,
    transaction::{Category, Channel, Country, Kind, Transaction},
};
use serde::{Deserialize, Serialize};

/// How many transactions, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// How many.
    pub count: u64,
    /// Their sum in the currency's minor unit.
    #[serde(with = "exact")]
    pub sum_minor: i128,
}

impl Cell {
    /// Adds one amount.
    #[inline]
    pub fn add_amount(&mut self, amount_minor: i64) {
        self.count += 1;
        self.sum_minor += i128::from(amount_minor);
    }

    /// Adds another cell.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_minor += other.sum_minor;
    }
}

/// The totals of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyCell {
    /// How many.
    pub count: u64,
    /// Their sum in the minor unit.
    #[serde(with = "exact")]
    pub sum_minor: i128,
    /// The smallest amount.
    pub min_minor: i64,
    /// The largest amount.
    pub max_minor: i64,
}

impl CurrencyCell {
    const EMPTY: Self = Self { count: 0, sum_minor: 0, min_minor: i64::MAX, max_minor: i64::MIN };

    #[inline]
    fn add_amount(&mut self, amount_minor: i64) {
        self.count += 1;
        self.sum_minor += i128::from(amount_minor);
        self.min_minor = self.min_minor.min(amount_minor);
        self.max_minor = self.max_minor.max(amount_minor);
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_minor += other.sum_minor;
        self.min_minor = self.min_minor.min(other.min_minor);
        self.max_minor = self.max_minor.max(other.max_minor);
    }
}

/// Sums are written as text: JSON readers that take numbers for floats would round them.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(sum: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(sum)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<i128, D::Error> {
        std::borrow::Cow::<'d, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

type Row = Box<[Cell; Currency::COUNT]>;

/// One cell for each member of a closed list and currency. Rows come into being with their first transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    rows: Vec<Option<Row>>,
}

/// A grid as it is written down: member, currency, cell; only those that are not empty.
pub type GridForm = BTreeMap<String, BTreeMap<String, Cell>>;

impl Grid {
    /// An empty grid for a list of `members`.
    #[must_use]
    pub fn new(members: usize) -> Self {
        Self { rows: vec![None; members] }
    }

    /// The cell of a member (by its index) and a currency.
    #[inline]
    pub fn cell(&mut self, member: usize, currency: Currency) -> &mut Cell {
        let row = self.rows[member].get_or_insert_with(|| Box::new([Cell::default(); Currency::COUNT]));
        &mut row[currency.index()]
    }

    /// The cells that are not empty, with the member's index.
    pub fn cells(&self) -> impl Iterator<Item = (usize, Currency, &Cell)> {
        self.rows.iter().enumerate().filter_map(|(member, row)| Some((member, row.as_ref()?))).flat_map(
            |(member, row)| {
                Currency::all()
                    .zip(row.iter())
                    .filter(|(_, cell)| cell.count > 0)
                    .map(move |(currency, cell)| (member, currency, cell))
            },
        )
    }

    pub(crate) fn to_form(&self, code_of: impl Fn(usize) -> Option<&'static str>) -> GridForm {
        let mut form = GridForm::new();
        for (member, currency, cell) in self.cells() {
            let code = code_of(member).expect("a grid has a row for each member of its list and no more");
            form.entry(code.to_owned()).or_default().insert(currency.code().to_owned(), *cell);
        }
        form
    }

    /// The grid that a form writes down; an error names the member or currency that this version doesn't know.
    pub(crate) fn of_form(
        form: &GridForm,
        members: usize,
        index_of: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, String> {
        let mut grid = Self::new(members);
        for (code, cells) in form {
            let member = index_of(code).ok_or_else(|| code.clone())?;
            for (currency, cell) in cells {
                *grid.cell(member, Currency::from_code(currency).ok_or_else(|| currency.clone())?) = *cell;
            }
        }
        Ok(grid)
    }
}

/// All totals of a partition, or of several added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    currency: Box<[CurrencyCell; Currency::COUNT]>,
    kind: Grid,
    category: Grid,
    country: Grid,
    channel: Grid,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            currency: Box::new([CurrencyCell::EMPTY; Currency::COUNT]),
            kind: Grid::new(Kind::COUNT),
            category: Grid::new(Category::COUNT),
            country: Grid::new(Country::COUNT),
            channel: Grid::new(Channel::COUNT),
        }
    }
}

/// Totals as they are written down, in snapshots and in the summary alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsForm {
    currency: BTreeMap<String, CurrencyCell>,
    #[serde(rename = "type")]
    kind: GridForm,
    category: GridForm,
    country: GridForm,
    channel: GridForm,
}

impl TotalsForm {
    /// The totals of each currency, by its code.
    #[must_use]
    pub fn by_currency(&self) -> &BTreeMap<String, CurrencyCell> {
        &self.currency
    }

    /// Adds another partition's totals.
    pub fn add(&mut self, other: &Self) {
        for (code, cell) in &other.currency {
            self.currency.entry(code.clone()).or_insert(CurrencyCell::EMPTY).add(cell);
        }
        add_grid(&mut self.kind, &other.kind);
        add_grid(&mut self.category, &other.category);
        add_grid(&mut self.country, &other.country);
        add_grid(&mut self.channel, &other.channel);
    }
}

/// Adds another grid of the same list.
pub(crate) fn add_grid(sum: &mut GridForm, other: &GridForm) {
    for (member, cells) in other {
        let row = sum.entry(member.clone()).or_default();
        for (currency, cell) in cells {
            row.entry(currency.clone()).or_default().add(cell);
        }
    }
}

impl Totals {
    /// Counts one transaction.
    pub fn add(&mut self, transaction: &Transaction<'_>) {
        let (currency, amount_minor) = (transaction.currency, transaction.amount_minor);
        self.currency[currency.index()].add_amount(amount_minor);
        self.kind.cell(transaction.kind.index(), currency).add_amount(amount_minor);
        self.category.cell(transaction.category.index(), currency).add_amount(amount_minor);
        self.country.cell(transaction.country.index(), currency).add_amount(amount_minor);
        self.channel.cell(transaction.channel.index(), currency).add_amount(amount_minor);
    }

    /// The totals by names instead of indices.
    #[must_use]
    pub fn to_form(&self) -> TotalsForm {
        let used = Currency::all().zip(self.currency.iter()).filter(|(_, cell)| cell.count > 0);
        TotalsForm {
            currency: used.map(|(currency, cell)| (currency.code().to_owned(), *cell)).collect(),
            kind: self.kind.to_form(kind_code),
            category: self.category.to_form(|index| Some(Category::from_index(index)?.code())),
            country: self.country.to_form(|index| Some(Country::from_index(index)?.code())),
            channel: self.channel.to_form(|index| Some(Channel::from_index(index)?.code())),
        }
    }

    /// The totals that a form writes down.
    ///
    /// # Errors
    /// The first name that this version doesn't know.
    pub fn of_form(form: &TotalsForm) -> Result<Self, String> {
        let mut totals = Self {
            kind: Grid::of_form(&form.kind, Kind::COUNT, kind_index)?,
            category: Grid::of_form(&form.category, Category::COUNT, |code| Some(Category::from_code(code)?.index()))?,
            country: Grid::of_form(&form.country, Country::COUNT, |code| Some(Country::from_code(code)?.index()))?,
            channel: Grid::of_form(&form.channel, Channel::COUNT, |code| Some(Channel::from_code(code)?.index()))?,
            ..Self::default()
        };
        for (code, cell) in &form.currency {
            totals.currency[Currency::from_code(code).ok_or_else(|| code.clone())?.index()] = *cell;
        }
        Ok(totals)
    }
}

pub(crate) fn kind_code(index: usize) -> Option<&'static str> {
    Some(Kind::from_index(index)?.code())
}

pub(crate) fn kind_index(code: &str) -> Option<usize> {
    Some(Kind::from_code(code)?.index())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_exact_beyond_64_bits_and_are_written_as_text() {
        let mut cell = Cell { count: 1, sum_minor: i128::from(i64::MAX) };
        cell.add_amount(i64::MAX);
        let text = serde_json::to_string(&cell).unwrap();
        assert_eq!(text, r#"{"count":2,"sum_minor":"18446744073709551614"}"#);
        assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), cell);
    }

    #[test]
    fn a_name_from_a_newer_version_is_refused_by_name() {
        let form: GridForm = serde_json::from_str(r#"{"barter":{"EUR":{"count":1,"sum_minor":"1"}}}"#).unwrap();
        assert_eq!(Grid::of_form(&form, Kind::COUNT, kind_index), Err("barter".to_owned()));
    }
}
