// The dashboard: one event a second, drawn as it comes. What is older than some seconds is said to be old, and greyed.

import { Chart } from "./chart.js";
import { duration, grouped, money, share, timeOfDay } from "./format.js";
import { drawLedger } from "./ledger.js";
import { fill } from "./table.js";

const STALE_AFTER_MS = 3_500, PRODUCERS_EVERY_MS = 5_000, RATE_SPAN_MS = 5_000, ROWS_MAX = 60;
const GROUPINGS = ["currency", "type", "category", "country", "channel"];

const $ = id => document.getElementById(id);
const text = (id, value) => { if ($(id).textContent !== value) $(id).textContent = value; };

const rates = new Chart($("rate-chart"), "Records a second", [{ style: "line0", label: "counted" }], value => grouped(Math.round(value)));
const latencies = new Chart($("latency-chart"), "Latency in milliseconds",
  [{ style: "line0", label: "p50" }, { style: "line1", label: "p99" }], value => (value && value < 10 ? value.toFixed(1) : grouped(Math.round(value))));

let grouping = "currency", last = null, lastEventAt = 0, counted = [];

const status = (state, words) => {
  document.documentElement.dataset.state = state;
  $("status").dataset.state = state;
  text("status", words);
};

const drawTotals = ({ totals }) => {
  const members = Object.entries(totals[grouping]);
  if (grouping === "currency") {
    const all = members.reduce((sum, [, cell]) => sum + cell.count, 0);
    fill("totals", ["currency", "transactions", "share", "sum", "smallest", "largest"],
      members.sort((a, b) => b[1].count - a[1].count).slice(0, ROWS_MAX).map(([code, cell]) => [code, grouped(cell.count),
        { text: share(cell.count, all), bar: cell.count / all }, money(cell.sum_minor, code),
        money(cell.min_minor, code), money(cell.max_minor, code)]));
    return;
  }
  const rows = members.map(([name, cells]) => {
    const byCount = Object.entries(cells).sort((a, b) => b[1].count - a[1].count);
    const sums = byCount.slice(0, 3).map(([code, cell]) => `${money(cell.sum_minor, code)} ${code}`);
    const others = byCount.length > 3 ? ` and ${byCount.length - 3} more` : "";
    return { name, count: byCount.reduce((sum, [, cell]) => sum + cell.count, 0), sums: sums.join(", ") + others };
  }).sort((a, b) => b.count - a.count).slice(0, ROWS_MAX);
  const all = rows.reduce((sum, row) => sum + row.count, 0);
  fill("totals", [grouping, "transactions", "share", "sums, never across currencies"],
    rows.map(({ name, count, sums }) => [name.replaceAll("_", " "), grouped(count), { text: share(count, all), bar: count / all }, sums]));
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
  fill("windows", ["window, UTC", "", "transactions"], windows.map(window => [
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

const drawPartitions = partitions => fill("partitions",
  ["partition", "worked on by", "lag", "counted up to", "event time, UTC", "durable figures are"],
  partitions.slice(0, ROWS_MAX).map(({ partition, durable, live }) => [String(partition), live ? "this consumer" : "another, or none",
    live ? { text: grouped(live.lag_records), mark: live.lag_records ? "some" : "" } : "–",
    durable ? grouped(durable.next_offset) : "not counted yet", durable?.watermark ? timeOfDay(durable.watermark) : "–",
    durable ? `${(durable.age_ms / 1_000).toFixed(1)} s old` : "–"]));

const drawProducers = ({ producers, missing_from_sequence: missing }) => {
  $("missing").dataset.state = missing ? "bad" : "good";
  text("missing", missing ? `${grouped(missing)} records missing` : "nothing missing");
  fill("producers", ["producer", "partitions", "records numbered"], producers.map(({ incarnation, partitions }) => [incarnation,
    grouped(partitions.length), grouped(partitions.reduce((sum, { last_sequence: sequence }) => sum + sequence, 0))]));
};

const draw = figures => {
  last = figures;
  const { ledger } = figures.summary, now = performance.now();
  if (counted.length && ledger.consumed < counted.at(-1).consumed) counted = [];
  counted = [...counted.filter(({ at }) => at > now - RATE_SPAN_MS - 500), { at: now, consumed: ledger.consumed }];
  const seconds = (now - counted[0].at) / 1_000;
  const rate = seconds > 0.5 ? (ledger.consumed - counted[0].consumed) / seconds : null;
  text("consumed", grouped(ledger.consumed));
  text("rate", rate === null ? "–" : grouped(Math.round(rate)));
  text("p99", figures.latency ? duration(figures.latency.p99_us) : "–");
  const live = figures.partitions.filter(partition => partition.live);
  text("lag", live.length ? grouped(live.reduce((sum, partition) => sum + partition.live.lag_records, 0)) : "–");
  text("lag-note", live.length === figures.partitions.length ? "records not read yet" : `of the ${live.length} of ${figures.partitions.length} partitions worked on here`);
  rates.add(now, [rate]);
  latencies.add(now, figures.latency ? [figures.latency.p50_us / 1_000, figures.latency.p99_us / 1_000] : [null, null]);
  const balanced = drawLedger($("ledger"), figures.balance);
  $("balance").dataset.state = balanced ? "good" : "bad";
  text("balance", balanced ? "balances" : "does not balance");
  drawTotals(figures.summary);
  drawWindows(figures.windows);
  drawRejected(ledger);
  drawPartitions(figures.partitions);
  const missing = figures.summary.partitions_missing.length;
  if (!balanced) status("bad", "The ledger does not balance: a bug. Keep the state topic and report it.");
  else if (missing) status("waiting", `Live; ${missing} partitions have not been counted yet`);
  else status("live", `Live, ${timeOfDay(figures.time)} UTC`);
};

const events = () => {
  const source = new EventSource("/api/v1/events");
  source.addEventListener("figures", event => {
    const figures = JSON.parse(event.data);
    lastEventAt = performance.now();
    if (figures.caught_up) draw(figures);
    else status("waiting", "The consumer is still reading what has been counted so far.");
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      // Refused, not interrupted: the browser does not try that again by itself.
      source.close();
      setTimeout(events, 5_000);
    }
  });
};

setInterval(() => {
  const age = performance.now() - lastEventAt;
  if (!lastEventAt || age < STALE_AFTER_MS) return;
  if (document.documentElement.dataset.state !== "stale") {
    rates.interrupt(performance.now());
    latencies.interrupt(performance.now());
    counted = [];
  }
  status("stale", last
    ? `Not live: the consumer has not answered for ${Math.round(age / 1_000)} s. These figures are of ${timeOfDay(last.time)} UTC.`
    : "The consumer does not answer.");
}, 500);

const producers = async () => {
  try {
    const answer = await fetch("/api/v1/producers?limit=50");
    if (answer.ok) drawProducers(await answer.json());
  } catch { /* The events say that nobody answers. */ }
  setTimeout(producers, PRODUCERS_EVERY_MS);
};

drawTabs();
events();
producers();
