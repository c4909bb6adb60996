// What an event has to look like before anything of it is drawn: half of one beside half of another would be no figures at all.
// Members that are not known here are let through; those that other versions may not send are optional.

const refuse = (path, wanted) => { throw new TypeError(`${path} is not ${wanted}`); };

const whole = (value, path) => { if (!Number.isInteger(value) || value < 0) refuse(path, "a whole number"); };
const text = (value, path) => { if (typeof value !== "string") refuse(path, "text"); };
const flag = (value, path) => { if (typeof value !== "boolean") refuse(path, "true or false"); };
const digits = (value, path) => { if (typeof value !== "string" || !/^-?\d{1,60}$/.test(value)) refuse(path, "a number as text"); };
const time = (value, path) => {
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value) || Number.isNaN(Date.parse(value))) refuse(path, "a time");
};
const optional = inner => (value, path) => { if (value !== undefined) inner(value, path); };
const orNull = inner => (value, path) => { if (value !== null) inner(value, path); };
const list = inner => (value, path) => {
  if (!Array.isArray(value)) refuse(path, "a list");
  value.forEach((one, place) => inner(one, `${path}[${place}]`));
};
const object = (value, path) => { if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(path, "an object"); };
const map = inner => (value, path) => {
  object(value, path);
  for (const [key, one] of Object.entries(value)) inner(one, `${path}.${key}`);
};
const members = known => (value, path) => {
  object(value, path);
  for (const [name, inner] of Object.entries(known)) inner(value[name], `${path}.${name}`);
};

const ledger = members({
  consumed: whole, accepted: whole, redelivered: whole, repeated: whole, rejected: map(whole), on_time: whole, revised: whole,
  too_late: whole, offsets_without_record: whole, mended: optional(whole),
});
const grid = map(map(members({ count: whole, sum_minor: digits })));
const EVENT = members({
  time, caught_up: flag, ready: optional(flag), unmet: optional(list(members({ reason: text }))),
});
const FIGURES = members({
  summary: members({
    ledger,
    partitions_missing: list(whole),
    totals: members({
      currency: map(members({ count: whole, sum_minor: digits, min_minor: whole, max_minor: whole })),
      type: grid, category: grid, country: grid, channel: grid,
    }),
  }),
  balance: members({ balanced: flag, offsets: whole, skipped: whole, ledger }),
  partitions: list(members({
    partition: whole,
    owned: flag,
    durable: orNull(members({ next_offset: whole, age_ms: whole, watermark: orNull(time), written_by: optional(orNull(text)) })),
    live: orNull(members({ lag_records: whole, lag_ms: optional(orNull(whole)) })),
  })),
  windows: list(members({ window_start: time, window_end: time, closed: flag, revision: whole, count: whole })),
  producers: optional(members({
    missing_from_sequence: whole, evicted: whole, more: flag,
    producers: list(members({ incarnation: text, partitions: whole, records_numbered: digits })),
  })),
  latency: orNull(members({ p50_us: whole, p99_us: whole })),
});
const LETTERS = members({
  dead_letters: list(members({
    partition: whole, offset: whole, reason: text, rejected_at: orNull(time), timestamp: orNull(time), key_text: orNull(text),
    value_text: orNull(text), value_hex: orNull(text), value_bytes: orNull(whole), truncated: flag, mended: orNull(flag),
  })),
  next_after: orNull(text),
});

/** The figures of an event, or a `TypeError` or `SyntaxError` that says what is wrong with it. */
export const readEvent = data => {
  const figures = JSON.parse(data);
  EVENT(figures, "event");
  if (figures.caught_up) FIGURES(figures, "event");
  return figures;
};

/** Dead letters as they are answered, or a `TypeError`. */
export const readDeadLetters = answer => {
  LETTERS(answer, "answer");
  return answer;
};
