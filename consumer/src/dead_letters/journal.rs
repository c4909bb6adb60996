//! What was sent again for which dead letter, so that none is sent twice, whoever asks for it, however often, and wherever
//! they were interrupted.
//!
//! ```text
//!   journal (one partition):  claim 3/41 by A ─ claim 0/7 by A ─ claim 3/41 by B ─ A done up to 1 ─ …
//!                             └ A's              └ A's            └ too late: A was first
//! ```
//!
//! A *claim* holds the very record that is going to be sent. It is written before that, and the first claim of a dead letter in
//! the journal is the one that counts: its order decides between two redrives at the same time. A redrive is an incarnation as a
//! producer is, and the claims of an incarnation that count have sequences from 1 on in each partition, which follow from the
//! journal alone. So whoever finds claims that nobody said to be done sends them, the same bytes under the same sequences; what
//! had arrived is counted as redelivered then. Nobody needs to know who was interrupted, or where.
//!
//! Pure: what is read and written is elsewhere.

use std::collections::{BTreeMap, HashMap, HashSet};

use common::{
    kafka::{Record, RecordView},
    wire::{Origin, REDRIVEN_HEADER, SEQUENCE_HEADER, SequenceHeader},
};

use super::mend::Mended;
use crate::dead_letter::SOURCE_TIMESTAMP_HEADER;

/// Which redrive it is: 16 hexadecimal digits, as an incarnation is written.
const REDRIVE_HEADER: &str = "tally-redrive";
/// Which partition a claimed record goes to.
const PARTITION_HEADER: &str = "tally-redrive-partition";
/// How many claims of the same redrive for the same partition counted before: what came before it may have been deleted.
const BEFORE_HEADER: &str = "tally-redrive-before";
/// Up to which offset of the journal all claims of this redrive were sent and acknowledged.
const DONE_HEADER: &str = "tally-redrive-done";

/// No redrive comes so far.
const BEFORE_MAX: u64 = u64::MAX / 2;

/// A dead letter whatever generation rejected it: offsets of a topic that was made again mean other records.
pub type Identity = (Origin, Option<i64>);

/// A record that is going to be sent for a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which redrive.
    pub incarnation: u64,
    /// For which dead letter.
    pub identity: Identity,
    /// Where to.
    pub partition: i32,
    /// How many of this redrive have gone there, when it was claimed.
    pub before: u64,
    /// When it was claimed, which is the record's timestamp, in milliseconds since the epoch.
    pub claimed_at_ms: i64,
    /// What is sent.
    pub mended: Mended,
}

/// A claim that counts and that nobody has said to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    journal_offset: i64,
    sequence: u64,
    claim: Claim,
}

/// Everything that the journal says, up to an offset.
#[derive(Debug, Default)]
pub struct Journal {
    claimed: HashSet<Identity>,
    sequences: HashMap<(u64, i32), u64>,
    open: BTreeMap<u64, Vec<Open>>,
}

/// What an incarnation has to send, in order, and what is to be written once that is acknowledged.
#[derive(Debug)]
pub struct Unsent {
    /// By partition.
    pub records: BTreeMap<i32, Vec<Record>>,
    /// For the journal.
    pub done: Record,
}

impl Unsent {
    /// How many dead letters these are.
    #[must_use]
    pub fn letters(&self) -> u64 {
        self.records.values().map(|records| records.len() as u64).sum()
    }
}

impl Claim {
    /// The claim as a record of the journal.
    #[must_use]
    pub fn to_record(&self) -> Record {
        let (origin, timestamp_ms) = self.identity;
        let mut headers = vec![
            (REDRIVE_HEADER, format!("{:016x}", self.incarnation).into_bytes()),
            (REDRIVEN_HEADER, origin.to_string().into_bytes()),
            (PARTITION_HEADER, self.partition.to_string().into_bytes()),
            (BEFORE_HEADER, self.before.to_string().into_bytes()),
        ];
        headers.extend(timestamp_ms.map(|ms| (SOURCE_TIMESTAMP_HEADER, ms.to_string().into_bytes())));
        Record {
            timestamp_ms: self.claimed_at_ms,
            key: Some(self.mended.account.clone().into_bytes()),
            value: Some(self.mended.value.clone()),
            headers,
        }
    }

