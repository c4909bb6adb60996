//! `consumer dead-letters redrive`: sends dead letters again, mended, so that they are counted exactly once.
//!
//! ```text
//!   dead letters ─▶ meant? ─▶ counts? ─▶ claimed? ─▶ mend ─▶ claims into the journal ─▶ send ─▶ done
//! ```
//!
//! What would be rejected again is not sent, what was sent before is not sent again, and what was sent again and came back is only
//! sent once more where that is asked for. An interruption anywhere is made good by the next redrive, see [`super::journal`].

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    kafka::{Admin, Cluster, Fault, PartitionReader, PartitionWriter, RETRY_DEADLINE, ReadOptions, Record, WriteError},
    partitioner::partition_for,
    service::{ExitCode, output, read_small_file},
    topics::TopicNames,
    wire::{Origin, Reason, SequenceHeader},
};
use json_patch::Patch;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::{
    DeadLettersError,
    filter::{Filter, origin},
    followed::Followed,
    journal::{Claim, Identity, Unsent},
    letter::Letter,
    mend::{Mended, mend},
    outcome::Outcome,
    text::printable,
};
use crate::{
    checkpoint::chunks,
    clock::now_ms,
    command::{partitions_of, state_partitions},
    error::ConsumerError,
    fold::{FoldSettings, Snapshot},
    restore::highest_snapshots,
    settings::Configuration,
};

/// Offsets of the dead letters' topic that are looked through at a time.
const STRETCH_OFFSETS: i64 = 256;
/// Most dead letters that the journal may have: each takes some forty bytes of memory here.
const CLAIMS_MAX: usize = 10_000_000;
/// How many of the letters that would be sent are shown.
const EXAMPLES: usize = 5;
/// How long a write is tried.
const WRITE_DEADLINE: Duration = RETRY_DEADLINE;

/// What can be asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Only these, by partition and offset of the rejected record
    #[arg(value_name = "PARTITION/OFFSET", value_parser = origin)]
    letters: Vec<Origin>,
    #[command(flatten)]
    filter: Filter,
    /// Mend them by this JSON Patch (RFC 6902); one it does not apply to, by its `test` operations for example, is not sent
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
    /// Send at most so many a second
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Send at most so many
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    limit: u64,
    /// Also send what had been sent again before, and was rejected again
    #[arg(long)]
    again: bool,
    /// Only say what would be done
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Confirm
    #[arg(long)]
    yes: bool,
}

/// Sends dead letters again, if that is confirmed.
///
/// # Errors
/// [`ConsumerError`]; what was sent until then is in the journal, and the next redrive goes on from there.
pub(super) async fn run(configuration: &Configuration, arguments: &Arguments) -> Result<ExitCode, ConsumerError> {
    let patch = arguments.patch.as_deref().map(read_patch).transpose()?;
    if !arguments.dry_run && !arguments.yes {
        return Err(ConsumerError::Unconfirmed(
            "redrive writes records to the transactions topic. See what it would do with --dry-run, then say it again with --yes"
                .to_owned(),
        ));
    }
    let mut redrive = Redrive::begin(configuration, arguments, patch).await?;
    if !arguments.dry_run {
        redrive.finish_what_was_left().await?;
    }
    for partition in arguments.filter.partitions(redrive.partitions) {
        redrive.partition(partition).await?;
    }
    if !arguments.dry_run {
        // What another one had claimed while this one worked, and perhaps did not come to send.
        redrive.journal.read_on().await?;
        redrive.finish_what_was_left().await?;
    }
    redrive.outcome.not_found = redrive.only.len() as u64 - redrive.found.len() as u64;
    let taken = output::result(&redrive.report(configuration.json));
    Ok(if taken && redrive.outcome.is_all_sent() { ExitCode::Done } else { ExitCode::NotRight })
}

