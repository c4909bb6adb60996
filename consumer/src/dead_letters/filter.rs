//! Which dead letters are meant.

use chrono::DateTime;
use common::{
    kafka::{Bounds, Fault, PartitionReader},
    wire::{Origin, Reason},
};

use super::{DeadLettersError, letter::Letter};

/// Which dead letters are meant: those that meet all that is said; all of them where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Filter {
    /// Only those of this reason; may be given several times
    #[arg(long = "reason", value_name = "CODE", value_parser = reason)]
    pub reasons: Vec<Reason>,
    /// Only those of this partition
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// Only those rejected then or later
    #[arg(long = "from", value_name = "TIME", value_parser = instant)]
    pub from_ms: Option<i64>,
    /// Only those rejected before then
    #[arg(long = "to", value_name = "TIME", value_parser = instant)]
    pub to_ms: Option<i64>,
}

impl Filter {
    /// Whether a letter is meant.
    #[must_use]
    pub fn takes(&self, letter: &Letter) -> bool {
        (self.reasons.is_empty() || self.reasons.iter().any(|reason| reason.code() == letter.reason))
            && self.partition.is_none_or(|partition| partition == letter.origin.partition)
            && self.from_ms.is_none_or(|from_ms| letter.rejected_at_ms >= from_ms)
            && self.to_ms.is_none_or(|to_ms| letter.rejected_at_ms < to_ms)
    }

    /// Refuses what can mean none of a topic's `partitions`.
    ///
    /// # Errors
    /// [`DeadLettersError::NoPartition`].
    pub fn check(&self, partitions: i32) -> Result<(), DeadLettersError> {
        match self.partition.filter(|&partition| partition >= partitions) {
            Some(partition) => Err(DeadLettersError::NoPartition { partition, partitions }),
            None => Ok(()),
        }
    }

    /// The offset in a partition of dead letters, which holds these `bounds`, before which none is meant.
    ///
    /// # Errors
    /// [`Fault`] when the partition's index of times could not be asked.
    pub async fn first_offset(&self, letters: &mut PartitionReader, bounds: Bounds) -> Result<i64, Fault> {
        match self.from_ms {
            None => Ok(bounds.start),
            Some(from_ms) => Ok(letters.offset_at(from_ms).await?.max(bounds.start)),
        }
    }

    /// Those of a topic's `partitions` in which there may be any.
    pub fn partitions(&self, partitions: i32) -> impl Iterator<Item = i32> + use<> {
        let only = self.partition;
        (0..partitions).filter(move |partition| only.is_none_or(|only| only == *partition))
    }
}

/// Reads a reason's code.
///
/// # Errors
/// What would be valid.
pub fn reason(text: &str) -> Result<Reason, String> {
    Reason::from_code(text).ok_or_else(|| {
        let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        format!("there is no such reason; there are {}", codes.join(", "))
    })
}

/// Reads a time, in milliseconds since the epoch.
///
/// # Errors
/// What would be valid.
pub fn instant(text: &str) -> Result<i64, String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| "give a time such as 2026-11-20T19:12:01Z")?;
    Ok(time.timestamp_millis())
}

/// Reads where a rejected record stands.
///
/// # Errors
/// What would be valid.
pub fn origin(text: &str) -> Result<Origin, String> {
    Origin::parse(text.as_bytes()).ok_or_else(|| {
        "give partition and offset of the rejected record, such as 3/41, as `list` shows them".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            origin: Origin { partition: 3, offset: 41 },
            generation: 1,
            reason: "invalid_amount".to_owned(),
            rejected_at_ms: 1_000,
            timestamp_ms: None,
            key: None,
            value: None,
            sequence: None,
            redriven_from: None,
            truncated_from_bytes: None,
        }
    }

    #[test]
    fn a_letter_is_meant_where_all_that_is_said_holds() {
        let filter = Filter {
            reasons: vec![Reason::Empty, Reason::InvalidAmount],
            partition: Some(3),
            from_ms: Some(1_000),
            to_ms: Some(1_001),
        };
        assert!(filter.takes(&letter()));
        assert!(Filter::default().takes(&letter()));
        for other in [
            Filter { reasons: vec![Reason::Empty], ..filter.clone() },
            Filter { partition: Some(4), ..filter.clone() },
            Filter { from_ms: Some(1_001), ..filter.clone() },
            Filter { to_ms: Some(1_000), ..filter },
        ] {
            assert!(!other.takes(&letter()), "{other:?}");
        }
    }

    #[test]
    fn what_is_asked_for_wrongly_is_told_what_is_valid() {
        assert!(reason("too_pretty").is_err_and(|told| told.contains("invalid_amount")));
        assert!(instant("yesterday").is_err_and(|told| told.contains("2026-11-20T19:12:01Z")));
        assert!(origin("3-41").is_err_and(|told| told.contains("3/41")));
        assert_eq!(instant("1970-01-01T01:00:01+01:00"), Ok(1_000));
    }
}
