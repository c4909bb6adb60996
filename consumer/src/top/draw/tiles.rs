//! What matters most, at a glance: how much, how fast, how late, how far behind; and how it came to that.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::{Block, BorderType, Padding, Paragraph, Sparkline, SparklineBar, Widget},
};

use super::theme::{Theme, Tone};
use crate::{
    report::grouped,
    top::{
        figures::{Figures, Partition},
        history::{History, Point},
        text::duration,
    },
};

/// Rows of the tiles.
pub(super) const TILES_ROWS: u16 = 4;

/// Columns from which on a tile has one to spare.
const PADDED_FROM: u16 = 24;

/// A box with a name.
pub(super) fn named<'a>(name: impl Into<Line<'a>>, theme: Theme) -> Block<'a> {
    Block::bordered().border_type(BorderType::Rounded).border_style(theme.style(Tone::Quiet)).title(name)
}

/// Four tiles beside one another. `with_lines`: where no charts are drawn, rate and latency have a line of their own here.
pub(super) fn draw(
    area: Rect,
    figures: &Figures,
    history: &History,
    with_lines: bool,
    theme: Theme,
    buffer: &mut Buffer,
) {
    let [counted, rate, p99, lag] = Layout::horizontal([Constraint::Fill(1); 4]).areas(area);
    let ledger = &figures.balance.ledger;
    let of_all = format!("of {}", grouped(ledger.consumed));
    // Where the number leaves room for the word.
    let of_all = if of_all.len() + 7 > counted.width.into() { of_all } else { of_all + " read" };
    tile(counted, "counted", &grouped(ledger.accepted), &of_all, theme, buffer);
    let newest = history.newest();
    let per_second = newest.rate.map_or_else(|| "–".to_owned(), grouped);
    let rest = tile(rate, "records/s", &per_second, "mean of 5 s", theme, buffer);
    if with_lines {
        line(rest, history, |point| point.rate, Tone::Accent, theme, buffer);
    }
    let p99_now = newest.p99_us.map_or_else(|| "–".to_owned(), duration);
    let p50_now = newest.p50_us.map(|p50_us| format!("p50 {}", duration(p50_us))).unwrap_or_default();
    let rest = tile(p99, "latency p99", &p99_now, &p50_now, theme, buffer);
    if with_lines {
        line(rest, history, |point| point.p99_us, Tone::Other, theme, buffer);
    }
    let (behind, of_what) = behind(&figures.partitions);
    tile(lag, "lag, records", &behind, &of_what, theme, buffer);
}

/// How many records are not read yet, and of which partitions that is known.
fn behind(partitions: &[Partition]) -> (String, String) {
    let live: Vec<_> = partitions.iter().filter_map(|partition| partition.live.as_ref()).collect();
    if live.is_empty() {
        return ("–".to_owned(), "known elsewhere".to_owned());
    }
    let records: i128 = live.iter().map(|live| i128::from(live.lag_records)).sum();
    let lag_ms = live.iter().filter_map(|live| live.lag_ms).max();
    let in_time = lag_ms.map(|lag_ms| format!(", {}", age(lag_ms))).unwrap_or_default();
    let of_what = match live.len() {
        some if some < partitions.len() => format!("{some} of {} here{in_time}", partitions.len()),
        _ => format!("all partitions{in_time}"),
    };
    (grouped(u64::try_from(records).unwrap_or(0)), of_what)
}

/// An age in milliseconds, as people say it.
pub(super) fn age(ms: i64) -> String {
    duration(u64::try_from(ms).unwrap_or(0).saturating_mul(1_000))
}

/// A number with its name above and a word below; gives where that word stands.
fn tile(area: Rect, name: &str, number: &str, below: &str, theme: Theme, buffer: &mut Buffer) -> Rect {
    let block = named(format!(" {name} "), theme);
    let block = if area.width < PADDED_FROM { block } else { block.padding(Padding::left(1)) };
    let inner = block.inner(area);
    let lines = vec![Line::styled(number, theme.style(Tone::Strong)), Line::styled(below, theme.style(Tone::Quiet))];
    Paragraph::new(lines).block(block).render(area, buffer);
    Rect { y: inner.y.saturating_add(1), height: inner.height.saturating_sub(1), ..inner }
}

/// Rate and latency over the last minutes, one above the other.
pub(super) fn draw_charts(area: Rect, history: &History, theme: Theme, buffer: &mut Buffer) {
    let [rate, latency] = Layout::vertical([Constraint::Fill(1); 2]).areas(area);
    chart(rate, "records/s", history, |point| point.rate, grouped, Tone::Accent, theme, buffer);
    chart(latency, "latency p99", history, |point| point.p99_us, duration, Tone::Other, theme, buffer);
}

#[expect(clippy::too_many_arguments, reason = "what is drawn, from what, how and where")]
fn chart(
    area: Rect,
    name: &str,
    history: &History,
    value: impl Fn(&Point) -> Option<u64>,
    text: impl Fn(u64) -> String,
    tone: Tone,
    theme: Theme,
    buffer: &mut Buffer,
) {
    let seconds = usize::from(area.width.saturating_sub(2));
    let highest = history.last(seconds).filter_map(&value).max();
    let title = highest.map(|highest| format!(", at most {}", text(highest))).unwrap_or_default();
    let block = named(format!(" {name}, last {seconds} s{title} "), theme);
    let inner = block.inner(area);
    block.render(area, buffer);
    line(inner, history, value, tone, theme, buffer);
}

/// One column a second, the newest at the right; a second about which nothing is known is left out.
fn line(
    area: Rect,
    history: &History,
    value: impl Fn(&Point) -> Option<u64>,
    tone: Tone,
    theme: Theme,
    buffer: &mut Buffer,
) {
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            buffer[(x, y)].reset();
        }
    }
    let values: Vec<Option<u64>> = history.last(area.width.into()).map(value).collect();
    let width = u16::try_from(values.len()).unwrap_or(area.width);
    let area = Rect { x: area.right().saturating_sub(width), width, ..area };
    let bars = values.into_iter().map(SparklineBar::from);
    Sparkline::default().data(bars).absent_value_symbol(" ").style(theme.style(tone)).render(area, buffer);
}
