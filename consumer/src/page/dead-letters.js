// The latest dead letters. Asked for only right after an event of somebody who has caught up: asked of a consumer that has just
// started, they would be an error in the console.

import { dayAndTime, grouped, printable, timeAsOf } from "./format.js";
import { readDeadLetters } from "./figures.js";
import { keyed, made, setText } from "./keyed.js";

const PATH = "/api/v1/dead-letters?limit=10";
const EVERY_MS = 5_000, TIMEOUT_MS = 4_000;
const HEX_DIGITS_A_LINE = 32, TEXT_MAX = 2_000;

const oneLine = words => printable(words ?? "", 120);
const hexLines = hex => (hex.match(new RegExp(`.{1,${HEX_DIGITS_A_LINE}}`, "g")) ?? []).map(line => line.replace(/..(?!$)/g, "$& ")).join("\n");

/** What a letter shows when it is opened. It never changes. */
const content = letter => {
  const list = made("dl");
  const entry = (name, words, element = "span") => {
    if (words === null || words === "") return;
    const value = made("dd");
    value.append(made(element, "", words));
    list.append(made("dt", "", name), value);
  };
  const cut = letter.truncated ? ", of which only the first were kept" : "";
  const size = letter.value_bytes === null ? "null" : `${grouped(letter.value_bytes)} bytes${cut}`;
  entry("rejected", letter.rejected_at && `${dayAndTime(letter.rejected_at)} UTC`);
  entry("sent", letter.timestamp && `${dayAndTime(letter.timestamp)} UTC`);
  entry("key", letter.key_text && printable(letter.key_text, TEXT_MAX), "code");
  entry("value", size);
  entry("as text", letter.value_text && printable(letter.value_text, TEXT_MAX), "code");
  entry("first bytes", letter.value_hex && hexLines(letter.value_hex.slice(0, TEXT_MAX)), "pre");
  return list;
};

const make = letter => {
  const item = made("li"), details = made("details"), summary = made("summary");
  summary.append(made("b", "reason"), made("span", "place"), made("time", ""), made("code", "beginning"));
  details.append(summary);
  details.addEventListener("toggle", () => { if (details.open && details.children.length === 1) details.append(content(letter)); });
  item.append(details);
  return item;
};

const update = (item, { letter, now }) => {
  const [reason, place, time, beginning] = item.firstElementChild.firstElementChild.children;
  setText(reason, oneLine(letter.reason).replaceAll("_", " ") + (letter.mended ? ", mended" : ""));
  setText(place, `partition ${letter.partition}, offset ${grouped(letter.offset)}`);
  setText(time, letter.rejected_at ? timeAsOf(letter.rejected_at, now) : "–");
  setText(beginning, letter.value_text === null ? "no value" : oneLine(letter.value_text));
};

export class DeadLetters {
  /** `isWanted`: whether an answer is still to be shown when it comes. */
  constructor(card, isWanted) {
    const [list, note] = ["ol", ".hint"].map(name => card.querySelector(name));
    Object.assign(this, { isWanted, list, note, isSeen: false, asking: false, askedAt: -Infinity, shownOf: 0 });
    new IntersectionObserver(entries => { this.isSeen = entries.at(-1).isIntersecting; }).observe(card);
  }

  /** To be called with each event that is drawn. */
  see({ time, summary: { ledger } }) {
    const rejected = Object.values(ledger.rejected).reduce((all, count) => all + count, 0), of = `${rejected}/${ledger.mended ?? 0}`;
    if (rejected === 0) {
      this.show([], time);
      setText(this.note, "No record has been rejected.");
      this.shownOf = of;
      return;
    }
    const isOpen = this.list.querySelector("details[open]") !== null, now = performance.now();
    if (of === this.shownOf || this.asking || !this.isSeen || document.hidden || now - this.askedAt < EVERY_MS) return;
    if (isOpen) {
      setText(this.note, "There are newer ones; the list waits while one of these is open.");
      return;
    }
    this.askedAt = now;
    this.ask(of, time);
  }

  async ask(of, time) {
    this.asking = true;
    try {
      const answer = await fetch(PATH, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!answer.ok) throw new Error(answer.statusText);
      const { dead_letters: letters, next_after: more } = readDeadLetters(await answer.json());
      if (!this.isWanted()) return;
      this.show(letters, time);
      this.shownOf = of;
      setText(this.note, more === null ? "All that were rejected; open one to see what was in it."
        : "The latest that were rejected; open one to see what was in it.");
    } catch {
      setText(this.note, "They could not be read just now; they are asked for again.");
    } finally {
      this.asking = false;
    }
  }

  show(letters, now) {
    const key = ({ partition, offset, rejected_at: rejectedAt }) => `${partition}/${offset}/${rejectedAt}`;
    keyed(this.list, letters.map(letter => ({ key: key(letter), letter, now })), ({ letter }) => make(letter), update);
  }
}
