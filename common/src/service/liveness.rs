//! Liveness: a process is alive while it answers and every registered heartbeat beats within its limit.
//!
//! A heartbeat is for a loop that has to come round: one that is stuck has its process restarted, which is all a
//! liveness probe can do. Waiting for Kafka is not being stuck; such a loop beats while it waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// All heartbeats of a process. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Liveness {
    /// Beats are kept as milliseconds since this moment, so that a beat is one atomic store.
    began: Instant,
    hearts: Arc<Mutex<Hearts>>,
}

#[derive(Debug, Default)]
struct Hearts {
    next: u64,
    by_id: BTreeMap<u64, Heart>,
}

#[derive(Debug)]
struct Heart {
    name: String,
    limit: Duration,
    last_ms: Arc<AtomicU64>,
}

/// A loop's own heartbeat. Dropping it takes it off the list: a loop that has ended is not stuck.
#[derive(Debug)]
pub struct Heartbeat {
    id: u64,
    began: Instant,
    last_ms: Arc<AtomicU64>,
    hearts: Arc<Mutex<Hearts>>,
}

/// A heartbeat that is overdue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stalled {
    /// Its name.
    pub heartbeat: String,
    /// Time since its last beat, in milliseconds.
    pub silent_ms: u64,
    /// Its limit, in milliseconds.
    pub limit_ms: u64,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { began: Instant::now(), hearts: Arc::default() }
    }
}

impl Liveness {
    /// Registers a heartbeat that must beat at least once in each `limit`. Registering is its first beat.
    pub fn heartbeat(&self, name: impl Into<String>, limit: Duration) -> Heartbeat {
        let last_ms = Arc::new(AtomicU64::new(ms(self.began.elapsed())));
        let mut hearts = lock(&self.hearts);
        let id = hearts.next;
        hearts.next += 1;
        hearts.by_id.insert(id, Heart { name: name.into(), limit, last_ms: Arc::clone(&last_ms) });
        Heartbeat { id, began: self.began, last_ms, hearts: Arc::clone(&self.hearts) }
    }

    /// The heartbeats that are overdue at `now`.
    pub fn stalled(&self, now: Instant) -> Vec<Stalled> {
        let now_ms = ms(now.saturating_duration_since(self.began));
        let overdue = |heart: &Heart| {
            let silent_ms = now_ms.saturating_sub(heart.last_ms.load(Ordering::Relaxed));
            let limit_ms = ms(heart.limit);
            (silent_ms > limit_ms).then(|| Stalled { heartbeat: heart.name.clone(), silent_ms, limit_ms })
        };
        lock(&self.hearts).by_id.values().filter_map(overdue).collect()
    }
}

impl Heartbeat {
    /// Says that the loop has come round.
    pub fn beat(&self) {
        self.beat_at(Instant::now());
    }

    /// Says that the loop came round at `now`.
    pub fn beat_at(&self, now: Instant) {
        self.last_ms.fetch_max(ms(now.saturating_duration_since(self.began)), Ordering::Relaxed);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        lock(&self.hearts).by_id.remove(&self.id);
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lock(hearts: &Mutex<Hearts>) -> MutexGuard<'_, Hearts> {
    hearts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn a_heartbeat_is_overdue_only_after_its_limit() {
        let liveness = Liveness::default();
        let heart = liveness.heartbeat("partition 3", LIMIT);
        let beat = liveness.began + Duration::from_secs(100);
        heart.beat_at(beat);
        assert_eq!(liveness.stalled(beat + LIMIT), []);
        let overdue = Stalled { heartbeat: "partition 3".to_owned(), silent_ms: 10_001, limit_ms: 10_000 };
        assert_eq!(liveness.stalled(beat + LIMIT + Duration::from_millis(1)), [overdue]);
        heart.beat_at(beat + LIMIT);
        assert_eq!(liveness.stalled(beat + LIMIT + LIMIT), []);
    }

    #[test]
    fn one_stuck_loop_is_enough_and_is_named() {
        let liveness = Liveness::default();
        let hearts = ["a", "b"].map(|name| liveness.heartbeat(name, LIMIT));
        let later = liveness.began + LIMIT * 3;
        hearts[0].beat_at(later);
        let names: Vec<_> = liveness.stalled(later).into_iter().map(|stalled| stalled.heartbeat).collect();
        assert_eq!(names, ["b"]);
    }

    #[test]
    fn a_loop_that_ended_is_not_stuck() {
        let liveness = Liveness::default();
        drop(liveness.heartbeat("a", LIMIT));
        assert_eq!(liveness.stalled(liveness.began + LIMIT * 9), []);
    }

    #[test]
    fn a_beat_from_the_past_takes_nothing_back() {
        let liveness = Liveness::default();
        let heart = liveness.heartbeat("a", LIMIT);
        heart.beat_at(liveness.began + LIMIT * 5);
        heart.beat_at(liveness.began);
        assert_eq!(liveness.stalled(liveness.began + LIMIT * 6), []);
    }
}
