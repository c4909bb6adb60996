// The dashboard: one event a second, drawn as it comes. What is older than some seconds is said to be old, and greyed.
// All figures are in the events; only dead letters are asked for, right after one: any other question could be answered with an
// error while the consumer is well, just started.

import { Chart, linear, logarithmic } from "./chart.js";
import { DeadLetters } from "./dead-letters.js";
import { readEvent } from "./figures.js";
import { dayAndTime, duration, grouped, printable, seconds, timeOfDay } from "./format.js";
import { setText } from "./keyed.js";
import { LedgerCard } from "./ledger.js";
import { Stream } from "./stream.js";
import { drawPartitions, drawProducers, drawRejected, drawWindows } from "./tables.js";
import { Totals } from "./totals.js";

const STALE_AFTER_MS = 3_500, CHECK_EVERY_MS = 500, QUIET_AFTER_MS = 5_000;
const RATE_SPAN_MS = 5_000, RATE_POINTS_MAX = 60, CLOCK_STEP_MS = 2_000, REASON_MAX = 400;

const $ = id => document.getElementById(id);
const text = (id, words) => setText($(id), words);

const milliseconds = value => (value < 10 ? String(Number(value.toPrecision(2))) : grouped(Math.round(value)));
const rates = new Chart($("rate-chart"), "Records a second", linear, [{ style: "line0", label: "read" }],
  value => grouped(value < 10 ? Number(value.toPrecision(2)) : Math.round(value)));
const latencies = new Chart($("latency-chart"), "Latency in milliseconds, logarithmic", logarithmic,
  [{ style: "line0", label: "p50" }, { style: "line1", label: "p99" }], milliseconds);
const ledgerCard = new LedgerCard($("ledger"));
const totals = new Totals($("groupings"), $("totals-panel"));
const deadLetters = new DeadLetters($("dead-letters"), () => !paused);

// The latest figures and the rate beside them, those that are drawn, and when the latest came. `counted`: of the last seconds.
let latest = null, drawn = null, freshAt = performance.now(), counted = [], isDrawing = false, paused = false;
// Why there are no figures, though somebody sends something: what the consumer still does, or what is wrong with an event.
let unfinished = "", unreadable = "";

const status = (state, words) => {
  const root = document.documentElement, changed = root.dataset.state !== state;
  text("status", words);
  if (!changed) return;
  root.dataset.state = state;
  $("status").dataset.state = state;
  document.title = { live: "Tally", waiting: "Tally" }[state] ?? `Tally: ${state === "stale" ? "not live" : state === "bad" ? "look" : state}`;
  // Read out when it changes, and not with each word of it.
  text("announcement", words);
};

const reasons = ({ unmet = [] }) => printable([...new Set(unmet.map(({ reason }) => reason))].join("; ") || "it does not say why", REASON_MAX);

/** What to say of figures that have just come: that somebody serves them does not mean that anybody counts. */
const judge = ({ ready = true, unmet, partitions, summary, isBalanced }) => {
  const ages = partitions.flatMap(({ durable }) => (durable ? [durable.age_ms] : []));
  const missing = summary.partitions_missing.length;
  if (!isBalanced) return ["bad", "The ledger does not balance: a bug. Keep the state topic and report it."];
  if (!ready) return ["bad", `Not ready: ${reasons({ unmet })}`];
  if (missing) return ["waiting", `Live; not counted yet: ${grouped(missing)} of ${grouped(partitions.length)} partitions`];
  if (Math.min(...ages) > QUIET_AFTER_MS) return ["waiting", "Nothing new is being counted: nothing is sent, or nobody counts"];
  return ["live", "Live"];
};

const drawTiles = ({ ready = true, summary: { ledger }, partitions, latency, rate }) => {
  text("accepted", grouped(ledger.accepted));
  text("consumed", grouped(ledger.consumed));
  text("rate", rate === null ? "–" : grouped(Math.round(rate)));
  text("p99", latency ? duration(latency.p99_us) : "–");
  text("p50", latency ? duration(latency.p50_us) : "–");
  const live = ready ? partitions.flatMap(partition => partition.live ?? []) : [];
  const behind = live.flatMap(({ lag_ms: lag }) => lag ?? []);
  text("lag", live.length ? grouped(live.reduce((sum, { lag_records: lag }) => sum + lag, 0)) : "–");
  text("behind", behind.length ? seconds(Math.max(...behind)) : "");
  const of = live.length === partitions.length ? "records not read yet"
    : live.length ? `records not read yet, of ${live.length} of ${partitions.length} partitions: those worked on here`
      : "known to the consumers that count, not here";
  text("lag-note", behind.length ? `${of}, and how far behind that is` : of);
};

