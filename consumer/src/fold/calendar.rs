//! Which window an event time belongs to: to exactly one, also where migrations have changed the windows' length.
//!
//! ```text
//!   windows_from of ...        first migration      second migration
//!   60 s  │  60 s  │  60 s  │ 6│     300 s     │ 30│        3 600 s       │
//!                             └─ cut off where the next length begins ─┘
//! ```
//!
//! An event time has the length and the lateness of the last migration whose windows begin at or before it, and its
//! window ends where a later migration's begin.

use super::{FoldSettings, Migration};

/// One window, as far as its times go. All in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start_ms: i64,
    /// The first instant that is not in it any more.
    pub(super) end_ms: i64,
    /// The watermark at which it takes no more transactions.
    pub(super) final_ms: i64,
}

/// Windows of one length and lateness, up to an instant.
#[derive(Clone, Debug)]
struct Era {
    until_ms: i64,
    length_ms: i64,
    lateness_ms: i64,
}

/// The windows of a state: those of its settings, and before them those of the settings that it had before.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    /// From here on windows are those of `current`.
    since_ms: i64,
    current: Era,
    /// Oldest first.
    earlier: Vec<Era>,
}

impl Calendar {
    pub(super) fn new(settings: &FoldSettings, migrations: &[Migration]) -> Self {
        let era = |settings: &FoldSettings, until_ms| Era {
            until_ms,
            length_ms: settings.window_ms,
            lateness_ms: settings.lateness_ms,
        };
        let since_ms = migrations.iter().rev().find_map(|migration| migration.windows_from_ms).unwrap_or(i64::MIN);
        let mut until_ms = i64::MAX;
        let mut earlier = Vec::new();
        for migration in migrations.iter().rev() {
            if let Some(windows_from_ms) = migration.windows_from_ms {
                until_ms = until_ms.min(windows_from_ms);
                earlier.push(era(&migration.from, until_ms));
            }
        }
        earlier.reverse();
        Self { since_ms, current: era(settings, i64::MAX), earlier }
    }

    /// The window of an event time. Without migrations this costs one comparison more than the division.
    pub(super) fn span(&self, at_ms: i64) -> Span {
        if at_ms >= self.since_ms {
            return self.current.span(at_ms);
        }
        self.earlier.iter().find(|era| at_ms < era.until_ms).unwrap_or(&self.current).span(at_ms)
    }

    /// From where on the windows are those of the settings; `None` if they always were.
    pub(super) fn since_ms(&self) -> Option<i64> {
        (!self.earlier.is_empty()).then_some(self.since_ms)
    }
}

impl Era {
    fn span(&self, at_ms: i64) -> Span {
        let start_ms = at_ms - at_ms.rem_euclid(self.length_ms);
        let end_ms = (start_ms + self.length_ms).min(self.until_ms);
        Span { start_ms, end_ms, final_ms: end_ms + self.lateness_ms }
    }
}
