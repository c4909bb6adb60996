//! Any bytes as the value of a record: the decoder must return, and must say what its model says.
//!
//! The input is a Kafka timestamp (8 bytes) and a value. To run it for five minutes, from the folder `common`:
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run decode fuzz/corpus/decode fuzz/seeds/decode -- -dict=fuzz/json.dict -max_total_time=300
//! ```
//!
//! Found inputs land in `fuzz/corpus` (not committed); `fuzz/seeds` are the records to start from.

#![no_main]

use common::wire::{Rules, SequenceHeader, decode, encode, parse_intended_us};
use libfuzzer_sys::fuzz_target;

#[path = "../../src/wire/tests/model.rs"]
mod model;

fuzz_target!(|input: &[u8]| {
    let Some((timestamp, value)) = input.split_first_chunk::<8>() else { return };
    let kafka_ms = i64::from_be_bytes(*timestamp);

    if let Some(header) = SequenceHeader::parse(value) {
        assert_eq!(header.format(&mut [0; SequenceHeader::BYTES_MAX]), value);
    }
    let _ = parse_intended_us(value);

    let ours = decode(Some(value), kafka_ms, &Rules::default());
    if let Ok(transaction) = &ours {
        let mut written = Vec::new();
        encode(transaction, &mut written);
        assert_eq!(decode(Some(&written), kafka_ms, &Rules::default()).as_ref(), Ok(transaction));
    }

    let Some(theirs) = model::decode(value, kafka_ms) else { return };
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours.id, theirs.id);
            assert_eq!(ours.account, theirs.account);
            assert_eq!(ours.kind.code(), theirs.kind);
            assert_eq!(ours.amount_minor, theirs.amount_minor);
            assert_eq!(ours.currency.code(), theirs.currency);
            assert_eq!(ours.merchant_name, theirs.merchant_name);
            assert_eq!(ours.country.code(), theirs.country);
            assert_eq!(ours.channel.code(), theirs.channel);
            assert_eq!(ours.occurred_at_ms, theirs.occurred_at_ms);
        }
        (ours, theirs) => assert_eq!(ours.err().map(|reason| reason.code()), theirs.err()),
    }
});
