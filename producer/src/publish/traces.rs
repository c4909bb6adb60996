//! A few records begin a trace: they carry a `traceparent`, and a span says when they were due and when Kafka had them.
//!
//! Decided here, after a record has its place in its partition, with dice of its own: what is generated, and every byte
//! of every value, is the same with traces and without.

use std::ops::Range;

use common::service::Traces;
use common::service::traces::{Span, SpanKind};
use common::wire::TraceContext;

use super::Batch;
use crate::dice::{Dice, mix};

/// What draws the records of one partition that begin a trace.
#[derive(Debug)]
pub struct Tracing {
    traces: Traces,
    topic: String,
    partition: i32,
    /// Share of records.
    ratio: f64,
    dice: Dice,
    /// Records until the next one that begins a trace.
    until_next: u64,
    /// Of the request that is being sent: the place in its batch of each record that begins a trace, and that trace.
    drawn: Vec<(usize, TraceContext)>,
}

impl Tracing {
    /// For one partition. Traces of different processes differ, also where `seed` and so the transactions are the same:
    /// hence `incarnation`.
    pub fn new(traces: &Traces, topic: &str, partition: i32, ratio: f64, seed: u64, incarnation: u64) -> Self {
        let mut dice = Dice::new(mix(seed) ^ incarnation, &format!("traces of partition {partition}"));
        let until_next = gap(&mut dice, ratio);
        let (traces, topic) = (traces.clone(), topic.to_owned());
        Self { traces, topic, partition, ratio, dice, until_next, drawn: Vec::new() }
    }

    /// Draws the records of the next request that begin a trace, as of `now_us`: their places in `range`, in order. Beyond
    /// what a process may record in a second none does.
    pub(super) fn draw(&mut self, range: Range<usize>, now_us: i64) -> &[(usize, TraceContext)] {
        self.drawn.clear();
        let mut place = range.start;
        loop {
            let left = u64::try_from(range.end - place).unwrap_or(u64::MAX);
            if self.until_next >= left {
                self.until_next -= left;
                return &self.drawn;
            }
            place += usize::try_from(self.until_next).expect("less than the records of a batch");
            if self.traces.has_room(now_us, 1) {
                // Zero means none, in both.
                let trace_id = self.dice.wide_bits().max(1).to_be_bytes();
                let span_id = self.dice.bits().max(1).to_be_bytes();
                self.drawn.push((place, TraceContext { trace_id, span_id, sampled: true }));
            }
            place += 1;
            self.until_next = gap(&mut self.dice, self.ratio);
        }
    }

    /// Kafka has acknowledged the request at `now_us`; `range` of `batch` now begins at offset `base`.
    pub(super) fn acknowledged(&mut self, batch: &Batch, range: Range<usize>, base: i64, now_us: i64) {
        for (place, context) in self.drawn.drain(..) {
            let offset = base.saturating_add(i64::try_from(place - range.start).unwrap_or(i64::MAX));
            let start_us = batch.intended_us(place..place + 1).next().unwrap_or(now_us);
            self.traces.offer(Span {
                trace_id: context.trace_id,
                span_id: context.span_id,
                parent_id: None,
                kind: SpanKind::Producer,
                name: format!("send {}", self.topic),
                start_us,
                end_us: now_us,
                attributes: vec![
                    ("messaging.system", "kafka".into()),
                    ("messaging.operation.name", "send".into()),
                    ("messaging.operation.type", "send".into()),
                    ("messaging.destination.name", self.topic.clone().into()),
                    ("messaging.destination.partition.id", self.partition.to_string().into()),
                    ("messaging.kafka.offset", offset.into()),
                ],
            });
        }
    }
}

/// How many records stand before the next one that is drawn, where each is with the same probability.
fn gap(dice: &mut Dice, ratio: f64) -> u64 {
    // 53 bits are what such a number holds; the half keeps it above 0.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let chance = ((dice.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; beyond 64 bits it is the end"
    )]
    let gap = (chance.ln() / (-ratio).ln_1p()) as u64;
    gap
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracing(ratio: f64, seed: u64, incarnation: u64) -> Tracing {
        Tracing::new(&Traces::to_nowhere(), "transactions", 0, ratio, seed, incarnation)
    }

    /// Places of all that are drawn of so many requests of 100 records.
    fn drawn(tracing: &mut Tracing, requests: usize) -> Vec<(usize, TraceContext)> {
        // A second each, so that there is room.
        let request = |number: usize| (100 * number..100 * (number + 1), i64::try_from(number).unwrap() * 1_000_000);
        (0..requests)
            .flat_map(|number| {
                let (range, now_us) = request(number);
                tracing.draw(range, now_us).to_vec()
            })
            .collect()
    }

    #[test]
    fn one_in_so_many_is_drawn_however_requests_are_cut() {
        let places = |found: Vec<(usize, TraceContext)>| found.into_iter().map(|(place, _)| place).collect::<Vec<_>>();
        let found = places(drawn(&mut tracing(0.01, 7, 1), 1_000));
        assert!((900..1_100).contains(&found.len()), "{}", found.len());
        assert!(found.is_sorted() && found.iter().all(|place| *place < 100_000));
        let mut whole = tracing(0.01, 7, 1);
        let at_once = whole.draw(0..50_000, 0).to_vec();
        assert_eq!(places(at_once), found.into_iter().filter(|place| *place < 50_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_share_of_one_is_all_and_of_none_is_none() {
        assert_eq!(drawn(&mut tracing(1.0, 7, 1), 3).len(), 300);
        for next_to_none in [0.0, f64::MIN_POSITIVE, 1e-20] {
            assert_eq!(drawn(&mut tracing(next_to_none, 7, 1), 1_000).len(), 0);
        }
    }

    #[test]
    fn ids_follow_from_seed_and_incarnation_and_no_two_are_the_same() {
        let contexts = |seed, incarnation| drawn(&mut tracing(1.0, seed, incarnation), 3);
        assert_eq!(contexts(7, 1), contexts(7, 1));
        let mut ids: Vec<_> =
            [contexts(7, 1), contexts(7, 2), contexts(8, 1)].concat().into_iter().map(|(_, it)| it.trace_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 900);
    }

    #[test]
    fn beyond_what_a_second_has_room_for_no_record_begins_a_trace() {
        let mut tracing = tracing(1.0, 7, 1);
        let max = usize::try_from(common::service::traces::SPANS_PER_SECOND_MAX).unwrap();
        assert_eq!(tracing.draw(0..max + 500, 0).len(), max);
        assert_eq!(tracing.draw(0..500, 1_000_000).len(), 500);
    }
}
