//! Wakes a task more exactly than the runtime can.
//!
//! Tokio's timers know whole milliseconds and round up (<https://docs.rs/tokio/latest/tokio/time/fn.sleep.html>), so
//! that a load of 1 000 records a second would be sent a millisecond late throughout. A thread that waits for nothing
//! but the next time is as exact as the operating system's own timers, some 50 µs.
//!
//! It only ever wakes someone earlier: whoever waits here waits for the runtime's timer as well, and looks at the clock
//! itself. So a wake-up too many or too few does no harm, and time that a test turns works as ever.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep_until;

/// No wait is shorter: what falls due in it goes out together. Each record by itself would be a request by itself, and at
/// 10 000 a second brokers then answer later, not sooner (measured with 0.2, 0.5, 1 and 2 ms).
const WAIT_MIN: Duration = Duration::from_micros(500);

/// A clock of one task's own. Its thread ends when it is dropped.
#[derive(Debug)]
pub struct Alarm {
    times: SyncSender<Instant>,
    rung: Arc<Notify>,
}

impl Alarm {
    /// Starts the thread.
    ///
    /// # Panics
    /// When the operating system gives out no more threads.
    pub fn new() -> Self {
        let (times, next_times) = sync_channel(1);
        let rung = Arc::new(Notify::new());
        let bell = Arc::clone(&rung);
        std::thread::Builder::new()
            .name("alarm".to_owned())
            .spawn(move || keep_time(&next_times, &bell))
            .expect("a thread can be started");
        Self { times, rung }
    }

    /// Waits until about `until`. It can end early: look at the clock.
    pub async fn wait(&self, until: tokio::time::Instant) {
        let until = until.max(tokio::time::Instant::now() + WAIT_MIN);
        // Where the thread has not taken the time before this one yet, the runtime's timer wakes alone.
        let _ = self.times.try_send(until.into_std());
        tokio::select! {
            () = self.rung.notified() => {}
            () = sleep_until(until) => {}
        }
    }
}

/// Rings at each time; a later message replaces the time that is waited for.
fn keep_time(times: &Receiver<Instant>, bell: &Notify) {
    let mut next = times.recv().map_err(RecvTimeoutError::from);
    loop {
        next = match next {
            Ok(time) => times.recv_timeout(time.saturating_duration_since(Instant::now())),
            Err(RecvTimeoutError::Timeout) => {
                bell.notify_one();
                times.recv().map_err(RecvTimeoutError::from)
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// What the thread does, without the runtime's timer.
    async fn ring(alarm: &Alarm, time: Instant) {
        alarm.times.send(time).unwrap();
        alarm.rung.notified().await;
    }

    #[tokio::test]
    async fn an_alarm_rings_by_itself_and_not_before_its_time() {
        let alarm = Alarm::new();
        for micros in [0, 300, 2_500] {
            let time = Instant::now() + Duration::from_micros(micros);
            ring(&alarm, time).await;
            assert!(Instant::now() >= time);
        }
    }

    #[tokio::test]
    async fn the_time_set_last_counts() {
        let alarm = Alarm::new();
        alarm.times.send(Instant::now() + Duration::from_secs(3_600)).unwrap();
        ring(&alarm, Instant::now()).await;
        let mut silence = pin!(alarm.rung.notified());
        assert_eq!(std::future::poll_fn(|context| Poll::Ready(silence.as_mut().poll(context))).await, Poll::Pending);
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_a_test_turns_ends_a_wait() {
        let began = tokio::time::Instant::now();
        let alarm = Alarm::new();
        while began.elapsed() < Duration::from_secs(3_600) {
            alarm.wait(began + Duration::from_secs(3_600)).await;
        }
    }
}
