//! Drawing: the model goes in, cells come out. Pure; what the terminal makes of the cells is not seen from here.
//!
//! ```text
//!   header                       header
//!   tiles                        tiles, with lines
//!   ledger       │ charts        ledger
//!   totals       │ windows       one list, the others named
//!   partitions   │ rejected
//!                │ producers
//!   keys                         keys
//! ```

mod header;
mod ledger;
mod panels;
mod table;
#[cfg(test)]
pub(in crate::top) mod tests;
mod theme;
mod tiles;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::{Paragraph, Widget as _, Wrap},
};

pub use theme::Theme;
use theme::Tone;

use super::{
    figures::Figures,
    model::{Model, Panel, ScrollLimits, Standing},
};
use ledger::{LEDGER_COLUMNS, LEDGER_ROWS};
use tiles::TILES_ROWS;

/// Columns and rows below which nothing is drawn.
pub const SMALLEST: (u16, u16) = (60, 16);
/// Columns and rows from which on everything is drawn at once.
const ROOMY: (u16, u16) = (110, 34);

/// Rows below the totals, for dead letters and producers.
const LOWER_ROWS_MIN: u16 = 12;

/// Draws all of it, and gives how far each list can be scrolled.
pub fn draw(area: Rect, model: &Model, now_ms: u64, theme: Theme, buffer: &mut Buffer) -> ScrollLimits {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (columns, rows) = SMALLEST;
        let words = format!("{}×{} is too small: {columns}×{rows} at least. q quits.", area.width, area.height);
        Paragraph::new(words).wrap(Wrap { trim: true }).render(area, buffer);
        return ScrollLimits::default();
    }
    let [first, body, last] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let standing = model.standing(now_ms);
    header::draw(first, model, &standing, theme, buffer);
    header::draw_footer(last, model, theme, buffer);
    let limits = match &model.shown().figures {
        Some(figures) if area.width >= ROOMY.0 && area.height >= ROOMY.1 => roomy(body, model, figures, theme, buffer),
        Some(figures) => narrow(body, model, figures, theme, buffer),
        None => {
            Line::styled("No figures yet.", theme.style(Tone::Quiet)).render(body, buffer);
            ScrollLimits::default()
        }
    };
    if matches!(standing, Standing::NotLive(_)) {
        // Everything loses its colours: what is not of now does not look as if it were.
        buffer.set_style(body, theme.stale());
    }
    if model.is_helping() {
        header::draw_help(body, theme, buffer);
    }
    limits
}

/// Everything at once.
fn roomy(area: Rect, model: &Model, figures: &Figures, theme: Theme, buffer: &mut Buffer) -> ScrollLimits {
    let history = &model.shown().history;
    // As many rows as there are partitions, but no more than half: the rest is for totals.
    let half = area.height.saturating_sub(TILES_ROWS + LEDGER_ROWS) / 2;
    let lower_rows = u16::try_from(figures.partitions.len() + 3).unwrap_or(half).clamp(LOWER_ROWS_MIN.min(half), half);
    let [top, middle, upper, lower] = Layout::vertical([
        Constraint::Length(TILES_ROWS),
        Constraint::Length(LEDGER_ROWS),
        Constraint::Fill(1),
        Constraint::Length(lower_rows),
    ])
    .areas(area);
    tiles::draw(top, figures, history, false, theme, buffer);
    let columns = [Constraint::Length(LEDGER_COLUMNS.max(area.width / 100 * 58)), Constraint::Fill(1)];
    let [sums, charts] = Layout::horizontal(columns).areas(middle);
    ledger::draw(sums, figures, theme, buffer);
    tiles::draw_charts(charts, history, theme, buffer);
    let [totals, windows] = Layout::horizontal(columns).areas(upper);
    let [partitions, right] = Layout::horizontal(columns).areas(lower);
    let [rejected, producers] = Layout::vertical([Constraint::Fill(1), Constraint::Length(5)]).areas(right);
    let mut limits = ScrollLimits::default();
    for (panel, place) in Panel::ALL.into_iter().zip([totals, windows, partitions, rejected, producers]) {
        limits[panel as usize] = panels::draw(place, panel, model, false, theme, buffer);
    }
    limits
}

/// What matters most, and one list.
fn narrow(area: Rect, model: &Model, figures: &Figures, theme: Theme, buffer: &mut Buffer) -> ScrollLimits {
    // Where rows are few the ledger goes, whose verdict the header has.
    let ledger_rows = if area.height >= TILES_ROWS + LEDGER_ROWS + 5 { LEDGER_ROWS } else { 0 };
    let [top, sums, list] =
        Layout::vertical([Constraint::Length(TILES_ROWS), Constraint::Length(ledger_rows), Constraint::Fill(1)])
            .areas(area);
    tiles::draw(top, figures, &model.shown().history, true, theme, buffer);
    if ledger_rows > 0 {
        ledger::draw(sums, figures, theme, buffer);
    }
    let mut limits = ScrollLimits::default();
    limits[model.panel() as usize] = panels::draw(list, model.panel(), model, true, theme, buffer);
    limits
}
