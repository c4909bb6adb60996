//! Measures Tally beside what people would pick instead: on one Apache Kafka, with the same data, in one run, in turns.
//!
//! ```text
//!   peers (built into target/bench) ─┐
//!   Tally, Kafka's own tools ────────┴▶ program ─▶ cost (a process: wall, CPU, memory) ─▶ results ─▶ table, JSON, plots
//!                                                  agreement (all consumers counted the same)
//! ```
//!
//! Peers tell how long they took from the first record in hand to the last commit, and Kafka's tools their own rates;
//! Tally's consumer is timed from outside, from its start to its end. Where that favours anyone, it isn't Tally.
//! A peer that can't be built or run here is listed as not run, never guessed.

pub mod agreement;
pub mod cost;
pub mod flags;
pub mod hostile;
pub mod latency;
pub mod model;
pub mod padding;
pub mod peers;
pub mod percentiles;
pub mod place;
pub mod plot;
pub mod program;
pub mod restart;
pub mod results;
pub mod scale;
pub mod throughput;

pub use flags::{Flags, HostileSettings, LatencySettings, Measure, RestartSettings, ScaleSettings, ThroughputSettings};
