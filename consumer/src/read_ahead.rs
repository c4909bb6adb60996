//! Fetches while the batch before is being folded, and watches that it still is the same log.
//!
//! ```text
//!   begin ─▶ request on its way ─▶ (the batch before is folded) ─▶ next ─▶ decoded batch ─▶ begin …
//! ```
//!
//! Waiting and decoding happen in the worker's own task: a batch is made and dropped by the same thread, which the
//! system's allocator rewards, and what a worker can be ahead by is one batch.
//!
//! A topic that is deleted and made again under a running consumer breaks its connections and then answers as if
//! nothing had been. So after each new connection the last record read is read once more and compared.

use std::{future::Future, pin::Pin, task::Poll};

use common::kafka::{Batch, PartitionReader, Read, send_off};

use crate::{
    fingerprint::fingerprint,
    fold::{LastRecord, PartitionState},
    restore::RestoreError,
};

/// What was found next.
pub(crate) enum Ahead {
    /// Records, perhaps none.
    Batch(Batch),
    /// Retention deleted everything before this offset.
    Deleted(i64),
}

/// Records or what else was found, or why nothing can be.
pub(crate) type Found = Result<Ahead, RestoreError>;

/// A request on its way. Gives the log back with what it found.
type Reading = Pin<Box<dyn Future<Output = (Log, Found)> + Send>>;

/// One partition's log, read in order, one batch ahead.
pub(crate) struct ReadAhead {
    /// The log, while no request is on its way.
    idle: Option<Log>,
    /// The request that is on its way.
    reading: Option<Reading>,
    /// What was found before anybody asked.
    arrived: Option<Found>,
}

impl ReadAhead {
    /// Goes on from where `state` stands. `reader` has just been used to restore it.
    #[must_use]
    pub(crate) fn new(reader: PartitionReader, state: &PartitionState, last_record: Option<LastRecord>) -> Self {
        let connections = reader.connections();
        let log = Log { offset: state.next_offset(), last_record, connections, reader };
        Self { idle: Some(log), reading: None, arrived: None }
    }

    /// Sends the request for what comes next, if none is on its way, and does not wait for the answer.
    pub(crate) async fn begin(&mut self) {
        let Some(mut log) = self.idle.take() else { return };
        let reading = self.reading.insert(Box::pin(async move {
            let found = log.next().await;
            (log, found)
        }));
        if let Poll::Ready((log, found)) = send_off(reading).await {
            self.reading = None;
            self.idle = Some(log);
            self.arrived = Some(found);
        }
    }

    /// Waits for what comes next. May be dropped and called again; nothing is lost.
    ///
    /// # Errors
    /// [`RestoreError`] when the log can't be read on.
    pub(crate) async fn next(&mut self) -> Found {
        loop {
            if let Some(found) = self.arrived.take() {
                return found;
            }
            match &mut self.reading {
                None => self.begin().await,
                Some(reading) => {
                    let (log, found) = reading.await;
                    self.reading = None;
                    self.idle = Some(log);
                    return found;
                }
            }
        }
    }
}

/// The log, and how it is known to be the same as before.
struct Log {
    reader: PartitionReader,
    offset: i64,
    last_record: Option<LastRecord>,
    /// Connections made when the log was last known to be the same.
    connections: u64,
}

impl Log {
    async fn next(&mut self) -> Result<Ahead, RestoreError> {
        let read = self.reader.read(self.offset).await?;
        if self.reader.connections() != self.connections {
            self.compare_last_record().await?;
            self.connections = self.reader.connections();
        }
        match read {
            Read::Records(batch) => {
                self.offset = batch.next_offset();
                if let Some(last) = batch.iter().last() {
                    self.last_record = Some(fingerprint(&last));
                }
                Ok(Ahead::Batch(batch))
            }
            Read::OutOfRange => {
                let bounds = self.reader.bounds().await?;
                if self.offset > bounds.end {
                    return Err(self.diverged(format!("the log now ends at {}", bounds.end)));
                }
                self.offset = self.offset.max(bounds.start);
                Ok(Ahead::Deleted(self.offset))
            }
        }
    }

    async fn compare_last_record(&mut self) -> Result<(), RestoreError> {
        let Some(last) = &self.last_record else { return Ok(()) };
        match check_last_record(&mut self.reader, last).await? {
            None => Ok(()),
            Some(finding) => Err(self.diverged(finding)),
        }
    }

    fn diverged(&self, finding: String) -> RestoreError {
        RestoreError::Diverged {
            topic: self.reader.topic().to_owned(),
            partition: self.reader.partition(),
            next_offset: self.offset,
            finding,
        }
    }
}

/// Whether the log still holds `last` at its offset; what was found instead, if not. A record that retention has
/// deleted can't be compared and counts as found.
///
/// # Errors
/// [`RestoreError::Fault`].
pub(crate) async fn check_last_record(
    reader: &mut PartitionReader,
    last: &LastRecord,
) -> Result<Option<String>, RestoreError> {
    let bounds = reader.bounds().await?;
    if last.offset < bounds.start {
        return Ok(None);
    }
    if last.offset >= bounds.end {
        return Ok(Some(format!("the log ends at {}", bounds.end)));
    }
    let found = match reader.read(last.offset).await? {
        Read::Records(batch) => batch.iter().next().map(|record| fingerprint(&record)),
        // Retention may have come between the two questions.
        Read::OutOfRange if last.offset < reader.bounds().await?.start => return Ok(None),
        Read::OutOfRange => None,
    };
    Ok(match found {
        Some(found) if found == *last => None,
        Some(found) if found.offset == last.offset => Some(format!("another record stands at offset {}", last.offset)),
        _ => Some(format!("no record stands at offset {} any more", last.offset)),
    })
}
