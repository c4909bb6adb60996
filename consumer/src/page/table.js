// Tables whose rows are text. Whatever a record holds stays text: nothing here is ever read as HTML.

import { printable } from "./format.js";
import { keyed, made, setAttribute, setText } from "./keyed.js";

/** A cell: text, or `{ text, bar, pad, mark }`: a bar of that share of the cell, letters' room after it, a class. */
const drawCell = (element, cell) => {
  const { text, bar, pad, mark = "" } = typeof cell === "object" ? cell : { text: cell };
  setText(element, printable(text));
  setAttribute(element, "data-pad", pad);
  const style = bar === undefined ? mark : `bar ${mark}`.trim();
  if (element.className !== style) element.className = style;
  if (bar === undefined) {
    element.querySelector("i")?.remove();
    return;
  }
  const strip = element.querySelector("i") ?? element.appendChild(made("i"));
  const width = `${(Math.max(0, Math.min(1, bar)) * 100).toFixed(2)}%`;
  if (strip.style.width !== width) strip.style.width = width;
};

const makeCell = (name, scope) => {
  const cell = made(name);
  if (scope) cell.scope = scope;
  return cell;
};

const drawRow = (row, cells, isHead) => {
  while (row.cells.length > cells.length) row.lastElementChild.remove();
  while (row.cells.length < cells.length) {
    row.append(isHead ? makeCell("th", "col") : row.cells.length ? makeCell("td") : makeCell("th", "row"));
  }
  cells.forEach((cell, place) => drawCell(row.cells[place], cell));
};

export class Table {
  constructor(id) {
    const parts = ["thead", "tbody", "tfoot"].map(name => document.createElement(name));
    [this.head, this.body, this.foot] = parts;
    document.getElementById(id).replaceChildren(...parts);
  }

  /** `rows`: cells, the first of which names the row, and is its key where it has none. `foot`: a last row, if there is one. */
  draw(head, rows, foot) {
    const row = () => document.createElement("tr");
    keyed(this.head, [{ key: "head" }], row, element => drawRow(element, head, true));
    const items = rows.map(cells => ({ key: cells.key ?? (cells[0].text ?? cells[0]), cells }));
    keyed(this.body, items, row, (element, { cells }) => drawRow(element, cells));
    keyed(this.foot, foot ? [{ key: "foot" }] : [], row, element => drawRow(element, foot));
  }
}
