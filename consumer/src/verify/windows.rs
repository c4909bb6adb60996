//! Windows and the watermark, counted a second time.
//!
//! Nothing is closed or let go here as it happens: whether a window is closed, and whether it still takes
//! transactions, is a question to the watermark, asked when somebody wants to know.

use std::collections::{BTreeMap, HashMap};

use common::{
    money::Currency,
    transaction::{Kind, Transaction},
};

use super::{
    cube::put,
    evidence::{ClosedWindows, Contents},
    figures::{Exact, Grid, Share, Window},
};
use crate::fold::FoldSettings;

/// How an accepted transaction stands to its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    OnTime,
    Late,
    TooLate,
}

/// What one window took.
#[derive(Debug, Default)]
struct Taken {
    /// After its end had passed.
    late: u64,
    /// By kind and currency; see [`place`].
    cells: HashMap<u32, Share>,
}

/// The windows that may still take transactions, and some that don't any more.
#[derive(Debug)]
pub(super) struct Windows {
    length_ms: i64,
    allowance_ms: i64,
    lateness_ms: i64,
    watermark_ms: Option<i64>,
    taken: BTreeMap<i64, Taken>,
    done: ClosedWindows,
}

impl Windows {
    pub(super) fn new(settings: &FoldSettings) -> Self {
        Self {
            length_ms: settings.window_ms,
            allowance_ms: settings.out_of_order_ms,
            lateness_ms: settings.lateness_ms,
            watermark_ms: None,
            taken: BTreeMap::new(),
            done: ClosedWindows::default(),
        }
    }

    /// Goes on from windows as they were written down; `None` where they hold a name unknown here.
    pub(super) fn resume(settings: &FoldSettings, watermark_ms: Option<i64>, windows: &[Window]) -> Option<Self> {
        let mut resumed = Self { watermark_ms, ..Self::new(settings) };
        for window in windows {
            let mut cells = HashMap::new();
            for (kind, row) in &window.cells {
                for (currency, share) in row {
                    cells.insert(place(Kind::from_code(kind)?, Currency::from_code(currency)?), *share);
                }
            }
            resumed.taken.insert(window.start_ms, Taken { late: window.revision, cells });
        }
        Some(resumed)
    }

    /// Counts an accepted transaction against the watermark as it stood before it.
    pub(super) fn add(&mut self, transaction: &Transaction<'_>, timestamp_ms: i64) -> Timing {
        let occurred_at_ms = transaction.occurred_at_ms;
        let start_ms = occurred_at_ms.div_euclid(self.length_ms) * self.length_ms;
        let timing = if !self.is_closed(start_ms) {
            Timing::OnTime
        } else if !self.is_done(start_ms) {
            Timing::Late
        } else {
            Timing::TooLate
        };
        if timing != Timing::TooLate {
            let taken = self.taken.entry(start_ms).or_default();
            taken.late += u64::from(timing == Timing::Late);
            let share = taken.cells.entry(place(transaction.kind, transaction.currency)).or_default();
            share.count += 1;
            share.sum_minor.0 += i128::from(transaction.amount_minor);
        }
        let reached_ms = occurred_at_ms.min(timestamp_ms).saturating_sub(self.allowance_ms);
        self.watermark_ms = Some(self.watermark_ms.map_or(reached_ms, |watermark_ms| watermark_ms.max(reached_ms)));
        timing
    }

    fn is_closed(&self, start_ms: i64) -> bool {
        self.watermark_ms.is_some_and(|watermark_ms| watermark_ms >= start_ms + self.length_ms)
    }

    fn is_done(&self, start_ms: i64) -> bool {
        self.watermark_ms.is_some_and(|watermark_ms| watermark_ms >= start_ms + self.length_ms + self.lateness_ms)
    }

    /// Puts away windows that take nothing any more. When it is called changes no number.
    pub(super) fn put_away(&mut self) {
        while let Some((&start_ms, _)) = self.taken.first_key_value()
            && self.is_done(start_ms)
            && let Some((_, taken)) = self.taken.pop_first()
        {
            self.done.add(start_ms, taken.late, &Contents::of(&taken.grid()));
        }
    }

    pub(super) fn watermark_ms(&self) -> Option<i64> {
        self.watermark_ms
    }

    /// The windows that still take transactions, as they are written down; and all that closed, whether they do or not.
    pub(super) fn finish(mut self) -> (Vec<Window>, ClosedWindows) {
        self.put_away();
        let mut open = Vec::with_capacity(self.taken.len());
        let mut closed = std::mem::take(&mut self.done);
        for (&start_ms, taken) in &self.taken {
            let window =
                Window { start_ms, closed: self.is_closed(start_ms), revision: taken.late, cells: taken.grid() };
            if window.closed {
                closed.add(start_ms, taken.late, &Contents::of(&window.cells));
            }
            open.push(window);
        }
        (open, closed)
    }
}

impl Taken {
    fn grid(&self) -> Grid {
        let mut grid = Grid::new();
        for (&place, &share) in &self.cells {
            let kind = Kind::from_index((place >> CURRENCY_BITS) as usize).map(Kind::code);
            let currency = Currency::from_index((place & ((1 << CURRENCY_BITS) - 1)) as usize);
            let currency = currency.map_or("?", Currency::code);
            put(&mut grid, kind, currency, share);
        }
        grid
    }
}

const CURRENCY_BITS: u32 = 16;

const _: () = assert!(Kind::COUNT <= 1 << CURRENCY_BITS && Currency::COUNT <= 1 << CURRENCY_BITS);

/// Kind and currency by their indices, packed: hashed once, not twice.
#[expect(clippy::cast_possible_truncation, reason = "asserted right above")]
fn place(kind: Kind, currency: Currency) -> u32 {
    (kind.index() as u32) << CURRENCY_BITS | currency.index() as u32
}

impl Share {
    /// A share of one grouping added up over all its members.
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_minor = Exact(self.sum_minor.0 + other.sum_minor.0);
    }
}
