//! One client that many share: built by whoever needs it first, thrown away after a fault.
//!
//! Promises: one attempt at a time, and whoever waited for an attempt takes its outcome, also where it failed. Twelve
//! partitions that lose a broker at the same moment make one attempt between them, not twelve in a row.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{Boxed, fault::Fault};

/// The place of a client.
pub(super) struct SharedClient<C> {
    current: Mutex<Option<Built<C>>>,
    /// Held while a client is being built. How the last attempt ended, where it failed, and when.
    building: AsyncMutex<Option<(Instant, Fault)>>,
}

struct Built<C> {
    client: Arc<C>,
    since: Instant,
}

impl<C> Default for SharedClient<C> {
    fn default() -> Self {
        Self { current: Mutex::new(None), building: AsyncMutex::new(None) }
    }
}

impl<C> SharedClient<C> {
    /// The client; built where there is none.
    ///
    /// # Errors
    /// [`Fault`] of the attempt, whoever made it.
    pub(super) async fn get(&self, build: Boxed<'_, Result<C, Fault>>) -> Result<Arc<C>, Fault> {
        let asked = Instant::now();
        if let Some(client) = self.current() {
            return Ok(client);
        }
        // The others wait here for the outcome.
        let mut failed = self.building.lock().await;
        if let Some(client) = self.current() {
            return Ok(client);
        }
        if let Some((ended, fault)) = failed.as_ref()
            && *ended >= asked
        {
            return Err(fault.clone());
        }
        match build.await {
            Ok(client) => {
                let client = Arc::new(client);
                *self.place() = Some(Built { client: Arc::clone(&client), since: Instant::now() });
                *failed = None;
                Ok(client)
            }
            Err(fault) => {
                *failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    /// The client as it is, where there is one.
    pub(super) fn current(&self) -> Option<Arc<C>> {
        self.place().as_ref().map(|built| Arc::clone(&built.client))
    }

    /// Forgets `client`, so that the next caller gets a new one. One that somebody else has replaced meanwhile is left
    /// alone.
    pub(super) fn discard(&self, client: &Arc<C>) {
        self.discard_where(|built| Arc::ptr_eq(&built.client, client));
    }

    /// Forgets a client that was there at `time` already.
    pub(super) fn discard_from(&self, time: Instant) {
        self.discard_where(|built| built.since <= time);
    }

    fn discard_where(&self, is_meant: impl FnOnce(&Built<C>) -> bool) {
        let mut place = self.place();
        if place.as_ref().is_some_and(is_meant) {
            *place = None;
        }
    }

    fn place(&self) -> MutexGuard<'_, Option<Built<C>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
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
        shared.discard(&first);
        let second = ask().await.expect("built");
        assert_eq!(*second, 2);
        shared.discard(&first);
        assert_eq!(*ask().await.expect("kept"), 2, "the replacement is not the one that failed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_built_after_a_fault_began_is_not_blamed_for_it() {
        let (shared, attempts) = (SharedClient::default(), AtomicU32::new(0));
        let ask = || shared.get(Box::pin(attempt(&attempts, true)));
        let before = Instant::now();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(*ask().await.expect("built"), 1);
        shared.discard_from(before);
        assert_eq!(*ask().await.expect("kept"), 1);
        shared.discard_from(Instant::now());
        assert_eq!(*ask().await.expect("built"), 2);
    }
}
