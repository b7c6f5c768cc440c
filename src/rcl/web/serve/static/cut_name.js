// Long names are cut in the middle: they usually differ at the end.

import { element } from "./dom.js";

const LAST = 14; // characters that are never cut

/** The two parts of a name, for an element of class "cut", which shortens the first one if it must. */
export function cut(name) {
  const letters = [...name];
  return [letters.slice(0, -LAST), letters.slice(-LAST)].map((part) => element("span", { textContent: part.join("") }));
}
