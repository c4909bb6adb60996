// A line or two over the last minutes, drawn as SVG. Knows nothing of what it draws.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 150, LEFT = 52, BOTTOM = 20, TOP = 8;
const MINUTE_MS = 60_000, SPAN_MS = 5 * MINUTE_MS, GAP_MS = 3_500;

const element = (name, attributes, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

/** 1, 2, 4 or 6 times a power of ten, at least as large as `most`: half of it is a round number too. */
const roundUp = most => {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1e-9)));
  return [1, 2, 4, 6, 10].map(step => step * power).find(step => step >= most);
};

export class Chart {
  /** `lines`: name, CSS class and label of each. `show`: a value as text. */
  constructor(place, label, lines, show) {
    Object.assign(this, { place, label, lines, show, points: [] });
    this.svg = element("svg", { height: HEIGHT, role: "img" });
    const legend = document.createElement("p");
    legend.className = "legend";
    this.values = lines.map(line => {
      const entry = document.createElement("span"), value = document.createElement("b");
      entry.className = line.style;
      entry.append(line.label + " ", value);
      legend.append(entry);
      return value;
    });
    place.replaceChildren(this.svg, legend);
  }

  /** Adds values at a time; null breaks the line: there was nothing, which is not zero. */
  add(at, values) {
    // A tab that slept, or a connection that was gone: the next value begins a new line.
    const before = this.points.at(-1);
    if (before && at - before.at > GAP_MS) this.points.push({ at: before.at + 1, values: this.lines.map(() => null) });
    this.points.push({ at, values });
    this.points = this.points.filter(point => point.at > at - SPAN_MS);
    this.draw(at);
  }

  draw(now) {
    const all = this.points.flatMap(point => point.values).filter(value => value !== null);
    const highest = Math.max(...all, 0), most = highest > 0 ? roundUp(highest) : 1;
    // As wide as there is room, so that letters stay as large as they are; as long as there is something to show.
    const width = Math.max(this.place.clientWidth, 200);
    const span = Math.min(SPAN_MS, Math.max(MINUTE_MS, now - (this.points[0]?.at ?? now)));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const x = at => LEFT + (width - LEFT) * (1 - (now - at) / span);
    const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
    const parts = [];
    for (const part of [0, 0.5, 1]) {
      const value = most * part;
      parts.push(element("line", { x1: LEFT, x2: width, y1: y(value), y2: y(value), class: "grid" }),
        element("text", { x: LEFT - 6, y: y(value) + 4, class: "axis", "text-anchor": "end" }, this.show(value)));
    }
    const minutes = Math.floor(span / MINUTE_MS);
    for (const ago of new Set([minutes, Math.floor(minutes / 2), 0])) {
      const anchor = ago === 0 ? "end" : ago * MINUTE_MS === span ? "start" : "middle";
      parts.push(element("text", { x: x(now - ago * MINUTE_MS), y: HEIGHT - 4, class: "axis", "text-anchor": anchor },
        ago ? `${ago} min ago` : "now"));
    }
    this.lines.forEach((line, index) => {
      let path = "", pen = "M";
      for (const { at, values } of this.points) {
        if (values[index] === null) { pen = "M"; continue; }
        path += `${pen}${x(at).toFixed(1)} ${y(values[index]).toFixed(1)}`;
        pen = "L";
      }
      parts.push(element("path", { d: path, class: line.style }));
      const last = this.points.at(-1)?.values[index] ?? null;
      this.values[index].textContent = last === null ? "–" : this.show(last);
    });
    this.svg.replaceChildren(...parts);
    const said = this.lines.map((line, index) => `${line.label} ${this.values[index].textContent}`).join(", ");
    this.svg.setAttribute("aria-label", `${this.label}, last ${Math.ceil(span / MINUTE_MS)} min; now ${said}`);
  }
}
