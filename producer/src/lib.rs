//! Generates realistic financial transactions into Kafka at any rate.
//!
//! ```text
//!   population ─▶ generate ─▶ inject ─▶ (feed, by pace) ─▶ publish ─▶ Kafka
//!   who there is   what they   what is    when it is due     lane and publisher
//!                  do          wrong                         of each partition
//! ```
//!
//! Follow a transaction: [`generate::Generator::next`] draws it from the [`population`]; [`inject::Injector`] may put
//! a known fault on it; [`feed::Feed`] does so at the time that [`pace::Pace`] says and writes it into the queue of
//! its partition, a [`publish::Lane`], where it gets its sequence; a [`publish::Publisher`] sends it until Kafka
//! acknowledges it. [`counters`] count, [`report`] shows, [`summary`] accounts for it all.
//!
//! Promises: the same seed and start time give the same transactions, byte for byte; the schedule never waits for
//! Kafka but says how far behind it is; nothing is given up silently. What it never does: read from Kafka, or
//! allocate for a transaction before it is handed to the client.

pub mod alarm;
pub mod counters;
pub mod dice;
pub mod error;
pub mod feed;
pub mod generate;
pub mod inject;
pub mod pace;
pub mod population;
pub mod publish;
pub mod report;
pub mod run;
pub mod service;
pub mod settings;
pub mod summary;

pub use error::ProducerError;
pub use run::{Outcome, Producer};
pub use settings::{Configuration, ProducerSettings};
pub use summary::Summary;
