//! A small blocking Kafka client for the tests.
//!
//! Nothing of `common::kafka` is used here, neither rskafka nor our own reading of batches: a fault in either would be
//! invisible to a count that reads with the same code. Requests and responses are
//! `kafka-protocol` messages; record batches are read and written by our own [`batch`], which also writes what ordinary
//! clients refuse to write (header keys that aren't UTF-8, timestamps outside the calendar, the same batch twice).
//!
//! It promises nothing about speed and never retries: a call either answers within [`CALL_TIMEOUT`] or is an error.

pub mod batch;
mod client;
mod compression;
mod replicas;
mod topic;

pub use batch::{Batch, Record};
pub use client::{CALL_TIMEOUT, Client, KafkaError};
pub use compression::Compression;
pub use replicas::Replicas;
