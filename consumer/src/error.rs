//! Why the consumer ends before it is told to.

use common::{
    kafka::Fault,
    service::{ExitCode, Failure, http::HttpError},
    topics::TopicsError,
};

use crate::{
    dead_letters::DeadLettersError, migrate::MigrateError, restore::RestoreError, top::TopError, worker::WorkerError,
};

/// One line for whoever started it, and an exit code.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The HTTP server can't listen.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The topics are not as they have to be, or can't be asked about.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// A partition can't be worked on.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Snapshots can't be read.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Kafka is at fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A command was told to stop before it was done.
    #[error("stopped before it was done; run it again")]
    Stopped,
    /// The settings can't be changed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Dead letters can't be shown or sent again.
    #[error(transparent)]
    DeadLetters(#[from] DeadLettersError),
    /// Nothing can be shown.
    #[error(transparent)]
    Top(#[from] TopError),
    /// A command was given without the confirmation it needs.
    #[error("{0}")]
    Unconfirmed(String),
}

impl Failure for ConsumerError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Http(error) => error.exit_code(),
            Self::Top(error) => error.exit_code(),
            Self::Stopped => ExitCode::NotRight,
            Self::DeadLetters(error) => error.exit_code(),
            Self::Unconfirmed(_) => ExitCode::Configuration,
            Self::Topics(error) if error.may_pass() => ExitCode::KafkaFault,
            Self::Worker(error) if error.may_pass() => ExitCode::KafkaFault,
            Self::Restore(RestoreError::Fault(fault)) | Self::Fault(fault) if fault.may_pass() => ExitCode::KafkaFault,
            // Trying again would end in the same way.
            Self::Topics(_) | Self::Worker(_) | Self::Restore(_) | Self::Fault(_) | Self::Migrate(_) => {
                ExitCode::Refused
            }
        }
    }
}
