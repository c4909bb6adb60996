// The ledger as sums that visibly add up: a bar of the parts under each equation, and a mark where they do.

import { grouped, share } from "./format.js";
import { made, setAttribute, setText } from "./keyed.js";

class Equation {
  constructor(place, name, labels) {
    this.labels = labels;
    const sum = made("p"), term = (label, style) => {
      const one = made("span", `term ${style}`), number = made("b", "", "–");
      one.append(number, made("small", "", label));
      return { one, number };
    };
    const whole = term(name, "whole");
    this.whole = whole.number;
    sum.append(whole.one);
    const terms = labels.map((label, index) => {
      const part = made("span", "part"), sign = made("span", "sign", index ? "+" : "="), { one, number } = term(label, `part${index}`);
      part.append(sign, one);
      sum.append(part);
      return { sign, number };
    });
    this.equals = terms[0].sign;
    this.numbers = terms.map(({ number }) => number);
    this.bar = made("div", "stack");
    this.bar.setAttribute("role", "img");
    this.pieces = labels.map((_, index) => this.bar.appendChild(made("i", `part${index}`)));
    this.note = made("p", "note");
    this.note.hidden = true;
    const box = made("div", "equation");
    box.append(sum, this.bar, this.note);
    place.append(box);
  }

  /** Gives whether it adds up. Beyond what numbers can tell apart it can't say, and the consumer's own word stands. */
  draw(whole, counts, note = "") {
    const exact = [whole, ...counts].every(Number.isSafeInteger);
    const holds = !exact || counts.reduce((sum, count) => sum + count, 0) === whole;
    setText(this.whole, grouped(whole));
    setText(this.equals, holds ? "=" : "≠");
    counts.forEach((count, index) => {
      setText(this.numbers[index], grouped(count));
      const grow = String(whole > 0 ? Number((count / whole).toFixed(5)) : 0), piece = this.pieces[index];
      if (piece.style.flexGrow !== grow) piece.style.flexGrow = grow;
      piece.toggleAttribute("data-some", count > 0);
    });
    setAttribute(this.bar, "aria-label", this.labels.map((label, index) => `${label} ${share(counts[index], whole)}`).join(", "));
    setText(this.note, note);
    this.note.hidden = !note;
    return holds;
  }
}

export class LedgerCard {
  constructor(place) {
    this.offsets = new Equation(place, "offsets", ["consumed", "without a record", "deleted unread"]);
    this.consumed = new Equation(place, "consumed", ["accepted", "redelivered: sent again", "repeated: same id again", "rejected"]);
    this.accepted = new Equation(place, "accepted", ["on time", "late, its window corrected", "counted, too late for a window"]);
  }

  /** Draws it, and gives whether it all adds up. */
  draw({ offsets, skipped, ledger, balanced }) {
    const rejected = Object.values(ledger.rejected).reduce((all, count) => all + count, 0);
    const mended = ledger.mended ? `Of the rejected, ${grouped(ledger.mended)} ${ledger.mended === 1 ? "has" : "have"} been mended since.` : "";
    const hold = [
      this.offsets.draw(offsets, [ledger.consumed, ledger.offsets_without_record, skipped]),
      this.consumed.draw(ledger.consumed, [ledger.accepted, ledger.redelivered, ledger.repeated, rejected], mended),
      this.accepted.draw(ledger.accepted, [ledger.on_time, ledger.revised, ledger.too_late]),
    ];
    return balanced && hold.every(holds => holds);
  }
}
