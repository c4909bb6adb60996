//! Stopping: the first SIGTERM, SIGINT or SIGHUP (a terminal that is closed; not under `nohup`) asks everyone to finish, the
//! second ends the process at once.
//!
//! Signals are watched by a thread of their own, so that a second one is obeyed even when every thread of the main
//! runtime is stuck. That thread lives as long as the process.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::ExitCode;

/// How long a line about a signal may take to be written. Where standard error is blocked, which may be the very
/// reason why someone stops the process, stopping must not wait for it.
const ANNOUNCE_LIMIT: Duration = Duration::from_millis(500);

/// Whether the process has been asked to stop. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    draining: Arc<Mutex<Draining>>,
}

/// What would be cut off by a second signal.
#[derive(Debug, Default)]
struct Draining {
    next: u64,
    parts: BTreeMap<u64, String>,
}

/// A part of the drain that is under way, until dropped.
#[derive(Debug)]
pub struct Drain {
    id: u64,
    draining: Arc<Mutex<Draining>>,
}

impl Shutdown {
    /// Triggered by SIGTERM, SIGINT or, unless the process was told to ignore it, SIGHUP. A second signal exits at once with the
    /// code 143 or 130 and a line that says what was cut off. To be called once in a process.
    ///
    /// # Errors
    /// If the system does not let us watch the signals or start the thread for it.
    pub fn on_signals() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        // Registered here, not in the thread: a signal that comes right after this call counts already.
        let mut signals = {
            let _inside = runtime.enter();
            Signals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                hangup: if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
            }
        };
        let shutdown = Self::default();
        let watched = shutdown.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(watch(&mut signals, &watched)))?;
        Ok(shutdown)
    }

    /// Triggered by [`Shutdown::trigger`] only: for tests, and for a service inside another.
    pub fn manual() -> Self {
        Self::default()
    }

    /// The token behind it, for what takes one.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Resolves when stopping has been asked for.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether stopping has been asked for.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Asks to stop.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// A shutdown for a part: triggered with this one, or alone by its own [`Shutdown::trigger`].
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), draining: Arc::clone(&self.draining) }
    }

    /// Notes what is being finished, for example `2300 records to be acknowledged`, until the result is dropped: what
    /// is noted is what the line at a second signal says was cut off.
    pub fn draining(&self, what: impl Into<String>) -> Drain {
        let mut draining = lock(&self.draining);
        let id = draining.next;
        draining.next += 1;
        draining.parts.insert(id, what.into());
        Drain { id, draining: Arc::clone(&self.draining) }
    }

    /// What is noted as being finished, in the order of [`Shutdown::draining`].
    pub fn unfinished(&self) -> Vec<String> {
        lock(&self.draining).parts.values().cloned().collect()
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        lock(&self.draining).parts.remove(&self.id);
    }
}

fn lock(draining: &Mutex<Draining>) -> MutexGuard<'_, Draining> {
    draining.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// `None` where it is ignored.
    hangup: Option<Signal>,
}

impl Signals {
    async fn next(&mut self) -> (&'static str, ExitCode) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", ExitCode::SecondTerminate),
            _ = self.interrupt.recv() => ("SIGINT", ExitCode::SecondInterrupt),
            () = hung_up(&mut self.hangup) => ("SIGHUP", ExitCode::SecondTerminate),
        }
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether whoever started the process, `nohup` for one, has it ignore SIGHUP. Where that can't be told, nothing is changed.
fn hangup_is_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let hangup = 1 << (SignalKind::hangup().as_raw_value() - 1);
    ignored.is_none_or(|ignored| ignored & hangup != 0)
}

async fn watch(signals: &mut Signals, shutdown: &Shutdown) {
    let (name, _) = signals.next().await;
    // Said first: a process with nothing to drain is gone a moment after the trigger.
    announce(move || {
        tracing::info!(
            event = "stop_requested",
            signal = name,
            "{name}: stopping; a second signal ends the process at once"
        );
    });
    shutdown.trigger();
    let (name, code) = signals.next().await;
    let cut_off = match shutdown.unfinished() {
        parts if parts.is_empty() => "nothing that was noted".to_owned(),
        parts => parts.join(", "),
    };
    announce(move || {
        tracing::warn!(
            event = "stop_forced",
            signal = name,
            cut_off,
            "second {name}: ended at once; cut off: {cut_off}"
        );
    });
    code.exit_now()
}

/// Runs `say`, but does not wait longer than [`ANNOUNCE_LIMIT`] for it.
fn announce(say: impl FnOnce() + Send + 'static) {
    let (said, wait) = mpsc::channel();
    let spawned = thread::Builder::new().spawn(move || {
        say();
        let _ = said.send(());
    });
    if spawned.is_ok() {
        let _ = wait.recv_timeout(ANNOUNCE_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_trigger_reaches_clones_and_children_but_not_parents() {
        let shutdown = Shutdown::manual();
        let (child, clone) = (shutdown.child(), shutdown.clone());
        child.trigger();
        assert!(child.is_requested() && !shutdown.is_requested());
        let other = shutdown.child();
        clone.trigger();
        shutdown.requested().await;
        assert!(other.is_requested());
    }

    #[test]
    fn what_drains_is_noted_until_it_is_done() {
        let shutdown = Shutdown::manual();
        let records = shutdown.draining("12 records");
        let snapshot = shutdown.child().draining("the snapshot of partition 3");
        assert_eq!(shutdown.unfinished(), ["12 records", "the snapshot of partition 3"]);
        drop(records);
        assert_eq!(shutdown.unfinished(), ["the snapshot of partition 3"]);
        drop(snapshot);
        assert!(shutdown.unfinished().is_empty());
    }
}
