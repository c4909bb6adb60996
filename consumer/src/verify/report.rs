//! What a verification came to, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::{evidence::Compared, figures::Difference, partition::Checked, unchecked::Unchecked};
use crate::{
    fold::Snapshot,
    report::{grouped, ledger_table},
    summary::Summary,
};

/// Differences told of one partition; of the others only how many there are.
const DIFFERENCES_TOLD_MAX: usize = 20;
/// Longest text of one side of a difference: a closed window has all its cells in it.
const TEXT_CHARS_MAX: usize = 200;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every number is the same.
    Equal,
    /// Some are not.
    Different,
    /// It can't be said.
    Unchecked,
}

/// One partition's part.
#[derive(Debug, Serialize)]
pub struct PartitionReport {
    /// Its number.
    pub partition: i32,
    /// Its answer.
    pub verdict: Verdict,
    /// Why it could not be checked.
    pub reason: Option<String>,
    /// Generation of the snapshot.
    pub generation: Option<u64>,
    /// Where the snapshot stands.
    pub next_offset: Option<i64>,
    /// The offset from which on records were counted again.
    pub from_offset: Option<i64>,
    /// What came before was taken from an anchor.
    pub from_anchor: bool,
    /// Records counted again.
    pub records: u64,
    /// How many numbers differ.
    pub differences_in_all: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// Dead letters of the records counted again; null where there is no such topic.
    pub dead_letters: Option<Compared>,
    /// Closed windows; null where there is no such topic.
    pub closed_windows: Option<Compared>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The worst of the partitions' answers.
    pub verdict: Verdict,
    /// Why nothing could be checked at all.
    pub reason: Option<String>,
    /// Records counted again.
    pub records: u64,
    /// How long it took, without waiting for consumers to catch up.
    pub elapsed_ms: u64,
    /// Records counted again in a second.
    pub records_per_second: u64,
    /// Each partition's part, by number.
    pub partitions: Vec<PartitionReport>,
    /// What the snapshots say, as `consumer summary` does; null where none could be read.
    pub summary: Option<Summary>,
}

impl PartitionReport {
    /// What was found out about a partition.
    pub(super) fn new(partition: i32, snapshot: Option<&Snapshot>, checked: Result<Checked, Unchecked>) -> Self {
        let (generation, next_offset) =
            (snapshot.map(|snapshot| snapshot.generation), snapshot.map(|snapshot| snapshot.next_offset));
        match checked {
            Ok(checked) => Self {
                partition,
                verdict: if checked.differences.is_empty() { Verdict::Equal } else { Verdict::Different },
                reason: None,
                generation,
                next_offset,
                from_offset: Some(checked.from_offset),
                from_anchor: checked.from_anchor,
                records: checked.records,
                differences_in_all: checked.differences.len() as u64,
                differences: checked.differences.into_iter().take(DIFFERENCES_TOLD_MAX).map(short).collect(),
                dead_letters: checked.dead_letters,
                closed_windows: checked.closed_windows,
            },
            Err(reason) => Self {
                partition,
                verdict: Verdict::Unchecked,
                reason: Some(reason.to_string()),
                generation,
                next_offset,
                from_offset: None,
                from_anchor: false,
                records: 0,
                differences_in_all: 0,
                differences: Vec::new(),
                dead_letters: None,
                closed_windows: None,
            },
        }
    }

    fn line(&self) -> String {
        let Self { partition, from_offset, next_offset, .. } = self;
        let (Some(from), Some(to)) = (from_offset, next_offset) else {
            return format!("  partition {partition}: could not check: {}", self.reason.as_deref().unwrap_or_default());
        };
        let what = if self.from_anchor { "an anchor" } else { "the first counted" };
        let verdict = match self.verdict {
            Verdict::Different => format!("{} numbers DIFFER", self.differences_in_all),
            _ => "equal".to_owned(),
        };
        format!(
            "  partition {partition}: offsets {from} ({what}) to {to}, {} records: {verdict}",
            grouped(self.records)
        )
    }
}

impl Report {
    /// Nothing could be checked.
    #[must_use]
    pub fn unchecked(reason: &Unchecked) -> Self {
        Self {
            verdict: Verdict::Unchecked,
            reason: Some(reason.to_string()),
            records: 0,
            elapsed_ms: 0,
            records_per_second: 0,
            partitions: Vec::new(),
            summary: None,
        }
    }

    /// The parts together. A difference outweighs what could not be checked.
    #[must_use]
    pub fn of(mut partitions: Vec<PartitionReport>, summary: Summary, elapsed: std::time::Duration) -> Self {
        partitions.sort_unstable_by_key(|part| part.partition);
        let has = |verdict| partitions.iter().any(|part| part.verdict == verdict);
        let verdict = if has(Verdict::Different) {
            Verdict::Different
        } else if has(Verdict::Unchecked) || partitions.is_empty() {
            Verdict::Unchecked
        } else {
            Verdict::Equal
        };
        let records = partitions.iter().map(|part| part.records).sum();
        Self {
            verdict,
            reason: None,
            records,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            records_per_second: crate::report::per_second(records, elapsed),
            partitions,
            summary: Some(summary),
        }
    }

    /// For people: the ledger, what was checked, what differs.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(summary) = &self.summary {
            let _ = writeln!(text, "{}\nCounted again", ledger_table(summary));
        }
        for part in &self.partitions {
            let _ = writeln!(text, "{}", part.line());
        }
        self.put_given_out(&mut text, "dead letters", |part| part.dead_letters);
        self.put_given_out(&mut text, "closed windows, by type and by currency", |part| part.closed_windows);
        self.put_differences(&mut text);
        let _ = match self.verdict {
            Verdict::Equal => write!(
                text,
                "Every number is the same: {} records in {} partitions, {} records/s.",
                grouped(self.records),
                self.partitions.len(),
                grouped(self.records_per_second)
            ),
            Verdict::Different => write!(text, "THE SNAPSHOTS AND THE LOG DIFFER."),
            Verdict::Unchecked => match &self.reason {
                Some(reason) => write!(text, "Could not check: {reason}"),
                None => write!(text, "Could not check every partition. In the others every number is the same."),
            },
        };
        text
    }

    fn put_given_out(&self, text: &mut String, what: &str, of: impl Fn(&PartitionReport) -> Option<Compared>) {
        let Some(sum) = self.partitions.iter().filter_map(of).reduce(|mut sum, other| {
            sum.add(&other);
            sum
        }) else {
            return;
        };
        let (there, expected) = (grouped(sum.there), grouped(sum.expected));
        let rest = if sum.there == sum.expected || sum.complete {
            ""
        } else {
            "; retention has begun to delete them, so what is missing is not held against it"
        };
        let _ = writeln!(text, "  {what}: {there} of {expected} there{rest}");
    }

    fn put_differences(&self, text: &mut String) {
        for part in &self.partitions {
            let told = part.differences.len() as u64;
            for Difference { name, found, recounted } in &part.differences {
                let _ = writeln!(text, "  partition {}: {name}: found {found}, recounted {recounted}", part.partition);
            }
            if part.differences_in_all > told {
                let more = grouped(part.differences_in_all - told);
                let _ = writeln!(text, "  partition {}: and {more} more", part.partition);
            }
        }
    }
}

fn short(difference: Difference) -> Difference {
    let cut = |text: String| match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    Difference { found: cut(difference.found), recounted: cut(difference.recounted), ..difference }
}
