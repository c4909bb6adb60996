//! The way round what rskafka can't decode: control markers of transactions, null header values, header keys that
//! are not UTF-8, timestamps beyond chrono's range, lz4 and zstd batches. krafka reads all of these; it is slower and
//! moves every other record nowhere.
//!
//! What krafka can't decode either is given up batch by batch: every offset of such a batch becomes a record that is
//! `undecodable`, so that it ends in the ledger and reading goes on behind it.

use std::time::Duration;

use krafka::{
    consumer::{AutoOffsetReset, Consumer, ConsumerRecord, IsolationLevel},
    error::KrafkaError,
};
use tokio::time::{Instant, timeout};

use super::{
    Cluster, REQUEST_TIMEOUT,
    fault::Fault,
    record::{OwnedRecord, SEQUENCE_HEADER},
};

/// Most records of one detour: afterwards rskafka is tried again.
const RECORDS_MAX: i32 = 5_000;
/// Most bytes of one fetch of a detour.
const FETCH_BYTES_MAX: i32 = 1 << 20;
/// How long one poll waits before the position is looked at.
const POLL: Duration = Duration::from_millis(100);

/// A second reader of one partition.
pub(super) struct Detour {
    consumer: Consumer,
    topic: String,
    partition: i32,
}

impl Detour {
    pub(super) async fn new(cluster: &Cluster, topic: &str, partition: i32) -> Result<Self, Fault> {
        let doing = format!("opening a second reader of {topic}-{partition}");
        let kafka = cluster.control().await?;
        let opening = async {
            let consumer = kafka
                .consumer_without_group()
                // Aborted records count (rskafka does not filter them), whoever of the two reads them.
                .isolation_level(IsolationLevel::ReadUncommitted)
                // An offset out of range is an answer, never a reason to jump.
                .auto_offset_reset(AutoOffsetReset::None)
                .enable_auto_commit(false)
                .metrics_push(false)
                .max_poll_records(RECORDS_MAX)
                .max_partition_fetch_bytes(FETCH_BYTES_MAX)
                .fetch_max_bytes(FETCH_BYTES_MAX)
                .fetch_max_wait(POLL)
                .build()
                .await?;
            consumer.assign(topic, vec![partition]).await?;
            Ok(consumer)
        };
        match timeout(REQUEST_TIMEOUT, opening).await {
            Ok(Ok(consumer)) => Ok(Self { consumer, topic: topic.to_owned(), partition }),
            Ok(Err(error)) => Err(passing(&doing, &error)),
            Err(_) => Err(Fault::silent(&doing, REQUEST_TIMEOUT)),
        }
    }

    /// Reads from `offset` on, at least one offset further and never beyond `end`. Returns the records and the next
    /// offset.
    pub(super) async fn read(&self, offset: i64, end: i64) -> Result<(Vec<OwnedRecord>, i64), Fault> {
        match self.poll_from(offset, end).await? {
            Polled::Records(records, next_offset) => Ok((records, next_offset)),
            Polled::Undecodable(_) => {
                let next_offset = self.end_of_undecodable(offset, end).await?;
                let given_up = |offset| OwnedRecord { offset, undecodable: true, ..OwnedRecord::default() };
                Ok(((offset..next_offset).map(given_up).collect(), next_offset))
            }
        }
    }

    /// Finds the first offset after `offset` that decodes: reading at any offset inside a batch reads that batch, so
    /// "decodes from here" is false up to the batch's end and true after it.
    async fn end_of_undecodable(&self, offset: i64, end: i64) -> Result<i64, Fault> {
        let mut bad = offset;
        let mut step = 1;
        let mut good = loop {
            let probe = (bad + step).min(end);
            if probe == end {
                break end;
            }
            match self.poll_from(probe, end).await? {
                Polled::Records(..) => break probe,
                Polled::Undecodable(_) => bad = probe,
            }
            step *= 2;
        };
        while good - bad > 1 {
            let probe = bad + (good - bad) / 2;
            match self.poll_from(probe, end).await? {
                Polled::Records(..) => good = probe,
                Polled::Undecodable(_) => bad = probe,
            }
        }
        Ok(good)
    }

    async fn poll_from(&self, offset: i64, end: i64) -> Result<Polled, Fault> {
        let doing = format!("reading {}-{} at offset {offset} a second way", self.topic, self.partition);
        let give_up_at = Instant::now() + REQUEST_TIMEOUT;
        let seeking = self.consumer.seek(&self.topic, self.partition, offset);
        match timeout(REQUEST_TIMEOUT, seeking).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(passing(&doing, &error)),
            Err(_) => return Err(Fault::silent(&doing, REQUEST_TIMEOUT)),
        }
        loop {
            match timeout(REQUEST_TIMEOUT, self.consumer.poll(POLL)).await {
                Ok(Ok(records)) if !records.is_empty() => return Ok(within(&records, end)),
                // No records: only markers, perhaps, and the position has moved over them.
                Ok(Ok(_)) => match self.consumer.fetch_position(&self.topic, self.partition).await {
                    Some(position) if position > offset => {
                        return Ok(Polled::Records(Vec::new(), position.min(end.max(offset + 1))));
                    }
                    _ if Instant::now() >= give_up_at => return Err(Fault::silent(&doing, REQUEST_TIMEOUT)),
                    _ => {}
                },
                Ok(Err(error)) if is_about_the_data(&error) => return Ok(Polled::Undecodable(error.to_string())),
                Ok(Err(error)) => return Err(passing(&doing, &error)),
                Err(_) => return Err(Fault::silent(&doing, REQUEST_TIMEOUT)),
            }
        }
    }
}

enum Polled {
    Records(Vec<OwnedRecord>, i64),
    #[allow(dead_code, reason = "the cause is for whoever debugs a detour")]
    Undecodable(String),
}

/// The records before `end`, and the offset after them. Records at and after `end` may belong to open transactions.
fn within(polled: &[ConsumerRecord], end: i64) -> Polled {
    let records: Vec<OwnedRecord> = polled.iter().filter(|record| record.offset < end).map(owned).collect();
    let next_offset =
        if records.len() == polled.len() { polled.last().map_or(end, |last| last.offset + 1) } else { end };
    Polled::Records(records, next_offset)
}

fn owned(record: &ConsumerRecord) -> OwnedRecord {
    let sequence = record.headers.iter().rev().find(|(key, _)| key == SEQUENCE_HEADER);
    OwnedRecord {
        offset: record.offset,
        timestamp_ms: record.timestamp,
        key: record.key.as_ref().map(|key| key.to_vec()),
        value: record.value.as_ref().map(|value| value.to_vec()),
        sequence: sequence.map(|(_, value)| value.as_ref().map(|value| value.to_vec()).unwrap_or_default()),
        undecodable: false,
    }
}

fn is_about_the_data(error: &KrafkaError) -> bool {
    match error {
        KrafkaError::Compression { .. }
        | KrafkaError::Serialization { .. }
        | KrafkaError::RecordDeserialization { .. } => true,
        KrafkaError::Protocol { .. } => !error.is_retriable(),
        _ => false,
    }
}

fn passing(doing: &str, error: &KrafkaError) -> Fault {
    Fault::Passing { doing: doing.to_owned(), cause: error.to_string() }
}
