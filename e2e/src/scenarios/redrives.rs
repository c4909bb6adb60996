//! Dead letters, looked through and sent again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::handmade::{now_ms, record, transaction};
use crate::kafka::{Batch, Record};
use crate::process::Signal;
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage};
use crate::{Checked, Failure, claim, claim_eq, wait};

/// Two partitions: letters move from one to another where that is where their account belongs.
const PARTITIONS: i32 = 2;
/// Records whose currency is spelled wrongly, and which a patch mends.
const MENDABLE: u32 = 40;
/// What nobody can mend.
const GARBAGE: &[u8] = b"\x1b[2Jnot a \xe2\x80\xaetransaction\x07\xff";
/// The value of a record that is as large as the journal takes.
const TOO_LARGE_BYTES: usize = 1_100_000;
/// More than are claimed and sent at a time.
const MANY: u32 = 1_200;

pub(super) fn dead_letters_are_shown_safely_mended_once_and_linked_to_their_origin(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(PARTITIONS)?;
    append_misspelled(stage, 0..MENDABLE)?;
    let mut client = stage.client();
    let amount = altered(900, "amount_minor", json!(0));
    // As if a redrive had sent it before: it came back.
    let returned = misspelled(901).with_header(b"tally-redriven-from", Some(b"1/0"));
    let (good, garbage) = (record(902), Record::new(now_ms(), Some(GARBAGE)));
    client.append(stage.topic(), 1, &Batch::of(vec![good, garbage, amount, returned]))?;
    let before = stage.consume_to_end(&[])?;
    claim_eq!(before["ledger"]["rejected"]["unknown_currency"], MENDABLE + 1, "misspelled");

    lists_and_sheets(stage)?;
    let patch = write_patch(stage)?;
    let flags = ["redrive", "--patch", patch.as_str(), "--json"];
    let asked = |more: &[&'static str], code: i32| {
        let (outcome, code_found) = letters(stage, &[&flags, more].concat())?;
        claim_eq!(code_found, code, "redrive {more:?}: {outcome:?}");
        Ok::<_, Failure>(outcome.first().cloned().unwrap_or_default())
    };
    asked(&[], 2)?;
    let tried = asked(&["--reason", "unknown_currency", "--dry-run"], 1)?;
    claim_eq!((&tried["sent"], &tried["came_back"]), (&json!(MENDABLE), &json!(1)), "what would be sent");
    claim_eq!(stage.length_of("redrives")?, None, "a dry run makes no journal");
    claim_eq!(stage.consume_to_end(&[])?["ledger"], before["ledger"], "and sends nothing");

    let first = asked(&["--yes"], 1)?;
    claim_eq!((&first["looked_at"], &first["sent"]), (&json!(MENDABLE + 3), &json!(MENDABLE)), "sent: {first}");
    claim_eq!((&first["patch_does_not_apply"], &first["came_back"]), (&json!(2), &json!(1)), "left alone: {first}");
    let second = asked(&["--yes", "--reason", "unknown_currency", "--again"], 0)?;
    claim_eq!((&second["sent"], &second["sent_before"]), (&json!(1), &json!(MENDABLE)), "once more: {second}");

    let after = stage.consume_to_end(&[])?;
    stage.claim_agreement(&after)?;
    let ledger = &after["ledger"];
    claim_eq!(ledger["mended"], MENDABLE + 1, "mended");
    claim_eq!(ledger["accepted"], MENDABLE + 1 + 1, "accepted: the mended ones and the one that was good");
    claim_eq!((&ledger["redelivered"], &ledger["missing_from_sequence"]), (&json!(0), &json!(0)), "no repeat, no gap");
    links_lead_back(stage)?;
    let (letters, _) = letters(stage, &["list", "--json", "--limit", "1000"])?;
    let mended = letters.iter().filter(|letter| letter["mended"] == true).count();
    claim_eq!(mended, MENDABLE as usize + 1, "marked as mended in the list");

    // What the journal takes and the transactions topic does not.
    let too_large: Vec<u8> = std::iter::repeat_with(rand::random).take(TOO_LARGE_BYTES).collect();
    let claims = [unsent(0xe, "0", &too_large), unsent(0xf, "9", b"{}")];
    for forged in claims {
        client.append(&stage.topic_of("redrives"), 0, &Batch::of(vec![forged]))?;
    }
    let third = asked(&["--yes", "--reason", "unknown_currency"], 1)?;
    claim_eq!((&third["sent"], &third["for_no_partition"]), (&json!(0), &json!(1)), "for no partition: {third}");
    claim_eq!(third["refused_by_kafka"], 1, "too large for the topic: {third}");
    let mut verify = stage.consumer(&["verify"])?;
    verify.expect_exit(0, RUN_DEADLINE)
}

