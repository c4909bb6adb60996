//! `consumer dead-letters list` and `show`.

use std::fmt::Write;

use common::{
    kafka::{Cluster, RETRY_DEADLINE},
    service::{ExitCode, output},
    topics::TopicNames,
    wire::{Origin, Reason},
};

use tracing::warn;

use super::{
    DeadLettersError,
    browse::{Browser, PARTITIONS_MAX, Page, Place, Query},
    filter::{Filter, origin},
    followed::Followed,
    letter::{Entry, Letter},
    text::hex_dump,
};
use crate::{command::partitions_of, dead_letter::explain, error::ConsumerError, settings::Configuration};

/// Letters that are looked for at a time.
const PAGE_LETTERS: usize = 1_000;
/// Characters of a value in a line.
const LINE_CHARS: usize = 80;
/// Redriven letters that are kept in mind to say which of those shown are among them.
pub(crate) const CLAIMS_SHOWN_MAX: usize = 1_000_000;

/// What can be asked of a list.
#[derive(Clone, Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    filter: Filter,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Go on where a list ended
    #[arg(long, value_name = "PLACE")]
    after: Option<Place>,
}

/// What can be asked of one letter.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowArguments {
    /// Partition and offset of the rejected record
    #[arg(value_name = "PARTITION/OFFSET", value_parser = origin)]
    letter: Origin,
}

/// What dead letters are read with.
struct Desk {
    partitions: i32,
    browser: Browser,
    journal: Followed,
}

impl Desk {
    async fn open(configuration: &Configuration) -> Result<Self, ConsumerError> {
        let cluster = Cluster::new(configuration.connection.clone());
        let names = TopicNames::new(&configuration.topic);
        let partitions = partitions_of(&cluster, &names.dead_letters).await?;
        let mut journal = Followed::new(&cluster, &names, CLAIMS_SHOWN_MAX, RETRY_DEADLINE);
        // What was sent again is an extra: without the journal, or the right to read it, that is not known.
        if let Err(error) = journal.refresh().await {
            warn!(event = "redrives_unknown", %error, "which are mended is not known");
        }
        Ok(Self { partitions, browser: Browser::new(&cluster, &names.dead_letters, RETRY_DEADLINE), journal })
    }
}

/// Prints what is asked for, page by page.
pub(super) async fn list(configuration: &Configuration, asked: &ListArguments) -> Result<ExitCode, ConsumerError> {
    let mut desk = Desk::open(configuration).await?;
    let partitions = desk.partitions;
    asked.filter.check(partitions)?;
    if asked.filter.partitions(partitions).count() > PARTITIONS_MAX {
        return Err(DeadLettersError::TooManyPartitions { partitions }.into());
    }
    let mut left = asked.limit as usize;
    let mut query = Query { filter: asked.filter.clone(), after: asked.after.clone(), limit: 0 };
    loop {
        query.limit = left.min(PAGE_LETTERS);
        let journal = &desk.journal;
        let show = |letter: Letter| letter.entry(journal.has_sent(&letter));
        let page = desk.browser.page(partitions, &query, show).await?;
        left -= page.letters.len();
        let goes_on = left > 0 && page.next_after.is_some();
        let text = if configuration.json { lines_of_json(&page) } else { lines(&page, goes_on) };
        if !text.is_empty() && !output::result(&text) {
            return Ok(ExitCode::NotRight);
        }
        query.after = page.next_after;
        if !goes_on {
            break;
        }
    }
    let is_none = left == asked.limit as usize && !configuration.json;
    let taken = !is_none || output::result("There are none.");
    Ok(if taken { ExitCode::Done } else { ExitCode::NotRight })
}

fn lines_of_json(page: &Page<Entry>) -> String {
    let lines =
        page.letters.iter().map(|entry| serde_json::to_string(entry).expect("text and numbers have a JSON form"));
    lines.collect::<Vec<_>>().join("\n")
}

fn lines(page: &Page<Entry>, goes_on: bool) -> String {
    let mut text = String::new();
    for entry in &page.letters {
        let place = format!("{}/{}", entry.partition, entry.offset);
        let mended = if entry.mended == Some(true) { "mended " } else { "" };
        let value: String = entry.value_text.as_deref().unwrap_or("(no value)").chars().take(LINE_CHARS).collect();
        let _ = writeln!(text, "{place:>14}  {}  {:<26}  {mended}{value}", entry.rejected_at, entry.reason);
    }
    if let Some(next) = page.next_after.as_ref().filter(|_| !goes_on) {
        let _ = writeln!(text, "There are more: --after {next}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// Prints all of one letter.
pub(super) async fn show(configuration: &Configuration, asked: &ShowArguments) -> Result<ExitCode, ConsumerError> {
    let mut desk = Desk::open(configuration).await?;
    let unknown = || DeadLettersError::Unknown { origin: asked.letter };
    if asked.letter.partition >= desk.partitions {
        return Err(unknown().into());
    }
    let letter = desk.browser.find(asked.letter).await?.ok_or_else(unknown)?;
    let entry = letter.whole(desk.journal.has_sent(&letter));
    let text = if configuration.json {
        serde_json::to_string(&entry).expect("text and numbers always have a JSON form")
    } else {
        sheet(&letter, &entry)
    };
    Ok(if output::result(&text) { ExitCode::Done } else { ExitCode::NotRight })
}

fn sheet(letter: &Letter, entry: &Entry) -> String {
    let mut sheet = String::new();
    let mut row = |name: &str, text: &str| {
        let _ = writeln!(sheet, "{name:<16}{text}");
    };
    row("record", &format!("partition {}, offset {}", entry.partition, entry.offset));
    let known = Reason::from_code(&letter.reason);
    row("reason", &known.map_or(entry.reason.clone(), |reason| format!("{reason}: {}", explain(reason))));
    row("rejected", &format!("{} by generation {}", entry.rejected_at, entry.generation));
    row("sent", entry.timestamp.as_deref().unwrap_or("at no known time"));
    row("key", entry.key_text.as_deref().unwrap_or("none"));
    if let Some(sequence) = &letter.sequence {
        row("tally-seq", &super::text::printable(sequence, LINE_CHARS));
    }
    if let Some(origin) = &entry.redriven_from {
        row("redriven from", origin);
    }
    if entry.mended == Some(true) {
        row("mended", "it was sent again since");
    }
    let bytes = letter.value.as_ref().map_or(0, Vec::len);
    match (&letter.value, letter.truncated_from_bytes) {
        (None, _) => row("value", "none"),
        (Some(_), None) => row("value", &format!("{bytes} bytes")),
        (Some(_), Some(whole)) => row("value", &format!("the first {bytes} of {whole} bytes")),
    }
    if let (Some(value), Some(text)) = (&letter.value, &entry.value_text) {
        let _ = write!(sheet, "\n{text}\n\n{}", hex_dump(value));
    }
    sheet.truncate(sheet.trim_end().len());
    sheet
}
