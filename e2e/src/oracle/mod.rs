//! The oracle: what a topic's totals and ledger must be, counted a second time.
//!
//! It follows the written rules (ARCHITECTURE.md, "The rules of the count") in the plainest way there is: maps of
//! strings, one record after the other, no snapshots, no rings, no tables of codes shared with the program. It shares no
//! code with `common` or the consumer and reads the log with a client of its own, so that a number on which both agree
//! was reached on two roads.
//!
//! ```text
//!   log ──kafka::Client──▶ Record ──value::read──▶ Valid or a reason ──Partition::take──▶ Recount ──compare──▶ differences
//! ```
//!
//! It promises exactness, not speed; it never writes to Kafka. A partition that is being counted takes memory for the ids
//! of the last 100 000 records, 32 bytes for each rejected one, and some kilobytes for each window; one that has been
//! counted and closed takes a few hundred kilobytes, so a log of any length can be counted partition by partition.

mod compare;
mod headers;
mod history;
mod ids;
mod lists;
mod partition;
mod recount;
mod rejected;
mod totals;
mod value;
mod window;

pub use compare::{differences, invariants_broken};
pub use history::{Change, History};
pub use partition::Partition;
pub use recount::{Ends, Recount, recount, recount_each};
pub use rejected::{Rejected, digest};
pub use totals::{Amounts, Totals};
pub use value::Valid;
pub use window::Window;

/// The numbers that the rules leave open, with the defaults of the consumer.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Length of a window, milliseconds.
    pub window_ms: i64,
    /// How far out of order a record may come before the watermark passes it, milliseconds.
    pub out_of_order_ms: i64,
    /// How long after its end a window is still revised, milliseconds.
    pub lateness_ms: i64,
    /// How far ahead of its Kafka timestamp a transaction may be dated, milliseconds.
    pub skew_ms: i64,
    /// How many offsets back an id is remembered.
    pub id_window_offsets: i64,
    /// How far back in Kafka time an id is remembered, milliseconds.
    pub id_window_ms: i64,
    /// The largest value, bytes.
    pub value_bytes_max: usize,
    /// The largest jump in a sequence that is believed.
    pub jump_max: u64,
    /// How many producer incarnations are remembered in a partition.
    pub incarnations_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_ms: 60_000,
            out_of_order_ms: 5_000,
            lateness_ms: 15 * 60_000,
            skew_ms: 300_000,
            id_window_offsets: 100_000,
            id_window_ms: 24 * 3_600_000,
            value_bytes_max: 65_536,
            jump_max: 10_000_000,
            incarnations_max: 4_096,
        }
    }
}
