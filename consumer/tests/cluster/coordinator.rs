//! The group's coordinator, as brokers have it for the classic protocol: members beat, are given up after the session
//! timeout, and share the partitions out anew, all at once, whenever one comes or goes.
//!
//! ```text
//!   stable ──(join, leave, a member given up)──▶ joining ──(all have joined, or the rebalance timeout)──▶ stable
//! ```
//!
//! Who does not join in time is no member any more. It knows nothing of what members do.

use std::collections::BTreeMap;

/// As `common::kafka::SESSION_TIMEOUT`.
pub(crate) const SESSION_MS: i64 = 6_000;
/// How long members may take to join again.
pub(crate) const REBALANCE_MS: i64 = 30_000;

/// A process, for ever: one that is started again is another.
pub(crate) type ProcessId = usize;

/// What members ask.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Join(ProcessId),
    Beat(ProcessId, u32),
    Leave(ProcessId),
    Commit(ProcessId, u32, Vec<(usize, i64)>),
}

/// What they are told.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The partitions of a member, in this generation of the group.
    Assigned(u32, Vec<usize>),
    /// Others have come or gone: give up what you have, and join again.
    Rebalance(u32),
    /// You are no member, or not of this generation.
    Unknown(u32),
}

/// Who is told what.
pub(crate) type Answers = Vec<(ProcessId, Answer)>;

#[derive(Default)]
pub(crate) struct Coordinator {
    partitions: usize,
    pub(crate) generation: u32,
    /// When the members have to have joined, while they are joining.
    pub(crate) joining_until_ms: Option<i64>,
    members: BTreeMap<ProcessId, Member>,
    pub(crate) committed: Vec<Option<i64>>,
    /// Members that were given up.
    pub(crate) given_up: Vec<ProcessId>,
}

#[derive(Default)]
struct Member {
    /// The generation of the group before its first: what it knows of that and before, it knows as another member.
    came_in: u32,
    heard_ms: i64,
    has_joined: bool,
    share: Vec<usize>,
}

/// Partition and offset of each commit that was taken.
type Commits = Vec<(usize, i64)>;

impl Coordinator {
    pub(crate) fn new(partitions: usize) -> Self {
        Self { partitions, committed: vec![None; partitions], ..Self::default() }
    }

    /// Answers a request. A commit that counts is given back.
    pub(crate) fn hear(&mut self, now_ms: i64, request: Request) -> (Vec<(ProcessId, Answer)>, Commits) {
        match request {
            Request::Join(id) => {
                self.begin_rebalance(now_ms);
                let newcomer = Member { came_in: self.generation, ..Member::default() };
                let member = self.members.entry(id).or_insert(newcomer);
                (member.heard_ms, member.has_joined) = (now_ms, true);
                (self.complete(now_ms), Vec::new())
            }
            Request::Leave(id) => {
                if self.members.remove(&id).is_some() {
                    self.begin_rebalance(now_ms);
                }
                (self.complete(now_ms), Vec::new())
            }
            Request::Beat(id, generation) => {
                let Some(member) = self.members.get_mut(&id) else {
                    return (vec![(id, Answer::Unknown(generation))], Vec::new());
                };
                member.heard_ms = now_ms;
                let answer = if generation != self.generation || generation <= member.came_in {
                    Answer::Unknown(generation)
                } else if self.joining_until_ms.is_some() && !member.has_joined {
                    Answer::Rebalance(generation)
                } else {
                    return Default::default();
                };
                (vec![(id, answer)], Vec::new())
            }
            Request::Commit(id, generation, offsets) => {
                let known = self.members.get(&id).is_some_and(|member| generation > member.came_in);
                let may = known && generation == self.generation;
                let accepted = if may { offsets } else { Vec::new() };
                accepted.iter().for_each(|&(partition, offset)| self.committed[partition] = Some(offset));
                (Vec::new(), accepted)
            }
        }
    }

    /// Gives up who has been silent for too long, or has not joined in time.
    pub(crate) fn look(&mut self, now_ms: i64) -> Answers {
        let joining = self.joining_until_ms;
        let is_late = joining.is_some_and(|until_ms| now_ms >= until_ms);
        let gone = |member: &Member| {
            let waits = joining.is_some() && member.has_joined;
            !waits && (is_late || now_ms - member.heard_ms > SESSION_MS)
        };
        let given_up: Vec<ProcessId> =
            self.members.iter().filter(|(_, member)| gone(member)).map(|(id, _)| *id).collect();
        if !given_up.is_empty() {
            given_up.iter().for_each(|id| drop(self.members.remove(id)));
            self.begin_rebalance(now_ms);
            self.given_up.extend(given_up);
        }
        self.complete(now_ms)
    }

    /// Whether the group has given this partition to that member, and nobody has taken it back.
    pub(crate) fn is_given(&self, id: ProcessId, partition: usize) -> bool {
        self.members.get(&id).is_some_and(|member| member.share.contains(&partition))
    }

    pub(crate) fn is_member(&self, id: ProcessId) -> bool {
        self.members.contains_key(&id)
    }

    fn begin_rebalance(&mut self, now_ms: i64) {
        if self.joining_until_ms.is_none() {
            self.joining_until_ms = Some(now_ms + REBALANCE_MS);
            self.members.values_mut().for_each(|member| member.has_joined = false);
        }
    }

    /// Shares the partitions out, in ranges, as soon as all members have joined.
    fn complete(&mut self, now_ms: i64) -> Answers {
        if self.joining_until_ms.is_none() || !self.members.values().all(|member| member.has_joined) {
            return Vec::new();
        }
        self.joining_until_ms = None;
        self.generation += 1;
        let (generation, count) = (self.generation, self.members.len());
        let mut next = 0;
        let share = |(place, (id, member)): (usize, (&ProcessId, &mut Member))| {
            member.heard_ms = now_ms;
            let size = self.partitions / count + usize::from(place < self.partitions % count);
            member.share = (next..next + size).collect();
            next += size;
            (*id, Answer::Assigned(generation, member.share.clone()))
        };
        self.members.iter_mut().enumerate().map(share).collect()
    }
}
