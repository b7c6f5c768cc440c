// The lanes of a timeline with their segments. Of many segments, only those in sight are drawn.

import {svgElement} from "./dom.js";
import {drawSegment, stretch} from "./timeline_drawing.js";

const ALL_DRAWN = 300; // segments up to which all are drawn, so that those out of sight keep their place in the tab order
const THINNEST = 3; // pixels of a segment

export class TimelineLanes {
  #parent; #prefix; #describe;
  #width = 0;
  #places = new Map(); // id → {segment, y, height, row, parent, colour}
  #groups = new Map(); // id → its element, if it is drawn
  #kept = new Set(); // ids that are drawn wherever they are: the selected segment and the focused one

  /** describe(segment) returns lines; prefix is that of the patterns. */
  constructor(parent, prefix, describe) {
    this.#parent = parent;
    this.#prefix = prefix;
    this.#describe = describe;
  }

  /** Draw the lanes of layOut, without segments; place() draws these. Colours are by the number of the label. */
  draw({wide, gutter, lanes}, width, colours = []) {
    this.#width = width;
    this.#places.clear();
    this.#groups.clear();
    this.#parent.replaceChildren();
    lanes.forEach((lane, number) => this.#drawLane(lane, wide ? gutter : 0, number, colours[lane.label]));
  }

  #drawLane({name, top, height, textY, text, places}, gutter, number, colour) {
    const even = number % 2 ? " even" : "";
    svgElement("rect", {class: `lane${even}`, x: 0, y: top, width: this.#width, height}, this.#parent);
    const parent = svgElement("g", {}, this.#parent);
    for (const place of places) this.#places.set(place.segment.id, {...place, row: `${number} ${place.y}`, parent, colour});
    // The name is drawn last, so that segments that are cut off at the left do not hide it.
    const box = gutter ? svgElement("rect", {class: `gutter${even}`, x: 0, y: top, width: gutter - 4, height}, this.#parent) : null;
    if (colour) svgElement("rect", {class: "lane-colour", x: 0, y: top + 2, width: 4, height: height - 4, rx: 2}, this.#parent).style.fill = colour;
    const label = svgElement("text", {class: "lane-name", x: colour ? 9 : 6, y: textY}, this.#parent);
    label.textContent = text;
    svgElement("title", {}, box ?? label).textContent = name;
  }

  has(id) {
    return this.#places.has(id);
  }

  /** The element of a segment, which is drawn if it was not. */
  group(id) {
    return this.#groups.get(id) ?? (this.#places.has(id) ? this.#drawGroup(this.#places.get(id)) : null);
  }

  /** Draw these segments wherever they are. */
  keep(...ids) {
    this.#kept = new Set(ids);
  }

  makeTabStop(group) {
    for (const one of this.#groups.values()) one.setAttribute("tabindex", one === group ? 0 : -1);
  }

  makeFirstTabStop() {
    this.#groups.values().next().value?.setAttribute("tabindex", 0);
  }

  #drawGroup({segment, y, height, parent, colour}) {
    const group = svgElement("g", {class: `segment ${segment.type} ${segment.state}`, role: "button", tabindex: -1}, parent);
    group.setAttribute("aria-label", this.#describe(segment).join(", "));
    drawSegment(group, segment, this.#prefix, {y, height}, {y: y + height - (segment.type === "truth" ? 4 : 3)});
    if (colour) group.style.setProperty("--truth", colour);
    group.segment = segment;
    this.#groups.set(segment.id, group);
    return group;
  }

  /** Put the segments where x(seconds) says; those beyond left and right are out of sight. */
  place(x, left, right) {
    const edges = new Map(); // of the last segment that was drawn in each row
    const drawsAll = this.#places.size <= ALL_DRAWN;
    for (const [id, {segment, row}] of this.#places) {
      const from = Math.max(x(segment.start), left);
      const to = Math.min(x(segment.end), right);
      const width = Math.max(to - from, THINNEST);
      const outside = to < left || from > right;
      const isHidden = outside || from + width <= (edges.get(row) ?? -1) + 0.5; // behind the one before
      if (isHidden && !drawsAll && !this.#kept.has(id)) {
        this.#groups.get(id)?.remove();
        this.#groups.delete(id);
      } else {
        edges.set(row, outside ? edges.get(row) : from + width);
        placeGroup(this.group(id), from, width, outside);
      }
    }
  }
}

function placeGroup(group, from, width, outside) {
  // A segment out of sight keeps its place in the tab order; the focus brings it into view.
  group.classList.toggle("outside", outside);
  for (const rect of group.querySelectorAll("rect")) stretch(rect, from, width);
  const glyph = group.lastElementChild;
  glyph.setAttribute("x", from + Math.min(width / 2, 8));
  glyph.classList.toggle("tight", width < 11);
}
