//! The first line, which says whether what is below is of now; the last, which names the keys; and the keys explained.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{Clear, Paragraph, Widget},
};

use super::{
    theme::{Theme, Tone},
    tiles::named,
};
use crate::top::{
    keys,
    model::{Model, Standing},
    text::{day_and_time, time_of_day},
};

/// The first line.
pub(super) fn draw(area: Rect, model: &Model, standing: &Standing, theme: Theme, buffer: &mut Buffer) {
    let figures = model.shown().figures.as_ref();
    let (badge, tone, words) = match standing {
        Standing::Live => (" ● LIVE ", Tone::Good, String::new()),
        Standing::Waiting(words) => (" ● LIVE ", Tone::Warning, words.clone()),
        Standing::Bad(words) => (" ! LIVE ", Tone::Bad, words.clone()),
        Standing::NotLive(words) => (" ○ NOT LIVE ", Tone::Bad, words.clone()),
    };
    let of = figures.map(|figures| time_of_day(&figures.time)).unwrap_or_default();
    let is_live = !matches!(standing, Standing::NotLive(_));
    let (badge, tone, words) = match (model.is_paused(), is_live) {
        (true, true) => (" ‖ PAUSED ", Tone::Warning, format!("at {of} UTC, p goes on")),
        (true, false) => (badge, tone, format!("Paused at {of} UTC. {words}")),
        (false, true) => (badge, tone, words),
        (false, false) if figures.is_some() => (badge, tone, format!("Figures of {of} UTC. {words}")),
        (false, false) => (badge, tone, words),
    };
    let clock = figures.map(|figures| format!("{} UTC ", day_and_time(&figures.time))).unwrap_or_default();
    let mut left = vec![Span::styled(" Tally ", theme.style(Tone::Strong)), Span::styled(badge, theme.badge(tone))];
    if words.is_empty() {
        left.push(Span::styled(format!(" {}", model.address()), theme.style(Tone::Quiet)));
    } else {
        left.push(Span::styled(format!(" {words}"), theme.style(tone)));
    }
    // The clock gives way to words: with figures that are not of now, their time stands among these.
    let left = Line::from(left);
    let needed = u16::try_from(left.width() + clock.len() + 1).unwrap_or(u16::MAX);
    let clock_columns = if needed <= area.width { u16::try_from(clock.len()).unwrap_or(0) } else { 0 };
    let [words, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(clock_columns)]).areas(area);
    left.render(words, buffer);
    Line::styled(clock, theme.style(Tone::Quiet)).right_aligned().render(right, buffer);
}

/// The last line.
pub(super) fn draw_footer(area: Rect, model: &Model, theme: Theme, buffer: &mut Buffer) {
    let keys = [
        ("q", "quit"),
        ("1-5 Tab", "totals by"),
        ("← →", "list"),
        ("↑ ↓", "scroll"),
        ("p", if model.is_paused() { "go on" } else { "pause" }),
        ("?", "help"),
    ];
    let spans = keys.iter().flat_map(|&(key, what)| {
        [
            Span::styled(format!(" {key} "), theme.style(Tone::Strong)),
            Span::styled(format!("{what} "), theme.style(Tone::Quiet)),
        ]
    });
    Line::from(spans.collect::<Vec<_>>()).render(area, buffer);
}

/// The keys, in the middle of everything.
pub(super) fn draw_help(area: Rect, theme: Theme, buffer: &mut Buffer) {
    let key_columns = keys::HELP.iter().map(|(key, _)| Span::raw(*key).width()).max().unwrap_or(0);
    let mut lines = vec![Line::default()];
    lines.extend(keys::HELP.iter().map(|(key, what)| {
        let blanks = " ".repeat(key_columns - Span::raw(*key).width() + 2);
        Line::from(vec![
            Span::raw("  "),
            Span::styled(*key, theme.style(Tone::Strong)),
            Span::raw(blanks),
            Span::raw(*what),
            Span::raw("  "),
        ])
    }));
    lines.extend([Line::default(), Line::styled("  Any key goes back.", theme.style(Tone::Quiet))]);
    let columns = lines.iter().map(Line::width).max().unwrap_or(0) + 2;
    let rows = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let area = area.centered(Constraint::Length(u16::try_from(columns).unwrap_or(u16::MAX)), Constraint::Length(rows));
    Clear.render(area, buffer);
    Paragraph::new(lines).block(named(" keys ", theme)).render(area, buffer);
}
