// The parts of a timeline: boxes of segments, hatched so that their kinds differ without colour, ticks, the legend.

import {svgElement} from "./dom.js";
import {GLYPHS, KINDS, TRUTH_STATES} from "./segments.js";

const RING = 2.5; // pixels from the box of a segment to the ring around it

const HATCHING = {
  double_detection: "M-1,7 L7,-1 M-1,1 L1,-1 M5,7 L7,5",
  wrong_label: "M1.5,1.5 h1.6 v1.6 h-1.6 z M4.5,4.5 h1.6 v1.6 h-1.6 z",
  localization: "M-1,-1 L7,7 M-1,5 L1,7 M5,-1 L7,1",
  confusion: "M-1,7 L7,-1 M-1,-1 L7,7",
  background: "M0,3 H6",
};

/** The patterns that drawSegment fills detections with; prefix makes their ids unique in the page. */
export function addPatterns(svg, prefix) {
  const definitions = svgElement("defs", {}, svg);
  for (const state of [...KINDS, "detection"]) {
    const size = {width: 6, height: 6, patternUnits: "userSpaceOnUse"};
    const pattern = svgElement("pattern", {id: `${prefix}-${state}`, ...size}, definitions);
    if (HATCHING[state]) svgElement("path", {class: "hatching", d: HATCHING[state]}, pattern);
  }
}

/** The box of a segment, hatched by its state, with a glyph; x, y, width and height may be set later.
 *
 * A ring around the box shows the selection and the focus, so that the box keeps what tells its state.
 */
export function drawSegment(group, segment, prefix, box, glyph) {
  drawRing(group, box);
  drawBox(group, segment, prefix, box);
  drawGlyph(group, segment, glyph);
}

export function drawRing(group, {x, y, width, height}) {
  const ring = svgElement("rect", {class: "ring", rx: 4, y: y - RING, height: height + 2 * RING});
  if (x !== undefined) stretch(ring, x, width);
  group.prepend(ring);
  return ring;
}

export function drawBox(group, {type, state}, prefix, box) {
  svgElement("rect", {class: "body", rx: 2, ...box}, group);
  if (type === "detection") svgElement("rect", {class: "hatch", rx: 2, fill: `url(#${prefix}-${state})`, ...box}, group);
}

export function drawGlyph(group, {state}, place) {
  const glyph = svgElement("text", {class: "glyph", ...place}, group);
  glyph.textContent = GLYPHS[state];
  return glyph;
}

/** Move a rectangle of drawSegment to a place along the axis. */
export function stretch(rect, x, width) {
  const more = rect.classList.contains("ring") ? RING : 0;
  rect.setAttribute("x", x - more);
  rect.setAttribute("width", width + 2 * more);
}

/** Vertical lines with a time above each; ticks is [[x, text], …]. */
export function drawTicks(axis, ticks, width, height) {
  axis.replaceChildren();
  for (const [x, text] of ticks) {
    svgElement("line", {x1: x, x2: x, y1: 18, y2: height}, axis);
    const anchor = x > width - 30 ? "end" : x < 20 ? "start" : "middle";
    svgElement("text", {x, y: 13, "text-anchor": anchor}, axis).textContent = text;
  }
}

/** The items of a legend: each state that occurs, and how often. */
export function legendItems(segments, names, prefix) {
  const counts = new Map();
  for (const one of segments) counts.set(one.state, (counts.get(one.state) ?? 0) + 1);
  return ["truth", "found", "missed", "detection", ...KINDS].filter((state) => counts.has(state)).map((state) => {
    const type = TRUTH_STATES.includes(state) ? "truth" : "detection";
    const item = document.createElement("li");
    const swatch = svgElement("svg", {width: 30, height: 14, "aria-hidden": "true"}, item);
    const group = svgElement("g", {class: `segment ${type} ${state}`}, swatch);
    drawSegment(group, {type, state}, prefix, {x: 1, y: 1, width: 28, height: 12}, {x: 9, y: 11});
    item.append(` ${names[state]} (${counts.get(state)})`);
    return item;
  });
}