fn read_patch(path: &Path) -> Result<Patch, DeadLettersError> {
    let read = read_small_file(path)
        .and_then(|text| serde_json::from_slice(&text).map_err(|error| format!("is no JSON Patch: {error}")));
    read.map_err(|wrong| DeadLettersError::Patch { path: path.display().to_string(), wrong })
}

/// A redrive under way.
struct Redrive<'a> {
    arguments: &'a Arguments,
    patch: Option<Patch>,
    only: BTreeSet<Origin>,
    /// Those of them that there is a letter of.
    found: BTreeSet<Origin>,
    /// Those that were only tried: delivery may leave a letter twice, and it is one.
    tried: BTreeSet<Identity>,
    cluster: Cluster,
    names: TopicNames,
    partitions: i32,
    snapshots: BTreeMap<i32, Snapshot>,
    incarnation: u64,
    journal: Followed,
    journal_writer: PartitionWriter,
    writers: BTreeMap<i32, PartitionWriter>,
    began: Instant,
    /// Letters that had their time since.
    paced: u64,
    outcome: Outcome,
    examples: Vec<String>,
}

impl<'a> Redrive<'a> {
    async fn begin(
        configuration: &Configuration,
        arguments: &'a Arguments,
        patch: Option<Patch>,
    ) -> Result<Self, ConsumerError> {
        let cluster = Cluster::new(configuration.connection.clone());
        let names = TopicNames::new(&configuration.topic);
        let partitions = state_partitions(&cluster, &names).await?;
        arguments.filter.check(partitions)?;
        partitions_of(&cluster, &names.dead_letters).await?;
        let sent_to =
            Admin::connect(&cluster).await?.topic(&names.transactions).await?.map_or(0, |found| found.partitions);
        if sent_to != partitions {
            return Err(DeadLettersError::Layout { topic: names.transactions, sent_to, partitions }.into());
        }
        let snapshots = highest_snapshots(&cluster, &names, partitions).await?;
        let snapshots = snapshots.into_iter().map(|snapshot| (snapshot.partition, snapshot)).collect();
        let mut journal = Followed::new(&cluster, &names, CLAIMS_MAX, RETRY_DEADLINE);
        journal.look(!arguments.dry_run).await?;
        journal.read_on().await?;
        Ok(Self {
            arguments,
            patch,
            only: arguments.letters.iter().copied().collect(),
            found: BTreeSet::new(),
            tried: BTreeSet::new(),
            partitions,
            snapshots,
            incarnation: rand::random(),
            journal,
            journal_writer: PartitionWriter::new(&cluster, &names.redrives, 0),
            writers: BTreeMap::new(),
            began: Instant::now(),
            paced: 0,
            outcome: Outcome { dry_run: arguments.dry_run, ..Outcome::default() },
            examples: Vec::new(),
            cluster,
            names,
        })
    }

