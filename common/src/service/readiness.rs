//! Readiness: a latch of named conditions that all have to hold before work is sent here.
//!
//! It fails closed: not ready before the first condition is registered, not ready while one is unmet, and a condition
//! whose owner is gone without retiring it (a task that ended with an error) is unmet for ever. When stopping has
//! been asked for, it is not ready, whatever the conditions say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tracing::{info, warn};

use super::shutdown::Shutdown;

/// All conditions of a process. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Readiness {
    shutdown: Shutdown,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    conditions: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    name: String,
    /// Why it does not hold; `None` when it does.
    unmet: Option<String>,
}

/// One condition, owned by whoever knows whether it holds.
#[derive(Debug)]
pub struct Condition {
    id: u64,
    state: Arc<Mutex<State>>,
    retired: bool,
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// Its name.
    pub condition: String,
    /// Why it does not hold, and what to do where something can be done.
    pub reason: String,
}

impl Unmet {
    fn new(condition: &str, reason: &str) -> Self {
        Self { condition: condition.to_owned(), reason: reason.to_owned() }
    }
}

impl Readiness {
    /// Not ready until conditions are registered and hold; never again once `shutdown` is triggered.
    pub fn new(shutdown: &Shutdown) -> Self {
        Self { shutdown: shutdown.clone(), state: Arc::default() }
    }

    /// Registers a condition; until its owner says otherwise it is unmet: `starting`.
    pub fn condition(&self, name: impl Into<String>) -> Condition {
        let mut state = lock(&self.state);
        let id = state.next;
        state.next += 1;
        state.conditions.push(Entry { id, name: name.into(), unmet: Some("starting".to_owned()) });
        Condition { id, state: Arc::clone(&self.state), retired: false }
    }

    /// What keeps this process from being ready; nothing when it is.
    pub fn unmet(&self) -> Vec<Unmet> {
        if self.shutdown.is_requested() {
            return vec![Unmet::new("shutdown", "draining")];
        }
        let state = lock(&self.state);
        if state.conditions.is_empty() {
            return vec![Unmet::new("start", "starting")];
        }
        let unmet = |entry: &Entry| Some(Unmet::new(&entry.name, entry.unmet.as_deref()?));
        state.conditions.iter().filter_map(unmet).collect()
    }

    /// Whether work may be sent here.
    pub fn is_ready(&self) -> bool {
        self.unmet().is_empty()
    }
}

impl Condition {
    /// The condition holds.
    pub fn ready(&self) {
        self.set(None);
    }

    /// The condition does not hold, and why.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// The condition does not hold yet, and what is being waited for. Nothing is wrong, so nothing is logged.
    pub fn pending(&self, reason: impl Into<String>) {
        let mut state = lock(&self.state);
        if let Some(entry) = state.conditions.iter_mut().find(|entry| entry.id == self.id) {
            entry.unmet = Some(reason.into());
        }
    }

    /// The condition no longer applies, for example because its partition belongs to someone else now.
    pub fn retire(mut self) {
        self.retired = true;
        lock(&self.state).conditions.retain(|entry| entry.id != self.id);
    }

    fn set(&self, unmet: Option<String>) {
        let mut state = lock(&self.state);
        let Some(entry) = state.conditions.iter_mut().find(|entry| entry.id == self.id) else { return };
        if entry.unmet == unmet {
            return;
        }
        entry.unmet = unmet;
        // Logged after the lock is let go: a slow log must not hold up a probe.
        let (condition, unmet) = (entry.name.clone(), entry.unmet.clone());
        drop(state);
        match unmet {
            None => info!(event = "condition_ready", condition, "{condition}: ready"),
            Some(reason) => warn!(event = "condition_not_ready", condition, reason, "{condition}: not ready: {reason}"),
        }
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        if !self.retired {
            let mut state = lock(&self.state);
            if let Some(entry) = state.conditions.iter_mut().find(|entry| entry.id == self.id) {
                entry.unmet = Some("ended".to_owned());
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(readiness: &Readiness) -> Vec<(String, String)> {
        readiness.unmet().into_iter().map(|unmet| (unmet.condition, unmet.reason)).collect()
    }

    fn pair(name: &str, reason: &str) -> (String, String) {
        (name.to_owned(), reason.to_owned())
    }

    #[test]
    fn it_is_not_ready_before_the_first_condition() {
        let readiness = Readiness::new(&Shutdown::manual());
        assert_eq!(reasons(&readiness), [pair("start", "starting")]);
    }

    #[test]
    fn it_is_ready_only_while_every_condition_holds() {
        let readiness = Readiness::new(&Shutdown::manual());
        let (kafka, restored) = (readiness.condition("kafka"), readiness.condition("restored"));
        assert_eq!(reasons(&readiness), [pair("kafka", "starting"), pair("restored", "starting")]);
        kafka.ready();
        restored.ready();
        assert!(readiness.is_ready());
        kafka.not_ready("no broker answers");
        assert_eq!(reasons(&readiness), [pair("kafka", "no broker answers")]);
        kafka.ready();
        assert!(readiness.is_ready());
    }

    #[test]
    fn a_retired_condition_no_longer_counts_but_a_lost_one_is_unmet() {
        let readiness = Readiness::new(&Shutdown::manual());
        let (kafka, mine, lost) =
            (readiness.condition("kafka"), readiness.condition("partition 1"), readiness.condition("partition 2"));
        kafka.ready();
        lost.ready();
        mine.retire();
        assert!(readiness.is_ready());
        drop(lost);
        assert_eq!(reasons(&readiness), [pair("partition 2", "ended")]);
    }

    #[test]
    fn stopping_makes_it_not_ready_whatever_the_conditions_say() {
        let shutdown = Shutdown::manual();
        let readiness = Readiness::new(&shutdown);
        let kafka = readiness.condition("kafka");
        kafka.ready();
        shutdown.trigger();
        kafka.ready();
        assert_eq!(reasons(&readiness), [pair("shutdown", "draining")]);
    }
}
