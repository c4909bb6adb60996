//! Looking through the topic of dead letters from its end: the newest first, over all partitions, page by page.
//!
//! Each partition is read backwards in stretches; of what was read the newest goes first. A page knows for every partition
//! how far it has come, and that is the place from which the next one goes on. So none is left out between two pages, and
//! letters that arrive meanwhile move nothing. One that stands there twice, which delivery allows, may be shown twice.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
    time::Duration,
};

use common::kafka::{Cluster, Fault, PartitionReader, ReadOptions};
use common::wire::Origin;
use tokio::time::Instant;

use super::{filter::Filter, letter::Letter};

/// Most partitions that are looked through at once: a place has a number for each.
pub const PARTITIONS_MAX: usize = 200;
/// Most offsets that are looked at for one page: where few are meant, it may be a short one that goes on.
const LOOKED_AT_MAX: i64 = 20_000;
/// Longest time that is looked for one page; the one read after that is the last.
const LOOKING_MAX: Duration = Duration::from_secs(4);
/// Bytes of one stretch above which the next ones are shorter.
const STRETCH_BYTES: usize = 4 << 20;
/// Offsets of the first stretch read of a partition, and of the longest.
const STRETCH: std::ops::Range<i64> = 64..1_024;
/// The shortest, where letters are large.
const STRETCH_MIN: i64 = 8;

/// Where a list goes on: the offset before which each partition has not been shown yet, as `0:17,3:250`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(BTreeMap<i32, i64>);

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (partition, offset)) in self.0.iter().enumerate() {
            write!(to, "{}{partition}:{offset}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a place that an answer has given");
        let entries = text.split(',').map(|entry| {
            let (partition, offset) = entry.split_once(':')?;
            Some((partition.parse().ok().filter(|&p: &i32| p >= 0)?, offset.parse().ok().filter(|&o: &i64| o >= 0)?))
        });
        let place = entries.collect::<Option<BTreeMap<_, _>>>().filter(|place| place.len() <= PARTITIONS_MAX);
        place.map(Self).ok_or_else(wrong)
    }
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Which letters.
    pub filter: Filter,
    /// Where the page before ended; the newest where that is unset.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: usize,
}

/// Letters, the newest first.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What was made of each.
    pub letters: Vec<T>,
    /// Where it goes on; `None` where there are no more.
    pub next_after: Option<Place>,
}

/// Looks through the dead letters of a pipeline.
pub struct Browser {
    cluster: Cluster,
    topic: String,
    options: ReadOptions,
    readers: BTreeMap<i32, PartitionReader>,
}

impl Browser {
    /// Names the topic. Each read may take up to `deadline`.
    #[must_use]
    pub fn new(cluster: &Cluster, topic: &str, deadline: Duration) -> Self {
        let options = ReadOptions { wait: Duration::from_millis(100), deadline, ..ReadOptions::default() };
        Self { cluster: cluster.clone(), topic: topic.to_owned(), options, readers: BTreeMap::new() }
    }

    /// The next page of a topic of so many `partitions`, each letter as `show` makes it.
    ///
    /// # Errors
    /// [`Fault`] when a partition could not be read.
    pub async fn page<T>(
        &mut self,
        partitions: i32,
        query: &Query,
        show: impl Fn(Letter) -> T,
    ) -> Result<Page<T>, Fault> {
        let mut stretches = Vec::new();
        for partition in query.filter.partitions(partitions) {
            stretches.push(self.begin(partition, query).await?);
        }
        let mut letters = Vec::new();
        let began = Instant::now();
        let mut looked_at = 0;
        let may_look = |looked_at| looked_at < LOOKED_AT_MAX && began.elapsed() < LOOKING_MAX;
        while letters.len() < query.limit {
            for stretch in &mut stretches {
                while stretch.is_wanted() && (looked_at == 0 || may_look(looked_at)) {
                    let reader = self.reader(stretch.partition);
                    looked_at += stretch.read_on(reader, query, &show).await?;
                }
            }
            // A partition that there was no time to look at may hold a newer one than the newest found: better than none at all.
            let newest = stretches.iter_mut().filter(|stretch| !stretch.found.is_empty());
            let newest = newest.max_by_key(|stretch| (stretch.found[0].rejected_at_ms, Reverse(stretch.partition)));
            let Some(found) = newest.and_then(|stretch| stretch.found.pop_front()) else { break };
            letters.push(found.letter);
        }
        let is_over = stretches.iter().all(Stretch::is_over);
        let place = Place(stretches.iter().map(|stretch| (stretch.partition, stretch.shown_down_to())).collect());
        Ok(Page { letters, next_after: (!is_over).then_some(place) })
    }

