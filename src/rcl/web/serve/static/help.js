// The page of keys, from the table that the keys themselves use.

import { byId, element } from "./dom.js";
import { KEYMAP } from "./keymap.js";
import { learningChanged, page } from "./page_state.js";

let shownFor = null; // whether there was a detector when the keys were shown last

export function showKeys() {
  shownFor = page.detector;
  byId("keys").replaceChildren(...KEYMAP.map(sectionOf));
}

function sectionOf({ title, keys }) {
  const shown = keys.filter((one) => page.detector || !one.isForDetector);
  const rows = shown.flatMap(({ shown: name, keys: [first], does }) => [
    element("dt", {}, ...(name ?? nameOf(first)).split(" ").flatMap(partOf)),
    element("dd", { textContent: does }),
  ]);
  return element("section", {}, element("h3", { textContent: title }), element("dl", { className: "keys" }, ...rows));
}

const nameOf = (key) => key.replace("+", " ").split(" ").map((part) => (part.length === 1 ? part.toUpperCase() : part)).join(" ");
const partOf = (part) => (["key", "of", "a", "class"].includes(part) ? [`${part} `] : [element("kbd", { textContent: part }), " "]);

learningChanged.on(() => page.detector !== shownFor && showKeys());
