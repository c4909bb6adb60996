//! Saying what is wrong once, not once a try: many partitions meet the same fault, and each tries again every second.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long the same thing is not said again.
const REPEAT_AFTER: Duration = Duration::from_secs(30);
/// Most things that are remembered; what comes beyond that begins the list anew.
const REMEMBERED_MAX: usize = 256;

/// What was said last, and when.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<String, Instant>>);

impl Complaints {
    /// Whether `text` is to be said at `now`: it is new, or was said long enough ago.
    pub(super) fn is_due(&self, text: &str, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(text).is_some_and(|&last| now.saturating_duration_since(last) < REPEAT_AFTER) {
            return false;
        }
        Self::note(&mut said, text, now);
        true
    }

    /// The same for what somebody else says when it is new: only whether it is to be said again.
    pub(super) fn is_due_again(&self, text: &str, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get(text) {
            Some(&last) if now.saturating_duration_since(last) < REPEAT_AFTER => return false,
            Some(_) => {}
            None => {
                Self::note(&mut said, text, now);
                return false;
            }
        }
        Self::note(&mut said, text, now);
        true
    }

    fn note(said: &mut HashMap<String, Instant>, text: &str, now: Instant) {
        if said.len() >= REMEMBERED_MAX {
            said.clear();
        }
        said.insert(text.to_owned(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_at_once_and_again_after_a_while_and_something_else_at_once() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        let due = |text, second| complaints.is_due(text, start + Duration::from_secs(second));
        assert!(due("no broker", 0) && !due("no broker", 1) && !due("no broker", 29));
        assert!(due("wrong password", 2) && due("no broker", 30) && !due("no broker", 31));
    }

    #[test]
    fn what_somebody_else_says_first_is_only_repeated() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        let again = |second| complaints.is_due_again("no broker", start + Duration::from_secs(second));
        assert!(!again(0) && !again(29) && again(30) && !again(31) && again(60));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        assert!((0..3 * REMEMBERED_MAX).all(|number| complaints.is_due(&number.to_string(), now)));
        assert!(complaints.0.lock().unwrap().len() <= REMEMBERED_MAX);
    }
}
