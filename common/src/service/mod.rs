//! The one way every binary starts, runs and ends.
//!
//! ```text
//!  flags ─┐                            ┌─ shutdown   SIGTERM, SIGINT
//!         ├─ config ─ logging ─ start ─┼─ readiness  what has to hold before work is sent here
//!  env  ──┘   │                        ├─ liveness   what has to move, or the process is restarted
//!             └ every problem at once, └─ metrics ── http  /livez /readyz /metrics and the binary's own routes
//!               before any socket opens   traces     what became of a few records, to a collector
//! ```
//!
//! A binary declares its settings ([`config::Settings`]), names itself ([`start::Program`]) and hands over one
//! async function; everything it needs to run comes back in [`start::Started`]. How it ends is an
//! [`exit::ExitCode`], documented there. Nothing here knows of Kafka or of transactions.

pub mod config;
pub mod exit;
pub mod http;
pub mod liveness;
pub mod logging;
pub mod metrics;
pub mod output;
pub mod readiness;
pub mod shutdown;
pub mod start;
pub mod traces;

mod authority;
mod bug;
mod healthcheck;
mod process;
pub(crate) mod secret_file;

pub use authority::host_and_port;
pub use config::{Problems, Secret, Settings};
pub use exit::{ExitCode, Failure};
pub use healthcheck::reachable;
pub use http::{Access, Ops, OpsServer, Turns, error_response, json_response, try_again_response};
pub use liveness::{Heartbeat, Liveness};
pub use metrics::Metrics;
pub use readiness::{Condition, Readiness};
pub use secret_file::read_small_file;
pub use shutdown::Shutdown;
pub use start::{Listen, NoCommand, Program, Started};
pub use traces::Traces;
