// Windows, reasons, partitions and producers, a table each.

import { grouped, seconds, share, span, timeAsOf } from "./format.js";
import { Table } from "./table.js";
import { ROWS_MAX, rest } from "./totals.js";

const PARTITIONS_MAX = 1_000;
// Durable figures older than this are worth a look.
const OLD_AFTER_MS = 10_000;

const tables = Object.fromEntries(["windows", "rejected", "partitions", "producers"].map(id => [id, new Table(id)]));

export const drawWindows = (windows, now) => {
  const most = Math.max(...windows.map(window => window.count), 1);
  const rows = windows.map(window => Object.assign([
    span(window.window_start, window.window_end, now),
    window.closed ? (window.revision ? `closed, ${grouped(window.revision)} late` : "closed") : "open",
    { text: grouped(window.count), bar: window.count / most },
  ], { key: `${window.window_start}/${window.window_end}` }));
  tables.windows.draw(["window, UTC", "state", "transactions"], rows);
};

export const drawRejected = ({ rejected, consumed }) => {
  const reasons = Object.entries(rejected).filter(([, count]) => count).sort(([, a], [, b]) => b - a);
  const most = reasons.length ? reasons[0][1] : 1;
  const rows = reasons.map(([code, count]) => [code.replaceAll("_", " "), { text: grouped(count), bar: count / most }, share(count, consumed)]);
  const all = reasons.reduce((sum, [, count]) => sum + count, 0);
  tables.rejected.draw(["reason", "records", "of all"], rows.length ? rows : [["none so far", "0", "–"]],
    rows.length ? rest(rows.length, rows.length, grouped(all), share(all, consumed)) : undefined);
};

const here = ({ owned, live }) => (live ? "this consumer" : owned ? "this consumer, restoring" : "not here");

/** Who works on a partition: by name where its snapshots say who wrote them. */
const worker = partition => {
  const name = partition.durable?.written_by;
  if (!name) return here(partition);
  return partition.live ? `${name} (this one)` : partition.owned ? "this consumer, restoring" : name;
};

// A column is there where its member is.
const COLUMNS = [
  ["partition", ({ partition }) => String(partition)],
  ["worked on", here, partitions => !named(partitions)],
  ["worked on by", worker, partitions => named(partitions)],
  ["lag", ({ live }) => (live ? { text: grouped(live.lag_records), mark: live.lag_records ? "some" : "" } : "–")],
  ["behind by", ({ live }) => (live?.lag_ms == null ? "–" : seconds(live.lag_ms)), partitions => timed(partitions)],
  ["counted up to", ({ durable }) => (durable ? grouped(durable.next_offset) : "not counted yet")],
  ["event time, UTC", ({ durable }, now) => (durable?.watermark ? timeAsOf(durable.watermark, now) : "–")],
  ["durable for", ({ durable }) => (durable ? { text: seconds(durable.age_ms), mark: durable.age_ms > OLD_AFTER_MS ? "some" : "" } : "–")],
];
const named = partitions => partitions.some(({ durable }) => durable?.written_by !== undefined);
const timed = partitions => partitions.some(({ live }) => live?.lag_ms !== undefined);

export const drawPartitions = (partitions, now) => {
  const columns = COLUMNS.filter(([, , isThere]) => !isThere || isThere(partitions)), shown = partitions.slice(0, PARTITIONS_MAX);
  tables.partitions.draw(columns.map(([name]) => name), shown.map(partition => columns.map(([, cell]) => cell(partition, now))),
    partitions.length > shown.length ? rest(partitions.length, shown.length) : undefined);
};

/** Draws them, and gives what can be said of what they sent: text and state. */
export const drawProducers = ({ producers, missing_from_sequence: missing, evicted, more }) => {
  const shown = producers.slice(0, ROWS_MAX);
  const rows = shown.map(({ incarnation, partitions, records_numbered: numbered }) => [incarnation, grouped(partitions), grouped(numbered)]);
  tables.producers.draw(["producer", "partitions", "records"], rows, more || producers.length > shown.length ? ["and more: /api/v1/producers", "", ""] : undefined);
  if (missing) return [`${grouped(missing)} records missing`, "bad"];
  return producers.length && !evicted ? ["nothing missing", "good"] : ["not known", ""];
};