    /// Sends what redrives before this one had claimed and did not come to say that it was sent. What can't be sent must not hold up
    /// the others.
    async fn finish_what_was_left(&mut self) -> Result<(), ConsumerError> {
        let is_possible = |partition: &i32| (0..self.partitions).contains(partition);
        let all = self.journal.journal().unsent(now_ms());
        // Of a topic that was made again since, or forged.
        let (possible, impossible): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|unsent| unsent.records.keys().all(is_possible));
        self.outcome.for_no_partition = impossible.iter().map(Unsent::letters).sum();
        self.outcome.refused_by_kafka = 0;
        for unsent in possible {
            let letters = unsent.letters();
            match self.send(unsent).await? {
                None => self.outcome.left_by_others += letters,
                Some(refusal) => {
                    warn!(event = "redrive_refused", letters, %refusal, "claimed before, and Kafka does not take them");
                    self.outcome.refused_by_kafka += letters;
                }
            }
        }
        Ok(())
    }

    /// Goes through the dead letters of a partition, the oldest first.
    async fn partition(&mut self, partition: i32) -> Result<(), ConsumerError> {
        let options = ReadOptions::default();
        let mut reader = PartitionReader::new(&self.cluster, &self.names.dead_letters, partition, options);
        let bounds = reader.bounds().await?;
        let mut offset = self.arguments.filter.first_offset(&mut reader, bounds).await?;
        while offset < bounds.end && !self.outcome.limit_reached {
            let stretch = offset..bounds.end.min(offset + STRETCH_OFFSETS);
            let mut claims = Vec::new();
            let reading = reader.read_through(stretch.clone(), |batch| {
                for record in batch.iter().filter(|record| stretch.contains(&record.offset)) {
                    if let Some(letter) = Letter::read(&record) {
                        claims.extend(self.judge(&letter));
                    }
                }
            });
            reading.await?;
            self.claim_and_send(claims).await?;
            offset = stretch.end;
        }
        Ok(())
    }

    /// What is to be claimed for a letter, if anything; counts it.
    fn judge(&mut self, letter: &Letter) -> Option<Claim> {
        let is_meant =
            self.arguments.filter.takes(letter) && (self.only.is_empty() || self.only.contains(&letter.origin));
        if !is_meant {
            return None;
        }
        self.outcome.looked_at += 1;
        if self.only.contains(&letter.origin) {
            self.found.insert(letter.origin);
        }
        let snapshot = self.snapshots.get(&letter.origin.partition);
        let counts = snapshot.filter(|snapshot| snapshot.generation_at(letter.origin.offset) == letter.generation);
        let Some(snapshot) = counts else {
            self.outcome.of_other_generations += 1;
            return None;
        };
        let identity = letter.identity();
        if self.journal.journal().has_claimed(&identity) || self.tried.contains(&identity) {
            self.outcome.sent_before += 1;
            return None;
        }
        if letter.redriven_from.is_some() && !self.arguments.again {
            self.outcome.came_back += 1;
            return None;
        }
        let claimed_at_ms = now_ms();
        if stands_in_the_id_window(letter, &snapshot.settings, claimed_at_ms) {
            self.outcome.in_the_id_window += 1;
            return None;
        }
        match mend(letter, self.patch.as_ref(), &snapshot.settings.rules(), claimed_at_ms) {
            Err(why) => {
                self.outcome.refuse(&why);
                None
            }
            Ok(_) if self.outcome.sent >= self.arguments.limit => {
                self.outcome.looked_at -= 1;
                self.outcome.limit_reached = true;
                None
            }
            Ok(mended) => {
                self.outcome.sent += 1;
                if self.arguments.dry_run {
                    self.tried.insert(identity);
                    self.show(letter, &mended);
                }
                let partition = partition_for(mended.account.as_bytes(), self.partitions);
                Some(Claim { incarnation: self.incarnation, identity, partition, before: 0, claimed_at_ms, mended })
            }
        }
    }

    fn show(&mut self, letter: &Letter, mended: &Mended) {
        if self.examples.len() < EXAMPLES {
            let after = printable(&mended.value, 400);
            self.examples.push(format!("{}  {}\n    {after}", letter.origin, printable(letter.reason.as_bytes(), 40)));
        }
    }

    async fn claim_and_send(&mut self, claims: Vec<Claim>) -> Result<(), ConsumerError> {
        if self.arguments.dry_run {
            return Ok(());
        }
        for second in claims.chunks(self.arguments.rate as usize) {
            for chunk in chunks(second, |claim| claim.mended.value.len()) {
                sleep_until(self.began + Duration::from_secs_f64(self.paced as f64 / f64::from(self.arguments.rate)))
                    .await;
                self.paced += chunk.len() as u64;
                self.chunk(chunk).await?;
            }
        }
        Ok(())
    }

    /// Claims some letters, and sends what nobody had claimed before.
    async fn chunk(&mut self, claims: &[Claim]) -> Result<(), ConsumerError> {
        let counted = |partition| self.journal.journal().counted(self.incarnation, partition);
        let to_record = |claim: &Claim| Claim { before: counted(claim.partition), ..claim.clone() }.to_record();
        let records: Vec<Record> = claims.iter().map(to_record).collect();
        let before = self.counted();
        let first = written(self.journal_writer.write_records(&records, WRITE_DEADLINE).await)?;
        self.journal.read_to(first + i64::try_from(records.len()).unwrap_or(i64::MAX - first)).await?;
        let topic = &self.names.redrives;
        let won = self
            .counted()
            .checked_sub(before)
            .ok_or_else(|| DeadLettersError::JournalCut { topic: topic.clone(), end: first })?;
        let lost = claims.len() as u64 - won;
        self.outcome.sent -= lost;
        self.outcome.sent_before += lost;
        if let Some(unsent) = self.journal.journal().unsent_of(self.incarnation, now_ms())
            && let Some(refusal) = self.send(unsent).await?
        {
            return Err(refusal.into());
        }
        Ok(())
    }

    /// Sends what was claimed, and writes down that it was. Gives why where Kafka takes some of it never, as it is: that is not written
    /// down as sent then, nor is what was to go to the same partition after it, for its sequence would show a gap.
    async fn send(&mut self, unsent: Unsent) -> Result<Option<Fault>, ConsumerError> {
        let mut refusal = None;
        for (partition, records) in &unsent.records {
            let (cluster, topic) = (&self.cluster, &self.names.transactions);
            let writer =
                self.writers.entry(*partition).or_insert_with(|| PartitionWriter::new(cluster, topic, *partition));
            // In smaller requests where the topic takes no larger ones: the order stays, and with it the sequences' meaning.
            let mut waiting = vec![records.as_slice()];
            while let Some(chunk) = waiting.pop() {
                match writer.write_records(chunk, WRITE_DEADLINE).await {
                    Ok(_) => {}
                    Err(WriteError::TooLarge(_)) if chunk.len() > 1 => {
                        let (first, second) = chunk.split_at(chunk.len() / 2);
                        waiting.extend([second, first]);
                    }
                    Err(WriteError::TooLarge(fault) | WriteError::Refused(fault)) => {
                        refusal = Some(fault);
                        break;
                    }
                    Err(WriteError::Unacknowledged(fault)) => return Err(fault.into()),
                }
            }
        }
        if refusal.is_none() {
            let first = written(self.journal_writer.write_records(&[unsent.done], WRITE_DEADLINE).await)?;
            self.journal.read_to(first + 1).await?;
        }
        Ok(refusal)
    }

    /// How many of its claims count.
    fn counted(&self) -> u64 {
        let journal = self.journal.journal();
        (0..self.partitions).map(|partition| journal.counted(self.incarnation, partition)).sum()
    }

    fn report(&self, json: bool) -> String {
        if json {
            return serde_json::to_string(&self.outcome).expect("numbers always have a JSON form");
        }
        let mut text = String::new();
        if !self.examples.is_empty() {
            text = format!("The first of what would be sent:\n\n{}\n\n", self.examples.join("\n"));
        }
        text + &self.outcome.table()
    }
}

/// Whether the rejected record's own id makes whatever has it a repeat: it was rejected for a sequence that jumped, behind a valid
/// value, and ids of valid records are remembered whatever became of them.
fn stands_in_the_id_window(letter: &Letter, settings: &FoldSettings, now_ms: i64) -> bool {
    let has_sequence = letter.sequence.as_deref().and_then(SequenceHeader::parse).is_some();
    let is_young =
        letter.timestamp_ms.is_none_or(|sent_ms| now_ms.saturating_sub(sent_ms) <= settings.id_window_age_ms);
    letter.reason == Reason::InvalidHeader.code() && has_sequence && is_young
}

fn written(result: Result<i64, WriteError>) -> Result<i64, Fault> {
    result.map_err(Fault::from)
}
