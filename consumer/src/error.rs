//! Why the consumer ends before it is told to.

use common::{
    kafka::Fault,
    service::{ExitCode, Failure, http::HttpError},
    topics::TopicsError,
};

use crate::{restore::RestoreError, worker::WorkerError};

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
    /// A command was given without the confirmation it needs.
    #[error("{0}")]
    Unconfirmed(String),
}

impl Failure for ConsumerError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Http(error) => error.exit_code(),
            Self::Unconfirmed(_) => ExitCode::Configuration,
            Self::Topics(TopicsError::Unsuitable { .. }) => ExitCode::Refused,
            Self::Worker(WorkerError::Restore(error)) | Self::Restore(error) => match error {
                RestoreError::Fault(_) => ExitCode::KafkaFault,
                _ => ExitCode::Refused,
            },
            Self::Topics(TopicsError::Fault(_)) | Self::Worker(_) | Self::Fault(_) => ExitCode::KafkaFault,
        }
    }
}
