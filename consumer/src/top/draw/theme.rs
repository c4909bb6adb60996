//! The terminal's own sixteen colours, so that light and dark terminals both look as their owner wants; with `NO_COLOR`
//! bold, dim and reversed only.

use ratatui::style::{Color, Modifier, Style};

/// What something is, from which follows how it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    /// As the terminal writes.
    #[default]
    Plain,
    /// A label, or nothing to look at.
    Quiet,
    /// A number that matters.
    Strong,
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// Wrong.
    Bad,
    /// A bar, a line, what is chosen.
    Accent,
    /// A second line.
    Other,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    colours: bool,
}

impl Theme {
    /// With the terminal's colours, or without any.
    #[must_use]
    pub fn new(colours: bool) -> Self {
        Self { colours }
    }

    /// How `tone` looks.
    #[must_use]
    pub(super) fn style(self, tone: Tone) -> Style {
        let (colour, modifier) = match tone {
            Tone::Plain => (None, Modifier::empty()),
            // Not the palette's grey: some palettes have their background there.
            Tone::Quiet => (None, Modifier::DIM),
            Tone::Strong => (None, Modifier::BOLD),
            Tone::Good => (Some(Color::Green), Modifier::BOLD),
            Tone::Warning => (Some(Color::Yellow), Modifier::BOLD),
            Tone::Bad => (Some(Color::Red), Modifier::BOLD),
            Tone::Accent => (Some(Color::Cyan), Modifier::empty()),
            Tone::Other => (Some(Color::Magenta), Modifier::empty()),
        };
        let mut style = Style::new().add_modifier(modifier);
        if tone != Tone::Quiet {
            // Also on the edge of a box, which is dim.
            style = style.remove_modifier(Modifier::DIM);
        }
        colour.filter(|_| self.colours).map_or(style, |colour| style.fg(colour))
    }

    /// White on black, or the other way round, in the colour of `tone`.
    #[must_use]
    pub(super) fn badge(self, tone: Tone) -> Style {
        self.style(tone).add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    /// What is not of now.
    #[must_use]
    pub(super) fn stale(self) -> Style {
        Style::reset().add_modifier(Modifier::DIM)
    }
}
