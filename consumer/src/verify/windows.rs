//! Windows and the watermark, counted a second time.
//!
//! Nothing is closed or let go here as it happens: whether a window is closed, and whether it still takes
//! transactions, is a question to the watermark, asked when somebody wants to know.

use std::collections::BTreeMap;

use ahash::AHashMap;

use common::{
    money::Currency,
    transaction::{Kind, Transaction},
};

use super::{
    course::Course,
    cube::put,
    evidence::{ClosedWindows, Contents},
    figures::{Exact, Grid, Share, Window},
};

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
    cells: AHashMap<u32, Share>,
}

/// The windows that begin at `from_ms` or later, as far as no later ones begin.
#[derive(Clone, Copy, Debug)]
struct Ruler {
    from_ms: i64,
    length_ms: i64,
    lateness_ms: i64,
}

/// The windows that may still take transactions, and some that don't any more.
#[derive(Debug)]
pub(super) struct Windows {
    /// In the order in which they came into force.
    rulers: Vec<Ruler>,
    allowance_ms: i64,
    /// Whose windows these are now.
    generation: u64,
    watermark_ms: Option<i64>,
    taken: BTreeMap<i64, Taken>,
    done: ClosedWindows,
}

impl Windows {
    /// Goes on, on some leg of a course, from windows as they were written down; `None` where they hold a name unknown here.
    pub(super) fn resume(course: &Course, leg: usize, watermark_ms: Option<i64>, windows: &[Window]) -> Option<Self> {
        let mut resumed = Self {
            rulers: Vec::new(),
            allowance_ms: 0,
            generation: 0,
            watermark_ms,
            taken: BTreeMap::new(),
            done: ClosedWindows::default(),
        };
        (0..=leg).for_each(|leg| resumed.take_up(course, leg));
        for window in windows {
            let mut cells = AHashMap::new();
            for (kind, row) in &window.cells {
                for (currency, share) in row {
                    cells.insert(place(Kind::from_code(kind)?, Currency::from_code(currency)?), *share);
                }
            }
            resumed.taken.insert(window.start_ms, Taken { late: window.revision, cells });
        }
        Some(resumed)
    }

    /// Goes over to the settings of the next leg. What takes nothing any more belongs to the generation that ends; all
    /// else is given out by the next.
    pub(super) fn go_over(&mut self, course: &Course, leg: usize) {
        self.put_away();
        self.take_up(course, leg);
    }

    fn take_up(&mut self, course: &Course, leg: usize) {
        let settings = course.settings(leg);
        let before = leg.checked_sub(1).and_then(|before| course.end(before));
        // Where a migration changed no window, or there was none yet, the ruler before makes way.
        let replaced = || self.rulers.pop().map_or(i64::MIN, |ruler| ruler.from_ms);
        let from_ms = before.and_then(|end| end.windows_from_ms).unwrap_or_else(replaced);
        self.rulers.push(Ruler { from_ms, length_ms: settings.window_ms, lateness_ms: settings.lateness_ms });
        self.allowance_ms = settings.out_of_order_ms;
        self.generation = course.generation(leg);
    }

    /// Start and end of the window of an event time, and the watermark from which on it takes nothing more.
    fn window_of(&self, at_ms: i64) -> [i64; 3] {
        let place = self.rulers.iter().rposition(|ruler| ruler.from_ms <= at_ms).unwrap_or(0);
        let Ruler { length_ms, lateness_ms, .. } = self.rulers[place];
        let start_ms = at_ms.div_euclid(length_ms) * length_ms;
        let next_ms = self.rulers[place + 1..].iter().map(|ruler| ruler.from_ms).min().unwrap_or(i64::MAX);
        let end_ms = next_ms.min(start_ms + length_ms);
        [start_ms, end_ms, end_ms + lateness_ms]
    }

    /// Counts an accepted transaction against the watermark as it stood before it.
    pub(super) fn add(&mut self, transaction: &Transaction<'_>, timestamp_ms: i64) -> Timing {
        let occurred_at_ms = transaction.occurred_at_ms;
        let [start_ms, end_ms, done_ms] = self.window_of(occurred_at_ms);
        let timing = if !self.has_passed(end_ms) {
            Timing::OnTime
        } else if !self.has_passed(done_ms) {
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

    fn has_passed(&self, at_ms: i64) -> bool {
        self.watermark_ms.is_some_and(|watermark_ms| watermark_ms >= at_ms)
    }

    /// Puts away windows that take nothing any more. When it is called changes no number.
    pub(super) fn put_away(&mut self) {
        let is_done = |&start_ms: &i64| self.has_passed(self.window_of(start_ms)[2]);
        let done: Vec<i64> = self.taken.keys().copied().filter(is_done).collect();
        for start_ms in done {
            if let Some(taken) = self.taken.remove(&start_ms) {
                self.done.add(start_ms, self.generation, taken.late, &Contents::of(&taken.grid()));
            }
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
            let is_closed = self.has_passed(self.window_of(start_ms)[1]);
            let window = Window { start_ms, closed: is_closed, revision: taken.late, cells: taken.grid() };
            if window.closed {
                closed.add(start_ms, self.generation, taken.late, &Contents::of(&window.cells));
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
