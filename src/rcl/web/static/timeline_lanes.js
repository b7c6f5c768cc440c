// The lanes of a timeline with their segments. Of many segments, only those in sight are drawn.

import {svgElement} from "./dom.js";
import {drawBox, drawGlyph, drawRing, stretch} from "./timeline_drawing.js";

const ALL_DRAWN = 300; // segments up to which all are drawn, so that those out of sight keep their place in the tab order
const THINNEST = 3; // pixels of a segment
const ROOM = 11; // pixels that a glyph needs

export class TimelineLanes {
  #parent; #prefix; #describe;
  #width = 0;
  #places = new Map(); // id → {segment, y, height, row, parent}
  #groups = new Map(); // id → its element, if it is drawn
  #frame = ""; // what was drawn besides the segments
  #rows = []; // the element of each lane that holds its segments
  #models = new Map(); // elements of which those of segments are copies: making each anew takes three times as long
  #tabStop = null; // the element that the Tab key goes to
  #kept = new Set(); // ids that are drawn wherever they are: the selected segment and the focused one

  /** describe(segment) returns lines; prefix is that of the patterns. */
  constructor(parent, prefix, describe) {
    this.#parent = parent;
    this.#prefix = prefix;
    this.#describe = describe;
    parent.addEventListener("pointerover", ({target}) => this.#ring(target.closest(".segment")));
  }

  /** Draw the lanes of layOut, without segments; place() draws these. Colours are by the number of the label.
   *
   * Of many segments, those that are as before stay: drawing them again takes longer than all else.
   */
  draw({wide, gutter, lanes}, width, colours = []) {
    this.#width = width;
    const frame = JSON.stringify([width, wide, gutter, lanes.map(({places, ...lane}) => [lane, colours[lane.label]])]);
    const before = this.#places;
    const renews = frame === this.#frame && before.size > ALL_DRAWN;
    this.#places = new Map();
    if (!renews) {
      for (const held of [this.#groups, this.#models]) held.clear();
      this.#parent.replaceChildren();
      this.#rows = lanes.map((lane, number) => this.#drawLane(lane, wide ? gutter : 0, number, colours[lane.label]));
    }
    lanes.forEach(({places}, number) => {
      const parent = this.#rows[number];
      for (const place of places) this.#places.set(place.segment.id, {...place, row: `${number} ${place.y}`, parent});
    });
    if (renews) this.#keepSame(before);
    this.#frame = frame;
  }

  /** Keep the elements of segments that would be drawn as before, perhaps under another id, and remove the others. */
  #keepSame(before) {
    const held = new Map();
    for (const [id, group] of this.#groups) {
      const look = lookOf(before.get(id));
      if (held.has(look)) group.remove();
      else held.set(look, group);
    }
    this.#groups.clear();
    for (const [id, place] of this.#places) {
      const look = lookOf(place);
      const group = held.get(look);
      if (!group) continue;
      held.delete(look);
      group.segment = place.segment;
      group.classList.remove("selected");
      this.#groups.set(id, group);
    }
    for (const group of held.values()) group.remove();
  }

  #remove(id) {
    this.#groups.get(id)?.remove();
    this.#groups.delete(id);
  }

  /** The element that holds the segments of a lane. */
  #drawLane({name, top, height, textY, text}, gutter, number, colour) {
    const even = number % 2 ? " even" : "";
    svgElement("rect", {class: `lane${even}`, x: 0, y: top, width: this.#width, height}, this.#parent);
    const parent = svgElement("g", {}, this.#parent);
    if (colour) parent.style.setProperty("--truth", colour);
    // The name is drawn last, so that segments that are cut off at the left do not hide it.
    const box = gutter ? svgElement("rect", {class: `gutter${even}`, x: 0, y: top, width: gutter - 4, height}, this.#parent) : null;
    if (colour) svgElement("rect", {class: "lane-colour", x: 0, y: top + 2, width: 4, height: height - 4, rx: 2}, this.#parent).style.fill = colour;
    const label = svgElement("text", {class: "lane-name", x: colour ? 9 : 6, y: textY}, this.#parent);
    label.textContent = text;
    svgElement("title", {}, box ?? label).textContent = name;
    return parent;
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
    this.#tabStop?.setAttribute("tabindex", -1);
    this.#tabStop = group;
    group.setAttribute("tabindex", 0);
    this.#ring(group);
  }

  makeFirstTabStop() {
    const first = this.#groups.values().next().value;
    if (first) this.makeTabStop(first);
  }

  /** Of many segments, rings and glyphs are drawn once they can be seen. */
  #drawGroup({segment, y, height, parent}) {
    const group = this.#modelOf(segment, {y, height}).cloneNode(true);
    group.setAttribute("aria-label", this.#describe(segment).join(", "));
    Object.assign(group, {segment, box: {y, height}, glyph: null, ring: null});
    if (this.#places.size <= ALL_DRAWN) {
      drawGlyphOf(group);
      this.#ring(group);
    }
    parent.append(group);
    this.#groups.set(segment.id, group);
    return group;
  }

  #modelOf({type, state}, box) {
    const name = [type, state, box.y, box.height].join(" ");
    if (!this.#models.has(name)) {
      const group = svgElement("g", {class: `segment ${type} ${state}`, role: "button", tabindex: -1});
      drawBox(group, {type, state}, this.#prefix, box);
      this.#models.set(name, group);
    }
    return this.#models.get(name);
  }

  #ring(group) {
    if (group) group.ring ??= drawRing(group, {...group.box, x: group.from, width: group.width});
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
        this.#remove(id);
      } else {
        edges.set(row, outside ? edges.get(row) : from + width);
        placeGroup(this.group(id), from, width, outside);
      }
    }
  }
}

/** What the drawing of a segment and its description depend on. */
function lookOf({segment: {type, state, start, end, label, score, truth}, row, height}) {
  return [type, state, start, end, label, score, truth, row, height].join(" ");
}

function drawGlyphOf(group) {
  const {y, height} = group.box;
  group.glyph = drawGlyph(group, group.segment, {y: y + height - (group.segment.type === "truth" ? 4 : 3)});
}

function placeGroup(group, from, width, outside) {
  if (group.from === from && group.width === width && group.isOutside === outside) return;
  Object.assign(group, {from, width, isOutside: outside});
  // A segment out of sight keeps its place in the tab order; the focus brings it into view.
  if (outside !== group.classList.contains("outside")) group.classList.toggle("outside", outside);
  if (!group.glyph && width >= ROOM) drawGlyphOf(group);
  for (const part of group.children) if (part !== group.glyph) stretch(part, from, width);
  group.glyph?.setAttribute("x", from + Math.min(width / 2, 8));
  group.glyph?.classList.toggle("tight", width < ROOM);
}
