//! Tumbling windows by `occurred_at`, and the watermark that closes them.

use std::collections::BTreeMap;

use common::transaction::{Kind, Transaction};

use super::{
    ClosedWindow, Grid,
    calendar::{Calendar, Span},
};

/// How an accepted transaction stands to its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Punctuality {
    /// The window was open.
    OnTime,
    /// The window had closed, but takes late transactions still: it is given out again.
    Revised,
    /// The window takes none any more; the transaction is in the totals only.
    TooLate,
}

/// One window's share of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) span: Span,
    pub(super) grid: Grid,
    pub(super) closed: bool,
    /// Late transactions taken since it closed: identifies what is given out, whenever that is.
    pub(super) revision: u64,
}

/// The windows that still take transactions, and how far event time has come.
#[derive(Clone, Debug)]
pub struct Windows {
    calendar: Calendar,
    out_of_order_ms: i64,
    watermark_ms: Option<i64>,
    by_start: BTreeMap<i64, Window>,
    /// The watermark at which the next window closes or is let go.
    next_event_ms: i64,
    /// Closed or revised since they were last taken; those that are let go meanwhile wait in `let_go`.
    changed: Vec<i64>,
    let_go: Vec<Window>,
}

impl Windows {
    pub(super) fn new(calendar: Calendar, out_of_order_ms: i64) -> Self {
        Self {
            calendar,
            out_of_order_ms,
            watermark_ms: None,
            by_start: BTreeMap::new(),
            next_event_ms: i64::MAX,
            changed: Vec::new(),
            let_go: Vec::new(),
        }
    }

    /// Goes on from windows as they were written down: start, whether closed, revision, cells.
    pub(super) fn restore(
        calendar: Calendar,
        out_of_order_ms: i64,
        watermark_ms: Option<i64>,
        held: impl Iterator<Item = (i64, bool, u64, Grid)>,
    ) -> Self {
        let mut windows = Self { watermark_ms, ..Self::new(calendar, out_of_order_ms) };
        for (start_ms, closed, revision, grid) in held {
            let span = windows.calendar.span(start_ms);
            windows.by_start.insert(start_ms, Window { span, grid, closed, revision });
        }
        windows.next_event_ms = windows.next_event();
        windows
    }

    /// Has all windows that are closed given out again, as they are.
    pub(super) fn give_out_again(&mut self) {
        self.changed =
            self.by_start.iter().filter(|(_, window)| window.closed).map(|(&start_ms, _)| start_ms).collect();
    }

    /// Counts an accepted transaction, then moves the watermark. In this order: a transaction dated ahead must not
    /// make itself or honest ones late.
    pub fn add(&mut self, transaction: &Transaction<'_>, timestamp_ms: i64) -> Punctuality {
        let span = self.calendar.span(transaction.occurred_at_ms);
        let watermark_ms = self.watermark_ms.unwrap_or(i64::MIN);
        let punctuality = if span.end_ms > watermark_ms {
            Punctuality::OnTime
        } else if span.final_ms > watermark_ms {
            Punctuality::Revised
        } else {
            Punctuality::TooLate
        };
        if punctuality != Punctuality::TooLate {
            self.count(span, transaction, punctuality);
        }
        let reached_ms = transaction.occurred_at_ms.min(timestamp_ms).saturating_sub(self.out_of_order_ms);
        if reached_ms > watermark_ms || self.watermark_ms.is_none() {
            self.watermark_ms = Some(reached_ms);
            if reached_ms >= self.next_event_ms {
                self.close_up_to(reached_ms);
            }
        }
        punctuality
    }

    fn count(&mut self, span: Span, transaction: &Transaction<'_>, punctuality: Punctuality) {
        let start_ms = span.start_ms;
        let late = punctuality == Punctuality::Revised;
        let window = self.by_start.entry(start_ms).or_insert_with(|| {
            // A window whose first transaction is late is closed from the start.
            self.next_event_ms = self.next_event_ms.min(if late { span.final_ms } else { span.end_ms });
            Window { span, grid: Grid::new(Kind::COUNT), closed: late, revision: 0 }
        });
        window.grid.cell(transaction.kind.index(), transaction.currency).add_amount(transaction.amount_minor);
        if late {
            window.revision += 1;
            if !self.changed.contains(&start_ms) {
                self.changed.push(start_ms);
            }
        }
    }

    fn close_up_to(&mut self, watermark_ms: i64) {
        for (&start_ms, window) in &mut self.by_start {
            if window.span.end_ms > watermark_ms {
                break;
            }
            if !window.closed {
                window.closed = true;
                self.changed.push(start_ms);
            }
        }
        // Not in order of their starts: a migration may have changed the lateness.
        let done = self.by_start.extract_if(.., |_, window| window.span.final_ms <= watermark_ms);
        for (start_ms, window) in done {
            if let Some(place) = self.changed.iter().position(|&changed| changed == start_ms) {
                self.changed.swap_remove(place);
                self.let_go.push(window);
            }
        }
        self.next_event_ms = self.next_event();
    }

