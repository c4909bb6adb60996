"use strict";
// Figures are read as text or as whole numbers; sums never pass through a float.
const grouped = n => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
const money = (minor, currency) => {
  const digits = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  const text = minor.padStart(digits + 1, "0"), cut = text.length - digits;
  return grouped(text.slice(0, cut)) + (digits ? "." + text.slice(cut) : "") + " " + currency;
};
const fill = (id, rows) => document.getElementById(id).replaceChildren(...rows.map(cells => {
  const row = document.createElement("tr");
  row.append(...cells.map((text, place) => {
    const cell = document.createElement(place ? "td" : "th");
    cell.textContent = text.replace(/^> /, "");
    if (text.startsWith("> ")) cell.className = "sub";
    return cell;
  }));
  return row;
}));
let before = null;
async function refresh() {
  const verdict = document.getElementById("verdict");
  try {
    const answer = await fetch("/api/v1/summary");
    if (answer.status === 503) {
      verdict.className = "";
      verdict.textContent = "The consumer is still reading what has been counted so far.";
      return;
    }
    const { ledger: l, totals, partitions, partitions_missing: missing } = await answer.json();
    const rejected = Object.values(l.rejected).reduce((sum, count) => sum + count, 0);
    const balanced = l.consumed === l.accepted + l.redelivered + l.repeated + rejected
      && l.accepted === l.on_time + l.revised + l.too_late;
    const now = performance.now();
    const rate = before && now > before.at ? Math.max(0, Math.round((l.consumed - before.consumed) * 1000 / (now - before.at))) : 0;
    before = { at: now, consumed: l.consumed };
    verdict.className = balanced ? "good" : "bad";
    verdict.textContent = `${grouped(l.consumed)} records, ${grouped(rate)} a second. `
      + (balanced ? "The ledger balances: every record is in exactly one column." : "The ledger does not balance.");
    fill("ledger", [["consumed", grouped(l.consumed)], ["> accepted", grouped(l.accepted)],
      ["> redelivered", grouped(l.redelivered)], ["> repeated", grouped(l.repeated)], ["> rejected", grouped(rejected)],
      ...Object.entries(l.rejected).filter(([, count]) => count).map(([code, count]) => ["> " + code, grouped(count)]),
      ["missing from sequences", grouped(l.missing_from_sequence)]]);
    fill("totals", Object.entries(totals.currency).sort((a, b) => b[1].count - a[1].count)
      .map(([code, cell]) => [code, grouped(cell.count), money(cell.sum_minor, code)]));
    fill("partitions", [["partition", "next offset", "watermark", "figures are"],
      ...partitions.map(p => [String(p.partition), grouped(p.next_offset), p.watermark ?? "–", `${p.age_ms} ms old`]),
      ...missing.map(partition => [String(partition), "not counted yet", "–", "–"])]);
  } catch (error) {
    verdict.className = "bad";
    verdict.textContent = "The consumer does not answer; these are its last figures.";
  }
}
refresh();
setInterval(refresh, 1000);
