//! Partitions as people name them: all, `0,3-5`, or none.

use std::{collections::BTreeSet, str::FromStr};

/// Highest partition number that can be named; topics have far fewer.
const PARTITION_MAX: i32 = 99_999;

/// Which partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every one, those included that the topic gains later.
    All,
    /// These.
    Some(BTreeSet<i32>),
}

/// What is wrong with a list of partitions.
#[derive(Debug, thiserror::Error)]
#[error("has {0:?} in it, which is neither a partition number nor a range of them")]
pub struct SelectionError(String);

impl FromStr for Selection {
    type Err = SelectionError;

    /// Reads `0,3-5`.
    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let mut partitions = BTreeSet::new();
        for part in text.split(',').map(str::trim) {
            let wrong = || SelectionError(part.to_owned());
            let number = |digits: &str| {
                let number: Option<i32> = digits.parse().ok();
                number.filter(|number| (0..=PARTITION_MAX).contains(number)).ok_or_else(wrong)
            };
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(wrong());
            }
            partitions.extend(first..=last);
        }
        Ok(Self::Some(partitions))
    }
}

impl Selection {
    /// No partition: for a consumer that only shows what others have counted.
    #[must_use]
    pub fn none() -> Self {
        Self::Some(BTreeSet::new())
    }

    /// Whether it names no partition at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Some(some) if some.is_empty())
    }

    /// Those that a topic of so many partitions has, in order.
    #[must_use]
    pub fn below(&self, partitions: i32) -> Vec<i32> {
        let selected = |partition: &i32| match self {
            Self::All => true,
            Self::Some(some) => some.contains(partition),
        };
        (0..partitions).filter(selected).collect()
    }

    /// One that a topic of so many partitions does not have.
    #[must_use]
    pub fn beyond(&self, partitions: i32) -> Option<i32> {
        match self {
            Self::All => None,
            Self::Some(some) => some.last().copied().filter(|&last| last >= partitions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_name_partitions_and_anything_else_is_named_back() {
        let some = |partitions: &[i32]| Selection::Some(partitions.iter().copied().collect());
        assert_eq!("0, 3-5,7".parse::<Selection>().ok(), Some(some(&[0, 3, 4, 5, 7])));
        for wrong in ["", "x", "1,", "5-3", "-1", "1-", "100000", "1-2-3"] {
            assert!(wrong.parse::<Selection>().is_err(), "{wrong:?}");
        }
        assert_eq!(some(&[1, 9]).below(6), [1]);
        assert_eq!(Selection::All.below(3), [0, 1, 2]);
        assert_eq!(
            (some(&[1, 9]).beyond(9), some(&[1, 9]).beyond(10), Selection::All.beyond(1)),
            (Some(9), None, None)
        );
    }
}
