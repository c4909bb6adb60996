//! What each producer process sent last: the second count of resends and gaps.

use ahash::AHashMap;

use common::wire::SequenceHeader;

/// Producer processes remembered in a partition. Said again here and not taken from the fold: a rule that changes
/// there by mistake has to be noticed.
const REMEMBERED_MAX: usize = 4_096;
/// The longest jump that is a loss; a longer one is no sequence of that producer.
const JUMP_MAX: u64 = 10_000_000;

/// What a sequence says about its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// For the first time, so many after the one before.
    First { missing: u64 },
    /// Again.
    Again,
    /// Nothing that can be believed.
    Impossible,
}

/// The last sequence and the last offset of each producer process.
#[derive(Debug)]
pub(super) struct Producers {
    last: AHashMap<u64, (u64, i64)>,
    evicted: u64,
    /// The partition is counted from its first offset.
    from_zero: bool,
}

impl Producers {
    /// Goes on from a table as it was written down; `None` where that is none.
    pub(super) fn resume(from_zero: bool, table: &[(String, u64, i64)], evicted: u64) -> Option<Self> {
        let read = |(id, sequence, offset): &(String, u64, i64)| {
            Some((u64::from_str_radix(id, 16).ok()?, (*sequence, *offset)))
        };
        let last = table.iter().map(read).collect::<Option<_>>()?;
        Some(Self { last, evicted, from_zero })
    }

    pub(super) fn note(&mut self, header: SequenceHeader, offset: i64) -> Sent {
        let SequenceHeader { incarnation, sequence } = header;
        let Some(last) = self.last.get_mut(&incarnation) else {
            // Who was forgotten may be anybody: from then on nobody's first sequence tells of a loss.
            let missing = if self.from_zero && self.evicted == 0 { sequence - 1 } else { 0 };
            if missing <= JUMP_MAX {
                self.make_room();
                self.last.insert(incarnation, (sequence, offset));
            }
            return first(missing);
        };
        if sequence <= last.0 {
            last.1 = offset;
            return Sent::Again;
        }
        let missing = sequence - last.0 - 1;
        if missing <= JUMP_MAX {
            *last = (sequence, offset);
        }
        first(missing)
    }

    /// Forgets who has been silent for longest, where there is no room for one more.
    fn make_room(&mut self) {
        if self.last.len() < REMEMBERED_MAX {
            return;
        }
        let silent_longest = self.last.iter().min_by_key(|(_, (_, offset))| *offset).map(|(&id, _)| id);
        self.evicted += silent_longest.and_then(|id| self.last.remove(&id)).map_or(0, |_| 1);
    }

    /// The table as it is written down, in any order.
    pub(super) fn table(&self) -> Vec<(String, u64, i64)> {
        self.last.iter().map(|(id, &(sequence, offset))| (format!("{id:016x}"), sequence, offset)).collect()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}

fn first(missing: u64) -> Sent {
    if missing > JUMP_MAX { Sent::Impossible } else { Sent::First { missing } }
}
