//! The lists: totals, windows, partitions, dead letters, producers.

use std::collections::BTreeMap;

use common::money::{Currency, format_minor};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget as _,
};

use super::{
    table::{Cell, Column, Table},
    theme::{Theme, Tone},
    tiles::{age, named},
};
use crate::{
    report::grouped,
    top::{
        figures::{self, CurrencyCell, Figures, Partition, Producers},
        model::{Grouping, Model, Panel},
        text::{Clean, day_and_time, share, time_of_day},
    },
};

/// Sums of a group that are named; of the others it is said how many there are.
const SUMS_SHOWN: usize = 3;
/// Durable figures that are older are marked.
const OLD_AFTER_MS: i64 = 10_000;

/// Draws one of them in its box, and gives how far it can be scrolled. `alone`: the others have no room, and are named.
pub(super) fn draw(area: Rect, panel: Panel, model: &Model, alone: bool, theme: Theme, buffer: &mut Buffer) -> usize {
    let moment = model.shown();
    let Some(figures) = &moment.figures else { return 0 };
    let table = match panel {
        Panel::Totals => totals(figures, model.grouping()),
        Panel::Windows => windows(figures),
        Panel::Partitions => partitions(&figures.partitions),
        Panel::Rejected => rejected(figures),
        Panel::Producers => producers(&figures.producers),
    };
    let mut block = named(name(panel, model, alone, theme), theme);
    if !alone && model.panel() == panel {
        block = block.border_style(theme.style(Tone::Accent));
    }
    if let Some(note) = note(panel, figures, theme) {
        block = block.title(Line::from(note).right_aligned());
    }
    let inner = block.inner(area);
    block.render(area, buffer);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let limit = table.draw(inner, model.scroll(panel), theme, buffer);
    if limit > 0 {
        let last = table.rows.len() - limit + model.scroll(panel).min(limit);
        let place = Line::styled(format!(" {last} of {} ", table.rows.len()), theme.style(Tone::Quiet));
        let foot = Rect { x: area.x + 1, y: area.bottom() - 1, width: area.width.saturating_sub(2), height: 1 };
        place.right_aligned().render(foot, buffer);
    }
    limit
}

/// Of the panel; of totals, with the ways in which they can be told apart.
fn name(panel: Panel, model: &Model, alone: bool, theme: Theme) -> Line<'static> {
    let chosen = |is_chosen| if is_chosen { theme.style(Tone::Accent).reversed() } else { theme.style(Tone::Plain) };
    if alone {
        let panels = Panel::ALL.iter().map(|&one| Span::styled(format!(" {} ", one.name()), chosen(one == panel)));
        let by = (panel == Panel::Totals).then(|| Span::raw(format!(" by {} ", model.grouping().name())));
        return panels.chain(by).collect();
    }
    if panel != Panel::Totals {
        return format!(" {} ", panel.name()).into();
    }
    let groupings = Grouping::ALL.iter().enumerate().map(|(place, &grouping)| {
        Span::styled(format!(" {} {} ", place + 1, grouping.name()), chosen(grouping == model.grouping()))
    });
    std::iter::once(Span::raw(" totals by ")).chain(groupings).collect()
}

/// What stands at the right of the name.
fn note(panel: Panel, figures: &Figures, theme: Theme) -> Option<Span<'static>> {
    let (text, tone) = match panel {
        Panel::Rejected => (grouped(figures.balance.ledger.rejected_in_all()), Tone::Quiet),
        Panel::Producers => match &figures.producers {
            known if known.missing_from_sequence > 0 => {
                (format!("{} missing", grouped(known.missing_from_sequence)), Tone::Bad)
            }
            known if known.evicted == 0 && !known.producers.is_empty() => ("nothing missing".to_owned(), Tone::Good),
            _ => ("missing: not known".to_owned(), Tone::Quiet),
        },
        Panel::Totals | Panel::Windows | Panel::Partitions => return None,
    };
    Some(Span::styled(format!(" {text} "), theme.style(tone)))
}

