//! Bytes that are no transactions.

use serde_json::{Value, json};

use crate::handmade::{now_ms, numbered, record, transaction};
use crate::kafka::{Batch, Compression, Record};
use crate::process::Process;
use crate::stage::{READY_DEADLINE, Stage};
use crate::{Checked, claim, claim_eq, wait};

/// Far below a topic's `max.message.bytes`, far above what a value may have.
const HUGE_BYTES: usize = 900_000;
/// Far above what a batch may have unpacked; packed it is a few kilobytes.
const UNPACKED_BYTES: usize = 64 << 20;
/// What can pack as much into a batch that a broker takes: snappy can't, 64 MiB of zeros are 3 MB there.
const PACKED: [Compression; 3] = [Compression::Gzip, Compression::Lz4, Compression::Zstd];
/// Far below what holding such batches takes.
const RESIDENT_KIB_MAX: u64 = 110 << 10;

pub(super) fn each_bad_input_is_a_dead_letter_with_its_bytes_and_reason(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    let mut client = stage.client();
    let mut reasons = std::collections::BTreeMap::<&str, u64>::new();
    for (place, (bad, reason)) in bad_records().into_iter().enumerate() {
        // Each between two good ones: the partition goes on.
        let number = u32::try_from(place)? * 2;
        let batch = Batch::of(vec![record(number), bad, record(number + 1)]);
        client.append(stage.topic(), i32::from(place % 2 == 1), &batch)?;
        *reasons.entry(reason).or_default() += 1;
    }
    let summary = stage.consume_to_end(&[])?;
    // The oracle compares every dead letter's bytes and reason; the table compares the oracle.
    let recount = stage.claim_agreement(&summary)?;
    let mut counted = std::collections::BTreeMap::<&str, u64>::new();
    for (reason, count) in recount.0.values().flat_map(|partition| &partition.rejected) {
        *counted.entry(*reason).or_default() += count;
    }
    claim_eq!(counted, reasons, "rejected by reason, counted and as the table says");
    Ok(())
}

/// Records that must be rejected, each with its reason.
fn bad_records() -> Vec<(Record, &'static str)> {
    let bytes = |bytes: &[u8]| Record::new(now_ms(), Some(bytes));
    let sequenced = |header: Option<&[u8]>| record(900_000).with_header(b"tally-seq", header);
    let mut table = vec![
        (Record::new(now_ms(), None), "empty"),
        (bytes(b""), "empty"),
        (bytes(&vec![b' '; HUGE_BYTES]), "too_large"),
        (bytes(b"\x00\x01\x02garbage\xff"), "malformed_json"),
        (bytes(b"{\"id\":\"\xc3\x28\"}"), "malformed_json"),
        (bytes(b"null"), "malformed_json"),
        (bytes(b"{}{}"), "malformed_json"),
        (bytes("[".repeat(50_000).as_bytes()), "malformed_json"),
        (bytes(format!("{{\"id\":{}", "{\"a\":".repeat(10_000)).as_bytes()), "malformed_json"),
        (sequenced(None), "invalid_header"),
        (sequenced(Some(b"")), "invalid_header"),
        (sequenced(Some(b"0123456789abcdef:0")), "invalid_header"),
        (sequenced(Some(b"0123456789ABCDEF:1")), "invalid_header"),
        (sequenced(Some(b"0123456789abcdef:10000002")), "invalid_header"),
        (sequenced(Some(b"0123456789abcdef:18446744073709551616")), "invalid_header"),
        (sequenced(Some(b"\xff\xfe")), "invalid_header"),
    ];
    table.extend(altered_transactions().into_iter().map(|(value, reason)| (bytes(value.as_bytes()), reason)));
    table
}

