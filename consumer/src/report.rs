//! What people see while it runs: one line of totals and one transaction a second, never a line a record; and the
//! ledger at the end.

use std::{
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use common::money::{Currency, format_minor};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{clock::now_ms, fold::Ledger, summary::Summary, view::View};

/// Time between two lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Currencies in a line; there may be very many.
const CURRENCIES_SHOWN: usize = 3;

/// Logs how the pipeline is getting on until stopped. Says nothing while nothing changes.
pub async fn log_progress(view: Arc<View>, stop: CancellationToken) {
    let mut ticks = interval(REPORT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = (Instant::now(), view.folded());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = (Instant::now(), view.folded());
        if now.1 == before.1 {
            continue;
        }
        let rate = per_second(now.1 - before.1, now.0 - before.0);
        before = now;
        if let Some(sample) = view.exchange_sample() {
            info!(event = "sample_accepted", "accepted {sample}");
        }
        let summary = view.summary(now_ms());
        info!(
            event = "consumer_progress",
            rate,
            lag = view.lag(),
            "{}; {}",
            columns(&summary.ledger),
            volumes(&summary)
        );
    }
}

/// Records a second, rounded.
#[must_use]
pub fn per_second(count: u64, within: Duration) -> u64 {
    let within_ms = within.as_millis().max(1);
    u64::try_from(u128::from(count) * 1_000 / within_ms).unwrap_or(u64::MAX)
}

/// The ledger's columns in one line.
#[must_use]
pub fn columns(ledger: &Ledger) -> String {
    format!(
        "{} consumed = {} accepted + {} redelivered + {} repeated + {} rejected",
        grouped(ledger.consumed),
        grouped(ledger.accepted),
        grouped(ledger.redelivered),
        grouped(ledger.repeated),
        grouped(ledger.rejected_in_all()),
    )
}

/// The largest totals in one line.
#[must_use]
pub fn volumes(summary: &Summary) -> String {
    let mut largest: Vec<_> = summary.totals.by_currency().iter().collect();
    largest.sort_by_key(|(_, cell)| std::cmp::Reverse(cell.count));
    let shown = largest
        .iter()
        .take(CURRENCIES_SHOWN)
        .filter_map(|(code, cell)| Some(format_minor(cell.sum_minor, Currency::from_code(code.as_str())?)));
    let mut line = shown.collect::<Vec<_>>().join(", ");
    if largest.len() > CURRENCIES_SHOWN {
        let _ = write!(line, " and {} more currencies", largest.len() - CURRENCIES_SHOWN);
    }
    line
}

/// The whole ledger for people, and whether it balances.
#[must_use]
pub fn ledger_table(summary: &Summary) -> String {
    let ledger = &summary.ledger;
    let mut table = String::from("Ledger\n");
    let mut row = |name: &str, count: u64| {
        let _ = writeln!(table, "  {name:<32}{:>14}", grouped(count));
    };
    row("consumed", ledger.consumed);
    row("  accepted", ledger.accepted);
    row("    on time", ledger.on_time);
    row("    revised a closed window", ledger.revised);
    row("    too late for a window", ledger.too_late);
    row("  redelivered", ledger.redelivered);
    row("  repeated", ledger.repeated);
    row("  rejected", ledger.rejected_in_all());
    for (reason, count) in common::wire::Reason::ALL.iter().zip(ledger.rejected).filter(|(_, count)| *count > 0) {
        row(&format!("    {}", reason.code()), count);
    }
    row("offsets without a record", ledger.offsets_without_record);
    row("offsets skipped", summary.partitions.iter().map(|p| p.standing.skipped.unsigned_abs()).sum());
    row("missing from sequences", ledger.missing_from_sequence);
    row("dead letters mended", ledger.mended);
    let _ = writeln!(table, "Totals");
    if summary.totals.by_currency().is_empty() {
        let _ = writeln!(table, "  none");
    }
    for (code, cell) in summary.totals.by_currency() {
        let sum = Currency::from_code(code.as_str()).map(|currency| format_minor(cell.sum_minor, currency));
        let _ = writeln!(table, "  {:>14} transactions {:>32}", grouped(cell.count), sum.unwrap_or_default());
    }
    if !summary.is_complete() {
        let _ = writeln!(table, "NOT COUNTED YET: partitions {:?} have no snapshot.", summary.partitions_missing);
    }
    let verdict = if summary.is_balanced() { "The ledger balances." } else { "THE LEDGER DOES NOT BALANCE." };
    let _ = write!(table, "{verdict}");
    table
}

/// A number with its digits in groups of three.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_can_be_read() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }

    #[test]
    fn the_table_says_loudly_when_the_ledger_does_not_balance() {
        let mut summary = Summary::default();
        assert!(ledger_table(&summary).contains("The ledger balances."));
        summary.ledger.consumed = 1;
        assert!(ledger_table(&summary).contains("DOES NOT BALANCE"));
    }
}
