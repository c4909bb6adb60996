// Elements that stay the same ones while what they show changes: a selection, the focus and a screen reader's place outlive
// every event, and nothing is touched that is as it was.

const known = new WeakMap();

/** Makes the children of `parent`, which has no others, those of `items`: `make` for a new `key`, `update` for each. */
export const keyed = (parent, items, make, update) => {
  const before = known.get(parent) ?? new Map(), now = new Map();
  for (const item of items) {
    // Two of one name are two.
    const key = now.has(item.key) ? `${item.key}\n${now.size}` : item.key;
    now.set(key, before.get(key) ?? make(item));
  }
  for (const [key, element] of before) if (!now.has(key)) element.remove();
  let place = parent.firstElementChild, index = 0;
  for (const element of now.values()) {
    if (element === place) place = place.nextElementSibling; else parent.insertBefore(element, place);
    update(element, items[index++]);
  }
  known.set(parent, now);
};

/** The text of an element whose first child it is, if it has one. */
export const setText = (element, words) => {
  const first = element.firstChild;
  if (!first) element.append(words); else if (first.data !== words) first.data = words;
};

/** An attribute, or none. */
export const setAttribute = (element, name, value) => {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
};

/** A new element with a class and a text. */
export const made = (name, style, words) => {
  const element = document.createElement(name);
  if (style) element.className = style;
  if (words !== undefined) element.append(words);
  return element;
};
