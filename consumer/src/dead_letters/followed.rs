//! The journal of redrives as it grows.

use std::time::Duration;

use common::{
    kafka::{Cluster, PartitionReader, ReadOptions},
    topics::{TopicNames, TopicsError, ensure_redrives},
};
use tokio::time::Instant;

use super::{DeadLettersError, journal::Journal, letter::Letter};
use crate::error::ConsumerError;

/// Offsets that are read at a time.
const STRETCH_OFFSETS: i64 = 2_000;
/// Time between two looks whether there is a journal by now.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// A journal, and where it is read on.
pub struct Followed {
    cluster: Cluster,
    names: TopicNames,
    reader: PartitionReader,
    journal: Journal,
    next_offset: i64,
    claims_max: usize,
    is_there: bool,
    looked_at: Option<Instant>,
    is_refreshed: bool,
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
            next_offset: 0,
            claims_max,
            is_there: false,
            looked_at: None,
            is_refreshed: false,
        }
    }

    /// What has been read of it.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Reads on to the end of a journal that may be missing, for those to whom it is an extra: where that failed,
    /// [`Self::has_sent`] does not know.
    ///
    /// # Errors
    /// As [`Self::look`] and [`Self::read_on`].
    pub async fn refresh(&mut self) -> Result<(), ConsumerError> {
        self.is_refreshed = false;
        if self.looked_at.is_none_or(|before| before.elapsed() >= LOOK_INTERVAL) {
            self.looked_at = None;
            self.look(false).await?;
            self.looked_at = Some(Instant::now());
        }
        self.read_on().await?;
        self.is_refreshed = true;
        Ok(())
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
        self.read_to(0).await
    }

    /// Reads on to its end, which is known to be at `end` or behind it.
    ///
    /// # Errors
    /// As [`Self::read_on`]; and where the journal ends before.
    pub async fn read_to(&mut self, end: i64) -> Result<(), ConsumerError> {
        if !self.is_there {
            return Ok(());
        }
        self.refuse_too_long()?;
        let bounds = self.reader.bounds().await?;
        if bounds.end < end {
            return Err(DeadLettersError::JournalCut { topic: self.names.redrives.clone(), end }.into());
        }
        if bounds.end < self.next_offset {
            // It was made again, and says all that counts from its start.
            (self.journal, self.next_offset) = (Journal::default(), 0);
        }
        // What retention took is over and done with, as is what stands for no record.
        self.next_offset = self.next_offset.max(bounds.start);
        while self.next_offset < bounds.end {
            let stretch = self.next_offset..bounds.end.min(self.next_offset + STRETCH_OFFSETS);
            let journal = &mut self.journal;
            let reading = self.reader.read_through(stretch.clone(), |batch| {
                batch.iter().filter(|record| stretch.contains(&record.offset)).for_each(|record| journal.take(&record));
            });
            reading.await?;
            self.next_offset = stretch.end;
            self.refuse_too_long()?;
        }
        Ok(())
    }

    fn refuse_too_long(&self) -> Result<(), DeadLettersError> {
        if self.journal.claimed() > self.claims_max {
            return Err(DeadLettersError::JournalTooLong { topic: self.names.redrives.clone() });
        }
        Ok(())
    }

    /// Whether a letter was sent again; `None` where that is not known, because the last [`Self::refresh`] failed: the journal
    /// may not be read, for example, or has more than is kept in mind.
    #[must_use]
    pub fn has_sent(&self, letter: &Letter) -> Option<bool> {
        self.is_refreshed.then(|| self.journal.has_sent(&letter.identity()))
    }
}
