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
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep_until;
use tracing::warn;

/// What is asked for is no shorter than this: what falls due in it goes out together. Each record by itself would be a
/// request by itself, and at 10 000 a second brokers then answer later, not sooner (measured with 0.2, 0.5, 1 and 2 ms).
const WAIT_MIN: Duration = Duration::from_micros(500);

/// A clock of one task's own. Its thread begins with the first wait and ends when this is dropped.
#[derive(Debug, Default)]
pub struct Alarm {
    clock: Option<Clock>,
}

#[derive(Debug)]
struct Clock {
    /// `None` once the thread is to end.
    times: Option<SyncSender<Instant>>,
    rung: Arc<Notify>,
    /// `None` where the system gave out no thread: the runtime's timer then wakes alone.
    thread: Option<JoinHandle<()>>,
}

impl Alarm {
    /// Waits until about `until`. It can end early: look at the clock.
    pub async fn wait(&mut self, until: tokio::time::Instant) {
        let until = until.max(tokio::time::Instant::now() + WAIT_MIN);
        let clock = self.clock.get_or_insert_with(Clock::start);
        clock.set(until.into_std());
        tokio::select! {
            () = clock.rung.notified() => {}
            () = sleep_until(until) => {}
        }
    }
}

impl Clock {
    fn start() -> Self {
        let (times, next_times) = sync_channel(1);
        let rung = Arc::new(Notify::new());
        let bell = Arc::clone(&rung);
        let thread = Builder::new().name("alarm".to_owned()).spawn(move || keep_time(&next_times, &bell));
        let thread = thread.inspect_err(|error| {
            warn!(
                event = "exact_alarm_unavailable",
                %error,
                "no thread for exact times; sending up to 1 ms late"
            );
        });
        Self { times: Some(times), rung, thread: thread.ok() }
    }

    /// Where the thread has not taken the time before this one yet, or is none, the runtime's timer wakes alone.
    fn set(&self, time: Instant) {
        let _ = self.times.as_ref().map(|times| times.try_send(time));
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.times = None;
        // It waits for nothing but the channel, and a panic in it has ended the process.
        let _ = self.thread.take().map(JoinHandle::join);
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
    use tokio::task::{spawn_blocking, yield_now};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    /// Real time after which what should have happened has not.
    const LIMIT: Duration = Duration::from_secs(20);

    /// Does `work` on a clock that stands still, for a thread of tokio's is busy; and that only goes on, which ends every
    /// wait for the runtime's timer, when the limit has passed.
    async fn with_time_held<T>(work: impl Future<Output = T>) -> (T, Duration) {
        let began = tokio::time::Instant::now();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = spawn_blocking(move || held.recv_timeout(LIMIT).is_ok());
        let done = work.await;
        let passed = began.elapsed();
        drop(release);
        busy.await.unwrap();
        (done, passed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_by_the_alarm_alone_and_not_before_its_time() {
        let mut alarm = Alarm::default();
        for micros in [0, 700, 2_500] {
            let until = Instant::now() + Duration::from_micros(micros);
            let ((), passed) = with_time_held(alarm.wait(until.into())).await;
            assert_eq!(passed, Duration::ZERO, "the runtime's timer ended it");
            assert!(Instant::now() >= until);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_set_last_counts() {
        let clock = Clock::start();
        clock.set(Instant::now() + HOUR);
        let ring = async {
            // The channel holds one: the thread takes the hour when it comes to it.
            while clock.times.as_ref().is_some_and(|times| times.try_send(Instant::now()).is_err()) {
                yield_now().await;
            }
            tokio::time::timeout(LIMIT, clock.rung.notified()).await
        };
        assert!(with_time_held(ring).await.0.is_ok(), "it waited for the hour");
    }

    #[test]
    fn its_thread_ends_with_it_though_it_waits_for_an_hour() {
        let clock = Clock::start();
        clock.set(Instant::now() + HOUR);
        let rung = Arc::downgrade(&clock.rung);
        drop(clock);
        assert!(rung.upgrade().is_none(), "the thread still has it");
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_a_test_turns_ends_a_wait() {
        let began = tokio::time::Instant::now();
        let mut alarm = Alarm::default();
        while began.elapsed() < HOUR {
            alarm.wait(began + HOUR).await;
        }
    }
}
