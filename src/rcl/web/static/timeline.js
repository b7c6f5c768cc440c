/* A timeline of labelled segments: ground truths and detections in lanes by label.
 *
 *   const timeline = new Timeline(container, {
 *     editable: false,                 // the ends of the selected segment can be dragged
 *     scrolling: false,                // the lanes scroll where the page limits the height of .timeline-box
 *     names: {},                       // other names of states; the usual ones are in segments.js
 *     label: "…",                      // for screen readers
 *     onSeek(seconds) {},              // a click outside the segments
 *     onSelect(segment) {},            // a click or Enter on a segment
 *     onChange(segment, done) {},      // an end was dragged; done is true when it is released
 *   });
 *   timeline.setData({duration, labels, truths, detections, matched}, {keepView: false});
 *     labels      names; they are only ever used as text
 *     truths      [{start, end, label}]; label is a position in labels, times are in seconds
 *     detections  [{start, end, label, score, kind, truth}], best first; kind is one of KINDS, or null if unknown;
 *                 truth is the position of the ground truth that it matches, or −1
 *     matched     whether detections were matched (only then is a ground truth found or missed); empty: a text without any
 *   timeline.setThreshold(score)       hides detections below it; their ground truths are then missed
 *   timeline.setView(start, end)       in seconds; also zoom(factor) and fit(); timeline.view is [start, end]
 *   timeline.setPlayhead(seconds, follow)
 *   timeline.select(id, reveal)        ids are "t0" (first ground truth), "d0" (best detection) or null
 *   timeline.segments()                those shown, by time: {id, type, index, start, end, label, score, state, …}
 */

import {element, svgElement} from "./dom.js";
import {STATE_NAMES, clamp, describe, formatTime, visibleSegments} from "./segments.js";
import {TimelineBox} from "./timeline_box.js";
import {addPatterns, drawSegment, drawTicks, legendItems, stretch} from "./timeline_drawing.js";
import {layOut, ticks} from "./timeline_layout.js";
import {TimelinePointer} from "./timeline_pointer.js";

const RIGHT = 6; // pixels after the end of the view
const SHORTEST = 0.001; // seconds that a dragged segment keeps

export class Timeline {
  static #instances = 0;

  #options; #box; #svg; #lanes; #axis; #head; #tip; #legend; #names;
  #prefix = `timeline-${Timeline.#instances++}`; // of the ids of patterns
  #data = {duration: 1, labels: [], truths: [], detections: [], matched: false};
  #threshold = -Infinity;
  #shown = [];
  #groups = new Map(); // id → its element
  #selected = null;
  #playhead = 0;
  #gutter = 0;
  #width = 0;
  #height = 0;

