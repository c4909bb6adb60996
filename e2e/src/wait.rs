//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use crate::{Checked, Failure};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `probe` gives something, and gives that.
///
/// # Errors
/// When it hasn't within `deadline`; the failure says what was waited for.
pub fn until<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Checked<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if started.elapsed() > deadline {
            return Err(Failure::new(format!("waited {} s in vain for this: {what}", deadline.as_secs())));
        }
        pause();
    }
}

/// Waits until `probe` holds.
///
/// # Errors
/// As [`until`].
pub fn until_true(what: &str, deadline: Duration, mut probe: impl FnMut() -> bool) -> Checked {
    until(what, deadline, || probe().then_some(()))
}

/// Lets time pass where time itself is the subject: a broker that is silent for 20 s, a crash at a random moment.
#[expect(clippy::disallowed_methods, reason = "this thread has no runtime, and the duration is what is tested")]
pub fn let_pass(duration: Duration) {
    std::thread::sleep(duration);
}

#[expect(clippy::disallowed_methods, reason = "a pause between two looks, on a thread without a runtime")]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}
