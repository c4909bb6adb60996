//! Work that takes time, for whoever asks: a few at a time, off the threads that count, and with a rest after each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How many times as long as the work took its place stays empty: all who ask together take a fifth of a processor a place at
/// most.
pub const REST: u32 = 4;

/// Places for such work.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Turns {
    /// So many at a time.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// The places.
    pub fn places(&self) -> &Arc<Semaphore> {
        &self.0
    }

    /// Does `work` as soon as there is a place. Whoever waits too long for one is told so by the limit that all requests have.
    ///
    /// # Panics
    /// When `work` does, which stops the process anyway.
    pub async fn take<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let place = Arc::clone(&self.0).acquire_owned().await.expect("the semaphore is never closed");
        let working = spawn_blocking(move || {
            let began = Instant::now();
            let result = work();
            (result, began.elapsed())
        });
        apart(async move {
            let (result, took) = working.await.expect("a task that panics stops the process");
            (result, place, took * REST)
        })
        .await
    }
}

/// Does `work`, which gives a result, the place that it was done in, and how long that is to stay taken after it.
///
/// It is not a part of the request, which its client can end: the place is taken for as long as the work goes on, and the rest
/// after it. So there are as many of these tasks as places.
///
/// # Panics
/// When `work` does, which stops the process anyway.
pub async fn apart<T, P>(work: impl Future<Output = (T, P, Duration)> + Send + 'static) -> T
where
    T: Send + 'static,
    P: Send + 'static,
{
    let (ready, done) = oneshot::channel();
    tokio::spawn(async move {
        let (result, place, rest) = work.await;
        // Who asked may have gone.
        let _ = ready.send(result);
        sleep(rest).await;
        drop(place);
    });
    done.await.expect("a task that panics stops the process")
}
