//! What became of the dead letters that a redrive looked at.

use std::{collections::BTreeMap, fmt::Write};

use serde::Serialize;

use super::mend::Unmendable;
use crate::report::grouped;

/// Counts of dead letters, each in exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Whether nothing was really sent.
    pub dry_run: bool,
    /// Those that were meant.
    pub looked_at: u64,
    /// Sent, or, where it was only tried, to be sent.
    pub sent: u64,
    /// Sent before, by this redrive or another.
    pub sent_before: u64,
    /// Not sent, by the reason for which they would be rejected again.
    pub still_rejected: BTreeMap<&'static str, u64>,
    /// Not sent: the patch does not apply to them.
    pub patch_does_not_apply: u64,
    /// Not sent: a patch would change a number in them that it does not touch.
    pub number_not_kept: u64,
    /// Not sent: their bytes are not all there.
    pub without_bytes: u64,
    /// Not sent: they were sent again before, and were rejected again.
    pub came_back: u64,
    /// Not sent: rejected by a generation whose verdict counts no more.
    pub of_other_generations: u64,
    /// Not sent: their sequence had jumped, and their own id, remembered for a day, would make them repeats.
    pub in_the_id_window: u64,
    /// Whether there are more that are meant than were to be sent.
    pub limit_reached: bool,
    /// Letters asked for by their place of which there is none.
    pub not_found: u64,
    /// Besides: claimed for a partition that there is not, by a redrive of a topic that was made again since; never sent.
    pub for_no_partition: u64,
    /// Besides: claimed before, and Kafka does not take them, or one that goes to the same partition before them.
    pub refused_by_kafka: u64,
    /// Besides: what an interrupted redrive had left, and was sent first.
    pub left_by_others: u64,
}

impl Outcome {
    /// Counts one that can't be sent.
    pub(super) fn refuse(&mut self, why: &Unmendable) {
        match why {
            Unmendable::NoBytes => self.without_bytes += 1,
            Unmendable::NoMatch(_) => self.patch_does_not_apply += 1,
            Unmendable::NumberNotKept => self.number_not_kept += 1,
            Unmendable::StillRejected(reason) => *self.still_rejected.entry(reason.code()).or_default() += 1,
        }
    }

    /// Whether everything that was meant is sent.
    #[must_use]
    pub fn is_all_sent(&self) -> bool {
        let is_done = self.looked_at == self.sent + self.sent_before + self.of_other_generations;
        let is_left = self.for_no_partition + self.refused_by_kafka > 0;
        is_done && !self.limit_reached && self.not_found == 0 && !is_left
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |count: u64, text: &str, always: bool| {
            if always || count > 0 {
                let _ = writeln!(table, "{:>12}  {text}", grouped(count));
            }
        };
        row(self.left_by_others, "left unsent by an interrupted redrive, sent now", false);
        row(self.looked_at, "dead letters looked at", true);
        row(self.sent, if self.dry_run { "would be sent again" } else { "sent again" }, true);
        row(self.sent_before, "had been sent again before", false);
        row(self.of_other_generations, "rejected by a generation that counts no more: left alone", false);
        for (reason, count) in &self.still_rejected {
            row(*count, &format!("not sent: would be rejected again, {reason}; mend them with --patch"), false);
        }
        row(self.patch_does_not_apply, "not sent: the patch does not apply to them", false);
        row(self.number_not_kept, "not sent: a patch would change a number in them that it does not touch", false);
        row(self.without_bytes, "not sent: their bytes are not all there; ask whoever sent them", false);
        row(self.came_back, "not sent: sent again before and rejected again; --again sends them once more", false);
        row(
            self.in_the_id_window,
            "not sent: they would count as repeated; say it again a day after they were sent",
            false,
        );
        row(self.not_found, "asked for by their place: there are none", false);
        row(
            self.refused_by_kafka,
            "claimed before, and not taken by Kafka; the warning says why. They go when it takes them",
            false,
        );
        row(self.for_no_partition, "claimed before for a partition that there is not: never sent", false);
        if self.limit_reached {
            table.push_str("There are more: --limit was reached. Say it again, or raise it.");
        }
        table.truncate(table.trim_end().len());
        table
    }
}

#[cfg(test)]
mod tests {
    use common::wire::Reason;

    use super::*;

    #[test]
    fn what_is_not_sent_is_named_with_what_to_do_and_the_rest_is_left_out() {
        let mut outcome = Outcome { looked_at: 1_234, sent: 1_231, sent_before: 1, ..Outcome::default() };
        assert!(!outcome.is_all_sent());
        outcome.refuse(&Unmendable::StillRejected(Reason::InvalidAmount));
        outcome.refuse(&Unmendable::NoBytes);
        let table = outcome.table();
        assert!(table.contains("1 234  dead letters looked at") && table.contains("1 231  sent again"), "{table}");
        assert!(table.contains("invalid_amount; mend them with --patch"), "{table}");
        assert!(!table.contains("came back") && !table.contains("generation"), "{table}");
        assert!(Outcome { dry_run: true, ..outcome }.table().contains("would be sent again"));
        let whole = Outcome { looked_at: 3, sent: 1, sent_before: 1, of_other_generations: 1, ..Outcome::default() };
        assert!(whole.is_all_sent());
        let limited = Outcome { limit_reached: true, ..whole.clone() };
        assert!(!limited.is_all_sent() && limited.table().contains("--limit was reached"));
        assert!(!Outcome { refused_by_kafka: 1, ..whole.clone() }.is_all_sent());
        assert!(!Outcome { not_found: 1, ..whole }.is_all_sent());
    }
}
