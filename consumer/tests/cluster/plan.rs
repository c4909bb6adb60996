//! What kind of day a schedule has: drawn from its seed before anything happens.

use consumer::fold::FoldSettings;

use crate::{
    dice::Dice,
    log::{Draft, Log},
};

/// Settings small enough that every boundary is crossed within a few records.
pub(crate) fn small_settings() -> FoldSettings {
    FoldSettings {
        window_ms: 1_000,
        out_of_order_ms: 200,
        lateness_ms: 3_000,
        future_skew_ms: 500,
        id_window_offsets: 8,
        id_window_age_ms: 1_500,
        value_bytes_max: 1_024,
        ..FoldSettings::default()
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Start,
    Stop,
    Kill,
    Pause,
    Compact,
    Reset,
    Retain,
}

/// How often, of a hundred. Some days are all zombies, some all resets: what takes three rare things one after the other
/// would come about too seldom where everything happens.
pub(crate) type Weather = [(Fault, i64); 7];

const WEATHERS: [Weather; 3] =
    [weather([20, 10, 15, 25, 15, 5, 10]), weather([10, 2, 3, 55, 22, 5, 3]), weather([5, 2, 5, 28, 35, 22, 3])];

const fn weather(weights: [i64; 7]) -> Weather {
    use Fault::{Compact, Kill, Pause, Reset, Retain, Start, Stop};
    let [start, stop, kill, pause, compact, reset, retain] = weights;
    [(Start, start), (Stop, stop), (Kill, kill), (Pause, pause), (Compact, compact), (Reset, reset), (Retain, retain)]
}

/// How often what goes wrong, and how badly.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How long things go wrong, before everything is mended.
    pub(crate) trouble_ms: i64,
    pub(crate) weather: Weather,
    /// Longest time between two faults.
    pub(crate) fault_pause_ms: i64,
    /// Processes at the beginning.
    pub(crate) processes: i64,
    /// Messages that take long, of a thousand.
    pub(crate) slow: i64,
    /// How long those take at most.
    pub(crate) slow_ms: i64,
    /// Writes that are not acknowledged, of a thousand.
    pub(crate) unacknowledged: i64,
    /// How long a request waits for its answer, and a write is tried, at most.
    pub(crate) request_ms: i64,
    pub(crate) write_deadline_ms: i64,
    /// Longest time for one fetch of the state topic.
    pub(crate) state_fetch_ms: i64,
    /// Heartbeats that get lost, of a thousand.
    pub(crate) lost_beats: i64,
    /// Processes that die just as they write, of a thousand writes.
    pub(crate) dies_writing: i64,
    /// Records younger than this are not compacted.
    pub(crate) compaction_lag_ms: i64,
    /// Retention takes records of the log.
    pub(crate) retention: bool,
    /// Time between two appends to the log at most.
    pub(crate) produce_pause_ms: i64,
}

impl Plan {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let trouble_ms = dice.between(5_000, 45_000);
        // As they are; or shorter, to come through more of it.
        let patient = dice.chance(500);
        let (request_ms, write_deadline_ms) = if patient { (10_000, 30_000) } else { (800, 2_500) };
        let one_of = |dice: &mut Dice, values: &[i64]| values[dice.below(values.len())];
        Self {
            trouble_ms,
            weather: WEATHERS[dice.below(WEATHERS.len())],
            fault_pause_ms: one_of(dice, &[1_000, 4_000, 10_000]),
            processes: dice.between(1, 3),
            slow: one_of(dice, &[0, 10, 100]),
            slow_ms: one_of(dice, &[500, 3_000, 25_000]),
            unacknowledged: one_of(dice, &[0, 20, 200, 700]),
            request_ms,
            write_deadline_ms,
            state_fetch_ms: one_of(dice, &[20, 400, 3_000]),
            lost_beats: one_of(dice, &[0, 0, 50]),
            dies_writing: one_of(dice, &[0, 10, 50]),
            compaction_lag_ms: one_of(dice, &[0, 5_000, 20_000]),
            retention: dice.chance(250),
            produce_pause_ms: one_of(dice, &[200, 1_000, 4_000, 10_000]),
        }
    }

    /// The logs of all partitions, whole; how much of them can be read is a matter of time.
    pub(crate) fn draw_logs(dice: &mut Dice) -> Vec<Log> {
        (0..dice.between(1, 3)).map(|_| draw_log(dice)).collect()
    }
}

/// Most records of a partition.
const RECORDS_MAX: i64 = 32;

fn draw_log(dice: &mut Dice) -> Log {
    let records = dice.between(1, RECORDS_MAX);
    let drafts: Vec<Draft> = (0..records).map(|_| draw_record(dice)).collect();
    let first_offset = if dice.chance(250) { dice.between(1, 1_000) } else { 0 };
    let hole_at_end = if dice.chance(250) { dice.between(1, 11) } else { 0 };
    Log::of(first_offset, &drafts, hole_at_end)
}

fn draw_record(dice: &mut Dice) -> Draft {
    let mut die = |sides: i64| dice.between(0, sides - 1);
    let small = |number: i64| u8::try_from(number).expect("a die has at most 100 sides");
    let wide = |number: i64| u16::try_from(number).expect("a die has at most 1000 sides");
    Draft {
        sender: small(die(100)),
        content: small(die(100)),
        clock: small(die(100)),
        stamp: small(die(100)),
        hole: small(die(100)),
        who: small(die(3)),
        detail: wide(die(1_000)),
        time: wide(die(20)),
    }
}
