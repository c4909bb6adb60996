//! What is shown: figures, how trustworthy they are, and what was chosen by key. Pure: what was heard, keys and the time
//! go in.

use std::collections::BTreeSet;

use super::{
    address::Address,
    feed::Heard,
    figures::{Event, Figures, Unmet},
    history::History,
    keys::Action,
};

/// Figures that are older are not shown as live.
pub const STALE_AFTER_MS: u64 = 3_500;
/// Durable figures none of which is younger: nothing is being counted.
const QUIET_AFTER_MS: i64 = 5_000;

/// How totals are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// By currency.
    #[default]
    Currency,
    /// By type.
    Type,
    /// By merchant category.
    Category,
    /// By country.
    Country,
    /// By channel.
    Channel,
}

impl Grouping {
    /// All, in the order of their keys 1 to 5.
    pub const ALL: [Self; 5] = [Self::Currency, Self::Type, Self::Category, Self::Country, Self::Channel];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["currency", "type", "category", "country", "channel"][self as usize]
    }
}

/// A list that can be scrolled, and that has the room alone where there is little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// Totals, by the grouping chosen.
    #[default]
    Totals,
    /// The last windows.
    Windows,
    /// Partitions.
    Partitions,
    /// Dead letters, by reason.
    Rejected,
    /// Producers, and what is missing of theirs.
    Producers,
}

impl Panel {
    /// All, in the order in which they are gone through.
    pub const ALL: [Self; 5] = [Self::Totals, Self::Windows, Self::Partitions, Self::Rejected, Self::Producers];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["totals", "windows", "partitions", "rejected", "producers"][self as usize]
    }
}

/// The rows of each panel that can't be seen at the same time as its first: as far as it can be scrolled.
pub type ScrollLimits = [usize; Panel::ALL.len()];

/// How far the figures can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are of now, and all is well.
    Live,
    /// They are of now, and there is something to know.
    Waiting(String),
    /// They are of now, and something is wrong.
    Bad(String),
    /// They are not of now, and why.
    NotLive(String),
}

/// Figures with what belongs to the same moment.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// The figures; none before the first.
    pub figures: Option<Figures>,
    /// Up to that moment.
    pub history: History,
}

/// All that is shown.
#[derive(Debug)]
pub struct Model {
    address: Address,
    newest: Moment,
    /// When the newest figures came.
    figures_at_ms: u64,
    /// Why there are no newer ones, where that is known.
    trouble: Option<String>,
    paused: Option<Box<Moment>>,
    grouping: Grouping,
    panel: Panel,
    scroll: [usize; Panel::ALL.len()],
    scroll_limits: ScrollLimits,
    help: bool,
}