/// What a redrive has claimed and not sent.
fn unsent(incarnation: u64, partition: &str, value: &[u8]) -> Record {
    let claim = Record { key: Some(b"ACC-1".as_slice().into()), ..Record::new(now_ms(), Some(value)) };
    let headers = [
        ("tally-redrive", format!("{incarnation:016x}")),
        ("tally-redriven-from", format!("1/{incarnation}")),
        ("tally-source-timestamp-ms", "1".to_owned()),
        ("tally-redrive-partition", partition.to_owned()),
        ("tally-redrive-before", "0".to_owned()),
    ];
    let with = |claim: Record, (name, text): (&str, String)| claim.with_header(name.as_bytes(), Some(text.as_bytes()));
    headers.into_iter().fold(claim, with)
}

/// What is printed is text that any terminal may show, whatever the bytes were.
fn lists_and_sheets(stage: &Stage<'_>) -> Checked {
    let (all, _) = letters(stage, &["list", "--json", "--limit", "1000"])?;
    claim_eq!(all.len(), MENDABLE as usize + 3, "all of them");
    let (some, _) = letters(stage, &["list", "--json", "--reason", "invalid_amount", "--partition", "1"])?;
    claim_eq!((some.len(), &some[0]["reason"]), (1, &json!("invalid_amount")), "those asked for");
    let (none, _) = letters(stage, &["list", "--json", "--to", "2020-01-01T00:00:00Z"])?;
    claim_eq!(none.len(), 0, "none was rejected so long ago");
    // To Kafka a time of -1 ms is the end of the log.
    let (since, _) = letters(stage, &["list", "--json", "--limit", "1000", "--from", "1969-12-31T23:59:59.999Z"])?;
    claim_eq!(since.len(), all.len(), "all were rejected since");
    for (arguments, must_have) in [
        (["--partition", "1"], "\\u{1b}[2Jnot a \\u{202e}transaction\\u{7}\\xff"),
        (["--limit", "5"], "There are more: --after "),
    ] {
        let text = printed(stage, &[["dead-letters", "list"], arguments].concat(), 0)?;
        claim!(text.contains(must_have), "{arguments:?}: {text}");
        claim!(!text.chars().any(|c| c.is_control() && c != '\n'), "control characters: {text:?}");
    }
    let sheet = printed(stage, &["dead-letters", "show", "1/1"], 0)?;
    for must_have in ["malformed_json: ", "00000000  1b 5b 32 4a", ".[2Jnot a ...tra", "partition 1, offset 1"] {
        claim!(sheet.contains(must_have), "{must_have}: {sheet}");
    }
    claim!(!sheet.chars().any(|c| c.is_control() && c != '\n'), "control characters: {sheet:?}");
    let text = printed(stage, &["dead-letters", "show", "1/0"], 1)?;
    claim!(text.contains("there is no dead letter of 1/0"), "{text}");
    for wrong in [&["list", "--reason", "ugly"], &["list", "--from", "today"]] {
        printed(stage, &[&["dead-letters"], wrong.as_slice()].concat(), 2)?;
    }
    Ok(())
}

/// Each record that was sent again says for which, and no two say the same.
fn links_lead_back(stage: &Stage<'_>) -> Checked {
    let all = stage.client().read_topic(stage.topic())?;
    let by_place: BTreeMap<String, &Record> =
        all.iter().map(|(partition, record)| (format!("{partition}/{}", record.offset), record)).collect();
    let mut origins = BTreeMap::<String, u32>::new();
    for (_, record) in &all {
        let Some(Some(origin)) = record.header("tally-redriven-from") else { continue };
        let origin = String::from_utf8_lossy(origin).into_owned();
        let id = |record: &Record| -> Value {
            serde_json::from_slice::<Value>(record.value.as_deref().unwrap_or_default()).unwrap_or_default()["id"]
                .clone()
        };
        if record.header("tally-seq").is_some() {
            claim_eq!(by_place.get(&origin).map(|origin| id(origin)), Some(id(record)), "the record at {origin}");
            *origins.entry(origin).or_default() += 1;
        }
    }
    claim_eq!(origins.len(), MENDABLE as usize + 1, "records sent again");
    claim!(origins.values().all(|count| *count == 1), "sent twice: {origins:?}");
    Ok(())
}

