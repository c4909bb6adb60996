//! Dead letters for whoever asks over HTTP: read from Kafka when they are asked for, one question at a time, so that any number
//! of questions costs the brokers and this process no more than one reader does.

use std::time::Duration;

use common::{
    kafka::{Cluster, Fault},
    topics::TopicNames,
};
use tokio::sync::Mutex;

use super::{
    browse::{Browser, Page, Query},
    followed::Followed,
    letter::{Entry, Letter},
};

/// How long a read may take before the one who asks is told that it failed.
const DEADLINE: Duration = Duration::from_secs(3);
/// Redriven letters that are kept in mind, to mark those shown: some ten megabytes.
const CLAIMS_MAX: usize = 100_000;

/// What reads dead letters for HTTP.
pub struct Served(Mutex<Desk>);

struct Desk {
    browser: Browser,
    journal: Followed,
}

impl Served {
    /// Names the topics. Connects with the first question.
    #[must_use]
    pub fn new(cluster: &Cluster, names: &TopicNames) -> Self {
        Self(Mutex::new(Desk {
            browser: Browser::new(cluster, &names.dead_letters, DEADLINE),
            journal: Followed::new(cluster, names, CLAIMS_MAX, DEADLINE),
        }))
    }

    /// The next page, of a topic that has so many `partitions`.
    ///
    /// # Errors
    /// [`Fault`] where the letters could not be read.
    pub async fn page(&self, partitions: i32, query: &Query) -> Result<Page<Entry>, Fault> {
        let Desk { browser, journal } = &mut *self.0.lock().await;
        // Whether a letter was mended is an extra: without the journal, or the right to read it, the answer leaves it open.
        let _ = journal.refresh().await;
        let show = |letter: Letter| letter.entry(journal.has_sent(&letter));
        browser.page(partitions, query, show).await
    }
}
