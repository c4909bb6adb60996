//! Writing one partition: one batch at a time, in order, until it is acknowledged or its deadline has passed.

use std::{sync::Arc, time::Duration};

use rskafka::{
    client::{
        Client,
        partition::{Compression, PartitionClient},
    },
    record::Record,
};
use tokio::time::{Instant, sleep_until};

use super::{Cluster, REQUEST_TIMEOUT, backoff, connection::answered, fault::Fault};

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
    connected: Option<(Arc<Client>, PartitionClient)>,
}

impl PartitionWriter {
    /// Names the partition. Connects with the first write.
    #[must_use]
    pub fn new(cluster: &Cluster, topic: &str, partition: i32) -> Self {
        Self { cluster: cluster.clone(), topic: topic.to_owned(), partition, connected: None }
    }

    /// Sends one batch with acks=all and returns the offset of its first record.
    ///
    /// Returns within `deadline`. Until then, faults that may pass are retried over new connections; `records`
    /// is asked for the batch again at each try and must give the same one. A batch whose acknowledgement got lost
    /// is in the log more than once afterwards: readers tell by the sequence header.
    ///
    /// # Errors
    /// [`WriteError`]; after [`WriteError::Unacknowledged`] the batch's fate is unknown.
    pub async fn write(
        &mut self,
        records: impl Fn() -> Vec<Record>,
        compression: Compression,
        deadline: Duration,
    ) -> Result<i64, WriteError> {
        let give_up_at = Instant::now() + deadline;
        let mut attempt = 0;
        loop {
            let fault = match self.try_write(records(), compression, give_up_at).await {
                Ok(offset) => return Ok(offset),
                Err(fault @ Fault::TooLarge { .. }) => return Err(WriteError::TooLarge(fault)),
                Err(fault) if !fault.may_pass() => return Err(WriteError::Refused(fault)),
                Err(fault) => fault,
            };
            attempt += 1;
            let next_try = Instant::now() + backoff(attempt);
            if next_try >= give_up_at {
                let last = Box::new(fault);
                return Err(WriteError::Unacknowledged(Fault::DeadlineExceeded { deadline, last }));
            }
            self.cluster.complain(&fault);
            sleep_until(next_try).await;
        }
    }

    async fn try_write(
        &mut self,
        records: Vec<Record>,
        compression: Compression,
        give_up_at: Instant,
    ) -> Result<i64, Fault> {
        let doing = format!("writing to {}-{}", self.topic, self.partition);
        // Taken out while the request is under way: a cancelled or failed call leaves no connection behind, whose
        // late answer could be taken for the next one's.
        let (client, connected) = match self.connected.take() {
            Some(connected) => connected,
            None => {
                let connecting = Box::pin(self.cluster.partition(&self.topic, self.partition));
                answered(&doing, give_up_at.saturating_duration_since(Instant::now()), connecting).await??
            }
        };
        let limit = REQUEST_TIMEOUT.min(give_up_at.saturating_duration_since(Instant::now()));
        match answered(&doing, limit, Box::pin(connected.produce(records, compression))).await {
            Ok(Ok(offsets)) => {
                self.connected = Some((client, connected));
                Ok(offsets.first().copied().unwrap_or_default())
            }
            Ok(Err(error)) => {
                self.cluster.discard(&client).await;
                Err(Fault::of(&error, &doing))
            }
            Err(silent) => {
                self.cluster.discard(&client).await;
                Err(silent)
            }
        }
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
    use tokio::{net::TcpListener, time::timeout};

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
        let write = writer.write(Vec::new, Compression::NoCompression, Duration::from_millis(50));
        let ended = timeout(REQUEST_TIMEOUT / 2, write).await.expect("ends long before a request would");
        assert!(matches!(ended, Err(WriteError::Unacknowledged(_))), "{ended:?}");
    }
}
