//! Windows of several lengths: which one an event time is in.

use super::{Settings, Totals};

/// A window and what is in it.
#[derive(Debug, Clone)]
pub struct Window {
    /// The instant that it ends before, milliseconds.
    pub end_ms: i64,
    /// The watermark from which on it takes nothing more, milliseconds.
    pub final_ms: i64,
    /// What it has taken, by currency and by type.
    pub totals: Totals,
    /// The generation in which it became final, if settings were changed after that. All others are given out by the last.
    pub generation: Option<u64>,
}

/// The lengths that there have been, in the order in which they came into force, each with where it begins.
#[derive(Debug, Clone)]
pub(super) struct Lengths(Vec<(i64, Settings)>);

impl Lengths {
    pub(super) fn new(settings: Settings) -> Self {
        Self(vec![(i64::MIN, settings)])
    }

    /// Other settings come into force. Where nothing is said of their windows, they take the place of those before.
    pub(super) fn change(&mut self, windows_from_ms: Option<i64>, settings: Settings) {
        match (windows_from_ms, self.0.last_mut()) {
            (None, Some((_, last))) => *last = settings,
            (from_ms, _) => self.0.push((from_ms.unwrap_or(i64::MIN), settings)),
        }
    }

    /// The start of the window that an event time is in, and the window, still empty.
    pub(super) fn window_of(&self, at_ms: i64) -> (i64, Window) {
        let mut end_ms = i64::MAX;
        let mut lengths = self.0.iter().rev();
        let settings = loop {
            let (from_ms, settings) = lengths.next().expect("the first length has held for ever");
            if *from_ms <= at_ms {
                break settings;
            }
            end_ms = end_ms.min(*from_ms);
        };
        let start_ms = at_ms.div_euclid(settings.window_ms) * settings.window_ms;
        end_ms = end_ms.min(start_ms + settings.window_ms);
        let final_ms = end_ms + settings.lateness_ms;
        (start_ms, Window { end_ms, final_ms, totals: Totals::default(), generation: None })
    }
}