fn totals(figures: &Figures, grouping: Grouping) -> Table {
    let totals = &figures.summary.totals;
    match grouping {
        Grouping::Currency => by_currency(&totals.currency),
        Grouping::Type => by_group(&totals.r#type),
        Grouping::Category => by_group(&totals.category),
        Grouping::Country => by_group(&totals.country),
        Grouping::Channel => by_group(&totals.channel),
    }
}

fn by_currency(cells: &BTreeMap<Clean, CurrencyCell>) -> Table {
    let all = cells.values().fold(0, |sum: u64, cell| sum.saturating_add(cell.cell.count));
    let most = cells.values().map(|cell| cell.cell.count).max().unwrap_or(0);
    let mut cells: Vec<_> = cells.iter().collect();
    cells.sort_by_key(|(_, cell)| std::cmp::Reverse(cell.cell.count));
    let rows = cells.into_iter().map(|(code, CurrencyCell { cell, min_minor, max_minor })| {
        let number = |minor: &str| amount(minor, code);
        vec![
            Cell::plain(code.as_str()),
            Cell::strong(grouped(cell.count)),
            Cell::Bar(cell.count, most),
            Cell::plain(share(cell.count, all)),
            Cell::strong(number(cell.sum_minor.as_str())),
            Cell::quiet(number(&min_minor.to_string())),
            Cell::quiet(number(&max_minor.to_string())),
        ]
    });
    let columns = vec![
        Column::text("currency", 0),
        Column::number("counted", 1),
        Column::bar(4),
        Column::number("share", 3),
        Column::number("sum", 2),
        Column::number("smallest", 6),
        Column::number("largest", 5),
    ];
    Table { columns, rows: rows.collect() }
}

fn by_group(groups: &figures::Grouping) -> Table {
    let count =
        |cells: &BTreeMap<Clean, figures::Cell>| cells.values().fold(0, |sum: u64, c| sum.saturating_add(c.count));
    let mut groups: Vec<_> = groups.iter().map(|(name, cells)| (name, count(cells), cells)).collect();
    groups.sort_by_key(|&(_, count, _)| std::cmp::Reverse(count));
    let all = groups.iter().fold(0, |sum: u64, &(_, count, _)| sum.saturating_add(count));
    let most = groups.first().map_or(0, |&(_, count, _)| count);
    let rows = groups.into_iter().map(|(name, count, cells)| {
        let [first, second, third] = sums(cells);
        vec![
            Cell::plain(name.words()),
            Cell::strong(grouped(count)),
            Cell::Bar(count, most),
            Cell::plain(share(count, all)),
            Cell::plain(first),
            Cell::plain(second),
            Cell::plain(third),
            Cell::quiet(match cells.len().saturating_sub(SUMS_SHOWN) {
                0 => String::new(),
                more => format!("+{more} more"),
            }),
        ]
    });
    let columns = vec![
        Column::text("", 0),
        Column::number("counted", 1),
        Column::bar(3),
        Column::number("share", 4),
        Column::number("sums", 2),
        Column::number("", 5),
        Column::number("", 6),
        Column::text("", 7),
    ];
    Table { columns, rows: rows.collect() }
}

/// The sums in the currencies that a group has the most transactions in: never one over all of them.
fn sums(cells: &BTreeMap<Clean, figures::Cell>) -> [String; SUMS_SHOWN] {
    let mut cells: Vec<_> = cells.iter().collect();
    cells.sort_by_key(|(_, cell)| std::cmp::Reverse(cell.count));
    let mut sums = cells.into_iter().map(|(code, cell)| format!("{} {code}", amount(cell.sum_minor.as_str(), code)));
    std::array::from_fn(|_| sums.next().unwrap_or_default())
}

/// Minor units as people write them, without the currency's code. A currency that is not known here stays as it came.
fn amount(minor: &str, code: &Clean) -> String {
    let known = minor.parse().ok().zip(Currency::from_code(code.as_str()));
    let Some((minor, currency)) = known else { return format!("{minor} minor units") };
    let text = format_minor(minor, currency);
    text.strip_suffix(currency.code()).unwrap_or(&text).trim_end().to_owned()
}

fn windows(figures: &Figures) -> Table {
    let most = figures.windows.iter().map(|window| window.count).max().unwrap_or(0);
    let rows = figures.windows.iter().map(|window| {
        let state = match (window.closed, window.revision) {
            (false, _) => Cell::Text("open".to_owned(), Tone::Accent),
            (true, 0) => Cell::plain("closed"),
            (true, late) => Cell::plain(format!("closed, +{} late", grouped(late))),
        };
        vec![
            Cell::plain(time_of_day(&window.window_start)),
            Cell::quiet(time_of_day(&window.window_end)),
            Cell::strong(grouped(window.count)),
            state,
            Cell::Bar(window.count, most),
        ]
    });
    let columns = vec![
        Column::text("from, UTC", 0),
        Column::text("to", 4),
        Column::number("counted", 1),
        Column::text("state", 2),
        Column::bar(3),
    ];
    Table { columns, rows: rows.collect() }
}

fn rejected(figures: &Figures) -> Table {
    let ledger = &figures.balance.ledger;
    let mut reasons: Vec<_> = ledger.rejected.iter().filter(|&(_, &count)| count > 0).collect();
    reasons.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let most = reasons.first().map_or(0, |&(_, &count)| count);
    let mut rows: Vec<_> = reasons
        .into_iter()
        .map(|(reason, &count)| {
            vec![
                Cell::plain(reason.words()),
                Cell::strong(grouped(count)),
                Cell::plain(share(count, ledger.consumed)),
                Cell::Bar(count, most),
            ]
        })
        .collect();
    if rows.is_empty() {
        rows.push(vec![Cell::quiet("none so far"), Cell::quiet("0"), Cell::quiet("–"), Cell::Bar(0, 0)]);
    }
    let columns =
        vec![Column::text("reason", 0), Column::number("records", 1), Column::number("of all", 2), Column::bar(3)];
    Table { columns, rows }
}

fn partitions(partitions: &[Partition]) -> Table {
    let says_lag_ms =
        partitions.iter().filter_map(|partition| partition.live.as_ref()).any(|live| live.lag_ms.is_some());
    let says_writer = partitions
        .iter()
        .filter_map(|partition| partition.durable.as_ref())
        .any(|durable| durable.written_by.is_some());
    let mut columns = vec![
        Column::number("partition", 0),
        Column::text("worked on", 3),
        Column::number("lag", 1),
        Column::number("offset", 2),
        Column::text("event time, UTC", 5),
        Column::number("age", 4),
    ];
    if says_lag_ms {
        columns.insert(3, Column::number("lag in time", 6));
    }
    if says_writer {
        columns.push(Column::text("written by", 7));
    }
    let rows = partitions.iter().map(|partition| row(partition, says_lag_ms, says_writer)).collect();
    Table { columns, rows }
}

fn row(partition: &Partition, says_lag_ms: bool, says_writer: bool) -> Vec<Cell> {
    let Partition { partition, owned, durable, live } = partition;
    let dash = || Cell::quiet("–");
    let worker = match (owned, live) {
        (_, Some(_)) => Cell::Text("here".to_owned(), Tone::Good),
        (true, None) => Cell::Text("here, restoring".to_owned(), Tone::Warning),
        (false, None) => Cell::quiet("not here"),
    };
    let mut row = vec![Cell::plain(partition.to_string()), worker];
    row.push(live.as_ref().map_or_else(dash, |live| {
        let lag = u64::try_from(live.lag_records).unwrap_or(0);
        Cell::Text(grouped(lag), if lag > 0 { Tone::Warning } else { Tone::Plain })
    }));
    if says_lag_ms {
        row.push(live.as_ref().and_then(|live| live.lag_ms).map_or_else(dash, |lag_ms| Cell::plain(age(lag_ms))));
    }
    match durable {
        None => row.extend([Cell::Text("not counted yet".to_owned(), Tone::Warning), dash(), dash()]),
        Some(durable) => {
            row.push(Cell::strong(grouped(u64::try_from(durable.next_offset).unwrap_or(0))));
            row.push(durable.watermark.as_ref().map_or_else(dash, |watermark| Cell::plain(day_and_time(watermark))));
            let tone = if durable.age_ms > OLD_AFTER_MS { Tone::Warning } else { Tone::Plain };
            row.push(Cell::Text(age(durable.age_ms), tone));
        }
    }
    if says_writer {
        let writer = durable.as_ref().and_then(|durable| durable.written_by.as_ref());
        row.push(writer.map_or_else(dash, |writer| Cell::plain(writer.as_str())));
    }
    row
}

fn producers(known: &Producers) -> Table {
    let columns =
        vec![Column::text("producer", 0), Column::number("partitions", 2), Column::number("records numbered", 1)];
    let mut rows: Vec<_> = known
        .producers
        .iter()
        .map(|producer| {
            let numbered = producer.records_numbered.as_str();
            vec![
                Cell::plain(producer.incarnation.as_str()),
                Cell::plain(grouped(producer.partitions)),
                Cell::strong(numbered.parse().map_or_else(|_| numbered.to_owned(), grouped)),
            ]
        })
        .collect();
    if rows.is_empty() {
        rows.push(vec![Cell::quiet("none numbers its records"), Cell::quiet("–"), Cell::quiet("–")]);
    }
    if known.more {
        rows.push(vec![Cell::quiet("more: /api/v1/producers"), Cell::quiet(""), Cell::quiet("")]);
    }
    Table { columns, rows }
}
