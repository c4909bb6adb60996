//! The way round what rskafka can't decode: control markers of transactions, null header values, header keys that
//! are not UTF-8, timestamps beyond chrono's range, lz4 and zstd batches. krafka reads all of these; it is slower and
//! moves every other record nowhere.
//!
//! What krafka can't decode either is given up batch by batch: every offset of such a batch becomes a record that is
//! `undecodable`, so that it ends in the ledger and reading goes on behind it. That includes what would be too large
//! unpacked: a few kilobytes of gzip can hold gigabytes.

use std::time::Duration;

use krafka::{
    CloseOptions,
    consumer::{AutoOffsetReset, Consumer, ConsumerRecord, IsolationLevel},
    error::KrafkaError,
};
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::{
    Boxed, Cluster, REQUEST_TIMEOUT,
    fault::Fault,
    record::{OwnedRecord, SEQUENCE_HEADER},
};

/// Most records of one detour: afterwards rskafka is tried again.
const RECORDS_MAX: i32 = 5_000;
/// Most bytes of one fetch of a detour; a larger batch comes alone. Few, because a fetch is unpacked as a whole.
const FETCH_BYTES_MAX: i32 = 64 << 10;
/// Most bytes of one batch, unpacked: sixteen times what brokers take packed unless told otherwise.
const UNPACKED_BYTES_MAX: usize = 16 << 20;
/// How long closing may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// How long one poll waits before the position is looked at.
const POLL: Duration = Duration::from_millis(100);

/// A second reader of one partition. It belongs to no group and commits nothing, so that dropping it leaves nothing
/// behind but an entry in the broker's cache of fetch sessions, which the broker reuses; [`Detour::close`] spares it that.
pub(super) struct Detour {
    consumer: Consumer,
    topic: String,
    partition: i32,
}

impl Detour {
    pub(super) async fn new(cluster: &Cluster, topic: &str, partition: i32) -> Result<Self, Fault> {
        let doing = format!("opening a second reader of {topic}-{partition}");
        let kafka = cluster.control().await?;
        let opening: Boxed<'_, _> = Box::pin(async {
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
                .max_decompressed_size(UNPACKED_BYTES_MAX)
                .fetch_max_wait(POLL)
                .build()
                .await?;
            consumer.assign(topic, vec![partition]).await?;
            Ok(consumer)
        });
        match timeout(REQUEST_TIMEOUT, opening).await {
            Ok(Ok(consumer)) => Ok(Self { consumer, topic: topic.to_owned(), partition }),
            Ok(Err(error)) => Err(passing(&doing, &error)),
            Err(_) => Err(Fault::silent(&doing, REQUEST_TIMEOUT)),
        }
    }

    /// Says good-bye to the broker, if that does not take long.
    pub(super) async fn close(self) {
        let closing: Boxed<'_, _> = Box::pin(self.consumer.close_with(CloseOptions::new().timeout(CLOSE_LIMIT)));
        if let Err(error) = closing.await {
            debug!(topic = %self.topic, partition = self.partition, %error, "a second reader was not closed properly");
        }
    }

    /// Reads from `offset` on, at least one offset further and never beyond `end`. Returns the records and the next
    /// offset.
    pub(super) async fn read(&self, offset: i64, end: i64) -> Result<(Vec<OwnedRecord>, i64), Fault> {
        match self.poll_from(offset, end).await? {
            Polled::Records(records, next_offset) => Ok((records, next_offset)),
            Polled::Undecodable(cause) => {
                let next_offset = self.end_of_undecodable(offset, end).await?;
                warn!(
                    topic = %self.topic, partition = self.partition, from = offset, to = next_offset, %cause,
                    "records that can't be decoded; the ledger counts them as undecodable"
                );
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

    fn poll_from(&self, offset: i64, end: i64) -> Boxed<'_, Result<Polled, Fault>> {
        Box::pin(self.poll_until_something_comes(offset, end))
    }

    async fn poll_until_something_comes(&self, offset: i64, end: i64) -> Result<Polled, Fault> {
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
                Ok(Ok(records)) if records.iter().any(|record| record.offset >= offset) => {
                    return Ok(within(&records, offset, end));
                }
                // No records: only markers, perhaps, and the position has moved over them.
                Ok(Ok(_)) => match self.consumer.fetch_position(&self.topic, self.partition).await {
                    Some(position) if position > offset => {
                        return Ok(Polled::Records(Vec::new(), position.min(end.max(offset + 1))));
                    }
                    _ if Instant::now() >= give_up_at => return Err(Fault::silent(&doing, REQUEST_TIMEOUT)),
                    _ => {}
                },
                Ok(Err(error)) => {
                    return about_the_data(&error).map(Polled::Undecodable).ok_or_else(|| passing(&doing, &error));
                }
                Err(_) => return Err(Fault::silent(&doing, REQUEST_TIMEOUT)),
            }
        }
    }
}

enum Polled {
    Records(Vec<OwnedRecord>, i64),
    /// Why the batch at the offset can't be decoded.
    Undecodable(String),
}

/// The records from `offset` to before `end`, and the offset after them. A broker answers with whole batches, which may
/// begin before `offset`; records at and after `end` may belong to open transactions.
fn within(polled: &[ConsumerRecord], offset: i64, end: i64) -> Polled {
    let wanted = polled.iter().filter(|record| (offset..end).contains(&record.offset));
    let next_offset = polled.last().map_or(end, |last| end.min(last.offset + 1));
    Polled::Records(wanted.map(owned).collect(), next_offset)
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

/// How krafka =0.28.1 begins what it says of a batch that it can't decode, and what it puts before the cause.
const UNDECODABLE_BATCH: &str = "undecodable record batch at ";
const UNDERLYING: &str = "Underlying error: ";

/// The cause, where an error is about a batch's bytes and not about the broker or the way to it.
///
/// The kind of error alone doesn't tell: a batch that can't be unpacked has the kind of an answer that can't be parsed,
/// which a second try may mend. To take a passing fault for bad data would reject good records, so only krafka's own words
/// for it count, and an error that isn't recognised is tried again.
fn about_the_data(error: &KrafkaError) -> Option<String> {
    let KrafkaError::Protocol { message, .. } = error else { return None };
    let said = message.strip_prefix(UNDECODABLE_BATCH)?;
    Some(said.rsplit_once(UNDERLYING).map_or(said, |(_, cause)| cause).to_owned())
}

fn passing(doing: &str, error: &KrafkaError) -> Fault {
    Fault::Passing { doing: doing.to_owned(), cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_before_the_offset_asked_for_and_after_the_end_are_left_out() {
        let polled: Vec<_> = (3..9).map(|offset| ConsumerRecord::new("t", 0, offset, None, None)).collect();
        let read = |offset, end| match within(&polled, offset, end) {
            Polled::Records(records, next) => (records.iter().map(|record| record.offset).collect::<Vec<_>>(), next),
            Polled::Undecodable(cause) => panic!("{cause}"),
        };
        assert_eq!(read(5, 20), (vec![5, 6, 7, 8], 9));
        assert_eq!(read(5, 7), (vec![5, 6], 7));
        assert_eq!(read(8, 9), (vec![8], 9));
    }
}