    fn read(record: &RecordView<'_>, incarnation: u64) -> Option<Self> {
        let origin = record.redriven_from.and_then(Origin::parse)?;
        let account = std::str::from_utf8(record.key?).ok()?.to_owned();
        Some(Self {
            incarnation,
            identity: (origin, record.headers.text(SOURCE_TIMESTAMP_HEADER).and_then(|text| text.parse().ok())),
            partition: record.headers.text(PARTITION_HEADER)?.parse().ok()?,
            before: record.headers.text(BEFORE_HEADER)?.parse().ok()?,
            claimed_at_ms: record.timestamp_ms,
            mended: Mended { account, value: record.value?.to_vec() },
        })
    }

    /// The record that is sent.
    fn to_send(&self, sequence: u64) -> Record {
        let header = SequenceHeader { incarnation: self.incarnation, sequence };
        Record {
            timestamp_ms: self.claimed_at_ms,
            key: Some(self.mended.account.clone().into_bytes()),
            value: Some(self.mended.value.clone()),
            headers: vec![
                (SEQUENCE_HEADER, header.format(&mut [0; SequenceHeader::BYTES_MAX]).to_vec()),
                (REDRIVEN_HEADER, self.identity.0.to_string().into_bytes()),
            ],
        }
    }
}

impl Journal {
    /// Takes in the next record of the journal. What is none of ours is passed over.
    pub fn take(&mut self, record: &RecordView<'_>) {
        let Some(incarnation) = record.headers.text(REDRIVE_HEADER).and_then(|text| u64::from_str_radix(text, 16).ok())
        else {
            return;
        };
        if let Some(up_to) = record.headers.text(DONE_HEADER).and_then(|text| text.parse::<i64>().ok()) {
            if let Some(open) = self.open.get_mut(&incarnation) {
                open.retain(|open| open.journal_offset > up_to);
            }
            self.open.retain(|_, open| !open.is_empty());
        } else if let Some(claim) = Claim::read(record, incarnation).filter(|claim| claim.before < BEFORE_MAX)
            && self.claimed.insert(claim.identity)
        {
            let sequence = self.sequences.entry((incarnation, claim.partition)).or_insert(claim.before);
            *sequence += 1;
            let open = Open { journal_offset: record.offset, sequence: *sequence, claim };
            self.open.entry(incarnation).or_default().push(open);
        }
    }

    /// How many dead letters were claimed.
    #[must_use]
    pub fn claimed(&self) -> usize {
        self.claimed.len()
    }

    /// Whether somebody has claimed a dead letter.
    #[must_use]
    pub fn has_claimed(&self, identity: &Identity) -> bool {
        self.claimed.contains(identity)
    }

    /// Whether a dead letter was claimed and what it became has arrived.
    #[must_use]
    pub fn has_sent(&self, identity: &Identity) -> bool {
        self.has_claimed(identity) && !self.open.values().flatten().any(|open| open.claim.identity == *identity)
    }

    /// How many claims of a redrive for a partition count.
    #[must_use]
    pub fn counted(&self, incarnation: u64, partition: i32) -> u64 {
        self.sequences.get(&(incarnation, partition)).copied().unwrap_or_default()
    }

    /// What a redrive has claimed and not sent yet; `None` where that is nothing.
    #[must_use]
    pub fn unsent_of(&self, incarnation: u64, now_ms: i64) -> Option<Unsent> {
        self.open.get(&incarnation).map(|open| unsent(incarnation, open, now_ms))
    }

    /// What claims without an end there are, in order of incarnation: those of this redrive and those that others left behind.
    #[must_use]
    pub fn unsent(&self, now_ms: i64) -> Vec<Unsent> {
        self.open.iter().map(|(&incarnation, open)| unsent(incarnation, open, now_ms)).collect()
    }
}

