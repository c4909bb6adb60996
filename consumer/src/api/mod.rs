//! What can be asked over HTTP, worked out from the highest snapshots alone: pure, and the same from every replica, one
//! that works on no partition included. `openapi.json` is the contract.
//!
//! Every list is bounded and comes in pages; what is asked for wrongly is refused with all that is wrong with it.

mod dead_letters;
mod ledger;
mod page;
mod partitions;
mod producers;
mod windows;

pub use dead_letters::{DeadLettersAnswer, DeadLettersAsked};
pub use ledger::LedgerAnswer;
pub use page::{PAGE_MAX, PAGE_USUAL};
pub use partitions::PartitionsAnswer;
pub use producers::{ProducerAnswer, ProducerPartition, ProducersAnswer, ProducersAsked, ProducersQuery};
pub use windows::{Grouping, WindowsAnswer, WindowsAsked, WindowsQuery};

/// The API as OpenAPI 3.1 describes it.
pub const OPENAPI: &str = include_str!("openapi.json");
