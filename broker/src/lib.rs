//! A small Kafka broker for development and tests: one node, one process, no JVM.
//!
//! It speaks Kafka's protocol to unmodified clients and keeps what they send in files, honestly: batches are checked and
//! stored as they were sent, offsets are never given twice, an acknowledged record survives `kill -9`. It is **not** for
//! production: one node, no replication, no transactions, no access control, no encryption, and it doesn't wait for the
//! disk, so a power cut can take acknowledged records.
//!
//! ```text
//! connection ─► wire (frame, shape) ─► api (one file per group of requests) ─► topics ─► log (a folder per partition)
//!                                                                          └─► offsets, groups, producer ids
//! ```
//!
//! What is served, what differs from Apache Kafka and what is bounded: see [`Limits`] and the README of this crate.
//!
//! ```no_run
//! # async fn example() -> Result<(), broker::BrokerError> {
//! let config = broker::BrokerConfig::new("127.0.0.1:0".parse().unwrap(), "/tmp/broker-data".into());
//! let broker = broker::Broker::start(config).await?;
//! println!("bootstrap.servers={}", broker.address());
//! broker.stop().await
//! # }
//! ```

mod api;
mod clock;
mod config;
mod data_dir;
mod groups;
mod limits;
mod log;
mod node;
mod offsets;
mod producer_ids;
mod server;
mod topics;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tracing::{info, warn};

pub use crate::limits::Limits;

use crate::data_dir::DataDir;
use crate::node::Node;
use crate::server::Server;

/// What a broker needs to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// The address to listen on; port 0 takes any free one. Clients are told the address they connected to.
    pub listen: SocketAddr,
    /// The folder for everything that is kept; made if it isn't there, used by one broker at a time.
    pub data_dir: PathBuf,
    /// Partitions of a topic that is created without a number. Default 1.
    pub partitions_default: i32,
    /// What is bounded.
    pub limits: Limits,
}

impl BrokerConfig {
    /// A configuration with default limits.
    #[must_use]
    pub fn new(listen: SocketAddr, data_dir: PathBuf) -> Self {
        Self { listen, data_dir, partitions_default: 1, limits: Limits::default() }
    }
}

/// Why a broker doesn't start or stop.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}; choose another with --listen (port 0 takes any free one)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Another broker uses the folder.
    #[error("{} is in use by another broker; stop it, or choose another --data-dir", path.display())]
    DataDirInUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder can't be used.
    #[error("can't use the data folder {}: {source}", path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in the folder can't be used.
    #[error("the data can't be opened: {reason}")]
    Data {
        /// What is wrong, and where.
        reason: String,
    },
    /// A task of the broker ended in a panic, which is a bug.
    #[error("a task of the broker failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A running broker. Dropping it ends its tasks without waiting; [`Broker::stop`] lets requests finish first.
#[derive(Debug)]
pub struct Broker {
    server: Server,
}

impl Broker {
    /// Opens the data folder, listens, and serves on tasks of the current tokio runtime.
    ///
    /// # Errors
    /// The folder is in use, damaged or not writable, or the address can't be listened on.
    pub async fn start(config: BrokerConfig) -> Result<Self, BrokerError> {
        let BrokerConfig { listen, data_dir, partitions_default, limits } = config;
        let shown = data_dir.display().to_string();
        let node = tokio::task::spawn_blocking(move || {
            DataDir::open(&data_dir).and_then(|dir| Node::open(dir, limits, partitions_default))
        })
        .await??;
        let listen_failed = |source| BrokerError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(listen_failed)?;
        let server = Server::start(listener, Arc::new(node)).map_err(listen_failed)?;
        let address = server.address();
        if !address.ip().is_loopback() {
            warn!(
                event = "listening_beyond_loopback",
                %address, "listening beyond this machine: there is no access control and no encryption"
            );
        }
        info!(
            event = "broker_started",
            %address, data_dir = shown, "development broker is up: one node, for development and tests only"
        );
        Ok(Self { server })
    }

    /// The address that clients can connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Stops listening, lets requests that are being handled finish (bounded by [`Limits::drain_timeout`]), pushes
    /// everything to the disk and gives the folder free.
    ///
    /// # Errors
    /// A task had panicked, which is a bug.
    pub async fn stop(self) -> Result<(), BrokerError> {
        self.server.stop().await
    }
}
