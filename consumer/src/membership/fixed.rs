//! A share that settings fix: all partitions, or some by number.

use std::{collections::BTreeSet, fmt, future::pending, str::FromStr};

use common::kafka::{Admin, Cluster, Fault, Grant, GroupChange};

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
    fn below(&self, partitions: i32) -> Vec<i32> {
        let selected = |partition: &i32| match self {
            Self::All => true,
            Self::Some(some) => some.contains(partition),
        };
        (0..partitions).filter(selected).collect()
    }
}

/// A share that nobody takes back.
pub struct FixedShare {
    cluster: Cluster,
    group: String,
    topic: String,
    selection: Selection,
    /// Partitions that the topic has.
    partitions: i32,
    /// Partitions that it had when they were last handed out.
    handed_out: i32,
}

impl fmt::Debug for FixedShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixedShare({:?} of {} partitions)", self.selection, self.partitions)
    }
}

impl FixedShare {
    /// `selection` of the `partitions` of `topic`. Commits go to `group`, as long as it has no members.
    #[must_use]
    pub fn new(cluster: &Cluster, group: &str, topic: &str, selection: Selection, partitions: i32) -> Self {
        Self {
            cluster: cluster.clone(),
            group: group.to_owned(),
            topic: topic.to_owned(),
            selection,
            partitions,
            handed_out: 0,
        }
    }

    pub(super) async fn next(&mut self) -> GroupChange {
        if self.handed_out >= self.partitions {
            return pending().await;
        }
        let selected = self.selection.below(self.partitions);
        let new = selected.into_iter().filter(|&partition| partition >= self.handed_out);
        let new = new.map(Grant::lasting).collect();
        self.handed_out = self.partitions;
        GroupChange::Assigned(new)
    }

    pub(super) fn grow(&mut self, partitions: i32) {
        self.partitions = partitions.max(self.partitions);
    }

    pub(super) async fn commit(&self, offsets: &[(Grant, i64)]) -> Result<(), Fault> {
        let offsets: Vec<(i32, i64)> = offsets.iter().map(|(grant, offset)| (grant.partition, *offset)).collect();
        Admin::connect(&self.cluster).await?.commit(&self.group, &self.topic, &offsets).await
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
    }
}
