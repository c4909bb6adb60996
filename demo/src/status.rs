//! What the demo says: where to look, one line that moves, nothing else.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use common::service::{logging, output};
use consumer::{
    clock::now_ms,
    report::{grouped, per_second, volumes},
    view::View,
};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// Time between two looks, on a terminal that can be written over.
const REFRESH_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two lines where each one stays.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// Says what was started and what to open.
pub(crate) fn greet(url: &str, broker: SocketAddr, data_dir: &Path, temporary: bool) {
    let fate = if temporary { "removed at the end; --data-dir DIR keeps it" } else { "kept" };
    let lines = [
        "Tally: a transaction pipeline with a ledger, all in this process.".to_owned(),
        String::new(),
        format!("  open      {url}"),
        format!("  figures   {url}/api/v1/summary"),
        format!(
            "  broker    {broker} (a development broker, not Apache Kafka; any Kafka client can read `transactions`)"
        ),
        format!("  data      {} ({fate})", data_dir.display()),
        String::new(),
        "Ctrl-C drains, prints the ledger and ends.".to_owned(),
    ];
    let _ = output::line(&lines.join("\n"));
}

/// Shows how it is going until stopped.
pub(crate) async fn show(view: Arc<View>, stop: CancellationToken) {
    let terminal = io::stderr().is_terminal();
    let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(
        ProgressStyle::with_template("{spinner} {wide_msg}").expect("a constant that has been seen to parse"),
    );
    if terminal {
        let writing = bar.clone();
        logging::write_through(Some(Box::new(move |write| writing.suspend(write))));
    }
    let mut ticks = interval(if terminal { REFRESH_INTERVAL } else { LINE_INTERVAL });
    let mut before = (Instant::now(), 0);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let now = (Instant::now(), view.folded());
        let rate = per_second(now.1 - before.1, now.0 - before.0);
        before = now;
        let line = line(&view, rate);
        if terminal {
            bar.set_message(line);
            bar.tick();
        } else if now.1 > 0 {
            let _ = output::line(&line);
        }
    }
    logging::write_through(None);
    bar.finish_and_clear();
}

fn line(view: &View, rate: u64) -> String {
    let summary = view.summary(now_ms());
    let ledger = &summary.ledger;
    let balance = if summary.is_balanced() { "balanced" } else { "NOT BALANCED" };
    let set_aside = ledger.rejected_in_all() + ledger.repeated + ledger.redelivered;
    // The verdict and the money stand within the 80 columns of a small terminal.
    format!(
        "ledger {balance}: {} accepted, {} set aside; {}/s, lag {}; {}",
        grouped(ledger.accepted),
        grouped(set_aside),
        grouped(rate),
        grouped(view.lag()),
        volumes(&summary),
    )
}
