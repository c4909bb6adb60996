//! The command line: flags, logs on standard error, signals, exit codes.
//!
//! Exit codes: 0 after SIGTERM or SIGINT, 2 for a wrong configuration (flags, address, folder), 3 for anything else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use broker::{Broker, BrokerConfig, BrokerError};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

const EXIT_CONFIGURATION: u8 = 2;
const EXIT_FAILURE: u8 = 3;

/// A small Kafka broker for development and tests: one node, no replication, no transactions, no access control.
/// It is not for production.
#[derive(Debug, Parser)]
#[command(name = "broker", version)]
struct Flags {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9092")]
    listen: SocketAddr,
    /// Folder for topics and offsets; made if it isn't there. Without it nothing is kept: a temporary folder is used and
    /// removed at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Partitions of a topic that is created without a number.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    partitions_default: i32,
    /// Connections at one time.
    #[arg(long, value_name = "COUNT", default_value_t = 512)]
    connections_max: usize,
}

/// Runs the broker until it is told to stop.
pub(crate) fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(flags)),
        Err(source) => Err(Failed::Runtime(source)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            error!(event = "broker_failed", "{failed}");
            ExitCode::from(failed.exit_code())
        }
    }
}

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("can't make a temporary folder: {0}; name one with --data-dir")]
    Temporary(std::io::Error),
    #[error("can't start: {0}")]
    Runtime(std::io::Error),
}

impl Failed {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Broker(
                BrokerError::Listen { .. } | BrokerError::DataDirInUse { .. } | BrokerError::DataDir { .. },
            )
            | Self::Temporary(_) => EXIT_CONFIGURATION,
            _ => EXIT_FAILURE,
        }
    }
}

async fn run(flags: Flags) -> Result<(), Failed> {
    // Before anything else: a signal that comes while the data is opened must not end the process at once.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failed::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failed::Runtime)?;
    let temporary = flags.data_dir.is_none().then(TemporaryFolder::create).transpose()?;
    let data_dir = flags.data_dir.or_else(|| temporary.as_ref().map(|folder| folder.0.clone())).unwrap_or_default();
    let mut config = BrokerConfig::new(flags.listen, data_dir);
    config.partitions_default = flags.partitions_default;
    config.limits.connections_max = flags.connections_max;
    let broker = Broker::start(config).await?;
    tokio::select! {
        _ = terminate.recv() => info!(event = "sigterm_received", "SIGTERM: stopping"),
        _ = interrupt.recv() => info!(event = "sigint_received", "SIGINT: stopping"),
    }
    broker.stop().await?;
    Ok(())
}

/// A folder that goes when this does.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn create() -> Result<Self, Failed> {
        // A folder that is there already is somebody's; this one is removed at the end.
        let path = std::env::temp_dir().join(format!("development-broker-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).map_err(Failed::Temporary)?;
        info!(
            event = "temporary_folder_used",
            folder = %path.display(), "no --data-dir: everything is removed at the end"
        );
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            error!(
                event = "temporary_folder_not_removed",
                folder = %self.0.display(), %error, "can't remove the temporary folder"
            );
        }
    }
}
