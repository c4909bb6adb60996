//! Batches for tests.

use bytes::BytesMut;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use crate::log::batch::{BatchHeader, Codec, HEADER_BYTES};
use crate::log::compression::compress;
use crate::log::settings::LogSettings;

/// Key, value and timestamp of a record.
pub(crate) type Content<'a> = (Option<&'a str>, Option<&'a str>, i64);

/// An uncompressed batch as a plain producer makes it.
pub(crate) fn batch(contents: &[Content<'_>]) -> Vec<u8> {
    let owned = |text: &str| bytes::Bytes::copy_from_slice(text.as_bytes());
    let records = contents.iter().zip(0..).map(|((key, value, timestamp), offset)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).expect("few records") - 1,
        timestamp: *timestamp,
        key: key.map(owned),
        value: value.map(owned),
        headers: IndexMap::new(),
    });
    let records: Vec<Record> = records.collect();
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut out, &records, &options).expect("encodes");
    out.to_vec()
}

/// The same batch after a change of its header, with a checksum that fits.
pub(crate) fn changed(batch: &[u8], change: impl FnOnce(&mut BatchHeader)) -> Vec<u8> {
    let mut header = BatchHeader::parse(batch).expect("a batch");
    change(&mut header);
    [header.seal(&batch[HEADER_BYTES..]).expect("small").as_slice(), &batch[HEADER_BYTES..]].concat()
}

/// The same batch compressed.
pub(crate) fn compressed(batch: &[u8], codec: Codec) -> Vec<u8> {
    let records = compress(codec, &batch[HEADER_BYTES..]).expect("compresses").expect("gzip or snappy");
    let mut header = BatchHeader::parse(batch).expect("a batch");
    header.attributes = match codec {
        Codec::Gzip => 1,
        Codec::Snappy => 2,
        other => panic!("no test compresses with {other:?}"),
    };
    [header.seal(&records).expect("small").as_slice(), &records].concat()
}

/// Settings that keep everything.
pub(crate) fn settings() -> LogSettings {
    LogSettings {
        segment_bytes: 1 << 30,
        segment_ms: i64::MAX,
        delete: false,
        compact: false,
        retention_ms: None,
        retention_bytes: None,
        batch_bytes_max: 1 << 20,
        log_append_time: false,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        delete_retention_ms: 0,
        min_compaction_lag_ms: 0,
        max_compaction_lag_ms: i64::MAX,
        min_cleanable_dirty_ratio: 0.0,
        min_insync_replicas: 1,
    }
}