    fn next_event(&self) -> i64 {
        let next = |window: &Window| if window.closed { window.span.final_ms } else { window.span.end_ms };
        self.by_start.values().map(next).min().unwrap_or(i64::MAX)
    }

    /// Takes what was closed or revised, for this partition of a generation that goes on from `since_generation`.
    pub(super) fn take_closed(&mut self, generation: u64, since_generation: u64, partition: i32) -> Vec<ClosedWindow> {
        let closed = |window: &Window| ClosedWindow {
            generation,
            since_generation,
            partition,
            start_ms: window.span.start_ms,
            end_ms: window.span.end_ms,
            revision: window.revision,
            grid: window.grid.clone(),
        };
        let mut taken: Vec<ClosedWindow> = self.let_go.iter().map(closed).collect();
        taken.extend(self.changed.iter().map(|start_ms| closed(&self.by_start[start_ms])));
        self.let_go.clear();
        self.changed.clear();
        taken.sort_unstable_by_key(|window| window.start_ms);
        taken
    }

    pub(super) fn closed_waiting(&self) -> usize {
        self.let_go.len() + self.changed.len()
    }

    /// How far event time has come; `None` before the first accepted transaction.
    #[must_use]
    pub fn watermark_ms(&self) -> Option<i64> {
        self.watermark_ms
    }

    /// Those that still take transactions, in order.
    pub(super) fn held(&self) -> impl Iterator<Item = &Window> {
        self.by_start.values()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use common::{
        money::Currency,
        transaction::{Category, Channel, Country},
    };

    use super::*;
    use crate::fold::FoldSettings;

    const MINUTE_MS: i64 = 60_000;

    fn at(occurred_at_ms: i64) -> Transaction<'static> {
        Transaction {
            id: 1,
            account: Cow::Borrowed("ACC-00000001"),
            kind: Kind::Purchase,
            amount_minor: 100,
            currency: Currency::from_code("EUR").unwrap(),
            merchant_name: Cow::Borrowed("Shop"),
            category: Category::Groceries,
            country: Country::from_code("FR").unwrap(),
            channel: Channel::Online,
            occurred_at_ms,
        }
    }

    fn windows() -> Windows {
        let settings = FoldSettings::default();
        Windows::new(Calendar::new(&settings, &[]), settings.out_of_order_ms)
    }

    fn add(windows: &mut Windows, occurred_at_ms: i64) -> Punctuality {
        windows.add(&at(occurred_at_ms), occurred_at_ms)
    }

    #[test]
    fn a_window_closes_when_the_watermark_reaches_its_end() {
        let mut windows = windows();
        add(&mut windows, 1_000);
        add(&mut windows, MINUTE_MS + 4_999);
        assert_eq!(windows.closed_waiting(), 0);
        add(&mut windows, MINUTE_MS + 5_000);
        let closed = windows.take_closed(1, 1, 0);
        assert_eq!((closed.len(), closed[0].start_ms, closed[0].revision), (1, 0, 0));
        assert_eq!(windows.closed_waiting(), 0);
    }

    #[test]
    fn late_transactions_revise_a_closed_window_until_the_lateness_has_passed() {
        let mut windows = windows();
        add(&mut windows, 1_000);
        add(&mut windows, 2 * MINUTE_MS);
        windows.take_closed(1, 1, 0);
        assert_eq!(add(&mut windows, 2_000), Punctuality::Revised);
        assert_eq!(add(&mut windows, 3_000), Punctuality::Revised);
        let revised = windows.take_closed(1, 1, 0);
        assert_eq!((revised.len(), revised[0].revision), (1, 2));
        // The last watermark at which minute 0 still takes late ones is one millisecond before its end + 15 min.
        add(&mut windows, 16 * MINUTE_MS + 5_000 - 1);
        assert_eq!(add(&mut windows, 4_000), Punctuality::Revised);
        add(&mut windows, 16 * MINUTE_MS + 5_000);
        assert_eq!(add(&mut windows, 5_000), Punctuality::TooLate);
    }

    #[test]
    fn a_window_let_go_before_it_was_taken_is_still_given_out() {
        let mut windows = windows();
        add(&mut windows, 1_000);
        add(&mut windows, 1_000 * MINUTE_MS);
        let closed = windows.take_closed(1, 1, 0);
        assert_eq!((closed.len(), closed[0].start_ms), (1, 0));
        assert_eq!(windows.held().count(), 1);
    }

    #[test]
    fn a_transaction_dated_ahead_of_its_record_does_not_make_honest_ones_late() {
        let mut windows = windows();
        assert_eq!(windows.add(&at(4 * MINUTE_MS), 1_000), Punctuality::OnTime);
        assert_eq!(windows.watermark_ms(), Some(1_000 - 5_000));
        assert_eq!(add(&mut windows, 2_000), Punctuality::OnTime);
    }

    #[test]
    fn the_first_transaction_may_be_of_any_time() {
        let mut windows = windows();
        assert_eq!(windows.add(&at(-62_167_219_200_000), i64::MIN), Punctuality::OnTime);
        assert_eq!(windows.watermark_ms(), Some(i64::MIN));
    }
}
