// The totals, by one of five groupings: tabs, of which the arrows choose one, and a table.

import { grouped, money, moneyPad, share } from "./format.js";
import { made, setAttribute } from "./keyed.js";
import { Table } from "./table.js";

const GROUPINGS = ["currency", "type", "category", "country", "channel"];
export const ROWS_MAX = 60;
// Of the sums in a row that is no currency.
const SUMS_MAX = 3;

/** The last row: how many there are, shown or not, and what they come to. */
export const rest = (length, shown, ...cells) =>
  [length > shown ? `${grouped(length)} in all, ${grouped(length - shown)} not shown` : `${grouped(length)} in all`, ...cells];

const byCount = cells => Object.entries(cells).sort(([, a], [, b]) => b.count - a.count);
const countOf = cells => cells.reduce((sum, [, cell]) => sum + cell.count, 0);

export class Totals {
  constructor(tabs, panel) {
    Object.assign(this, { panel, grouping: GROUPINGS[0], last: null, table: new Table("totals") });
    this.tabs = GROUPINGS.map((name, place) => {
      const tab = made("button", "", name);
      Object.assign(tab, { id: `tab-${name}`, type: "button" });
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      tab.addEventListener("click", () => this.choose(name));
      tab.addEventListener("keydown", event => {
        const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: -1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        this.choose(GROUPINGS.at(to % GROUPINGS.length)).focus();
      });
      return tab;
    });
    tabs.replaceChildren(...this.tabs);
    this.choose(this.grouping);
  }

  choose(grouping) {
    this.grouping = grouping;
    for (const tab of this.tabs) {
      const chosen = tab.id === `tab-${grouping}`;
      setAttribute(tab, "aria-selected", chosen);
      tab.tabIndex = chosen ? 0 : -1;
    }
    const tab = this.tabs[GROUPINGS.indexOf(grouping)];
    this.panel.setAttribute("aria-labelledby", tab.id);
    if (this.last) this.draw(this.last);
    return tab;
  }

  draw(totals) {
    this.last = totals;
    const members = totals[this.grouping];
    if (this.grouping === "currency") this.drawCurrencies(byCount(members)); else this.drawOthers(Object.entries(members));
  }

  drawCurrencies(members) {
    const all = countOf(members), shown = members.slice(0, ROWS_MAX), codes = shown.map(([code]) => code);
    this.table.draw(["currency", "transactions", "share", "sum", "smallest", "largest"], shown.map(([code, cell]) => {
      const pad = moneyPad(code, codes) || undefined;
      const amounts = [cell.sum_minor, cell.min_minor, cell.max_minor].map(minor => ({ text: money(minor, code), pad }));
      return [code, grouped(cell.count), { text: share(cell.count, all), bar: cell.count / all }, ...amounts];
    }), rest(members.length, shown.length, grouped(all), "", "", "", ""));
  }

  drawOthers(members) {
    const rows = members.map(([name, cells]) => {
      const currencies = byCount(cells), sums = currencies.slice(0, SUMS_MAX).map(([code, cell]) => `${money(cell.sum_minor, code)} ${code}`);
      const more = currencies.length > SUMS_MAX ? `, and ${currencies.length - SUMS_MAX} more` : "";
      return { name, count: countOf(currencies), sums: sums.join(", ") + more };
    }).sort((a, b) => b.count - a.count);
    const all = rows.reduce((sum, row) => sum + row.count, 0), shown = rows.slice(0, ROWS_MAX);
    this.table.draw([this.grouping, "transactions", "share", "sums, never across currencies"], shown.map(({ name, count, sums }) =>
      [name.replaceAll("_", " "), grouped(count), { text: share(count, all), bar: count / all }, sums]),
    rest(rows.length, shown.length, grouped(all), "", ""));
  }
}
