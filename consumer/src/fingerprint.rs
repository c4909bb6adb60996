//! Tells one record from another at the same offset: how a restart notices that the log is not the one its snapshot
//! was made from.

use std::fmt::Write;

use common::kafka::RecordView;
use sha2::{Digest, Sha256};

use crate::fold::LastRecord;

/// What a snapshot keeps of the last record it covers.
#[must_use]
pub fn fingerprint(record: &RecordView<'_>) -> LastRecord {
    let mut hash = Sha256::new();
    for part in [record.key, record.value] {
        // The length in front keeps key and value apart, and nothing apart from no bytes.
        hash.update(part.map_or(u64::MAX, |bytes| bytes.len() as u64).to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    let mut sha256 = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(sha256, "{byte:02x}").expect("writing to a string can't fail");
    }
    LastRecord { offset: record.offset, timestamp_ms: record.timestamp_ms, sha256 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_differ_anywhere_have_different_fingerprints() {
        let record = RecordView { offset: 3, key: Some(b"ab"), value: Some(b"c"), ..RecordView::default() };
        let same = fingerprint(&record);
        assert_eq!(fingerprint(&record), same);
        let others = [
            RecordView { key: Some(b"a"), value: Some(b"bc"), ..record },
            RecordView { value: None, ..record },
            RecordView { value: Some(b""), ..record },
            RecordView { timestamp_ms: 1, ..record },
            RecordView { offset: 4, ..record },
        ];
        for other in others {
            assert_ne!(fingerprint(&other), same);
        }
    }
}
