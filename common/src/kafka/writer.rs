//! Writing one partition: one batch at a time, in order, until it is acknowledged or its deadline has passed.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::{
    BatchBuilder, Cluster, Compression, REQUEST_TIMEOUT, Record, backoff, batch::UNPACKED_BYTES_MAX,
    connection::answered, fault::Fault, leader::Leader,
};

/// Why a batch was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The broker will not take this batch, however often it is sent. None of its records is in the log.
    #[error(transparent)]
    Refused(Fault),
    /// The topic takes no batch as large as this one: [`Fault::TooLarge`]. None of its records is in the log; in smaller
    /// batches they may get there, and one that is too large by itself never will.
    #[error(transparent)]
    TooLarge(Fault),
    /// No acknowledgement within the deadline. The batch may be in the log, once or several times.
    #[error(transparent)]
    Unacknowledged(Fault),
}

/// The writing end of one partition. At most one batch is on its way at any time, so that order is kept without an
/// idempotent producer.
pub struct PartitionWriter {
    cluster: Cluster,
    topic: String,
    partition: i32,
    connected: Option<Leader>,
}

impl PartitionWriter {
    /// Names the partition. Connects with the first write.
    #[must_use]
    pub fn new(cluster: &Cluster, topic: &str, partition: i32) -> Self {
        Self { cluster: cluster.clone(), topic: topic.to_owned(), partition, connected: None }
    }

    /// Sends records as one batch, compressed with snappy; see [`Self::write`].
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn write_records(&mut self, records: &[Record], deadline: Duration) -> Result<i64, WriteError> {
        let mut batch = BatchBuilder::new(Compression::Snappy);
        for record in records {
            let headers: Vec<_> = record.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            batch.push(record.timestamp_ms, record.key.as_deref(), record.value.as_deref(), &headers);
        }
        if batch.plain_bytes() > UNPACKED_BYTES_MAX {
            // Acknowledged, it would be lost all the same.
            return Err(WriteError::TooLarge(Fault::Refused {
                doing: format!("writing to {}-{}", self.topic, self.partition),
                cause: format!("more than {UNPACKED_BYTES_MAX} bytes before compression, which no reader would unpack"),
            }));
        }
        self.write(batch.finish(), deadline).await
    }

    /// Sends one batch, as a [`BatchBuilder`] makes them, with acks=all and returns the offset of its first record.
    ///
    /// Returns within `deadline`. Until then, faults that may pass are retried over new connections. A batch whose
    /// acknowledgement got lost is in the log more than once afterwards: readers tell by the sequence header.
    ///
    /// # Errors
    /// [`WriteError`]; after [`WriteError::Unacknowledged`] the batch's fate is unknown.
    pub async fn write(&mut self, batch: &[u8], deadline: Duration) -> Result<i64, WriteError> {
        let give_up_at = Instant::now() + deadline;
        let mut attempt = 0;
        let mut before = None;
        loop {
            let fault = match self.try_write(batch, give_up_at).await {
                Ok(offset) => return Ok(offset),
                Err(fault @ Fault::TooLarge { .. }) => return Err(WriteError::TooLarge(fault)),
                Err(fault) if !fault.may_pass() => return Err(WriteError::Refused(fault)),
                Err(fault) => fault,
            };
            attempt += 1;
            let next_try = Instant::now() + backoff(attempt);
            if next_try >= give_up_at {
                // A try that had no time says nothing of what is wrong.
                let is_cut_short = matches!(fault, Fault::Silent { .. });
                let last = Box::new(before.filter(|_| is_cut_short).unwrap_or(fault));
                return Err(WriteError::Unacknowledged(Fault::DeadlineExceeded { deadline, last }));
            }
            self.cluster.complain(&fault);
            before = Some(fault);
            sleep_until(next_try).await;
        }
    }

    async fn try_write(&mut self, batch: &[u8], give_up_at: Instant) -> Result<i64, Fault> {
        let doing = format!("writing to {}-{}", self.topic, self.partition);
        let left = || give_up_at.saturating_duration_since(Instant::now());
        // Taken out while the request is under way: a cancelled or failed call leaves no connection behind, whose
        // late answer could be taken for the next one's.
        let mut leader = match self.connected.take().filter(|leader| !leader.is_stale()) {
            Some(leader) => {
                if timeout(left(), leader.unmuted()).await.is_err() {
                    return Err(Fault::Passing { doing, cause: "a quota of this client is used up".to_owned() });
                }
                leader
            }
            None => {
                let finding = Box::pin(Leader::find(&self.cluster, &self.topic, self.partition));
                answered(&doing, left(), finding).await??
            }
        };
        let offset = leader.produce(batch, REQUEST_TIMEOUT.min(left())).await?;
        self.connected = Some(leader);
        Ok(offset)
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(fault) | WriteError::TooLarge(fault) | WriteError::Unacknowledged(fault) => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::kafka::{ConnectionSettings, Security};

    #[tokio::test]
    async fn a_write_to_a_silent_broker_ends_with_its_own_deadline_not_with_that_of_a_request() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = silent.local_addr().expect("an address").to_string();
        let settings = ConnectionSettings {
            bootstrap_servers: vec![address],
            client_id: "test".into(),
            security: Security::default(),
        };
        let mut writer = PartitionWriter::new(&Cluster::new(settings), "t", 0);
        let write = writer.write(&[], Duration::from_millis(50));
        let ended = timeout(REQUEST_TIMEOUT / 2, write).await.expect("ends long before a request would");
        assert!(matches!(ended, Err(WriteError::Unacknowledged(_))), "{ended:?}");
    }
}
