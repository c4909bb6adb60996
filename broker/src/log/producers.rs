//! Sequence numbers of idempotent producers, per partition: a batch that is sent again is recognised and appended once.
//!
//! The rules are Kafka's: the last five batches of a producer are remembered, a new epoch starts at sequence 0, and a
//! producer that is not known (or was forgotten) may start anywhere. Nothing is stored: the table is rebuilt from the batch
//! headers when the log is opened.

use std::collections::{HashMap, VecDeque};

use thiserror::Error;

use crate::log::batch::BatchHeader;

/// Batches of one producer that are remembered; as many as a Kafka producer may have in flight.
const BATCHES_REMEMBERED: usize = 5;
/// Producers that are remembered for one partition; beyond it the one that was silent for longest is forgotten.
const PRODUCERS_MAX: usize = 2_000;

/// Why a batch of an idempotent producer is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum SequenceFault {
    #[error("producer {producer_id} sent sequence {found} where {expected} comes next")]
    OutOfOrder { producer_id: i64, expected: i32, found: i32 },
    #[error("producer {producer_id} sent epoch {found}, but epoch {current} was seen")]
    Fenced { producer_id: i64, current: i16, found: i16 },
}

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log already, from this offset on.
    Duplicate(i64),
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Remembered>,
    last_offset: i64,
}

/// The producers that wrote to one partition.
#[derive(Debug, Default)]
pub(crate) struct ProducerTable {
    producers: HashMap<i64, Producer>,
}

impl ProducerTable {
    /// Whether `header`'s batch comes next, is a repeat, or is wrong.
    pub(crate) fn check(&self, header: &BatchHeader) -> Result<Verdict, SequenceFault> {
        let Some(known) = self.producers.get(&header.producer_id).filter(|_| header.producer_id >= 0) else {
            return Ok(Verdict::Append);
        };
        let producer_id = header.producer_id;
        let (first, last) = (header.base_sequence, last_sequence(header));
        if header.producer_epoch < known.epoch {
            let (current, found) = (known.epoch, header.producer_epoch);
            return Err(SequenceFault::Fenced { producer_id, current, found });
        }
        let expected = if header.producer_epoch > known.epoch {
            0
        } else {
            if let Some(same) = known.batches.iter().find(|b| b.first_sequence == first && b.last_sequence == last) {
                return Ok(Verdict::Duplicate(same.base_offset));
            }
            known.batches.back().map_or(0, |b| add(b.last_sequence, 1))
        };
        if first == expected {
            Ok(Verdict::Append)
        } else {
            Err(SequenceFault::OutOfOrder { producer_id, expected, found: first })
        }
    }

    /// Remembers a batch that is in the log.
    pub(crate) fn record(&mut self, header: &BatchHeader) {
        if header.producer_id < 0 {
            return;
        }
        if self.producers.len() >= PRODUCERS_MAX && !self.producers.contains_key(&header.producer_id) {
            self.forget_the_most_silent();
        }
        let fresh = || Producer { epoch: header.producer_epoch, batches: VecDeque::new(), last_offset: 0 };
        let producer = self.producers.entry(header.producer_id).or_insert_with(fresh);
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == BATCHES_REMEMBERED {
            producer.batches.pop_front();
        }
        producer.last_offset = header.last_offset();
        producer.batches.push_back(Remembered {
            first_sequence: header.base_sequence,
            last_sequence: last_sequence(header),
            base_offset: header.base_offset,
        });
    }

    fn forget_the_most_silent(&mut self) {
        let silent = self.producers.iter().min_by_key(|(_, producer)| producer.last_offset).map(|(id, _)| *id);
        if let Some(id) = silent {
            self.producers.remove(&id);
        }
    }
}

fn last_sequence(header: &BatchHeader) -> i32 {
    add(header.base_sequence, header.last_offset_delta)
}

/// Sequences run from 0 to 2^31 − 1 and start again.
fn add(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, base_sequence: i32, records: i32, base_offset: i64) -> BatchHeader {
        BatchHeader {
            base_offset,
            batch_length: 49,
            leader_epoch: 0,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: records - 1,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence,
            record_count: records,
        }
    }

    #[test]
    fn a_batch_sent_again_is_a_duplicate_of_the_first() {
        let mut table = ProducerTable::default();
        table.record(&batch(0, 0, 3, 100));
        table.record(&batch(0, 3, 2, 110));
        assert_eq!(table.check(&batch(0, 0, 3, 0)), Ok(Verdict::Duplicate(100)));
        assert_eq!(table.check(&batch(0, 3, 2, 0)), Ok(Verdict::Duplicate(110)));
        assert_eq!(table.check(&batch(0, 5, 1, 0)), Ok(Verdict::Append));
    }

    #[test]
    fn a_gap_and_a_batch_that_is_too_old_are_out_of_order() {
        let mut table = ProducerTable::default();
        for sequence in 0..7 {
            table.record(&batch(0, sequence, 1, i64::from(sequence)));
        }
        let fault = |found| Err(SequenceFault::OutOfOrder { producer_id: 7, expected: 7, found });
        assert_eq!(table.check(&batch(0, 8, 1, 0)), fault(8));
        assert_eq!(table.check(&batch(0, 0, 1, 0)), fault(0));
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
        let mut table = ProducerTable::default();
        table.record(&batch(1, 40, 1, 9));
        assert_eq!(table.check(&batch(2, 0, 1, 0)), Ok(Verdict::Append));
        assert_eq!(
            table.check(&batch(2, 41, 1, 0)),
            Err(SequenceFault::OutOfOrder { producer_id: 7, expected: 0, found: 41 })
        );
        assert_eq!(
            table.check(&batch(0, 41, 1, 0)),
            Err(SequenceFault::Fenced { producer_id: 7, current: 1, found: 0 })
        );
    }

    #[test]
    fn sequences_start_again_after_the_largest() {
        let mut table = ProducerTable::default();
        table.record(&batch(0, i32::MAX, 1, 0));
        assert_eq!(table.check(&batch(0, 0, 4, 0)), Ok(Verdict::Append));
        table.record(&batch(0, i32::MAX - 1, 4, 0));
        assert_eq!(table.check(&batch(0, 2, 1, 0)), Ok(Verdict::Append));
    }

    #[test]
    fn a_producer_that_is_not_known_may_start_anywhere() {
        assert_eq!(ProducerTable::default().check(&batch(3, 17, 1, 0)), Ok(Verdict::Append));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_most_silent_first() {
        let mut table = ProducerTable::default();
        for id in (0..).take(PRODUCERS_MAX + 1) {
            table.record(&BatchHeader { producer_id: id, ..batch(0, 0, 1, id) });
        }
        assert_eq!(table.producers.len(), PRODUCERS_MAX);
        assert!(!table.producers.contains_key(&0));
    }
}