/** Draws the latest figures, at most once for each picture of the screen, and not where nobody looks. */
const draw = () => {
  isDrawing = false;
  if (!latest || paused || latest === drawn) return;
  drawn = latest;
  const { time, summary, rate } = drawn, at = Date.parse(time);
  drawTiles(drawn);
  const timeAgo = ago => timeOfDay(new Date(at - ago).toISOString());
  rates.draw(timeAgo);
  latencies.draw(timeAgo);
  drawn.isBalanced = ledgerCard.draw(drawn.balance);
  $("balance").dataset.state = drawn.isBalanced ? "good" : "bad";
  text("balance", drawn.isBalanced ? "balances" : "does not balance");
  totals.draw(summary.totals);
  drawWindows(drawn.windows, time);
  drawRejected(summary.ledger);
  drawPartitions(drawn.partitions, time);
  const [words, state] = drawn.producers ? drawProducers(drawn.producers) : ["not known", ""];
  $("missing").dataset.state = state;
  text("missing", words);
  text("clock", `${dayAndTime(time)} UTC`);
  deadLetters.see(drawn);
  say();
};

const drawSoon = () => {
  if (!isDrawing) requestAnimationFrame(draw);
  isDrawing = true;
};

/** Records a second, from what the last seconds counted; null where that can't be said. */
const rateOf = ({ time, summary: { ledger: { consumed } } }, now) => {
  const at = Date.parse(time), before = counted.at(-1);
  // Counted anew, by somebody else's clock, or out of a sleep: not to be compared with what was.
  if (before && (consumed < before.consumed || Math.abs(at - before.at - (now - before.now)) > CLOCK_STEP_MS)) counted = [];
  counted = [...counted.filter(known => known.at > at - RATE_SPAN_MS - 500), { at, now, consumed }].slice(-RATE_POINTS_MAX);
  const span = (at - counted[0].at) / 1_000;
  return span > 0.5 ? (consumed - counted[0].consumed) / span : null;
};

const take = data => {
  const now = performance.now();
  let figures;
  try {
    figures = readEvent(data);
  } catch (error) {
    const words = `This page can't show what the consumer sends; load it again. (${printable(error.message, REASON_MAX)})`;
    if (words !== unreadable) console.error(error);
    unreadable = words;
    say();
    return;
  }
  unreadable = "";
  if (!figures.caught_up) {
    unfinished = figures.ready === false ? `The consumer is not ready: ${reasons(figures)}.`
      : "The consumer is still reading what has been counted so far.";
    return;
  }
  unfinished = "";
  freshAt = now;
  figures.rate = rateOf(figures, now);
  rates.add(now, [figures.rate]);
  latencies.add(now, figures.latency ? [figures.latency.p50_us / 1_000, figures.latency.p99_us / 1_000] : [null, null]);
  latest = figures;
  drawSoon();
};

const stream = new Stream("/api/v1/events", take);

/** Says how what is shown is to be taken. Figures that don't move are never called live. */
function say() {
  if (stream.reopenIfSilent()) unfinished = unreadable = "";
  const of = drawn ? ` Figures of ${dayAndTime(drawn.time)} UTC.` : "";
  if (paused) status("paused", `Paused.${of}`);
  else if (unreadable || performance.now() - freshAt > STALE_AFTER_MS) {
    counted = [];
    status("stale", `Not live. ${unreadable || unfinished || "The consumer does not answer."}${of}`);
  } else if (drawn && !unfinished) status(...judge(drawn));
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  text("pause", paused ? "Resume" : "Pause");
  say();
  if (!paused) drawSoon();
});
setInterval(say, CHECK_EVERY_MS);
document.addEventListener("visibilitychange", say);
