// Tables whose rows are text. Whatever a record holds stays text: nothing here is ever read as HTML.

/** `foot` is a last row, if there is one. A cell: text, or `{ text, bar, mark }`: a bar of that share of the cell behind it; a class. */
export const fill = (id, head, rows, foot) => {
  const table = document.getElementById(id);
  const row = (cells, cellName) => {
    const made = document.createElement("tr");
    cells.forEach((cell, place) => {
      const { text, bar, mark } = typeof cell === "object" ? cell : { text: cell };
      const one = document.createElement(place === 0 && cellName === "td" ? "th" : cellName);
      if (cellName === "th") one.scope = "col"; else if (place === 0) one.scope = "row";
      one.textContent = text;
      if (mark) one.className = mark;
      if (bar !== undefined) {
        const strip = document.createElement("i");
        strip.style.width = `${Math.max(0, Math.min(1, bar)) * 100}%`;
        one.classList.add("bar");
        one.append(strip);
      }
      made.append(one);
    });
    return made;
  };
  const top = document.createElement("thead"), body = document.createElement("tbody");
  top.append(row(head, "th"));
  body.append(...rows.map(cells => row(cells, "td")));
  const bottom = document.createElement("tfoot");
  if (foot) bottom.append(row(foot, "td"));
  table.replaceChildren(top, body, bottom);
};
