//! What a person sees of a run: a sampled transaction and a line of totals each second, or a progress bar.
//!
//! It watches and changes nothing but two things that follow from watching: the gauge of how far the run is behind
//! its schedule, and the readiness condition when acknowledgements stop coming.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use common::money::format_minor;
use common::service::{Condition, logging};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::counters::{Counters, Counts};
use crate::generate::Draft;
use crate::pace::Pace;
use crate::population::Population;

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// A run that is less behind its schedule than this is on time.
const BEHIND_TOLERATED: Duration = Duration::from_secs(1);

/// Without an acknowledgement for so long, while some are due, the producer is not ready.
const SILENCE_TOLERATED: Duration = Duration::from_secs(5);

/// The reporter of one run.
pub struct Report {
    /// What it reports.
    pub counters: Arc<Counters>,
    /// For the names of those in a sample.
    pub population: Arc<Population>,
    /// What should have been sent.
    pub pace: Pace,
    /// How many there are to be at most; `u64::MAX` without a limit.
    pub count_max: u64,
    /// Whether the run ends by itself: only such a run has a progress bar.
    pub bounded: bool,
    /// Whether acknowledgements come.
    pub condition: Condition,
}

/// What was seen a second ago.
struct Before {
    counts: Counts,
    progress_at: Instant,
}

impl Report {
    /// Reports until dropped. `started` is when the first record was due.
    pub async fn run(self, started: Instant) {
        let bar = self.bar();
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut before = Before { counts: Counts::default(), progress_at: Instant::now() };
        loop {
            ticks.tick().await;
            let counts = self.counters.counts();
            let behind = self.behind(counts, started.elapsed());
            match &bar {
                Some(bar) => bar.0.set_position(counts.acknowledged),
                None => self.log(counts, before.counts, behind),
            }
            self.watch(counts, &mut before);
        }
    }

    /// The lines of one second.
    fn log(&self, counts: Counts, before: Counts, behind: u64) {
        if let Some(draft) = self.counters.take_sample() {
            info!(event = "sample_sent", "sent for example: {}", described(&draft, &self.population));
        }
        let per_second = counts.acknowledged - before.acknowledged;
        let Counts { sent, acknowledged } = counts;
        let unacknowledged = counts.unacknowledged();
        match self.behind_for(behind) {
            Some(late) if late >= BEHIND_TOLERATED => warn!(
                event = "producer_behind",
                sent,
                acknowledged,
                unacknowledged,
                per_second,
                behind,
                "{acknowledged} acknowledged, {per_second}/s; behind by {behind} records, {:.1} s: Kafka or this machine is too slow for the rate",
                late.as_secs_f64()
            ),
            _ => info!(
                event = "producer_progress",
                sent,
                acknowledged,
                unacknowledged,
                per_second,
                behind,
                "{acknowledged} acknowledged, {per_second}/s, {unacknowledged} on their way"
            ),
        }
    }

    /// Records that are due but not sent.
    fn behind(&self, counts: Counts, elapsed: Duration) -> u64 {
        let behind = match self.pace.rate {
            Some(_) => self.pace.due(elapsed).min(self.count_max).saturating_sub(counts.sent),
            None => 0,
        };
        self.counters.behind(behind);
        behind
    }

    /// The same as a time.
    fn behind_for(&self, behind: u64) -> Option<Duration> {
        self.pace.rate.map(|rate| Duration::from_secs(behind) / rate)
    }

    fn watch(&self, counts: Counts, before: &mut Before) {
        if counts.acknowledged > before.counts.acknowledged || counts.unacknowledged() == 0 {
            before.progress_at = Instant::now();
            self.condition.ready();
        } else if before.progress_at.elapsed() >= SILENCE_TOLERATED {
            self.condition.not_ready("Kafka acknowledges nothing");
        }
        before.counts = counts;
    }

    /// A progress bar, where someone is there to see it and its end is known.
    fn bar(&self) -> Option<Bar> {
        if !self.bounded || self.count_max == u64::MAX || !std::io::stderr().is_terminal() {
            return None;
        }
        let template = "{wide_bar} {human_pos}/{human_len} acknowledged, {per_sec}, {eta} to go";
        let style = ProgressStyle::with_template(template).expect("the template is a constant");
        let bar = ProgressBar::new(self.count_max).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        let behind = bar.clone();
        logging::write_through(Some(Box::new(move |write| behind.suspend(write))));
        Some(Bar(bar))
    }
}

/// A progress bar that clears itself away.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        logging::write_through(None);
        self.0.finish_and_clear();
    }
}

/// A transaction for people.
fn described(draft: &Draft, population: &Population) -> String {
    let account = draft.account_name();
    let transaction = draft.transaction(&account, population);
    format!(
        "{} of {} by {} at {} ({}, {}, {})",
        transaction.kind.code(),
        format_minor(i128::from(transaction.amount_minor), transaction.currency),
        transaction.account,
        transaction.merchant_name,
        transaction.category.code(),
        transaction.country.code(),
        transaction.channel.code(),
    )
}
