//! Why a producer ends otherwise than by having sent what it was to send.

use common::kafka::WriteError;
use common::service::{ExitCode, Failure};
use common::topics::TopicsError;

/// The ways to fail. Each text says what happened, what became of the records, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The HTTP server has nowhere to listen.
    #[error(transparent)]
    Http(#[from] common::service::http::HttpError),
    /// The topics could not be made ready. Nothing was sent.
    #[error("nothing was sent: {0}")]
    Topics(#[from] TopicsError),
    /// Kafka refused a request and would refuse it again.
    #[error(
        "gave up with {unacknowledged} records unacknowledged: {source}. Correct what Kafka names and start again; a \
         timestamp is invalid where --start-time lies more than the topic's message.timestamp.after.max.ms ahead"
    )]
    Refused {
        /// Records that were queued or sent and not acknowledged.
        unacknowledged: u64,
        /// What Kafka said to the first such request.
        source: WriteError,
    },
    /// A request was not acknowledged within its deadline.
    #[error(
        "gave up with {unacknowledged} records unacknowledged, of which some may be in the log: {source}. \
         Restart the producer when Kafka is well; it will not send them again"
    )]
    Undelivered {
        /// Records that were queued or sent and not acknowledged.
        unacknowledged: u64,
        /// The first request's fate.
        source: WriteError,
    },
    /// Stopping was asked for, and acknowledgements did not come in time.
    #[error(
        "stopped with {unacknowledged} records unacknowledged after waiting {} ms, of which some may be in the log; \
         a longer --flush-timeout waits longer", .waited.as_millis()
    )]
    Unflushed {
        /// Records that were queued or sent and not acknowledged.
        unacknowledged: u64,
        /// How long was waited.
        waited: std::time::Duration,
    },
}

impl Failure for ProducerError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Http(error) => error.exit_code(),
            Self::Topics(error) if error.may_pass() => ExitCode::KafkaFault,
            Self::Topics(_) | Self::Refused { .. } => ExitCode::Refused,
            Self::Undelivered { .. } => ExitCode::KafkaFault,
            Self::Unflushed { .. } => ExitCode::NotRight,
        }
    }
}

impl ProducerError {
    /// What a request's failure means for the run that leaves `unacknowledged` records behind.
    pub(crate) fn of(source: WriteError, unacknowledged: u64) -> Self {
        match source {
            WriteError::Refused(_) | WriteError::TooLarge(_) => Self::Refused { unacknowledged, source },
            WriteError::Unacknowledged(_) => Self::Undelivered { unacknowledged, source },
        }
    }
}
