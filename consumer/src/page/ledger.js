// The ledger as sums that visibly add up: a bar of the parts under each equation, and a mark where they do.

import { grouped, share } from "./format.js";

const equation = (name, whole, parts) => {
  const sum = parts.reduce((all, [, count]) => all + count, 0), holds = sum === whole;
  const box = document.createElement("div");
  box.className = "equation";
  const text = document.createElement("p");
  const term = (count, label, style) => {
    const one = document.createElement("span");
    one.className = `term ${style}`;
    const number = document.createElement("b"), words = document.createElement("small");
    number.textContent = grouped(count);
    words.textContent = label;
    one.append(number, words);
    return one;
  };
  const sign = character => {
    const one = document.createElement("span");
    one.className = "sign";
    one.textContent = character;
    return one;
  };
  text.append(term(whole, name, "whole"), sign(holds ? "=" : "≠"));
  parts.forEach(([label, count], place) => text.append(...(place ? [sign("+")] : []), term(count, label, `part${place}`)));
  const bar = document.createElement("div");
  bar.className = "stack";
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", parts.map(([label, count]) => `${label} ${share(count, whole)}`).join(", "));
  parts.forEach(([, count], place) => {
    const piece = document.createElement("i");
    piece.className = `part${place}`;
    piece.style.flexGrow = String(whole > 0 ? count / whole : 0);
    if (count) piece.dataset.some = "";
    bar.append(piece);
  });
  box.append(text, bar);
  return { box, holds };
};

/** Draws it, and gives whether it all adds up. */
export const drawLedger = (place, { offsets, skipped, ledger, balanced }) => {
  const rejected = Object.values(ledger.rejected).reduce((all, count) => all + count, 0);
  const equations = [
    equation("offsets", offsets, [["consumed", ledger.consumed], ["without a record", ledger.offsets_without_record],
      ["deleted unread", skipped]]),
    equation("consumed", ledger.consumed, [["accepted", ledger.accepted], ["redelivered: sent again", ledger.redelivered],
      ["repeated: same id again", ledger.repeated], ["rejected", rejected]]),
    equation("accepted", ledger.accepted, [["on time", ledger.on_time], ["late, its window corrected", ledger.revised],
      ["counted, too late for a window", ledger.too_late]]),
  ];
  place.replaceChildren(...equations.map(({ box }) => box));
  return balanced && equations.every(({ holds }) => holds);
};