fn unsent(incarnation: u64, open: &[Open], now_ms: i64) -> Unsent {
    let mut records: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
    for open in open {
        records.entry(open.claim.partition).or_default().push(open.claim.to_send(open.sequence));
    }
    let up_to = open.last().map_or(-1, |open| open.journal_offset);
    let headers = vec![
        (REDRIVE_HEADER, format!("{incarnation:016x}").into_bytes()),
        (DONE_HEADER, up_to.to_string().into_bytes()),
    ];
    Unsent { records, done: Record { timestamp_ms: now_ms, headers, ..Record::default() } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::letter::tests::batch;

    fn claim(incarnation: u64, offset: i64, partition: i32) -> Claim {
        Claim {
            incarnation,
            identity: (Origin { partition: 3, offset }, Some(77)),
            partition,
            before: 0,
            claimed_at_ms: 1_000 + offset,
            mended: Mended { account: "ACC-1".to_owned(), value: format!("value {offset}").into_bytes() },
        }
    }

    fn journal(records: &[Record]) -> Journal {
        let mut journal = Journal::default();
        batch(records).iter().for_each(|record| journal.take(&record));
        journal
    }

    fn sequences(unsent: &Unsent) -> Vec<(i32, String)> {
        let texts = unsent.records.iter().flat_map(|(&partition, records)| {
            records.iter().map(move |record| {
                let header = record.header(SEQUENCE_HEADER).expect("it is numbered");
                (partition, String::from_utf8_lossy(header).into_owned())
            })
        });
        texts.collect()
    }

    #[test]
    fn claims_that_count_are_numbered_in_each_partition_and_the_first_claim_of_a_letter_counts() {
        let claims = [claim(0xa, 1, 0), claim(0xb, 1, 0), claim(0xb, 2, 0), claim(0xa, 3, 5), claim(0xa, 4, 0)];
        let journal = journal(&claims.map(|claim| claim.to_record()));
        let unsent = journal.unsent(9);
        assert_eq!(
            unsent.iter().map(sequences).collect::<Vec<_>>(),
            [
                vec![
                    (0, "000000000000000a:1".to_owned()),
                    (0, "000000000000000a:2".to_owned()),
                    (5, "000000000000000a:1".to_owned())
                ],
                // Not 2: what another one had claimed before leaves no gap in the sequence.
                vec![(0, "000000000000000b:1".to_owned())],
            ]
        );
        let sent = &unsent[0].records[&0][0];
        assert_eq!(sent.header(REDRIVEN_HEADER), Some(&b"3/1"[..]));
        assert_eq!((sent.timestamp_ms, sent.value.as_deref()), (1_001, Some(&b"value 1"[..])));
        assert_eq!(journal.claimed(), 4);
    }

    #[test]
    fn what_is_done_is_not_sent_again_and_what_follows_keeps_its_number() {
        let first = [claim(0xa, 1, 0), claim(0xa, 2, 0)].map(|claim| claim.to_record());
        let done = journal(&first).unsent(9).remove(0).done;
        let records = [first.to_vec(), vec![done, claim(0xa, 3, 0).to_record()]].concat();
        let journal = journal(&records);
        assert_eq!(
            journal.unsent(9).iter().flat_map(sequences).collect::<Vec<_>>(),
            [(0, "000000000000000a:3".to_owned())]
        );
        let sent = |offset| journal.has_sent(&claim(0xa, offset, 0).identity);
        assert_eq!([1, 2, 3, 4].map(sent), [true, true, false, false]);
        assert!(journal.has_claimed(&claim(0xa, 3, 0).identity));
    }

    #[test]
    fn where_the_journal_lost_its_beginning_numbers_go_on_all_the_same() {
        let later = Claim { before: 41, ..claim(0xa, 9, 0) };
        let journal = journal(&[later.to_record()]);
        assert_eq!(
            journal.unsent(9).iter().flat_map(sequences).collect::<Vec<_>>(),
            [(0, "000000000000000a:42".to_owned())]
        );
        assert_eq!((journal.counted(0xa, 0), journal.counted(0xa, 1)), (42, 0));
    }

    #[test]
    fn the_same_place_in_a_topic_that_was_made_again_is_another_letter() {
        let before = claim(0xa, 1, 0);
        let journal = journal(&[before.to_record()]);
        assert!(journal.has_claimed(&before.identity));
        assert!(!journal.has_claimed(&(before.identity.0, Some(78))));
    }

    #[test]
    fn records_of_strangers_change_nothing() {
        let whole = claim(0xa, 1, 0).to_record();
        let without = |name: &str| Record {
            headers: whole.headers.iter().filter(|(known, _)| *known != name).cloned().collect(),
            ..whole.clone()
        };
        let strangers = [
            Record::default(),
            without(REDRIVE_HEADER),
            without(REDRIVEN_HEADER),
            without(PARTITION_HEADER),
            without(BEFORE_HEADER),
            Record { key: None, ..whole.clone() },
            Record { value: None, ..whole.clone() },
        ];
        let journal = journal(&strangers);
        assert_eq!((journal.claimed(), journal.unsent(0).len()), (0, 0));
    }
}
