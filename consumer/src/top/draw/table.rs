//! Tables whose columns take what their cells need, and of which the least important ones go where that is too much.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::theme::{Theme, Tone};

/// Blanks between two columns.
const GAP: u16 = 2;
/// Most cells of a bar, and fewest that say anything.
const BAR_CELLS: std::ops::RangeInclusive<u16> = 6..=40;
/// A bar's end, in eighths of a cell.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    right: bool,
    bar: bool,
    /// Columns of the highest rank go first.
    rank: u8,
}

impl Column {
    /// Of texts.
    pub(super) const fn text(title: &'static str, rank: u8) -> Self {
        Self { title, right: false, bar: false, rank }
    }

    /// Of numbers.
    pub(super) const fn number(title: &'static str, rank: u8) -> Self {
        Self { title, right: true, bar: false, rank }
    }

    /// Of bars, which take what is left of the width.
    pub(super) const fn bar(rank: u8) -> Self {
        Self { title: "", right: false, bar: true, rank }
    }
}

/// What stands in one place.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// A text.
    Text(String, Tone),
    /// A part of a whole.
    Bar(u64, u64),
}

impl Cell {
    /// As the terminal writes.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::Text(text.into(), Tone::Plain)
    }

    /// A number that matters.
    pub(super) fn strong(text: impl Into<String>) -> Self {
        Self::Text(text.into(), Tone::Strong)
    }

    /// What is less important.
    pub(super) fn quiet(text: impl Into<String>) -> Self {
        Self::Text(text.into(), Tone::Quiet)
    }

    fn width(&self) -> u16 {
        match self {
            Self::Text(text, _) => u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX),
            Self::Bar(..) => *BAR_CELLS.start(),
        }
    }
}

/// Rows of cells, as many a row as there are columns.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// The columns.
    pub(super) columns: Vec<Column>,
    /// The rows.
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Draws the rows from number `scroll` on, and gives how far it can be scrolled.
    pub(super) fn draw(&self, area: Rect, scroll: usize, theme: Theme, buffer: &mut Buffer) -> usize {
        let Some(visible) = usize::from(area.height).checked_sub(1).filter(|_| area.width > 0) else { return 0 };
        let widths = self.widths(area.width);
        let limit = self.rows.len().saturating_sub(visible);
        let rows = self.rows.iter().skip(scroll.min(limit)).take(visible);
        let head: Vec<Cell> = self.columns.iter().map(|column| Cell::quiet(column.title)).collect();
        for (row, y) in std::iter::once(&head).chain(rows).zip(area.top()..) {
            debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
            let mut x = area.left();
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(&widths) {
                let Some(width) = *width else { continue };
                let width = width.min(area.right().saturating_sub(x));
                draw_cell(cell, column.right, Rect::new(x, y, width, 1), theme, buffer);
                x = x.saturating_add(width + GAP).min(area.right());
            }
        }
        limit
    }

    /// Of each column, `None` where there is nothing in it or no room for it.
    fn widths(&self, room: u16) -> Vec<Option<u16>> {
        let mut widths: Vec<Option<u16>> = self
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| {
                let title = Cell::plain(column.title).width();
                let width = self.rows.iter().filter_map(|row| Some(row.get(place)?.width())).fold(title, u16::max);
                (width > 0).then_some(width)
            })
            .collect();
        let taken = |widths: &[Option<u16>]| {
            let each = widths.iter().flatten().map(|&width| u32::from(width) + u32::from(GAP));
            each.sum::<u32>().saturating_sub(u32::from(GAP))
        };
        while taken(&widths) > u32::from(room) {
            let shown = (0..widths.len()).filter(|&place| widths[place].is_some());
            match shown.max_by_key(|&place| self.columns[place].rank) {
                Some(place) if widths.iter().flatten().count() > 1 => widths[place] = None,
                _ => break,
            }
        }
        let left = u16::try_from(u32::from(room).saturating_sub(taken(&widths))).unwrap_or(0);
        if let Some(place) = self.columns.iter().position(|column| column.bar) {
            widths[place] = widths[place].map(|width| (width + left).min(*BAR_CELLS.end()));
        }
        widths
    }
}

fn draw_cell(cell: &Cell, right: bool, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let line = match cell {
        Cell::Text(text, tone) => Line::styled(text.as_str(), theme.style(*tone)),
        Cell::Bar(part, whole) => Line::styled(bar(*part, *whole, area.width), theme.style(Tone::Accent)),
    };
    let line = if right { line.right_aligned() } else { line };
    ratatui::widgets::Widget::render(line, area, buffer);
}

/// `part` of `whole` as a bar of at most `cells` cells, to an eighth of one; never nothing of something.
pub(super) fn bar(part: u64, whole: u64, cells: u16) -> String {
    if part == 0 || whole == 0 {
        return String::new();
    }
    let eighths = (u128::from(part) * u128::from(cells) * 8 / u128::from(whole)).clamp(1, u128::from(cells) * 8);
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX);
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: u16, height: u16, scroll: usize) -> (Vec<String>, usize) {
        let rows = (0..5).map(|number: u64| {
            vec![Cell::plain(format!("P{number}")), Cell::Bar(number, 4), Cell::strong((number * 100).to_string())]
        });
        let columns = vec![Column::text("name", 0), Column::bar(2), Column::number("count", 1)];
        let table = Table { columns, rows: rows.collect() };
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let limit = table.draw(area, scroll, Theme::new(false), &mut buffer);
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        ((0..height).map(line).collect(), limit)
    }

    #[test]
    fn columns_are_aligned_and_the_bar_takes_what_is_left() {
        let (lines, limit) = drawn(21, 6, 0);
        assert_eq!(lines[0], "name            count");
        assert_eq!(lines[1], "P0                  0");
        assert_eq!(lines[3], "P2    ████        200");
        assert_eq!(lines[5], "P4    ████████    400");
        assert_eq!(limit, 0);
    }

    #[test]
    fn where_there_is_little_room_the_least_important_columns_go_first() {
        assert_eq!(drawn(12, 2, 0).0, ["name  count ", "P0        0 "]);
        assert_eq!(drawn(6, 2, 0).0, ["name  ", "P0    "]);
        assert_eq!(drawn(2, 2, 0).0, ["na", "P0"]);
        assert_eq!(drawn(0, 2, 0).1, 0);
        assert_eq!(drawn(9, 0, 0).1, 0);
    }

    #[test]
    fn scrolling_ends_where_the_last_row_is_seen() {
        for beyond in [3, 4, usize::MAX] {
            let (lines, limit) = drawn(12, 3, beyond);
            assert_eq!((lines[1].as_str(), lines[2].as_str(), limit), ("P3      300 ", "P4      400 ", 3));
        }
    }

    #[test]
    fn a_bar_is_never_nothing_of_something_and_never_too_long() {
        assert_eq!(bar(0, 9, 4), "");
        assert_eq!(bar(1, u64::MAX, 4), "▏");
        assert_eq!(bar(9, 9, 4), "████");
        assert_eq!(bar(u64::MAX, 1, 4), "████");
        assert_eq!(bar(1, 2, 3), "█▌");
    }
}