/// Valid transactions with one thing made wrong.
fn altered_transactions() -> Vec<(String, &'static str)> {
    let with = |name: &str, value: Value| {
        let mut altered = transaction(900_001, now_ms());
        altered[name] = value;
        altered.to_string()
    };
    let good = transaction(900_002, now_ms()).to_string();
    let mut missing = transaction(900_003, now_ms());
    missing.as_object_mut().map(|members| members.remove("merchant_category"));
    vec![
        (missing.to_string(), "malformed_json"),
        (good.replacen('{', "{\"id\":\"x\",", 1), "malformed_json"),
        (format!("{good} x"), "malformed_json"),
        (good[..good.len() - 1].to_owned(), "malformed_json"),
        (format!("[{good}]"), "malformed_json"),
        (with("amount_minor", json!("100")), "malformed_json"),
        (with("amount_minor", json!(1.5)), "malformed_json"),
        (with("amount_minor", json!(u64::MAX)), "malformed_json"),
        (with("id", Value::Null), "malformed_json"),
        (with("schema_version", json!("1")), "malformed_json"),
        (with("schema_version", json!(2)), "unsupported_schema_version"),
        ("{\"schema_version\":2,\"anything\":[]}".to_owned(), "unsupported_schema_version"),
        (with("id", json!("6f9619ff8b864d01b42d00cf4fc964ff")), "invalid_id"),
        (with("account", json!("")), "invalid_account"),
        (with("account", json!("a".repeat(65))), "invalid_account"),
        (with("account", json!("ACC-é")), "invalid_account"),
        (with("type", json!("gift")), "unknown_type"),
        (with("currency", json!("eur")), "unknown_currency"),
        (with("currency", json!("XAU")), "unknown_currency"),
        (with("amount_minor", json!(0)), "invalid_amount"),
        (with("amount_minor", json!(-5)), "invalid_amount"),
        (with("amount_minor", json!(1_000_000_000_001_i64)), "invalid_amount"),
        (with("merchant_name", json!("")), "invalid_merchant"),
        (with("merchant_name", json!("a\u{0}b")), "invalid_merchant"),
        (with("country", json!("UK")), "invalid_country"),
        (with("country", json!("fr")), "invalid_country"),
        (with("channel", json!("fax")), "invalid_channel"),
        (with("occurred_at", json!("yesterday")), "invalid_time"),
        (with("occurred_at", json!("2026-02-30T00:00:00Z")), "invalid_time"),
        (with("occurred_at", json!("2026-11-20 19:12:01Z")), "invalid_time"),
        (with("occurred_at", json!("9999-12-31T23:59:59Z")), "future_dated"),
    ]
}

pub(super) fn a_batch_sent_again_is_redelivered_and_a_gap_is_counted(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    let mut client = stage.client();
    let incarnation = 0x00c0_ffee_0bad_cafe;
    let batch = |numbers: std::ops::RangeInclusive<u32>| {
        Batch::of(numbers.map(|number| numbered(number, incarnation, number.into())).collect())
    };
    // A throttled client resends what was appended; then three records never come; then a stranger repeats an id.
    client.append(stage.topic(), 0, &batch(1..=100))?;
    client.append(stage.topic(), 0, &batch(1..=100))?;
    client.append(stage.topic(), 0, &batch(101..=150))?;
    client.append(stage.topic(), 0, &batch(141..=160))?;
    client.append(stage.topic(), 0, &batch(164..=170))?;
    client.append(stage.topic(), 0, &Batch::of(vec![record(5), record(6)]))?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    let ledger = &summary["ledger"];
    claim_eq!(ledger["accepted"], 100 + 50 + 10 + 7, "accepted");
    claim_eq!(ledger["redelivered"], 100 + 10, "redelivered");
    claim_eq!(ledger["repeated"], 2, "repeated");
    claim_eq!(ledger["missing_from_sequence"], 3, "missing from the sequence");
    Ok(())
}

pub(super) fn a_batch_that_is_huge_unpacked_is_undecodable_and_is_passed(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    let mut client = stage.client();
    let huge = Record::new(now_ms(), Some(&vec![b'0'; UNPACKED_BYTES]));
    let mut send = |record, compression| client.append(stage.topic(), 0, &Batch { records: vec![record], compression });
    send(record(0), Compression::Gzip)?;
    for (number, compression) in (1..).zip(PACKED) {
        send(huge.clone(), compression)?;
        send(record(number), compression)?;
    }
    let mut consumer = stage.consumer(&[])?;
    let ledger = |consumer: &Process| -> Option<Value> {
        let summary: Value = serde_json::from_str(&consumer.get("/api/v1/summary")?.body).ok()?;
        Some(summary["ledger"].clone())
    };
    wait::until_true("all records consumed", READY_DEADLINE, || {
        consumer.runs() && ledger(&consumer).is_some_and(|ledger| ledger["consumed"] == 2 * PACKED.len() + 1)
    })?;
    let peak_kib = consumer.resident_peak_kib().unwrap_or(u64::MAX);
    claim!(peak_kib <= RESIDENT_KIB_MAX, "the consumer took up to {peak_kib} KiB");
    let ledger = ledger(&consumer).unwrap_or_default();
    claim_eq!(ledger["accepted"], PACKED.len() + 1, "accepted");
    claim_eq!(ledger["rejected"]["undecodable"], PACKED.len(), "undecodable");
    consumer.terminate(READY_DEADLINE)?;
    Ok(())
}
