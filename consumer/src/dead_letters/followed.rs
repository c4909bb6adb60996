//! The journal of redrives as it grows.

use std::time::Duration;

use common::{
    kafka::{Cluster, PartitionReader, ReadOptions},
    topics::{TopicNames, TopicsError, ensure_redrives},
};

use super::{DeadLettersError, journal::Journal, letter::Letter};
use crate::error::ConsumerError;

/// A journal, and where it is read on.
pub struct Followed {
    cluster: Cluster,
    names: TopicNames,
    reader: PartitionReader,
    journal: Journal,
    claims_max: usize,
    is_there: bool,
}

impl Followed {
    /// Names the journal; at most so many claims of it are kept in mind. Each read may take up to `deadline`.
    #[must_use]
    pub fn new(cluster: &Cluster, names: &TopicNames, claims_max: usize, deadline: Duration) -> Self {
        let options = ReadOptions { wait: Duration::from_millis(100), deadline, ..ReadOptions::default() };
        Self {
            cluster: cluster.clone(),
            names: names.clone(),
            reader: PartitionReader::new(cluster, &names.redrives, 0, options),
            journal: Journal::default(),
            claims_max,
            is_there: false,
        }
    }

    /// What has been read of it.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Looks whether the topic is there, and makes it where it is not and `make` says so.
    ///
    /// # Errors
    /// [`TopicsError`].
    pub async fn look(&mut self, make: bool) -> Result<(), TopicsError> {
        self.is_there = self.is_there || ensure_redrives(&self.cluster, &self.names, make).await?;
        Ok(())
    }

    /// Reads on to its end.
    ///
    /// # Errors
    /// A broker's fault, or more claims than are kept in mind.
    pub async fn read_on(&mut self) -> Result<(), ConsumerError> {
        if !self.is_there {
            return Ok(());
        }
        let end = self.reader.bounds().await?.end;
        self.read_to(end).await
    }

    /// Reads on to an offset that it is known to have.
    ///
    /// # Errors
    /// As [`Self::read_on`]; and where the journal ends before.
    pub async fn read_to(&mut self, end: i64) -> Result<(), ConsumerError> {
        let journal = &mut self.journal;
        let claims_max = self.claims_max;
        let range = journal.next_offset()..end;
        let reading = self.reader.read_through(range, |batch| {
            // What comes beyond is not needed: nobody goes on from there.
            if journal.claimed() <= claims_max {
                batch.iter().for_each(|record| journal.take(&record));
            }
        });
        reading.await?;
        let topic = || self.names.redrives.clone();
        if self.journal.claimed() > claims_max {
            return Err(DeadLettersError::JournalTooLong { topic: topic() }.into());
        }
        if self.journal.next_offset() < end {
            return Err(DeadLettersError::JournalCut { topic: topic(), end }.into());
        }
        Ok(())
    }

    /// Whether a letter was sent again; `None` where that is not known, because there is more than is kept in mind.
    #[must_use]
    pub fn has_sent(&self, letter: &Letter) -> Option<bool> {
        (self.journal.claimed() <= self.claims_max).then(|| self.journal.has_sent(&letter.identity()))
    }
}
