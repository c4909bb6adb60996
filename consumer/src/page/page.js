// The dashboard: one event a second, drawn as it comes. What is older than some seconds is said to be old, and greyed.
// Everything is in the events: any other question could be answered with an error while the consumer is well, just started.

import { Chart } from "./chart.js";
import { dayAndTime, duration, grouped, money, share, timeOfDay } from "./format.js";
import { drawLedger } from "./ledger.js";
import { fill } from "./table.js";

const STALE_AFTER_MS = 3_500, SILENT_AFTER_MS = 10_000;
const RATE_SPAN_MS = 5_000, QUIET_AFTER_MS = 5_000, ROWS_MAX = 60;
const GROUPINGS = ["currency", "type", "category", "country", "channel"];

const $ = id => document.getElementById(id);
const text = (id, value) => { if ($(id).textContent !== value) $(id).textContent = value; };

const rates = new Chart($("rate-chart"), "Records a second", [{ style: "line0", label: "read" }], value => grouped(Math.round(value)));
const latencies = new Chart($("latency-chart"), "Latency in milliseconds",
  [{ style: "line0", label: "p50" }, { style: "line1", label: "p99" }], value => (value && value < 10 ? value.toFixed(1) : grouped(Math.round(value))));

let grouping = "currency", last = null, counted = [];
// Why figures are not what they should be, though somebody sends some.
let why = "";
let heardAt = performance.now(), drawnAt = heardAt, openedAt = heardAt, source = null, retry = 0;

const status = (state, words) => {
  document.documentElement.dataset.state = state;
  $("status").dataset.state = state;
  text("status", words);
};

/** The last row: how many there are, shown or not, and what they come to. */
const rest = (length, ...cells) => [length > ROWS_MAX ? `${grouped(length)} in all, ${grouped(length - ROWS_MAX)} not shown` : `${grouped(length)} in all`, ...cells];

const drawTotals = ({ totals }) => {
  const members = Object.entries(totals[grouping]);
  if (grouping === "currency") {
    const all = members.reduce((sum, [, cell]) => sum + cell.count, 0);
    fill("totals", ["currency", "transactions", "share", "sum", "smallest", "largest"],
      members.sort((a, b) => b[1].count - a[1].count).slice(0, ROWS_MAX).map(([code, cell]) => [code, grouped(cell.count),
        { text: share(cell.count, all), bar: cell.count / all }, money(cell.sum_minor, code),
        money(cell.min_minor, code), money(cell.max_minor, code)]), rest(members.length, grouped(all)));
    return;
  }
  const rows = members.map(([name, cells]) => {
    const byCount = Object.entries(cells).sort((a, b) => b[1].count - a[1].count);
    const sums = byCount.slice(0, 3).map(([code, cell]) => `${money(cell.sum_minor, code)} ${code}`);
    const others = byCount.length > 3 ? ` and ${byCount.length - 3} more` : "";
    return { name, count: byCount.reduce((sum, [, cell]) => sum + cell.count, 0), sums: sums.join(", ") + others };
  }).sort((a, b) => b.count - a.count);
  const all = rows.reduce((sum, row) => sum + row.count, 0);
  fill("totals", [grouping, "transactions", "share", "sums, never across currencies"], rows.slice(0, ROWS_MAX)
    .map(({ name, count, sums }) => [name.replaceAll("_", " "), grouped(count), { text: share(count, all), bar: count / all }, sums]),
  rest(rows.length, grouped(all)));
};

const drawTabs = () => $("groupings").replaceChildren(...GROUPINGS.map((name, place) => {
  const tab = document.createElement("button");
  Object.assign(tab, { id: `tab-${name}`, textContent: name, type: "button", tabIndex: name === grouping ? 0 : -1 });
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-selected", String(name === grouping));
  tab.setAttribute("aria-controls", "totals-panel");
  const choose = chosen => {
    grouping = chosen;
    drawTabs();
    $("totals-panel").setAttribute("aria-labelledby", `tab-${chosen}`);
    $(`tab-${chosen}`).focus();
    if (last) drawTotals(last.summary);
  };
  tab.addEventListener("click", () => choose(name));
  tab.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) choose(GROUPINGS.at((place + step) % GROUPINGS.length));
  });
  return tab;
}));

const drawWindows = windows => {
  const most = Math.max(...windows.map(window => window.count), 1);
  fill("windows", ["window, UTC", "state", "transactions"], windows.map(window => [
    `${timeOfDay(window.window_start)}–${timeOfDay(window.window_end)}`,
    window.closed ? (window.revision ? `closed, ${grouped(window.revision)} late` : "closed") : "open",
    { text: grouped(window.count), bar: window.count / most }]));
};

const drawRejected = ({ rejected, consumed }) => {
  const reasons = Object.entries(rejected).filter(([, count]) => count).sort((a, b) => b[1] - a[1]);
  const most = reasons.length ? reasons[0][1] : 1;
  fill("rejected", ["reason", "records", "of all"], reasons.length
    ? reasons.map(([code, count]) => [code.replaceAll("_", " "), { text: grouped(count), bar: count / most }, share(count, consumed)])
    : [["none so far", "0", "–"]]);
};

const worker = ({ owned, live }) => (live ? "this consumer" : owned ? "this consumer, restoring" : "not here");

