//! Fetches while earlier batches are being folded, and watches that it still is the same log.
//!
//! A topic that is deleted and made again under a running consumer breaks its connections and then answers as if
//! nothing had been. So after each new connection the last record read is read once more and compared.

use common::kafka::{Batch, PartitionReader, Read};
use tokio::sync::mpsc;

use crate::{
    fingerprint::fingerprint,
    fold::{LastRecord, PartitionState},
    restore::RestoreError,
};

/// What was found next.
pub enum Ahead {
    /// Records, perhaps none.
    Batch(Batch),
    /// Retention deleted everything before this offset.
    Deleted(i64),
}

/// One partition's log, read in order.
pub struct ReadAhead {
    reader: PartitionReader,
    offset: i64,
    end: Option<i64>,
    last_record: Option<LastRecord>,
    /// Connections made when the log was last known to be the same.
    connections: u64,
}

impl ReadAhead {
    /// Goes on from where `state` stands, up to `end`. `reader` has just been used to restore it.
    #[must_use]
    pub fn new(
        reader: PartitionReader,
        state: &PartitionState,
        last_record: Option<LastRecord>,
        end: Option<i64>,
    ) -> Self {
        Self { offset: state.next_offset(), end, last_record, connections: reader.connections(), reader }
    }

    /// Reads until an error, which is sent too, until the end, or until nobody listens.
    pub async fn run(mut self, to: mpsc::Sender<Result<Ahead, RestoreError>>) {
        while self.end.is_none_or(|end| self.offset < end) {
            let next = self.next().await;
            let failed = next.is_err();
            if to.send(next).await.is_err() || failed {
                return;
            }
        }
    }

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
pub async fn check_last_record(
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
