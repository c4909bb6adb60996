//! A bar for bounded runs on a terminal. Elsewhere the log lines do.

use std::{
    io::{self, IsTerminal},
    sync::Arc,
    time::Duration,
};

use common::service::logging;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::view::View;

/// Time between two looks at the figures.
const REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// Shows how much of a bounded run is done, until stopped. Returns at once where nobody looks.
pub(crate) async fn show(view: Arc<View>, stop: CancellationToken) {
    show_progress(move || (view.folded(), view.goal()), stop).await;
}

/// Shows how much of something is done: `done_of_all` gives both, in records.
pub(crate) async fn show_progress(done_of_all: impl Fn() -> (u64, u64), stop: CancellationToken) {
    if !io::stderr().is_terminal() {
        return;
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} records, {per_sec}, {eta} to go");
    bar.set_style(style.expect("the template is a constant that has been seen to parse"));
    let writing = bar.clone();
    logging::write_through(Some(Box::new(move |write| writing.suspend(write))));
    let mut ticks = interval(REFRESH_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let (done, all) = done_of_all();
        bar.set_length(all);
        bar.set_position(done.min(all));
    }
    logging::write_through(None);
    bar.finish_and_clear();
}
