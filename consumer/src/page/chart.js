// A line or two over the last minutes, drawn as SVG. Knows nothing of what it draws.

import { made, setAttribute, setText } from "./keyed.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 160, LEFT = 52, BOTTOM = 22, TOP = 8;
const MINUTE_MS = 60_000, SPAN_MS = 5 * MINUTE_MS, GAP_MS = 3_500, STEP_MS = 500;
// Of a logarithmic axis: more than so many powers of ten get a label every other time.
const LABELS_MAX = 5;

const element = (name, attributes, text) => {
  const drawn = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) drawn.setAttribute(key, value);
  if (text !== undefined) drawn.append(text);
  return drawn;
};

/** An axis from 0 to 1, 2, 4 or 6 times a power of ten, half of which is a round number too, and some room above the highest. */
export const linear = values => {
  const highest = Math.max(...values, 0) * 1.1;
  const power = 10 ** Math.floor(Math.log10(Math.max(highest, 1e-9)));
  const most = highest > 0 ? [1, 2, 4, 6, 10].map(step => step * power).find(step => step >= highest) : 1;
  return { labels: [0, most / 2, most], lines: [], part: value => value / most };
};

/** An axis of whole powers of ten, for what is of several magnitudes at once: a small value is not flat beside a large one. */
export const logarithmic = values => {
  const some = values.filter(value => value > 0);
  const low = Math.floor(Math.log10(some.length ? Math.min(...some) : 1) + 1e-9);
  const high = Math.max(Math.ceil(Math.log10(some.length ? Math.max(...some) : 1) - 1e-9), low + 1);
  const powers = Array.from({ length: high - low + 1 }, (_, place) => low + place);
  const every = powers.length > LABELS_MAX ? 2 : 1;
  return {
    labels: powers.filter((_, place) => place % every === 0).map(power => 10 ** power),
    lines: powers.slice(0, -1).flatMap(power => [2, 5].map(step => step * 10 ** power)),
    part: value => (value > 0 ? Math.max(0, (Math.log10(value) - low) / (high - low)) : 0),
  };
};

export class Chart {
  /** `lines`: CSS class and label of each. `show`: a value as text. */
  constructor(place, label, axis, lines, show) {
    Object.assign(this, { place, label, axis, lines, show, points: [], drawn: "" });
    this.svg = element("svg", { height: HEIGHT, role: "img" });
    this.grid = element("g", {});
    this.times = element("g", {});
    this.paths = lines.map(({ style }) => element("path", { class: style }));
    this.svg.append(this.grid, this.times, ...this.paths);
    const legend = made("p", "legend");
    this.values = lines.map(line => {
      const entry = made("span", line.style, `${line.label} `), value = made("b", "", "–");
      entry.append(value);
      legend.append(entry);
      return value;
    });
    place.replaceChildren(this.svg, legend);
  }

  /** Takes note of values at a time; null breaks the line: there was nothing, which is not zero. */
  add(at, values) {
    const before = this.points.at(-1);
    // A tab that slept, or a connection that was gone: the next value begins a new line.
    if (before && at - before.at > GAP_MS) this.points.push({ at: before.at + 1, values: this.lines.map(() => null) });
    // However fast they come, there are only so many.
    if (before && at - before.at < STEP_MS) before.values = values; else this.points.push({ at, values });
    this.points = this.points.filter(point => point.at > at - SPAN_MS);
  }

  /** Draws what there is, the last of it on the right. `timeAgo`: a time so many milliseconds before it, as text. */
  draw(timeAgo) {
    const now = this.points.at(-1)?.at ?? 0;
    const axis = this.axis(this.points.flatMap(point => point.values).filter(value => value !== null));
    // As wide as there is room, so that letters stay as large as they are; as long as there is something to show.
    const width = Math.max(this.place.clientWidth, 200);
    const span = Math.min(SPAN_MS, Math.max(MINUTE_MS, now - (this.points[0]?.at ?? now)));
    const x = at => LEFT + (width - LEFT) * (1 - (now - at) / span);
    const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (1 - axis.part(value));
    this.drawGrid(axis, width, y);
    this.drawTimes(span, ago => x(now - ago), timeAgo);
    this.lines.forEach((_, index) => {
      let path = "", pen = "M";
      for (const { at, values } of this.points) {
        if (values[index] === null) { pen = "M"; continue; }
        path += `${pen}${x(at).toFixed(1)} ${y(values[index]).toFixed(1)}`;
        pen = "L";
      }
      setAttribute(this.paths[index], "d", path);
      const last = this.points.at(-1)?.values[index] ?? null;
      setText(this.values[index], last === null ? "–" : this.show(last));
    });
    const said = this.lines.map((line, index) => `${line.label} ${this.values[index].textContent}`).join(", ");
    setAttribute(this.svg, "aria-label", `${this.label}, ${Math.ceil(span / MINUTE_MS)} min; at ${timeAgo(0)} ${said}`);
  }

  drawGrid({ labels, lines }, width, y) {
    const drawn = JSON.stringify([width, labels]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const line = (value, style) => element("line", { x1: LEFT, x2: width, y1: y(value), y2: y(value), class: style });
    this.grid.replaceChildren(...lines.map(value => line(value, "grid faint")), ...labels.flatMap(value => [line(value, "grid"),
      element("text", { x: LEFT - 8, y: y(value) + 4, class: "axis", "text-anchor": "end" }, this.show(value))]));
  }

  drawTimes(span, x, timeAgo) {
    const minutes = Math.floor(span / MINUTE_MS);
    const agos = [...new Set([minutes, Math.floor(minutes / 2), 0])].map(ago => ago * MINUTE_MS);
    this.times.replaceChildren(...agos.map(ago => {
      const anchor = ago === 0 ? "end" : x(ago) < LEFT + 30 ? "start" : "middle";
      return element("text", { x: x(ago), y: HEIGHT - 4, class: "axis", "text-anchor": anchor }, timeAgo(ago));
    }));
  }
}