impl Model {
    /// Of the consumer there, of which nothing has been heard yet.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            newest: Moment::default(),
            figures_at_ms: 0,
            trouble: None,
            paused: None,
            grouping: Grouping::default(),
            panel: Panel::default(),
            scroll: [0; Panel::ALL.len()],
            scroll_limits: [0; Panel::ALL.len()],
            help: false,
        }
    }

    /// Takes in what was heard. `now_ms` is any clock that never goes back.
    pub fn hear(&mut self, heard: Heard, now_ms: u64) {
        match heard {
            Heard::Event(Event::Figures(figures)) => {
                self.newest.history.add(&figures);
                self.newest.figures = Some(*figures);
                (self.figures_at_ms, self.trouble) = (now_ms, None);
            }
            Heard::Event(Event::CatchingUp { unmet }) => self.lose(match unmet.is_empty() {
                true => "The consumer is still reading what has been counted so far.".to_owned(),
                false => format!("The consumer is not ready: {}.", reasons(&unmet)),
            }),
            Heard::Lost(why) => self.lose(format!("Reconnecting: {why}")),
        }
    }

    fn lose(&mut self, why: String) {
        self.newest.history.interrupt();
        self.trouble = Some(why);
    }

    /// Does what a key asks for. [`Action::Quit`] is not the model's.
    pub fn act(&mut self, action: Action) {
        if std::mem::take(&mut self.help) {
            return;
        }
        match action {
            Action::Quit => {}
            Action::Help => self.help = true,
            Action::Pause => {
                let goes_on = self.paused.is_some() || self.newest.figures.is_none();
                self.paused = if goes_on { None } else { Some(Box::new(self.newest.clone())) };
            }
            Action::NextGrouping => self.group(step(&Grouping::ALL, self.grouping, 1)),
            Action::PreviousGrouping => self.group(step(&Grouping::ALL, self.grouping, Grouping::ALL.len() - 1)),
            Action::Group(grouping) => self.group(grouping),
            Action::NextPanel => self.panel = step(&Panel::ALL, self.panel, 1),
            Action::PreviousPanel => self.panel = step(&Panel::ALL, self.panel, Panel::ALL.len() - 1),
            Action::Scroll(rows) => {
                let place = self.panel as usize;
                let scrolled = self.scroll[place].saturating_add_signed(rows);
                self.scroll[place] = scrolled.min(self.scroll_limits[place]);
            }
        }
    }

    fn group(&mut self, grouping: Grouping) {
        (self.grouping, self.panel) = (grouping, Panel::Totals);
        self.scroll[Panel::Totals as usize] = 0;
    }

    /// Takes note of how much could be seen of each panel.
    pub fn drawn(&mut self, limits: ScrollLimits) {
        self.scroll_limits = limits;
        for (scroll, limit) in self.scroll.iter_mut().zip(limits) {
            *scroll = (*scroll).min(limit);
        }
    }

    /// What is to be drawn: what was paused at, or the newest.
    #[must_use]
    pub fn shown(&self) -> &Moment {
        self.paused.as_deref().unwrap_or(&self.newest)
    }

    /// How far the newest figures can be trusted.
    #[must_use]
    pub fn standing(&self, now_ms: u64) -> Standing {
        if let Some(why) = &self.trouble {
            return Standing::NotLive(why.clone());
        }
        let Some(figures) = &self.newest.figures else {
            return Standing::NotLive("Waiting for the first figures.".to_owned());
        };
        if now_ms.saturating_sub(self.figures_at_ms) > STALE_AFTER_MS {
            return Standing::NotLive("The consumer does not answer.".to_owned());
        }
        judge(figures)
    }

    /// Which consumer is asked.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether what is drawn stands still.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// How totals are told apart.
    #[must_use]
    pub fn grouping(&self) -> Grouping {
        self.grouping
    }

    /// Which panel keys are for.
    #[must_use]
    pub fn panel(&self) -> Panel {
        self.panel
    }

    /// How many rows of a panel are above what is seen.
    #[must_use]
    pub fn scroll(&self, panel: Panel) -> usize {
        self.scroll[panel as usize]
    }

    /// Whether the keys are being explained.
    #[must_use]
    pub fn is_helping(&self) -> bool {
        self.help
    }
}

/// The one `by` places after `one`, round and round.
fn step<T: Copy + PartialEq>(all: &[T], one: T, by: usize) -> T {
    let place = all.iter().position(|&other| other == one).unwrap_or_default();
    all[(place + by) % all.len()]
}

/// Why it is not ready, each reason once: partitions mostly have the same.
fn reasons(unmet: &[Unmet]) -> String {
    let reasons: BTreeSet<&str> = unmet.iter().map(|unmet| unmet.reason.as_str()).collect();
    reasons.into_iter().collect::<Vec<_>>().join("; ")
}

/// That somebody sends figures does not mean that anybody counts.
fn judge(figures: &Figures) -> Standing {
    if !figures.balance.adds_up() {
        return Standing::Bad("The ledger does not balance: a bug. Keep the state topic and report it.".to_owned());
    }
    if !figures.ready {
        return Standing::Bad(format!("Not ready: {}", reasons(&figures.unmet)));
    }
    let missing = figures.summary.partitions_missing.len();
    if missing > 0 {
        return Standing::Waiting(format!("{missing} of {} partitions not counted yet", figures.partitions.len()));
    }
    let youngest_ms = figures.partitions.iter().filter_map(|partition| Some(partition.durable.as_ref()?.age_ms)).min();
    if youngest_ms.is_none_or(|age_ms| age_ms > QUIET_AFTER_MS) {
        return Standing::Waiting("nothing new is being counted: nothing is sent, or nobody counts".to_owned());
    }
    Standing::Live
}