    /// The newest letter of a rejected record; `None` where there is none.
    ///
    /// # Errors
    /// [`Fault`] when its partition could not be read.
    pub async fn find(&mut self, origin: Origin) -> Result<Option<Letter>, Fault> {
        let filter = Filter { partition: Some(origin.partition), ..Filter::default() };
        let query = Query { filter, limit: usize::MAX, after: None };
        let mut stretch = self.begin(origin.partition, &query).await?;
        while !stretch.is_over() {
            stretch.found.clear();
            let only = |letter: Letter| (letter.origin == origin).then_some(letter);
            stretch.read_on(self.reader(origin.partition), &query, &only).await?;
            if let Some(letter) = stretch.found.drain(..).find_map(|found| found.letter) {
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }

    fn reader(&mut self, partition: i32) -> &mut PartitionReader {
        let (cluster, topic, options) = (&self.cluster, &self.topic, self.options);
        self.readers.entry(partition).or_insert_with(|| PartitionReader::new(cluster, topic, partition, options))
    }

    async fn begin<T>(&mut self, partition: i32, query: &Query) -> Result<Stretch<T>, Fault> {
        let reader = self.reader(partition);
        let bounds = reader.bounds().await?;
        let start = query.filter.first_offset(reader, bounds).await?;
        let after = query.after.as_ref().and_then(|place| place.0.get(&partition).copied());
        let end = after.map_or(bounds.end, |after| after.min(bounds.end)).max(start);
        Ok(Stretch { partition, start, next: end, length: STRETCH.start, found: VecDeque::new() })
    }
}

/// One partition on the way from its end to its start.
struct Stretch<T> {
    partition: i32,
    start: i64,
    /// What lies before this offset has not been read yet.
    next: i64,
    length: i64,
    /// What was read and not shown yet, the newest first.
    found: VecDeque<Found<T>>,
}

struct Found<T> {
    rejected_at_ms: i64,
    offset: i64,
    letter: T,
}

impl<T> Stretch<T> {
    /// Whether more has to be read to know its newest letter.
    fn is_wanted(&self) -> bool {
        self.found.is_empty() && self.next > self.start
    }

    fn is_over(&self) -> bool {
        self.found.is_empty() && self.next <= self.start
    }

    /// The offset before which nothing was shown.
    fn shown_down_to(&self) -> i64 {
        self.found.front().map_or(self.next, |found| found.offset + 1)
    }

    /// Reads the stretch before; how many offsets that were.
    async fn read_on(
        &mut self,
        reader: &mut PartitionReader,
        query: &Query,
        show: &impl Fn(Letter) -> T,
    ) -> Result<i64, Fault> {
        let range = (self.next - self.length).max(self.start)..self.next;
        let found = &mut self.found;
        let (mut is_cut, mut bytes) = (false, 0);
        let take = |batch: &common::kafka::Batch| {
            for record in batch.iter().filter(|record| range.contains(&record.offset)) {
                bytes += record.value.map_or(0, <[u8]>::len);
                let Some(letter) = Letter::read(&record).filter(|letter| query.filter.takes(letter)) else { continue };
                let (rejected_at_ms, offset) = (letter.rejected_at_ms, record.offset);
                found.push_front(Found { rejected_at_ms, offset, letter: show(letter) });
                if found.len() > query.limit {
                    found.pop_back();
                    is_cut = true;
                }
            }
        };
        reader.read_through(range.clone(), take).await?;
        // The oldest did not fit: they are read again, should they be asked for.
        let kept_from = found.back().filter(|_| is_cut).map(|found| found.offset);
        self.next = kept_from.unwrap_or(range.start);
        self.length =
            if bytes > STRETCH_BYTES { (self.length / 4).max(STRETCH_MIN) } else { (self.length * 2).min(STRETCH.end) };
        Ok(range.end - range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was_given_and_anything_else_is_refused() {
        let place: Place = "0:17,3:250".parse().expect("a place");
        assert_eq!(place.to_string(), "0:17,3:250");
        let many: Vec<String> = (0..=PARTITIONS_MAX).map(|partition| format!("{partition}:1")).collect();
        for wrong in ["", "0", "0:", ":1", "0:1,", "-1:1", "0:-1", "0:1;1:2", &many.join(",")] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
