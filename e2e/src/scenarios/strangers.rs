//! Records of clients that aren't ours, and batches that ours would not write.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::cluster::jars;
use crate::handmade::{now_ms, record, transaction};
use crate::kafka::{Batch, Compression, Record};
use crate::stage::Stage;
use crate::{Checked, Failure, claim, claim_eq};

/// How many records each stranger sends.
const EACH: u32 = 200;
/// Its program, with its folder's place in the repository.
const TRANSACTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/java/Transactions.java");

pub(super) fn records_of_other_clients_count_alike(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(3)?;
    let mut client = stage.client();
    for number in 0..EACH {
        let partition = i32::try_from(number % 3)?;
        let mut record = record(number).with_header(b"traceparent", Some(b"00-0-0-00"));
        record.key = None;
        client.append(stage.topic(), partition, &Batch::of(vec![record]))?;
    }
    stage.produce(&["--count", "1000", "--rate", "0", "--seed", "17"])?;
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim_eq!(recount.sum(|partition| partition.accepted), 1_000 + u64::from(EACH), "accepted, ours and theirs");
    claim_eq!(recount.0.len(), 3, "an existing topic keeps its partitions");
    Ok(())
}

pub(super) fn every_compression_and_odd_headers_are_counted_all_the_same(stage: &mut Stage<'_>) -> Checked {
    // A timestamp beyond the calendar is only let in where the topic doesn't bound it.
    let lax = [("message.timestamp.after.max.ms", "9223372036854775807")];
    stage.create(stage.topic(), 2, &lax)?;
    let mut client = stage.client();
    let mut number = 0;
    let mut next = || {
        number += 1;
        record(number)
    };
    for compression in [Compression::Lz4, Compression::Zstd, Compression::Gzip, Compression::Snappy, Compression::None]
    {
        for partition in [0, 1] {
            let records = vec![
                next(),
                next().with_header(b"nothing", None),
                next().with_header(b"\xff\xfe", Some(b"not text")),
                Record { timestamp_ms: 9_000_000_000_000_000, ..next() },
                next(),
            ];
            // Together in one batch, and each in a batch of its own.
            client.append(stage.topic(), partition, &Batch { records, compression })?;
            client.append(stage.topic(), partition, &Batch { records: vec![next()], compression })?;
            let odd = next().with_header(b"\xc3\x28", None);
            client.append(stage.topic(), partition, &Batch { records: vec![odd], compression })?;
        }
    }
    stage.produce(&["--count", "1000", "--rate", "0", "--seed", "18"])?;
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim_eq!(recount.sum(|partition| partition.accepted), 1_000 + u64::from(number), "accepted, ours and theirs");
    super::verify::claim_verified(stage).map(drop)
}

pub(super) fn the_java_console_producer_is_understood_in_every_compression(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    let mut first = 0;
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let mut tool = jars().map_err(Failure::new)?.tool("org.apache.kafka.tools.ConsoleProducer");
        tool.args(["--bootstrap-server", stage.cluster().bootstrap(), "--topic", stage.topic()]);
        tool.args(["--compression-codec", compression]);
        feed(tool, &lines(stage, first)?)?;
        first += EACH;
    }
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim_eq!(recount.sum(|partition| partition.accepted), u64::from(first), "accepted");
    Ok(())
}

pub(super) fn kcat_is_understood(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    let mut first = 0;
    for compression in ["none", "lz4", "zstd"] {
        let mut kcat = Command::new("kcat");
        kcat.args(["-P", "-b", stage.cluster().bootstrap(), "-t", stage.topic(), "-z", compression]);
        feed(kcat, &lines(stage, first)?)?;
        first += EACH;
    }
    let summary = stage.consume_to_end(&[])?;
    let recount = stage.claim_agreement(&summary)?;
    claim_eq!(recount.sum(|partition| partition.accepted), u64::from(first), "accepted");
    Ok(())
}

/// A file of transactions, one a line.
fn lines(stage: &Stage<'_>, first: u32) -> Checked<std::path::PathBuf> {
    let path = stage.folder().join(format!("lines-{first}"));
    let lines: Vec<String> = (first..first + EACH).map(|number| transaction(number, now_ms()).to_string()).collect();
    std::fs::write(&path, lines.join("\n") + "\n")?;
    Ok(path)
}

/// Runs a program with a file as its input.
fn feed(mut command: Command, input: &Path) -> Checked {
    let output = command.stdin(File::open(input)?).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    claim!(output.status.success(), "{:?} ended with {}: {said}", command.get_program(), output.status);
    Ok(())
}

pub(super) fn transactions_of_a_java_producer_count_and_an_open_one_hangs_nothing(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(1)?;
    let mut script = Vec::new();
    let mut number = 0;
    let mut send = |script: &mut Vec<String>, count: u32| {
        script.extend((number..number + count).map(|number| transaction(number, now_ms()).to_string()));
        number += count;
    };
    for end in ["commit", "abort", "commit"] {
        script.push("begin".to_owned());
        send(&mut script, 20);
        script.push(end.to_owned());
    }
    transact(stage, &script)?;
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    claim_eq!(summary["ledger"]["accepted"], 60, "aborted records count too (documented)");
    claim_eq!(summary["ledger"]["offsets_without_record"], 3, "three markers");

    // An open transaction hides what comes after its start, also other clients' records, from who reads committed ones.
    let mut open = vec!["begin".to_owned()];
    send(&mut open, 20);
    open.push("leave".to_owned());
    transact(stage, &open)?;
    stage.client().append(stage.topic(), 0, &Batch::of(vec![record(1_000)]))?;
    let end = stage.client().log_end(stage.topic(), 0)?;
    let stable_end = stage.client().stable_end(stage.topic(), 0)?;
    claim!(stable_end < end, "the transaction is not open: the log ends at {end}, its stable part at {stable_end}");
    let summary = stage.consume_to_end(&[])?;
    stage.claim_agreement(&summary)?;
    super::verify::claim_verified(stage).map(drop)
}

fn transact(stage: &Stage<'_>, script: &[String]) -> Checked {
    let path = stage.folder().join(format!("script-{}", script.len()));
    std::fs::write(&path, script.join("\n") + "\n")?;
    let mut java = jars().map_err(Failure::new)?.source(Path::new(TRANSACTIONS));
    java.args([stage.cluster().bootstrap(), stage.topic(), "0"]);
    feed(java, &path)
}
