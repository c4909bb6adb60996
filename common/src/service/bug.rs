//! A panic anywhere is a bug and stops the whole process.
//!
//! A task that panics would otherwise only end itself, and the rest would run on without it: a partition that nobody
//! reads, with `/livez` content. The hook also holds in debug builds, where panics unwind.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::process::abort;

use super::output::complain;

/// What SIGABRT is as an exit code.
const ABORTED: i32 = 134;

/// From now on a panic in any thread or task logs one line that begins with `bug:` and aborts (exit code 134).
pub(super) fn abort_on_panic() {
    panic::set_hook(Box::new(|info| {
        let line = described(info);
        if tracing::event_enabled!(tracing::Level::ERROR) {
            tracing::error!(event = "bug", "{line}");
        } else {
            complain(&line);
        }
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            complain(&backtrace.to_string());
        }
        stop();
    }));
}

/// Ends the process as `abort` does: nothing more runs, exit code 134 (SIGABRT).
fn stop() -> ! {
    if std::process::id() == 1 {
        // The first process of a container is exempt from SIGABRT; abort would end it by a segmentation fault.
        std::process::exit(ABORTED);
    }
    abort()
}

fn described(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("(no message)").lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    format!("bug: {message} (at {place}, thread {thread}); please report this line, RUST_BACKTRACE=1 adds a backtrace")
}
