//! The consumer: validates, de-duplicates and aggregates transactions exactly once, and keeps the ledger that proves
//! it.
//!
//! ```text
//!   command ─▶ pipeline ─▶ membership ─▶ crew ─▶ worker (one a partition) ─▶ folding (pure) ─▶ checkpoint
//!                 │                                 └─ restore                 └─ fold            │
//!                 └─ tail (the state topic of everybody) ─▶ view ─▶ http, report, metrics ◀───────┘
//! ```
//!
//! A snapshot is one self-contained record that holds a partition's figures and its position together, so no commit
//! can disagree with the state; the figures at an offset depend on the records before it and nothing else. Start with
//! [`worker`] to follow a record, with [`fold`] for the rules.

pub mod api;
pub mod checkpoint;
pub mod clock;
pub mod command;
mod crew;
pub mod dead_letter;
pub mod dead_letters;
pub mod error;
pub mod events;
pub mod fingerprint;
pub mod fold;
pub mod folding;
mod generation;
pub mod http;
pub mod intake;
pub mod latency;
mod layout;
pub mod membership;
pub mod metrics;
pub mod migrate;
pub mod pipeline;
mod progress_bar;
mod read_ahead;
pub mod report;
pub mod reset;
pub mod restore;
pub mod selection;
pub mod settings;
mod shift;
pub mod summary;
mod tail;
pub mod top;
mod traces;
pub mod verify;
pub mod view;
pub mod worker;
