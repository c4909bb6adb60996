//! Dead letters for whoever asks over HTTP: read from Kafka when they are asked for, one question at a time and with a rest after
//! each, so that any number of questions costs the brokers and this process no more than one reader does, part of the time.

use std::{sync::Arc, time::Duration};

use common::{
    kafka::{Cluster, Fault},
    service::http::{REST, apart},
    topics::TopicNames,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{
    browse::{Browser, Page, Query},
    followed::Followed,
    letter::{Entry, Letter},
};

/// How long faults are tried again before the one who asks is told of them.
const DEADLINE: Duration = Duration::from_secs(3);
/// How long a page may take in all: less than a request may. A broker may take its time over a single answer.
const PAGE_LIMIT: Duration = Duration::from_secs(8);
/// Longest rest after a page: longer ones are mostly spent waiting for brokers.
const REST_MAX: Duration = Duration::from_secs(1);
/// Redriven letters that are kept in mind, to mark those shown: some ten megabytes.
const CLAIMS_MAX: usize = 100_000;

/// What reads dead letters for HTTP.
pub struct Served(Arc<Mutex<Desk>>);

struct Desk {
    browser: Browser,
    journal: Followed,
}

impl Served {
    /// Names the topics. Connects with the first question.
    #[must_use]
    pub fn new(cluster: &Cluster, names: &TopicNames) -> Self {
        Self(Arc::new(Mutex::new(Desk {
            browser: Browser::new(cluster, &names.dead_letters, DEADLINE),
            journal: Followed::new(cluster, names, CLAIMS_MAX, DEADLINE),
        })))
    }

    /// The next page, of a topic that has so many `partitions`.
    ///
    /// # Errors
    /// [`Fault`] where the letters could not be read.
    ///
    /// # Panics
    /// When reading does, which stops the process anyway.
    pub async fn page(&self, partitions: i32, query: Query) -> Result<Page<Entry>, Fault> {
        let mut desk = Arc::clone(&self.0).lock_owned().await;
        // Whose client goes away would give up connections in the middle of an answer, and have them made anew for the next one.
        apart(async move {
            let began = Instant::now();
            let page = timeout(PAGE_LIMIT, desk.page(partitions, &query)).await.unwrap_or_else(|_| {
                let doing = "reading dead letters".to_owned();
                Err(Fault::Silent { doing, waited_ms: PAGE_LIMIT.as_millis() })
            });
            (page, desk, (began.elapsed() * REST).min(REST_MAX))
        })
        .await
    }
}

impl Desk {
    async fn page(&mut self, partitions: i32, query: &Query) -> Result<Page<Entry>, Fault> {
        let Self { browser, journal } = self;
        // Whether a letter was mended is an extra: without the journal, or the right to read it, the answer leaves it open.
        let _ = journal.refresh().await;
        let show = |letter: Letter| letter.entry(journal.has_sent(&letter));
        browser.page(partitions, query, show).await
    }
}
