//! Records made larger, by a member that a transaction may have and nobody knows.

use e2e::{
    Checked, Failure, claim,
    kafka::{Batch, Client, Compression, Record},
};

/// Bytes of a batch of padded records, about.
const BATCH_BYTES: usize = 450_000;
/// Records that a mean is taken of, about.
const SAMPLED: i64 = 2_000;

/// Copies a topic's records, in their order, each padded to a value of so many bytes.
///
/// # Errors
/// When Kafka fails, or a record is no JSON object.
pub fn pad(client: &mut Client, from: &str, to: &str, value_bytes: usize) -> Checked {
    let partitions = client.partition_count(from)?.ok_or_else(|| Failure::new(format!("there is no {from}")))?;
    for partition in 0..partitions {
        let end = client.log_end(from, partition)?;
        let mut records = Vec::new();
        let mut reader = Client::new(client.bootstrap());
        let mut failed: Option<Failure> = None;
        reader.read_range(from, partition, 0, end, |record| {
            if failed.is_some() {
                return;
            }
            let Some(value) = record.value.as_deref().and_then(|value| padded(value, value_bytes)) else {
                failed = Some(Failure::new(format!("{from}/{partition} has no object at {}", record.offset)));
                return;
            };
            records.push(Record { value: Some(value.into()), ..record });
            if records.len() * value_bytes >= BATCH_BYTES {
                let batch = Batch::of(std::mem::take(&mut records));
                failed = client.append(to, partition, &batch).err().map(Failure::from);
            }
        })?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        if !records.is_empty() {
            client.append(to, partition, &Batch::of(records))?;
        }
    }
    Ok(())
}

/// `{"a":1}` becomes `{"a":1,"padding":"…"}`.
fn padded(value: &[u8], value_bytes: usize) -> Option<Vec<u8>> {
    const AROUND: usize = r#","padding":"""#.len();
    let members = value.strip_suffix(b"}").filter(|members| members.starts_with(b"{"))?;
    let filler = vec![b'p'; value_bytes.saturating_sub(value.len() + AROUND)];
    Some([members, br#","padding":""#, &filler, br#""}"#].concat())
}

/// Mean bytes of some of a topic's records in a batch, as they are and packed by snappy.
///
/// # Errors
/// When Kafka fails, or there are none.
pub fn mean_bytes(client: &mut Client, topic: &str) -> Checked<(f64, f64)> {
    let partitions = client.partition_count(topic)?.unwrap_or_default();
    let mut records = Vec::new();
    for partition in 0..partitions {
        let end = client.log_end(topic, partition)?.min(SAMPLED / i64::from(partitions));
        client.read_range(topic, partition, 0, end, |record| records.push(record))?;
    }
    claim!(!records.is_empty(), "{topic} is empty");
    #[expect(clippy::cast_precision_loss, reason = "means to three digits")]
    let count = records.len() as f64;
    let mut batch = Batch::of(records);
    #[expect(clippy::cast_precision_loss, reason = "means to three digits")]
    let mut mean = |compression| {
        batch.compression = compression;
        Ok::<_, Failure>(batch.encode()?.len() as f64 / count)
    };
    Ok((mean(Compression::None)?, mean(Compression::Snappy)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_value_has_one_member_more_and_as_many_bytes_as_asked_for() {
        let value = padded(br#"{"a":1}"#, 40).unwrap();
        assert_eq!(value.len(), 40);
        let parsed: serde_json::Value = serde_json::from_slice(&value).unwrap();
        assert_eq!((parsed["a"].as_u64(), parsed["padding"].as_str().map(str::len)), (Some(1), Some(20)));
        assert_eq!(padded(br#"{"a":1}"#, 5).unwrap(), br#"{"a":1,"padding":""}"#, "never cut");
        assert_eq!(padded(b"no object", 40), None);
    }
}
