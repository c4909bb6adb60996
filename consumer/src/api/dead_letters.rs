//! What was rejected, the newest first.

use serde::{Deserialize, Serialize};

use super::page;
use crate::dead_letters::{
    browse::{PARTITIONS_MAX, Page, Query},
    filter::{Filter, instant, reason},
    letter::Entry,
};

/// What is asked for, as it stands in the URL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLettersAsked {
    reason: Option<String>,
    partition: Option<String>,
    from: Option<String>,
    to: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

/// Dead letters, the newest first.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLettersAnswer {
    /// One entry each. Fewer than were asked for where few of many are meant: it goes on at `next_after` all the same.
    pub dead_letters: Vec<Entry>,
    /// Ask for those after this place next; null where there are no more.
    pub next_after: Option<String>,
}

impl DeadLettersAsked {
    /// Reads what is asked for, of a topic that has so many `partitions`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(&self, partitions: i32) -> Result<Query, Vec<String>> {
        let mut wrong = Vec::new();
        let mut filter = Filter::default();
        for code in self.reason.iter().flat_map(|codes| codes.split(',')) {
            match reason(code) {
                Ok(reason) => filter.reasons.push(reason),
                Err(told) => wrong.push(format!("reason={code:?}: {told}")),
            }
        }
        let mut time = |name: &str, text: Option<&String>| {
            let read = text.map(|text| instant(text).map_err(|told| format!("{name}={text:?}: {told}")));
            read.and_then(|read| read.map_err(|told| wrong.push(told)).ok())
        };
        (filter.from_ms, filter.to_ms) = (time("from", self.from.as_ref()), time("to", self.to.as_ref()));
        if let Some(text) = &self.partition {
            match text.parse() {
                Ok(partition) if partition >= 0 => filter.partition = Some(partition),
                _ => wrong.push(format!("partition={text:?} is not the number of a partition")),
            }
        } else if filter.partitions(partitions).count() > PARTITIONS_MAX {
            wrong.push(format!(
                "partition: name one, at most {PARTITIONS_MAX} of {partitions} are looked through at once"
            ));
        }
        let after =
            self.after.as_ref().and_then(|text| text.parse().map_err(|told| wrong.push(format!("after={told}"))).ok());
        let limit = page::limit(self.limit.as_deref(), &mut wrong);
        if wrong.is_empty() { Ok(Query { filter, after, limit }) } else { Err(wrong) }
    }
}

impl From<Page<Entry>> for DeadLettersAnswer {
    fn from(page: Page<Entry>) -> Self {
        Self { dead_letters: page.letters, next_after: page.next_after.map(|place| place.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use common::wire::Reason;

    use super::*;

    fn asked(name: &str, value: &str) -> DeadLettersAsked {
        serde_json::from_value(serde_json::json!({name: value})).expect("a parameter")
    }

    #[test]
    fn what_is_asked_for_is_read_and_all_that_is_wrong_is_told_at_once() {
        let query = asked("reason", "empty,invalid_id").read(6).expect("it is right");
        assert_eq!((query.filter.reasons, query.limit), (vec![Reason::Empty, Reason::InvalidId], page::PAGE_USUAL));
        assert_eq!(asked("partition", "5").read(6).expect("it is right").filter.partition, Some(5));
        let wrong = DeadLettersAsked {
            reason: Some("pretty,".to_owned()),
            partition: Some("six".to_owned()),
            from: Some("today".to_owned()),
            to: Some("2026".to_owned()),
            after: Some("the last".to_owned()),
            limit: Some("0".to_owned()),
        };
        assert_eq!(wrong.read(6).expect_err("all of it is wrong").len(), 7);
    }

    #[test]
    fn of_very_many_partitions_one_has_to_be_named() {
        let told = DeadLettersAsked::default().read(4_000).expect_err("too many at once");
        assert!(told[0].contains("name one"), "{told:?}");
        assert!(asked("partition", "3999").read(4_000).is_ok());
    }
}