pub(super) fn redrives_killed_at_work_or_side_by_side_send_each_letter_once(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(PARTITIONS)?;
    append_misspelled(stage, 0..MANY)?;
    stage.consume_to_end(&[])?;
    let patch = write_patch(stage)?;
    let flags = ["dead-letters", "redrive", "--patch", patch.as_str(), "--json", "--yes"];
    let mut length = 0;
    for _ in 0..3 {
        let mut redrive = stage.consumer(&flags)?;
        // Killed as soon as it has claimed something more: before, while or after it is sent.
        wait::until_true("a claim", RUN_DEADLINE, || {
            let found = stage.client().log_end(&stage.topic_of("redrives"), 0).unwrap_or(0);
            let more = found > length;
            length = length.max(found);
            more || !redrive.runs()
        })?;
        if redrive.runs() {
            redrive.signal(Signal::Kill)?;
        }
        redrive.wait(READY_DEADLINE)?;
    }
    let mut both = [stage.consumer(&flags)?, stage.consumer(&flags)?];
    for redrive in &mut both {
        redrive.expect_exit(0, RUN_DEADLINE)?;
    }
    let (last, _) = letters(stage, &flags[1..])?;
    claim_eq!((&last[0]["sent"], &last[0]["sent_before"]), (&json!(0), &json!(MANY)), "all are sent: {last:?}");
    claim_eq!(last[0]["left_by_others"], 0, "nothing is left: {last:?}");
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    let ledger = &summary["ledger"];
    claim_eq!((&ledger["mended"], &ledger["accepted"]), (&json!(MANY), &json!(MANY)), "each is counted once: {ledger}");
    claim_eq!((&ledger["repeated"], &ledger["missing_from_sequence"]), (&json!(0), &json!(0)), "no repeat, no gap");
    Ok(())
}

fn altered(number: u32, name: &str, value: Value) -> Record {
    let mut altered = transaction(number, now_ms());
    altered[name] = value;
    Record::new(now_ms(), Some(altered.to_string().as_bytes()))
}

fn misspelled(number: u32) -> Record {
    altered(number, "currency", json!("euro"))
}

fn append_misspelled(stage: &Stage<'_>, numbers: std::ops::Range<u32>) -> Checked {
    let mut client = stage.client();
    for start in numbers.clone().step_by(100) {
        let batch = Batch::of((start..numbers.end.min(start + 100)).map(misspelled).collect());
        client.append(stage.topic(), 0, &batch)?;
    }
    Ok(())
}

/// The patch that mends what is misspelled, and nothing else.
fn write_patch(stage: &Stage<'_>) -> Checked<String> {
    let file = stage.folder().join("patch.json");
    let patch = json!([
        {"op": "test", "path": "/currency", "value": "euro"},
        {"op": "replace", "path": "/currency", "value": "EUR"},
    ]);
    std::fs::write(&file, patch.to_string())?;
    Ok(file.to_string_lossy().into_owned())
}

/// What `consumer dead-letters` prints with these arguments, as JSON line by line, and its exit code.
fn letters(stage: &Stage<'_>, arguments: &[&str]) -> Checked<(Vec<Value>, i32)> {
    let mut command = stage.consumer(&[&["dead-letters"], arguments].concat())?;
    let code = command.wait(RUN_DEADLINE)?;
    let lines = command.stdout().lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok((lines, code))
}

fn printed(stage: &Stage<'_>, arguments: &[&str], code: i32) -> Checked<String> {
    let mut command = stage.consumer(arguments)?;
    command.expect_exit(code, RUN_DEADLINE)?;
    Ok(if code == 0 { command.stdout() } else { command.output() })
}
