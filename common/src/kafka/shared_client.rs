//! One client that many share: built by whoever needs it first, thrown away after a fault.
//!
//! Promises: one attempt at a time, and whoever waited for an attempt takes its outcome, also where it failed. Twelve
//! partitions that lose a broker at the same moment make one attempt between them, not twelve in a row.

use std::sync::Arc;

use tokio::{sync::Mutex, time::Instant};

use super::{Boxed, fault::Fault};

/// The place of a client.
pub(super) struct SharedClient<C>(Mutex<Place<C>>);

struct Place<C> {
    client: Option<Arc<C>>,
    /// How the last attempt ended, where it failed, and when.
    failed: Option<(Instant, Fault)>,
}

impl<C> Default for SharedClient<C> {
    fn default() -> Self {
        Self(Mutex::new(Place { client: None, failed: None }))
    }
}

impl<C> SharedClient<C> {
    /// The client; built where there is none.
    ///
    /// # Errors
    /// [`Fault`] of the attempt, whoever made it.
    pub(super) async fn get(&self, build: Boxed<'_, Result<C, Fault>>) -> Result<Arc<C>, Fault> {
        let asked = Instant::now();
        // Held while the client is being built, on purpose: the others wait here for the outcome.
        let mut place = self.0.lock().await;
        if let Some(client) = &place.client {
            return Ok(Arc::clone(client));
        }
        if let Some((ended, fault)) = &place.failed
            && *ended >= asked
        {
            return Err(fault.clone());
        }
        match build.await {
            Ok(client) => {
                let client = Arc::new(client);
                *place = Place { client: Some(Arc::clone(&client)), failed: None };
                Ok(client)
            }
            Err(fault) => {
                place.failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    /// The client as it is, where there is one.
    pub(super) async fn current(&self) -> Option<Arc<C>> {
        self.0.lock().await.client.clone()
    }

    /// Forgets `client`, so that the next caller gets a new one. One that somebody else has replaced meanwhile is left
    /// alone.
    pub(super) async fn discard(&self, client: &Arc<C>) {
        let mut place = self.0.lock().await;
        if place.client.as_ref().is_some_and(|current| Arc::ptr_eq(current, client)) {
            place.client = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use tokio::{join, task::yield_now};

    use super::*;

    /// Counts the attempts; each one lets everybody else go first, so that they all queue.
    async fn attempt(attempts: &AtomicU32, works: bool) -> Result<u32, Fault> {
        let number = attempts.fetch_add(1, Relaxed) + 1;
        yield_now().await;
        let failed = Fault::Passing { doing: "connecting".into(), cause: format!("attempt {number}") };
        if works { Ok(number) } else { Err(failed) }
    }

    #[tokio::test]
    async fn those_who_waited_for_an_attempt_share_its_failure() {
        let (shared, attempts) = (SharedClient::default(), AtomicU32::new(0));
        let ask = || shared.get(Box::pin(attempt(&attempts, false)));
        let (one, two, three) = join!(ask(), ask(), ask());
        for outcome in [one, two, three] {
            assert_eq!(outcome.expect_err("fails").to_string(), "connecting: attempt 1");
        }
        assert_eq!(ask().await.expect_err("fails").to_string(), "connecting: attempt 2", "who comes later tries anew");
    }

    #[tokio::test]
    async fn a_client_is_shared_until_it_is_discarded_by_someone_who_has_that_one() {
        let (shared, attempts) = (SharedClient::default(), AtomicU32::new(0));
        let ask = || shared.get(Box::pin(attempt(&attempts, true)));
        let (one, two) = join!(ask(), ask());
        let (first, same) = (one.expect("built"), two.expect("built"));
        assert!(Arc::ptr_eq(&first, &same) && *first == 1);
        shared.discard(&first).await;
        let second = ask().await.expect("built");
        assert_eq!(*second, 2);
        shared.discard(&first).await;
        assert_eq!(*ask().await.expect("kept"), 2, "the replacement is not the one that failed");
    }
}
