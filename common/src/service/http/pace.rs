//! So many requests a second and no more: what HTTP costs is bounded, whoever asks, and counting goes on beside it.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// Gives turns one after the other. Who waits for one is a connection, of which there are only so many.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// How far turns may come before their time: a burst.
    ahead_max: Duration,
    /// When the turns given so far are used up. A queue in order of coming: the lock is kept while its owner waits, and who
    /// goes away before its turn has used none.
    used_up_at: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second;
        Self { interval, ahead_max: interval * burst, used_up_at: Mutex::new(Instant::now()) }
    }

    /// Returns when it is the caller's turn.
    pub(super) async fn turn(&self) {
        let mut used_up_at = self.used_up_at.lock().await;
        let ahead = used_up_at.saturating_duration_since(Instant::now());
        if let Some(wait) = (ahead + self.interval).checked_sub(self.ahead_max).filter(|wait| !wait.is_zero()) {
            sleep(wait).await;
        }
        *used_up_at = (*used_up_at).max(Instant::now()) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_has_its_turns_at_once_and_after_it_they_come_at_the_pace() {
        let pace = Pace::new(100, 10);
        let began = Instant::now();
        for _ in 0..10 {
            pace.turn().await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..100 {
            pace.turn().await;
        }
        assert_eq!(began.elapsed().as_millis() / 10, 100);
        // A pause pays for one burst, and no more.
        tokio::time::advance(Duration::from_secs(60)).await;
        let began = Instant::now();
        for _ in 0..11 {
            pace.turn().await;
        }
        assert_eq!(began.elapsed().as_millis() / 10, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_before_its_turn_costs_the_others_nothing() {
        let pace = Arc::new(Pace::new(10, 1));
        pace.turn().await;
        for _ in 0..1_000 {
            assert!(pace.turn().now_or_never().is_none());
        }
        let began = Instant::now();
        pace.turn().await;
        assert!(began.elapsed() <= Duration::from_millis(101), "{:?}", began.elapsed());
    }
}
