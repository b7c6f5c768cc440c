// Helpers to find and make elements of a page.

export const byId = (id) => document.getElementById(id);

/** A new element with these properties and children (elements or texts). */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const KEPT = 14; // letters at the end of a name, which stay

/** A name that is cut in the middle where there is no room (names.css); its text is the whole name. */
export function cutName(name, className = "") {
  const letters = [...name];
  let place = Math.max(letters.length - KEPT, 0);
  while (place > 0 && /\p{M}/u.test(letters[place])) place--; // an accent stays with its letter
  const parts = [letters.slice(0, place), letters.slice(place)];
  return element("span", {className: `cut ${className}`}, ...parts.map((part) => element("span", {textContent: part.join("")})));
}

/** A new SVG element with these attributes, appended to parent if there is one. */
export function svgElement(name, attributes = {}, parent = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}
