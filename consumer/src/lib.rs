//! The consumer: validates, de-duplicates and aggregates transactions exactly once, and keeps the ledger that proves
//! it.
//!
//! ```text
//!   command ─▶ pipeline ─▶ worker (one a partition) ─▶ fold (pure) ─▶ checkpoint ─▶ view ─▶ http, report, metrics
//!                             └─ restore                  └─ dead letters, closed windows, snapshot
//! ```
//!
//! A snapshot is one self-contained record that holds a partition's figures and its position together, so no commit
//! can disagree with the state; the figures at an offset depend on the records before it and nothing else. Start with
//! [`worker`] to follow a record, with [`fold`] for the rules.

pub mod checkpoint;
pub mod clock;
pub mod command;
pub mod dead_letter;
pub mod error;
pub mod fingerprint;
pub mod fold;
pub mod http;
pub mod membership;
pub mod metrics;
pub mod pipeline;
pub mod progress_bar;
pub mod read_ahead;
pub mod report;
pub mod restore;
pub mod settings;
pub mod summary;
pub mod verify;
pub mod view;
pub mod worker;
