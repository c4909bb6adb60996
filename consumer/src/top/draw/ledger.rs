//! The ledger as sums that visibly add up: names above, numbers below, a mark behind.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Paragraph, Widget},
};

use super::{
    theme::{Theme, Tone},
    tiles::named,
};
use crate::{
    report::grouped,
    top::{
        equations::{Equation, Term},
        figures::Figures,
    },
};

/// Rows of the ledger: two for each sum, and its box.
pub(super) const LEDGER_ROWS: u16 = 8;
/// Columns that it takes with all but the largest numbers.
pub(super) const LEDGER_COLUMNS: u16 = 70;

/// Draws the box, with the verdict in its name.
pub(super) fn draw(area: Rect, figures: &Figures, theme: Theme, buffer: &mut Buffer) {
    let adds_up = figures.balance.adds_up();
    let (verdict, tone) = if adds_up { ("balances", Tone::Good) } else { ("DOES NOT BALANCE", Tone::Bad) };
    let name = Line::from(vec![Span::raw(" ledger "), Span::styled(format!("{verdict} "), theme.style(tone))]);
    let missing = figures.balance.ledger.missing_from_sequence;
    let tone = if missing > 0 { Tone::Bad } else { Tone::Quiet };
    let missing = Span::styled(format!(" missing from sequences: {} ", grouped(missing)), theme.style(tone));
    let block = named(name, theme).title(Line::from(missing).right_aligned());
    let equations = figures.balance.equations();
    let lines: Vec<Line<'_>> = equations.iter().flat_map(|equation| drawn(equation, &equations, theme)).collect();
    Paragraph::new(lines).block(block).render(area, buffer);
}

/// Two lines. Columns are as wide as the widest of `all`, so that the same thing stands below itself.
fn drawn(equation: &Equation, all: &[Equation; 3], theme: Theme) -> [Line<'static>; 2] {
    let column = |place: usize| {
        let terms = all.iter().filter_map(|equation| term(equation, place));
        terms.map(|term| term.name.len().max(count(term.count).len())).max().unwrap_or(0)
    };
    let (quiet, strong) = (theme.style(Tone::Quiet), theme.style(Tone::Strong));
    let (sign, tone) = if equation.holds() { (" = ", Tone::Good) } else { (" ≠ ", Tone::Bad) };
    let (mut names, mut counts) = (Vec::new(), Vec::new());
    for place in 0..=equation.parts.len() {
        let Some(term) = term(equation, place) else { continue };
        let (width, style) = (column(place), if term.count == 0 { quiet } else { strong });
        names.push(Span::raw(if place == 0 { " " } else { "   " }));
        counts.push(match place {
            0 => Span::raw(" "),
            1 => Span::styled(sign, theme.style(tone)),
            _ => Span::styled(" + ", quiet),
        });
        names.push(Span::styled(format!("{:>width$}", term.name), quiet));
        counts.push(Span::styled(format!("{:>width$}", count(term.count)), style));
    }
    let mark = if equation.holds() { "  ✓" } else { "  ✗" };
    counts.push(Span::styled(mark, theme.style(tone)));
    [Line::from(names), Line::from(counts)]
}

/// The whole at place 0, then the parts.
fn term(equation: &Equation, place: usize) -> Option<&Term> {
    match place.checked_sub(1) {
        None => Some(&equation.whole),
        Some(part) => equation.parts.get(part),
    }
}

fn count(count: i128) -> String {
    u64::try_from(count).map_or_else(|_| count.to_string(), grouped)
}