  constructor(container, options = {}) {
    this.#options = {editable: false, scrolling: false, label: "Timeline of ground truths and detections", ...options};
    this.#names = {...STATE_NAMES, ...options.names};
    this.view = [0, 1];
    container.classList.add("timeline");
    this.#box = new TimelineBox(container, this.#options.scrolling, () => this.#draw());
    this.#svg = svgElement("svg", {role: "group", "aria-label": this.#options.label}, this.#box.element);
    addPatterns(this.#svg, this.#prefix);
    this.#axis = svgElement("g", {class: "axis", "aria-hidden": "true"}, this.#svg);
    this.#lanes = svgElement("g", {}, this.#svg);
    this.#head = svgElement("line", {class: "playhead", y1: 0}, this.#svg);
    this.#tip = element("div", {className: "timeline-tip", role: "tooltip", hidden: true});
    this.#legend = element("ul", {className: "timeline-legend"});
    container.append(this.#tip, this.#legend);
    new TimelinePointer(this.#svg, container, this.#forPointer());
  }

  setData(data, {keepView = false} = {}) {
    this.#data = {matched: false, ...data, duration: Math.max(data.duration, 0.1)};
    this.#selected = keepView ? this.#selected : null;
    if (!keepView) this.view = [0, this.#data.duration];
    this.#draw();
  }

  setThreshold(score) {
    this.#threshold = score;
    this.#draw();
  }

  setView(start, end) {
    const duration = this.#data.duration;
    const span = clamp(end - start, Math.min(0.05, duration), duration);
    const from = clamp((start + end - span) / 2, 0, duration - span);
    this.view = [from, from + span];
    this.#place();
  }

  /** Show 1 / factor of the current view; the time `at` stays where it is. */
  zoom(factor, at = (this.view[0] + this.view[1]) / 2) {
    const [start, end] = this.view;
    this.setView(at - (at - start) / factor, at + (end - at) / factor);
  }

  fit() {
    this.setView(0, this.#data.duration);
  }

  setPlayhead(seconds, follow = false) {
    this.#playhead = seconds;
    const [start, end] = this.view;
    if (follow && (seconds < start || seconds > end)) this.setView(seconds, seconds + end - start);
    else this.#placePlayhead();
  }

  segments() {
    return this.#shown;
  }

  select(id, reveal = false) {
    this.#groups.get(this.#selected)?.classList.remove("selected");
    this.#selected = this.#groups.has(id) ? id : null;
    const group = this.#groups.get(this.#selected);
    if (!group) return this.#placeHandles();
    group.classList.add("selected");
    this.#makeTabStop(group);
    const {start, end} = group.segment;
    if (reveal && (start < this.view[0] || end > this.view[1])) {
      const span = Math.max(this.view[1] - this.view[0], 1.5 * (end - start));
      this.setView((start + end - span) / 2, (start + end + span) / 2);
    }
    if (reveal) this.#box.reveal(group);
    this.#placeHandles();
  }

  // -- drawing ---------------------------------------------------------------------------------------------------

  #draw() {
    this.#width = this.#box.width;
    this.#shown = visibleSegments(this.#data, this.#threshold);
    const {wide, gutter, lanes, height} = layOut(this.#shown, this.#width);
    this.#gutter = gutter;
    const focused = this.#svg.contains(document.activeElement) ? document.activeElement.segment?.id : null;
    this.#groups.clear();
    this.#lanes.replaceChildren();
    lanes.forEach((lane, number) => this.#drawLane(lane, wide, number % 2 ? " even" : ""));
    if (!lanes.length) {
      const text = svgElement("text", {class: "lane-name", x: gutter + 6, y: 46}, this.#lanes);
      text.textContent = this.#data.empty ?? "No action, and no detection with this score or a higher one.";
    }
    this.#height = height;
    this.#svg.setAttribute("height", height);
    this.#svg.setAttribute("width", this.#width);
    this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${height}`); // in print, its size follows the page
    this.#head.setAttribute("y2", height);
    this.#legend.replaceChildren(...legendItems(this.#shown, this.#names, this.#prefix));
    this.#groups.values().next().value?.setAttribute("tabindex", 0);
    if (this.#groups.has(this.#selected)) this.select(this.#selected);
    else this.#selected = null;
    this.#place();
    this.#groups.get(focused)?.focus();
  }

  #drawLane({name, top, height, textY, text, places}, wide, even) {
    svgElement("rect", {class: `lane${even}`, x: 0, y: top, width: this.#width, height}, this.#lanes);
    for (const {segment, y, height: size} of places) this.#drawSegment(segment, y, size);
    // The name is drawn last, so that segments that are cut off at the left do not hide it.
    const box = wide ? svgElement("rect", {class: `gutter${even}`, x: 0, y: top, width: this.#gutter - 4, height}, this.#lanes) : null;
    const label = svgElement("text", {class: "lane-name", x: 6, y: textY}, this.#lanes);
    label.textContent = text;
    svgElement("title", {}, box ?? label).textContent = name;
  }

  #drawSegment(segment, y, height) {
    const group = svgElement("g", {class: `segment ${segment.type} ${segment.state}`, role: "button", tabindex: -1}, this.#lanes);
    group.setAttribute("aria-label", this.#describe(segment).join(", "));
    drawSegment(group, segment, this.#prefix, {y, height}, {y: y + height - (segment.type === "truth" ? 4 : 3)});
    group.segment = segment;
    this.#groups.set(segment.id, group);
  }

  #describe(segment) {
    return describe(segment, this.#data.truths[segment.truth], this.#names);
  }

  #makeTabStop(group) {
    for (const one of this.#groups.values()) one.setAttribute("tabindex", one === group ? 0 : -1);
  }

  // -- places along the axis -------------------------------------------------------------------------------------

  get #plotWidth() {
    return this.#width - this.#gutter - RIGHT;
  }

  #x(seconds) {
    const [start, end] = this.view;
    return this.#gutter + ((seconds - start) / (end - start)) * this.#plotWidth;
  }

  #secondsAt(x) {
    const [start, end] = this.view;
    return start + ((x - this.#gutter) / this.#plotWidth) * (end - start);
  }

  #place() {
    const [left, right] = [this.#gutter - 2, this.#width];
    for (const group of this.#groups.values()) {
      const from = Math.max(this.#x(group.segment.start), left);
      const to = Math.min(this.#x(group.segment.end), right);
      // A segment out of sight keeps its place in the tab order; the focus brings it into view.
      group.classList.toggle("outside", to < left || from > right);
      const width = Math.max(to - from, 3);
      for (const rect of group.querySelectorAll("rect")) stretch(rect, from, width);
      const glyph = group.lastElementChild;
      glyph.setAttribute("x", from + Math.min(width / 2, 8));
      glyph.classList.toggle("tight", width < 11);
    }
    const {times, decimals} = ticks(...this.view, (this.#width - this.#gutter) / 80);
    drawTicks(this.#axis, times.map((seconds) => [this.#x(seconds), formatTime(seconds, decimals)]), this.#width, this.#height);
    this.#placeHandles();
    this.#placePlayhead();
  }

  #placePlayhead() {
    const x = this.#x(this.#playhead);
    this.#head.setAttribute("x1", x);
    this.#head.setAttribute("x2", x);
    this.#head.classList.toggle("outside", x < this.#gutter - 2 || x > this.#width);
  }

  #placeHandles() {
    for (const old of this.#svg.querySelectorAll(".handle")) old.remove();
    const group = this.#options.editable ? this.#groups.get(this.#selected) : null;
    if (!group || group.classList.contains("outside")) return;
    const body = group.querySelector(".body");
    for (const end of ["start", "end"]) {
      const x = this.#x(group.segment[end]) - 5;
      const size = {x, y: body.getAttribute("y") - 2, width: 10, height: Number(body.getAttribute("height")) + 4, rx: 3};
      svgElement("rect", {class: `handle ${end}`, ...size}, this.#svg).handle = end;
    }
  }

  #showTip(segment, x, y) {
    this.#tip.replaceChildren(...this.#describe(segment).map((line) => element("div", {textContent: line})));
    this.#tip.hidden = false;
    this.#tip.style.left = `${Math.max(Math.min(x + 12, this.#width - this.#tip.offsetWidth - 4), 0)}px`;
    this.#tip.style.top = `${y + 16 - this.#box.element.scrollTop}px`;
  }

  // -- what the pointer and the keys do --------------------------------------------------------------------------

  #forPointer() {
    const timeline = this;
    return {
      get view() { return timeline.view; },
      get gutter() { return timeline.#gutter; }, get plotWidth() { return timeline.#plotWidth; },
      get duration() { return timeline.#data.duration; },
      get scrolls() { return timeline.#box.scrolls; },
      secondsAt: (x) => this.#secondsAt(x),
      setView: (start, end) => this.setView(start, end),
      zoom: (factor, at) => this.zoom(factor, at),
      showTip: (segment, x, y) => this.#showTip(segment, x, y),
      hideTip: () => (this.#tip.hidden = true),
      click: (segment, x) => this.#click(segment, x), pull: (end, seconds) => this.#pull(end, seconds),
      release: () => this.#changed(true),
      reveal: (segment) => this.#reveal(segment),
      focusNeighbour: (segment, step) => this.#focusNeighbour(segment, step),
    };
  }

  #click(segment, x) {
    if (segment) {
      this.select(segment.id);
      this.#options.onSelect?.(segment);
    } else if (x >= this.#gutter) {
      this.#options.onSeek?.(clamp(this.#secondsAt(x), 0, this.#data.duration));
    }
  }

  #reveal(segment) {
    const [start, end] = this.view;
    if (segment.start < start || segment.end > end) {
      const middle = (segment.start + segment.end) / 2;
      this.setView(middle - (end - start) / 2, middle + (end - start) / 2);
    }
    const body = this.#groups.get(segment.id).querySelector(".body");
    this.#showTip(segment, this.#x(segment.start), Number(body.getAttribute("y")));
  }

  #focusNeighbour(segment, step) {
    const next = this.#shown[this.#shown.findIndex((one) => one.id === segment.id) + step];
    if (!next) return;
    const group = this.#groups.get(next.id);
    this.#makeTabStop(group);
    group.focus();
  }

  #pull(end, seconds) {
    const {segment} = this.#groups.get(this.#selected);
    const limits = end === "start" ? [0, segment.end - SHORTEST] : [segment.start + SHORTEST, this.#data.duration];
    segment[end] = clamp(seconds, ...limits);
    this.#place();
    this.#changed(false);
  }

  #changed(done) {
    this.#options.onChange?.(this.#groups.get(this.#selected).segment, done);
  }
}
