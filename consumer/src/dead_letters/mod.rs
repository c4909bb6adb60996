//! `consumer dead-letters`: looks through what was rejected, and sends it again, mended.
//!
//! ```text
//!   browse (newest first) ─▶ list, show, HTTP
//!   redrive (oldest first) ─▶ mend (pure) ─▶ journal (pure, in a topic) ─▶ transactions
//! ```
//!
//! Promises: whatever bytes a letter holds, what is shown of them is printable text; a letter is sent again once, however often and
//! by how many that is asked for, and the ledger counts what became of it.

pub mod browse;
pub mod filter;
pub mod followed;
pub mod journal;
pub mod letter;
mod list;
pub mod mend;
pub mod outcome;
mod redrive;
pub mod served;
pub mod text;

use common::service::ExitCode;

use crate::{error::ConsumerError, settings::Configuration};

/// What can be done with dead letters.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum DeadLettersCommand {
    /// Print them, the newest first, a line each
    List(list::ListArguments),
    /// Print one: where it comes from, why it was rejected, and all of its bytes as text and in hexadecimal
    Show(list::ShowArguments),
    /// Send them again, mended by a JSON Patch if need be, each once, and linked to where it comes from
    Redrive(redrive::Arguments),
}

/// Why dead letters can't be shown or sent again.
#[derive(Debug, thiserror::Error)]
pub enum DeadLettersError {
    /// There is no such letter.
    #[error("there is no dead letter of {origin}; `consumer dead-letters list` shows those there are")]
    Unknown {
        /// The rejected record.
        origin: common::wire::Origin,
    },
    /// There is no such partition.
    #[error("there is no partition {partition}: there are {partitions}, from 0 on")]
    NoPartition {
        /// The one that was asked for.
        partition: i32,
        /// How many there are.
        partitions: i32,
    },
    /// The patch can't be used.
    #[error("the patch {path} {wrong}. A JSON Patch is a list of operations, as in RFC 6902")]
    Patch {
        /// The file.
        path: String,
        /// What is wrong with it, and what would be right.
        wrong: String,
    },
    /// There is more in the journal than fits into memory.
    #[error(
        "{topic} names more dead letters than a redrive can keep in mind; wait until retention has taken the oldest"
    )]
    JournalTooLong {
        /// The journal.
        topic: String,
    },
    /// The journal lost what had been acknowledged.
    #[error(
        "{topic} ends before offset {end}, which was acknowledged a moment ago: brokers have lost what they had acknowledged, or it was \
         made again. What was sent last may not be noted: run `consumer verify`, and see what the ledger says of `mended`, before \
         you say it again"
    )]
    JournalCut {
        /// The journal.
        topic: String,
        /// Where it should end.
        end: i64,
    },
    /// Where the transactions are is not what was counted.
    #[error(
        "{topic} has {sent_to} partitions and the state {partitions}: the topic was made again or grows just now. Nothing was sent; let \
         consumers settle first"
    )]
    Layout {
        /// The transactions topic.
        topic: String,
        /// Its partitions.
        sent_to: i32,
        /// Those of the state.
        partitions: i32,
    },
    /// There are too many partitions to look through at once.
    #[error(
        "there are {partitions} partitions, at most {} are looked through at once; name one with --partition",
        browse::PARTITIONS_MAX
    )]
    TooManyPartitions {
        /// How many.
        partitions: i32,
    },
}

impl DeadLettersError {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unknown { .. } => ExitCode::NotRight,
            Self::Patch { .. } | Self::NoPartition { .. } | Self::TooManyPartitions { .. } => ExitCode::Configuration,
            Self::JournalTooLong { .. } | Self::JournalCut { .. } | Self::Layout { .. } => ExitCode::Refused,
        }
    }
}

pub(crate) async fn run(
    configuration: &Configuration,
    command: &DeadLettersCommand,
) -> Result<ExitCode, ConsumerError> {
    match command {
        DeadLettersCommand::List(arguments) => list::list(configuration, arguments).await,
        DeadLettersCommand::Show(arguments) => list::show(configuration, arguments).await,
        DeadLettersCommand::Redrive(arguments) => Box::pin(redrive::run(configuration, arguments)).await,
    }
}
