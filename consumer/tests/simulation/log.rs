//! Random logs of which it is known, by construction, what every record is.

use common::wire::Reason;
use consumer::fold::SEQUENCE_JUMP_MAX;
use proptest::{collection::vec, prelude::*};

use crate::records::{BAD_SEQUENCES, Body, FLAWS, NOON_MS, Record, flawed, instant, sequence};

/// Amounts are the powers of two below the largest amount, in one currency after the other.
const POWERS: usize = 39;
const CURRENCIES: [&str; 4] = ["EUR", "USD", "JPY", "KWD"];

/// One partition's log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) first_offset: i64,
    /// The offset after the last one; offsets between the last record and this hold none.
    pub(crate) end_offset: i64,
    pub(crate) entries: Vec<Entry>,
}

/// A record, and what is true of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) header: Header,
    /// The transaction; or why there is none, apart from its date, which depends on the settings.
    pub(crate) value: Result<Paid, Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Missing,
    Bad,
    Numbered { incarnation: u64, number: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Paid {
    pub(crate) id: u128,
    pub(crate) amount_minor: i64,
    pub(crate) currency: &'static str,
    pub(crate) occurred_at_ms: i64,
}

impl Log {
    /// The drafts, one after the other.
    pub(crate) fn of(first_offset: i64, drafts: &[Draft], hole_at_end: i64) -> Self {
        let mut desk = Desk { clock_ms: 0, sent: [0; 3], entries: Vec::with_capacity(drafts.len()) };
        let mut offset = first_offset;
        for draft in drafts {
            offset += draft.hole();
            let mut entry = desk.entry(draft);
            entry.record.offset = offset;
            offset += 1;
            desk.entries.push(entry);
        }
        Self { first_offset, end_offset: offset + hole_at_end, entries: desk.entries }
    }

    /// The entries from an offset on.
    pub(crate) fn from(&self, offset: i64) -> &[Entry] {
        &self.entries[self.entries.partition_point(|entry| entry.record.offset < offset)..]
    }
}

/// One record before it has a place in a log: a throw of dice, from 0 to 99, which say what is unusual about it.
/// (Unions of strategies would say the same, at three times the cost of the whole simulation.) 0 is the plainest
/// record everywhere: shrinking goes that way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft {
    pub(crate) sender: u8,
    pub(crate) content: u8,
    pub(crate) clock: u8,
    pub(crate) stamp: u8,
    pub(crate) hole: u8,
    /// Which producer.
    pub(crate) who: u8,
    /// How far back, or how much.
    pub(crate) detail: u16,
    /// How long, in steps of 50 ms: all times are multiples, so that boundaries are hit, not only crossed.
    pub(crate) time: u16,
}

#[derive(Clone, Copy, Debug)]
enum Sender {
    Foreign,
    Next,
    Gap {
        missing: u64,
    },
    Old {
        back: u64,
    },
    /// The longest jump there may be, or one more.
    Far {
        more: u64,
    },
    BadHeader {
        which: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Fresh,
    /// A new transaction under the id of an earlier record.
    SameId {
        back: usize,
    },
    /// An earlier record, header and all.
    Resend {
        back: usize,
    },
    /// The usual members in an unusual form.
    Unusual,
    Flawed {
        which: usize,
    },
    Null,
    Empty,
    Garbage,
    TooLarge,
    Undecodable,
}

impl Draft {
    fn strategy() -> impl Strategy<Value = Self> {
        let die = || 0..100_u8;
        (die(), die(), die(), die(), die(), 0..3_u8, 0..1_000_u16, 0..20_u16).prop_map(
            |(sender, content, clock, stamp, hole, who, detail, time)| Self {
                sender,
                content,
                clock,
                stamp,
                hole,
                who,
                detail,
                time,
            },
        )
    }

    fn sender(&self) -> Sender {
        match self.sender {
            0..20 => Sender::Foreign,
            20..78 => Sender::Next,
            78..84 => Sender::Gap { missing: u64::from(self.detail % 9) + 1 },
            84..94 => Sender::Old { back: u64::from(self.detail % 4) },
            94..97 => Sender::Far { more: u64::from(self.detail % 4).min(1) },
            _ => Sender::BadHeader { which: usize::from(self.detail) % BAD_SEQUENCES.len() },
        }
    }

    fn content(&self) -> Content {
        let (back, which) = (usize::from(self.detail % 12), usize::from(self.detail) % FLAWS.len());
        match self.content {
            0..58 => Content::Fresh,
            58..72 => Content::SameId { back },
            72..82 => Content::Resend { back },
            82..84 => Content::Unusual,
            84..95 => Content::Flawed { which },
            95 => Content::Null,
            96 => Content::Empty,
            97 => Content::Garbage,
            98 => Content::TooLarge,
            _ => Content::Undecodable,
        }
    }

    /// Time since the record before, and how long before it was written this one occurred; negative: dated ahead.
    fn clock_ms(&self) -> (i64, i64) {
        let (time_ms, little_ms) = (i64::from(self.time) * 50, i64::from(self.time % 6) * 50);
        match self.clock {
            0..55 => (little_ms, 0),
            55..65 => (time_ms * 5, 0),
            65..75 => (little_ms, time_ms),
            75..88 => (little_ms, time_ms * 6),
            _ => (little_ms, -(time_ms % 700)),
        }
    }

    /// The record's Kafka timestamp, when it is written at `now_ms`.
    fn timestamp_ms(&self, now_ms: i64) -> i64 {
        match self.stamp {
            0..80 => now_ms,
            80..96 => now_ms + i64::from(self.detail % 120) * 50 - 3_000,
            96 => 0,
            97 => -1,
            98 => i64::MIN,
            _ => i64::MAX,
        }
    }