const drawPartitions = partitions => fill("partitions",
  ["partition", "worked on", "lag", "counted up to", "event time, UTC", "durable figures are"],
  partitions.slice(0, ROWS_MAX).map(({ partition, owned, durable, live }) => [String(partition), worker({ owned, live }),
    live ? { text: grouped(live.lag_records), mark: live.lag_records ? "some" : "" } : "–",
    durable ? grouped(durable.next_offset) : "not counted yet", durable?.watermark ? dayAndTime(durable.watermark) : "–",
    durable ? { text: `${grouped(Math.round(durable.age_ms / 1_000))} s old`, mark: durable.age_ms > 2 * QUIET_AFTER_MS ? "some" : "" } : "–"]),
  partitions.length > ROWS_MAX ? rest(partitions.length) : undefined);

const drawProducers = ({ producers, missing_from_sequence: missing, evicted, more }) => {
  const known = producers.length > 0 && evicted === 0;
  $("missing").dataset.state = missing ? "bad" : known ? "good" : "";
  text("missing", missing ? `${grouped(missing)} records missing` : known ? "nothing missing" : "not known");
  fill("producers", ["producer", "partitions", "records numbered"], producers.map(({ incarnation, partitions, records_numbered: numbered }) => [incarnation,
    grouped(partitions), grouped(numbered)]),
  more ? ["and more: /api/v1/producers"] : undefined);
};

const reasons = ({ unmet }) => unmet.map(({ reason }) => reason).join("; ");

/** What to say of figures that have just come: that somebody serves them does not mean that anybody counts. */
const judge = (figures, balanced) => {
  const ages = figures.partitions.flatMap(({ durable }) => (durable ? [durable.age_ms] : []));
  const missing = figures.summary.partitions_missing.length;
  if (!balanced) return ["bad", "The ledger does not balance: a bug. Keep the state topic and report it."];
  if (!figures.ready) return ["bad", `Not ready: ${reasons(figures)}`];
  if (missing) return ["waiting", `Live; not counted yet: ${grouped(missing)} of ${grouped(figures.partitions.length)} partitions`];
  if (Math.min(...ages) > QUIET_AFTER_MS) return ["waiting", "Nothing new is being counted: nothing is sent, or nobody counts"];
  return ["live", "Live"];
};

const drawTiles = ({ ready, summary: { ledger }, partitions, latency }, rate) => {
  text("accepted", grouped(ledger.accepted));
  text("consumed", grouped(ledger.consumed));
  text("rate", rate === null ? "–" : grouped(Math.round(rate)));
  text("p99", latency ? duration(latency.p99_us) : "–");
  const live = partitions.filter(partition => partition.live);
  text("lag", live.length && ready ? grouped(live.reduce((sum, partition) => sum + partition.live.lag_records, 0)) : "–");
  text("lag-note", live.length === partitions.length ? "records not read yet"
    : live.length ? `of the ${live.length} of ${partitions.length} partitions worked on here` : "known to the consumers that count, not here");
};

const draw = figures => {
  const { ledger } = figures.summary, at = Date.parse(figures.time), now = performance.now();
  if (counted.length && ledger.consumed < counted.at(-1).consumed) counted = [];
  counted = [...counted.filter(known => known.at > at - RATE_SPAN_MS - 500), { at, consumed: ledger.consumed }];
  const seconds = (at - counted[0].at) / 1_000;
  const rate = seconds > 0.5 ? (ledger.consumed - counted[0].consumed) / seconds : null;
  drawTiles(figures, rate);
  rates.add(now, [rate]);
  latencies.add(now, figures.latency ? [figures.latency.p50_us / 1_000, figures.latency.p99_us / 1_000] : [null, null]);
  const balanced = drawLedger($("ledger"), figures.balance);
  $("balance").dataset.state = balanced ? "good" : "bad";
  text("balance", balanced ? "balances" : "does not balance");
  drawTotals(figures.summary);
  drawWindows(figures.windows);
  drawRejected(ledger);
  drawPartitions(figures.partitions);
  drawProducers(figures.producers);
  status(...judge(figures, balanced));
  text("clock", `${dayAndTime(figures.time)} UTC`);
};

const take = event => {
  heardAt = performance.now();
  try {
    const figures = JSON.parse(event.data);
    if (!figures.caught_up) {
      why = figures.ready ? "The consumer is still reading what has been counted so far." : `The consumer is not ready: ${reasons(figures)}.`;
      return;
    }
    draw(figures);
    last = figures;
    drawnAt = heardAt;
    why = "";
  } catch (error) {
    why = "This page can't show what the consumer sends; load it again.";
    console.error(error);
  }
};

const connect = () => {
  clearTimeout(retry);
  source?.close();
  openedAt = performance.now();
  source = new EventSource("/api/v1/events");
  source.addEventListener("figures", take);
  source.addEventListener("error", ({ target }) => {
    // Refused, not interrupted: the browser does not try that again by itself. Not all pages at the same moment.
    if (target.readyState === EventSource.CLOSED) retry = setTimeout(connect, 4_000 + 2_000 * Math.random());
  });
};

const check = () => {
  const now = performance.now();
  if (now - heardAt > SILENT_AFTER_MS) {
    why = "";
    // A connection may be dead without saying so: after sleep, or in another network.
    if (now - openedAt > SILENT_AFTER_MS) connect();
  }
  if (now - drawnAt < STALE_AFTER_MS) return;
  counted = [];
  status("stale", `Not live. ${why || "The consumer does not answer."}${last ? ` Figures of ${dayAndTime(last.time)} UTC.` : ""}`);
};

drawTabs();
connect();
setInterval(check, 500);
document.addEventListener("visibilitychange", check);
