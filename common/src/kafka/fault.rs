//! What can go wrong with a broker, sorted by what helps.

use std::time::Duration;

use rskafka::protocol::error::Error as ProtocolError;

/// A fault of the broker, the network or the set-up: never of a record.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// No connection could be made. Says what to try.
    #[error("cannot reach Kafka at {servers}: {cause}. {advice}")]
    Unreachable {
        /// The bootstrap servers that were tried.
        servers: String,
        /// What the attempt ended with.
        cause: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The broker took the request and never answered.
    #[error("{doing}: no answer from Kafka within {waited_ms} ms")]
    Silent {
        /// What was being done, with topic and partition.
        doing: String,
        /// How long was waited.
        waited_ms: u128,
    },
    /// The broker answered with an error that may pass.
    #[error("{doing}: {cause}")]
    Passing {
        /// What was being done, with topic and partition.
        doing: String,
        /// What the broker said.
        cause: String,
    },
    /// The broker refused, and would refuse again.
    #[error("{doing}: Kafka refused: {cause}")]
    Refused {
        /// What was being done, with topic and partition.
        doing: String,
        /// What the broker said.
        cause: String,
    },
    /// The user that this client logs in as may not do that. Somebody may give it the right meanwhile.
    #[error(
        "{doing}: Kafka refused: {cause}. This client's user lacks an ACL: give it with kafka-acls as docs/operations.md \
         lists under \"Rights\"; no restart is needed"
    )]
    Denied {
        /// What was being done, with topic and partition.
        doing: String,
        /// What the broker said.
        cause: String,
    },
    /// A batch, or a record in it, is larger than the topic takes. Fewer records at a time may fit.
    #[error("{doing}: Kafka refused: {cause} (the topic's max.message.bytes is smaller than the batch)")]
    TooLarge {
        /// What was being done, with topic and partition.
        doing: String,
        /// What the broker said.
        cause: String,
    },
    /// The topic does not exist (any more, or yet).
    #[error("topic {topic} does not exist in this cluster")]
    NoSuchTopic {
        /// Its name.
        topic: String,
    },
    /// Retrying went on for as long as was allowed.
    #[error("{last} (gave up after {} s)", .deadline.as_secs())]
    DeadlineExceeded {
        /// How long it was tried.
        deadline: Duration,
        /// The last fault seen.
        last: Box<Fault>,
    },
}

impl Fault {
    /// What many calls that meet this fault at the same time have in common.
    pub(super) fn sign(&self) -> String {
        match self {
            Self::Unreachable { servers, advice, .. } => format!("{servers} {advice}"),
            Self::DeadlineExceeded { last, .. } => last.sign(),
            other => other.to_string(),
        }
    }

    /// Whether the same call may succeed later without anybody changing anything but the broker.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Denied { .. }
            | Self::Silent { .. }
            | Self::Passing { .. }
            | Self::NoSuchTopic { .. } => true,
            Self::Refused { .. } | Self::TooLarge { .. } => false,
            Self::DeadlineExceeded { last, .. } => last.may_pass(),
        }
    }

    pub(crate) fn silent(doing: &str, waited: Duration) -> Self {
        Self::Silent { doing: doing.to_owned(), waited_ms: waited.as_millis() }
    }

    /// Sorts what a broker said by what helps.
    pub(super) fn of(error: ProtocolError, doing: &str) -> Self {
        let (doing, cause) = (doing.to_owned(), describe(error));
        if is_too_large(error) {
            Self::TooLarge { doing, cause }
        } else if denies(error) {
            Self::Denied { doing, cause }
        } else if refuses(error) {
            Self::Refused { doing, cause }
        } else {
            Self::Passing { doing, cause }
        }
    }
}

fn denies(error: ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::TopicAuthorizationFailed
            | ProtocolError::GroupAuthorizationFailed
            | ProtocolError::ClusterAuthorizationFailed
    )
}

fn is_too_large(error: ProtocolError) -> bool {
    matches!(error, ProtocolError::MessageTooLarge | ProtocolError::RecordListTooLarge)
}

/// What a broker says for good: about the request, or about who asked. Everything else is worth another try.
fn refuses(error: ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::InvalidTopicException
            | ProtocolError::InvalidRequiredAcks
            | ProtocolError::InvalidTimestamp
            | ProtocolError::UnsupportedSaslMechanism
            | ProtocolError::IllegalSaslState
            | ProtocolError::UnsupportedVersion
            | ProtocolError::InvalidRecord
            | ProtocolError::PolicyViolation
            | ProtocolError::SaslAuthenticationFailed
            | ProtocolError::UnsupportedCompressionType
    )
}

fn describe(error: ProtocolError) -> String {
    match error {
        ProtocolError::NotEnoughReplicas | ProtocolError::NotEnoughReplicasAfterAppend => {
            format!("{error} (fewer replicas in sync than min.insync.replicas asks for)")
        }
        ProtocolError::KafkaStorageError => format!("{error} (the broker can't use its disk; is it full?)"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_is_too_large_is_told_from_other_refusals() {
        let of = |error| Fault::of(error, "writing to t-0");
        for error in [ProtocolError::MessageTooLarge, ProtocolError::RecordListTooLarge] {
            let fault = of(error);
            assert!(matches!(fault, Fault::TooLarge { .. }) && !fault.may_pass(), "{fault}");
        }
        assert!(matches!(of(ProtocolError::InvalidRecord), Fault::Refused { .. }));
        assert!(matches!(of(ProtocolError::NotEnoughReplicas), Fault::Passing { .. }));
    }

    #[test]
    fn a_full_disk_of_the_broker_is_named_and_tried_again() {
        let fault = Fault::of(ProtocolError::KafkaStorageError, "writing to t-0");
        assert!(fault.may_pass(), "{fault}");
        assert_eq!(fault.to_string(), "writing to t-0: KafkaStorageError (the broker can't use its disk; is it full?)");
    }

    #[test]
    fn a_fault_is_as_lasting_as_the_one_that_used_up_the_deadline() {
        let passing = Fault::Passing { doing: "reading".into(), cause: "x".into() };
        let refused = Fault::Refused { doing: "reading".into(), cause: "x".into() };
        let after = |last| Fault::DeadlineExceeded { deadline: Duration::from_secs(30), last: Box::new(last) };
        assert!(after(passing).may_pass());
        assert!(!after(refused).may_pass());
    }
}