    /// What the record says of the dead letter that it was sent again for; the second is no place.
    fn redriven_from(&self) -> Option<&'static [u8]> {
        match self.detail % 20 {
            7 => Some(b"3/41"),
            8 => Some(b"3/041"),
            _ => None,
        }
    }

    /// Offsets before it that hold no record.
    fn hole(&self) -> i64 {
        match self.hole {
            0..85 => 0,
            85..95 => i64::from(self.detail % 3) + 1,
            _ => i64::from(self.detail % 20),
        }
    }
}

/// Logs of 1 to `most` records that begin at offset 0 or later.
pub(crate) fn strategy(most: usize) -> impl Strategy<Value = Log> {
    let first_offset = prop_oneof![3 => Just(0_i64), 1 => Just(1), 1 => Just(5_000_000_000)];
    let hole_at_end = prop_oneof![3 => Just(0_i64), 1 => 1..12_i64];
    (first_offset, vec(Draft::strategy(), 1..=most), hole_at_end)
        .prop_map(|(first_offset, drafts, hole_at_end)| Log::of(first_offset, &drafts, hole_at_end))
}

/// Where drafts become records.
struct Desk {
    clock_ms: i64,
    /// The last number of each of our producers.
    sent: [u64; 3],
    entries: Vec<Entry>,
}

impl Desk {
    fn entry(&mut self, draft: &Draft) -> Entry {
        let (elapsed_ms, behind_ms) = draft.clock_ms();
        self.clock_ms += elapsed_ms;
        let content = draft.content();
        if let Content::Resend { back } = content
            && let Some(earlier) = self.earlier(back)
        {
            return earlier.clone();
        }
        let after_noon_ms = self.clock_ms - behind_ms;
        let paid = self.paid(content, NOON_MS + after_noon_ms);
        let (value, truth) = spell(content, &paid, after_noon_ms);
        let undecodable = matches!(content, Content::Undecodable);
        let (header, tally_seq) = if undecodable { (Header::Missing, None) } else { self.header(draft) };
        let timestamp_ms = draft.timestamp_ms(NOON_MS + self.clock_ms);
        let redriven_from = draft.redriven_from().filter(|_| !undecodable).map(<[u8]>::to_vec);
        let record = Record { offset: 0, timestamp_ms, value, sequence: tally_seq, redriven_from, undecodable };
        Entry { record, header, value: truth }
    }

    fn earlier(&self, back: usize) -> Option<&Entry> {
        self.entries.len().checked_sub(back + 1).map(|place| &self.entries[place])
    }

    /// The transaction of the next record: its amount is its own, its id unless the content says otherwise.
    fn paid(&self, content: Content, occurred_at_ms: i64) -> Paid {
        let place = self.entries.len();
        let id = match content {
            Content::SameId { back } => self.earlier(back).and_then(|earlier| earlier.value.ok()).map(|paid| paid.id),
            _ => None,
        };
        Paid {
            // Ids differ in their upper and in their lower half.
            id: id.unwrap_or_else(|| (place as u128 + 1) * 0x0001_0000_0000_0000_0000_0001),
            amount_minor: 1 << (place % POWERS),
            currency: CURRENCIES[place / POWERS],
            occurred_at_ms,
        }
    }

    /// What the record's `tally-seq` says, and its bytes.
    fn header(&mut self, draft: &Draft) -> (Header, Option<Vec<u8>>) {
        let incarnation = 0xfe00_0000_0000_0000 + u64::from(draft.who);
        let sent = &mut self.sent[usize::from(draft.who)];
        let number = match draft.sender() {
            Sender::Foreign => return (Header::Missing, None),
            Sender::BadHeader { which } => return (Header::Bad, Some(BAD_SEQUENCES[which].as_bytes().to_vec())),
            Sender::Next => *sent + 1,
            Sender::Gap { missing } => *sent + 1 + missing,
            Sender::Old { back } => sent.saturating_sub(back).max(1),
            Sender::Far { more } => *sent + 1 + SEQUENCE_JUMP_MAX + more,
        };
        // What is too far is no number of its sender's.
        if number <= *sent + 1 + SEQUENCE_JUMP_MAX {
            *sent = number.max(*sent);
        }
        (Header::Numbered { incarnation, number }, Some(sequence(incarnation, number)))
    }
}

/// The bytes of a value, and what is true of them.
fn spell(content: Content, paid: &Paid, after_noon_ms: i64) -> (Option<Vec<u8>>, Result<Paid, Reason>) {
    let Paid { id, amount_minor, currency, .. } = *paid;
    let text = Body { id, amount_minor, currency, occurred_at: instant(after_noon_ms) }.text();
    match content {
        Content::Fresh | Content::SameId { .. } | Content::Resend { .. } => (Some(text.into_bytes()), Ok(*paid)),
        Content::Unusual => {
            let text = text.replace(",\"", " ,\n\"").replacen('{', "{\"note\":[{}],", 1).replace("FR", "\\u0046R");
            (Some(text.into_bytes()), Ok(*paid))
        }
        Content::Flawed { which } => (Some(flawed(&text, FLAWS[which])), Err(FLAWS[which].2)),
        Content::Null => (None, Err(Reason::Empty)),
        Content::Empty => (Some(Vec::new()), Err(Reason::Empty)),
        Content::Garbage => (Some(vec![0xff, 0x00, 0x9f, 0x7b]), Err(Reason::MalformedJson)),
        Content::TooLarge => (Some(format!("{text:1025}").into_bytes()), Err(Reason::TooLarge)),
        Content::Undecodable => (None, Err(Reason::Undecodable)),
    }
}
