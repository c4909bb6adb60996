//! End-to-end scenarios: the real binaries, against the embedded broker and against Apache Kafka.
//!
//! ```text
//!   tests/scenarios.rs ── one trial for each scenario and kind of cluster
//!     scenarios        ── what is claimed, written once
//!       stage          ── one scenario's topic, group, folder, processes
//!         cluster      ── a broker that can be killed, frozen, restarted
//!         collector    ── takes spans, or never answers
//!         process      ── producer and consumer as their users run them
//!         oracle       ── what the numbers must be
//!         kafka        ── the topic as it is, read and written by hand
//! ```
//!
//! The programs are black boxes here: command line, environment, signals, exit codes, what they print, HTTP, and the
//! records they leave in Kafka. No scenario sleeps in order to be in step with anything: it waits for a condition, with
//! a deadline. Whatever is started is ended with the test process, also when that is killed ([`guardian`]).

pub mod binaries;
pub mod chaos;
pub mod cluster;
pub mod collector;
pub mod evidence;
pub mod guardian;
pub mod handmade;
pub mod hostile;
pub mod http;
pub mod kafka;
pub mod oracle;
pub mod ports;
pub mod process;
pub mod scenarios;
pub mod schema;
pub mod stage;
pub mod wait;

mod failure;

pub use failure::{Checked, Failure};
