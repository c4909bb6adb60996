//! What keys mean.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::Grouping;

/// Rows that a page key moves.
const PAGE_ROWS: isize = 10;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To end.
    Quit,
    /// To explain the keys.
    Help,
    /// To let the figures stand still, or go on.
    Pause,
    /// To tell totals apart in the next way.
    NextGrouping,
    /// In the way before.
    PreviousGrouping,
    /// In this way.
    Group(Grouping),
    /// To go to the next panel.
    NextPanel,
    /// To the one before.
    PreviousPanel,
    /// To move down by so many rows.
    Scroll(isize),
}

/// The keys, for whoever asks: key, and what it does.
pub const HELP: [(&str, &str); 7] = [
    ("1 … 5, Tab", "totals by currency, type, category, country, channel"),
    ("← →, h l", "the list before, the next list"),
    ("↑ ↓, j k", "scroll the list; PgUp PgDn, Home End"),
    ("p, Space", "pause: figures stand still, and say so"),
    ("?", "these keys"),
    ("q, Esc", "quit"),
    ("Ctrl-C", "quit, whatever is shown"),
];

/// What an event of the terminal asks for; `is_helping`: while the keys are explained, any but those that quit end that.
#[must_use]
pub fn action(event: &Event, is_helping: bool) -> Option<Action> {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = *event else { return None };
    if modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(code, KeyCode::Char('c' | 'd')).then_some(Action::Quit);
    }
    Some(match code {
        KeyCode::Char('q') => Action::Quit,
        _ if is_helping => Action::Help,
        KeyCode::Esc => Action::Quit,
        KeyCode::Char('?') => Action::Help,
        KeyCode::Char('p' | ' ') => Action::Pause,
        KeyCode::Tab => Action::NextGrouping,
        KeyCode::BackTab => Action::PreviousGrouping,
        KeyCode::Char(digit @ '1'..='5') => Action::Group(Grouping::ALL[usize::from(u8::try_from(digit).ok()? - b'1')]),
        KeyCode::Right | KeyCode::Char('l') => Action::NextPanel,
        KeyCode::Left | KeyCode::Char('h') => Action::PreviousPanel,
        KeyCode::Down | KeyCode::Char('j') => Action::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Action::Scroll(-1),
        KeyCode::PageDown => Action::Scroll(PAGE_ROWS),
        KeyCode::PageUp => Action::Scroll(-PAGE_ROWS),
        KeyCode::Home | KeyCode::Char('g') => Action::Scroll(isize::MIN),
        KeyCode::End | KeyCode::Char('G') => Action::Scroll(isize::MAX),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn every_way_out_ends_and_digits_choose() {
        let plain = |code| action(&key(code, KeyModifiers::NONE), false);
        for quit in [KeyCode::Esc, KeyCode::Char('q')] {
            assert_eq!(plain(quit), Some(Action::Quit));
        }
        assert_eq!(action(&key(KeyCode::Char('c'), KeyModifiers::CONTROL), true), Some(Action::Quit));
        assert_eq!(plain(KeyCode::Char('c')), None);
        for back in [KeyCode::Esc, KeyCode::Char('x'), KeyCode::F(7), KeyCode::Down] {
            assert_eq!(action(&key(back, KeyModifiers::NONE), true), Some(Action::Help), "{back:?}");
        }
        for (digit, grouping) in ('1'..='5').zip(Grouping::ALL) {
            assert_eq!(plain(KeyCode::Char(digit)), Some(Action::Group(grouping)));
        }
        assert_eq!(action(&Event::Resize(80, 24), false), None);
    }

    #[test]
    fn a_key_that_is_let_go_asks_for_nothing() {
        let mut released = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(action(&Event::Key(released), false), None);
    }
}
