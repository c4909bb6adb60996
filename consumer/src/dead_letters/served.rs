//! Dead letters for whoever asks over HTTP: read from Kafka when they are asked for, one question at a time, so that any number
//! of questions costs the brokers and this process no more than one reader does.

use std::time::Duration;

use common::{
    kafka::{Cluster, Fault},
    topics::TopicNames,
};
use tokio::{sync::Mutex, time::Instant};

use super::{
    browse::{Browser, Page, Query},
    followed::Followed,
    letter::Entry,
};

/// How long a read may take before the one who asks is told that it failed.
const DEADLINE: Duration = Duration::from_secs(3);
/// Redriven letters that are kept in mind, to mark those shown: some ten megabytes.
const CLAIMS_MAX: usize = 100_000;
/// Time between two looks whether there is a journal by now.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// What reads dead letters for HTTP.
pub struct Served(Mutex<Desk>);

struct Desk {
    browser: Browser,
    journal: Followed,
    looked_at: Option<Instant>,
}

impl Served {
    /// Names the topics. Connects with the first question.
    #[must_use]
    pub fn new(cluster: &Cluster, names: &TopicNames) -> Self {
        Self(Mutex::new(Desk {
            browser: Browser::new(cluster, &names.dead_letters, DEADLINE),
            journal: Followed::new(cluster, names, CLAIMS_MAX, DEADLINE),
            looked_at: None,
        }))
    }

    /// The next page, of a topic that has so many `partitions`.
    ///
    /// # Errors
    /// [`Fault`] where the letters could not be read.
    pub async fn page(&self, partitions: i32, query: &Query) -> Result<Page<Entry>, Fault> {
        let Desk { browser, journal, looked_at } = &mut *self.0.lock().await;
        // Whether a letter was mended is an extra: without the journal, or the right to read it, that is not known.
        let is_due = looked_at.is_none_or(|before: Instant| before.elapsed() >= LOOK_INTERVAL);
        let mut is_known = true;
        if is_due {
            is_known = journal.look(false).await.is_ok();
            *looked_at = is_known.then(Instant::now);
        }
        is_known &= journal.read_on().await.is_ok();
        let show = |letter: super::letter::Letter| letter.entry(journal.has_sent(&letter).filter(|_| is_known));
        browser.page(partitions, query, show).await
    }
}
