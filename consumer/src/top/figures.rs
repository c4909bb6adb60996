//! What a consumer's HTTP API says, as far as it is shown. Members that are not known here are passed over, so that an
//! older `top` can look at a newer consumer.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::text::Clean;

/// What one event of `/api/v1/events` says.
#[derive(Clone, Debug)]
pub enum Event {
    /// The consumer is still reading what has been counted so far, and may lack more than that.
    CatchingUp {
        /// What keeps it from being ready.
        unmet: Vec<Unmet>,
    },
    /// The figures of one moment.
    Figures(Box<Figures>),
}

impl Event {
    /// Reads the data of an event.
    ///
    /// # Errors
    /// If it is not what a consumer of Tally sends.
    pub fn parse(data: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Beginning {
            caught_up: bool,
            unmet: Vec<Unmet>,
        }
        let Beginning { caught_up, unmet } = serde_json::from_slice(data)?;
        Ok(if caught_up { Self::Figures(serde_json::from_slice(data)?) } else { Self::CatchingUp { unmet } })
    }
}

/// The figures of one moment.
#[derive(Clone, Debug, Deserialize)]
pub struct Figures {
    /// When they were put together, by the consumer's clock.
    pub time: Clean,
    /// Whether all holds that has to.
    pub ready: bool,
    /// What does not.
    pub unmet: Vec<Unmet>,
    /// Totals, and what is not counted yet.
    pub summary: Summary,
    /// The ledger, with the offsets that it has to explain.
    pub balance: Balance,
    /// How far each partition has come.
    pub partitions: Vec<Partition>,
    /// The last windows, the newest first.
    pub windows: Vec<Window>,
    /// Who sends.
    pub producers: Producers,
    /// Of what was folded in the second before; null where nothing was.
    pub latency: Option<Latency>,
}

/// Totals, and what is not counted yet.
#[derive(Clone, Debug, Deserialize)]
pub struct Summary {
    /// What was accepted.
    pub totals: Totals,
    /// Partitions without a snapshot.
    pub partitions_missing: Vec<i32>,
}

/// By group, then by currency.
pub type Grouping = BTreeMap<Clean, BTreeMap<Clean, Cell>>;

/// What was accepted, in five ways.
#[derive(Clone, Debug, Deserialize)]
pub struct Totals {
    /// By currency.
    pub currency: BTreeMap<Clean, CurrencyCell>,
    /// By type, then currency.
    pub r#type: Grouping,
    /// By merchant category, then currency.
    pub category: Grouping,
    /// By country, then currency.
    pub country: Grouping,
    /// By channel, then currency.
    pub channel: Grouping,
}

/// Transactions of one group in one currency.
#[derive(Clone, Debug, Deserialize)]
pub struct Cell {
    /// How many.
    pub count: u64,
    /// Their exact sum in minor units.
    pub sum_minor: Clean,
}

/// Transactions in one currency.
#[derive(Clone, Debug, Deserialize)]
pub struct CurrencyCell {
    /// How many, and their sum.
    #[serde(flatten)]
    pub cell: Cell,
    /// The smallest, in minor units.
    pub min_minor: u64,
    /// The largest, in minor units.
    pub max_minor: u64,
}

/// The ledger, with the offsets that it has to explain.
#[derive(Clone, Debug, Deserialize)]
pub struct Balance {
    /// Whether every partition adds up, as the consumer sees it.
    pub balanced: bool,
    /// From the first offset counted to the last.
    pub offsets: i64,
    /// Of these, deleted before they were read.
    pub skipped: i64,
    /// Where every record ended.
    pub ledger: Ledger,
}

/// Where every record ended.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Ledger {
    /// Records read.
    pub consumed: u64,
    /// Records in the totals.
    pub accepted: u64,
    /// Sent again by a client.
    pub redelivered: u64,
    /// The same id again.
    pub repeated: u64,
    /// Dead letters by reason code.
    pub rejected: BTreeMap<Clean, u64>,
    /// Accepted in time.
    pub on_time: u64,
    /// Accepted into a window that had closed.
    pub revised: u64,
    /// Accepted into no window.
    pub too_late: u64,
    /// Offsets that hold no record.
    pub offsets_without_record: u64,
    /// Records that producers numbered and that never came.
    pub missing_from_sequence: u64,
}

impl Ledger {
    /// All dead letters.
    #[must_use]
    pub fn rejected_in_all(&self) -> u64 {
        self.rejected.values().fold(0, |sum, &count| sum.saturating_add(count))
    }
}

/// One partition.
#[derive(Clone, Debug, Deserialize)]
pub struct Partition {
    /// Its number.
    pub partition: i32,
    /// Whether the consumer that was asked works on it.
    pub owned: bool,
    /// Its highest snapshot.
    pub durable: Option<Durable>,
    /// How it is getting on right now, where the consumer that was asked works on it.
    pub live: Option<Live>,
}

/// A partition's highest snapshot.
#[derive(Clone, Debug, Deserialize)]
pub struct Durable {
    /// Offset after the last one counted.
    pub next_offset: i64,
    /// Event time reached.
    pub watermark: Option<Clean>,
    /// How old it is, in milliseconds.
    pub age_ms: i64,
    /// Which consumer wrote it, where that is said.
    pub written_by: Option<Clean>,
}

/// How a partition is getting on right now.
#[derive(Clone, Debug, Deserialize)]
pub struct Live {
    /// Offsets not read yet.
    pub lag_records: i64,
    /// The same in time, in milliseconds, where that is said.
    pub lag_ms: Option<i64>,
}

/// One window, of all partitions together.
#[derive(Clone, Debug, Deserialize)]
pub struct Window {
    /// Its start.
    pub window_start: Clean,
    /// Its end.
    pub window_end: Clean,
    /// Whether event time has reached its end everywhere.
    pub closed: bool,
    /// Late transactions that it took after it had closed.
    pub revision: u64,
    /// Its transactions.
    pub count: u64,
}

/// Percentiles of one second, in microseconds.
#[derive(Clone, Debug, Deserialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50_us: u64,
    /// All but one in a hundred took no longer.
    pub p99_us: u64,
}

/// Who sends, and what is missing of theirs.
#[derive(Clone, Debug, Deserialize)]
pub struct Producers {
    /// Records that were numbered and never came.
    pub missing_from_sequence: u64,
    /// Producers that were forgotten to make room for others.
    pub evicted: u64,
    /// The first of them.
    pub producers: Vec<Producer>,
    /// Whether there are more.
    pub more: bool,
}

/// One producer process.
#[derive(Clone, Debug, Deserialize)]
pub struct Producer {
    /// The id that it drew at its start.
    pub incarnation: Clean,
    /// How many partitions it has sent to.
    pub partitions: u64,
    /// How many records it has numbered.
    pub records_numbered: Clean,
}

/// What keeps the consumer from being ready.
#[derive(Clone, Debug, Deserialize)]
pub struct Unmet {
    /// Why, and what to do.
    pub reason: Clean,
}
