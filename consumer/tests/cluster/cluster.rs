//! The whole cluster: what there is, and how one event leads to the next. Everything in here follows from the seed.

use crate::{
    coordinator::{Answers, Coordinator, ProcessId, Request},
    counts::Counts,
    dice::Dice,
    events::{Event, Inner},
    log::Log,
    plan::Plan,
    process::Process,
    queue::Queue,
    reset::Reset,
    topics::Topics,
    watch::Watch,
};

/// Time between two looks of the coordinator at its clock.
pub(crate) const LOOK_MS: i64 = 500;

pub(crate) struct Cluster<'a> {
    pub(crate) queue: Queue<Event>,
    pub(crate) dice: Dice,
    pub(crate) plan: Plan,
    pub(crate) topics: Vec<Topics<'a>>,
    pub(crate) coordinator: Coordinator,
    /// By number; empty where a process has ended.
    pub(crate) processes: Vec<Option<Box<Process>>>,
    pub(crate) reset: Option<Reset>,
    /// Writes that are on their way.
    pub(crate) writes_on_way: usize,
    pub(crate) resets_on_way: usize,
    pub(crate) watch: Watch,
    pub(crate) counts: Counts,
    /// When everything was mended.
    pub(crate) healed_ms: Option<i64>,
    /// Everything is at rest.
    pub(crate) is_over: bool,
    numbers: u64,
    trace: Option<Vec<String>>,
    pub(crate) violation: Option<String>,
}

impl<'a> Cluster<'a> {
    pub(crate) fn new(logs: &'a [Log], plan: Plan, dice: Dice, traced: bool) -> Self {
        Self {
            queue: Queue::new(),
            dice,
            plan,
            topics: logs.iter().map(Topics::new).collect(),
            coordinator: Coordinator::new(logs.len()),
            processes: Vec::new(),
            reset: None,
            writes_on_way: 0,
            resets_on_way: 0,
            watch: Watch::new(logs.len()),
            counts: Counts::default(),
            healed_ms: None,
            is_over: false,
            numbers: 0,
            trace: traced.then(Vec::new),
            violation: None,
        }
    }

    /// Lets everything happen, until all is at rest or something is not as it has to be. Gives the trace.
    pub(crate) fn run(&mut self) {
        let plan = self.plan.clone();
        self.note(|| format!("{plan:?}"));
        (0..plan.processes).for_each(|_| self.start_process());
        self.queue.put(plan.fault_pause_ms, Event::Fault);
        self.queue.put(plan.trouble_ms, Event::Heal);
        self.queue.put(LOOK_MS, Event::Look);
        (0..self.topics.len()).for_each(|partition| self.queue.put(0, Event::Produce(partition)));
        while !self.is_over && self.violation.is_none() {
            let event = self.queue.take().expect("the coordinator always has a next look");
            self.happen(event);
            self.counts.events += 1;
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Fault => self.fault(),
            Event::Heal => self.heal(),
            Event::Produce(partition) => self.produce(partition),
            Event::Look => {
                let answers = self.coordinator.look(self.now_ms());
                self.answer(answers);
                self.queue.put(LOOK_MS, Event::Look);
                self.look();
            }
            Event::Ask(request) => self.ask(request),
            Event::Append { partition, writes, writer, reply_ms } => self.append(partition, &writes, writer, reply_ms),
            Event::Reset => self.reset_on(),
            Event::Resume(id) => self.resume(id),
            Event::Process(id, inner) => self.with_process(id, inner),
        }
    }

    fn with_process(&mut self, id: ProcessId, inner: Inner) {
        let Some(mut process) = self.processes[id].take() else { return };
        if process.is_paused {
            process.put_off.push(inner);
        } else {
            match inner {
                Inner::Beat => self.beat(&process),
                Inner::Commit => self.commit_on_time(&process),
                Inner::Answer(answer) => self.follow(&mut process, answer),
                Inner::Tail(partition) => self.tail(&mut process, partition),
                Inner::Hand(partition, number, step) => self.with_hand(&mut process, partition, number, step),
            }
        }
        if !process.is_gone {
            self.processes[id] = Some(process);
        }
    }

    fn ask(&mut self, request: Request) {
        let from = match &request {
            Request::Commit(id, ..) => *id,
            _ => usize::MAX,
        };
        let (answers, commits) = self.coordinator.hear(self.queue.now_ms(), request);
        for (partition, offset) in commits {
            self.counts.commits += 1;
            let is_of_snapshot = self.topics[partition].orders.iter().any(|(_, next_offset)| *next_offset == offset);
            let is_given = self.coordinator.is_given(from, partition);
            self.hold(is_given, || format!("process {from} has committed for {partition}, which is not its own"));
            self.hold(is_of_snapshot, || format!("offset {offset} of {partition} was committed without a snapshot"));
        }
        self.answer(answers);
    }

    fn answer(&mut self, answers: Answers) {
        for (id, answer) in answers {
            let delay_ms = self.delay_ms();
            self.queue.put(delay_ms, Event::Process(id, Inner::Answer(answer)));
        }
    }

    fn produce(&mut self, partition: usize) {
        let records = 1 + self.dice.below(5);
        let (pause_ms, healed) = (self.plan.produce_pause_ms, self.healed_ms.is_some());
        let more = self.topics[partition].produce(if healed { usize::MAX / 2 } else { records });
        if more {
            let after_ms = self.dice.between(1, pause_ms);
            self.queue.put(after_ms, Event::Produce(partition));
        }
        for id in 0..self.processes.len() {
            let Some(mut process) = self.processes[id].take() else { continue };
            self.wake_hand(&mut process, partition);
            self.processes[id] = Some(process);
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.queue.now_ms()
    }

    /// A number that was never given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn is_troubled(&self) -> bool {
        self.healed_ms.is_none()
    }

    /// How long a message takes.
    pub(crate) fn delay_ms(&mut self) -> i64 {
        if self.is_troubled() && self.dice.chance(self.plan.slow) {
            let delay_ms = self.dice.between(20, self.plan.slow_ms);
            self.watch.disturb(self.queue.now_ms() + delay_ms);
            delay_ms
        } else {
            self.dice.between(1, 20)
        }
    }

    /// Writes a line of the trace, where there is one.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let now_ms = self.queue.now_ms();
            trace.push(format!("{:>4}.{:03} s  {}", now_ms / 1_000, now_ms % 1_000, line()));
        }
    }

    /// What has to hold.
    pub(crate) fn hold(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds && self.violation.is_none() {
            let violation = otherwise();
            self.note(|| format!("VIOLATED: {violation}"));
            self.violation = Some(violation);
        }
    }

    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }
}
