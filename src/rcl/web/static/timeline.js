/* A timeline of labelled segments: ground truths and detections in lanes by label.
 *
 *   const timeline = new Timeline(container, {
 *     editable: false,                 // the ends of the selected segment can be dragged
 *     scrolling: false,                // the lanes scroll where the page limits the height of .timeline-box
 *     names: {},                       // other names of states; the usual ones are in segments.js
 *     label: "…",                      // for screen readers
 *     creates: false,                  // dragging beside the segments creates one; it then moves the view only on the axis
 *     onSeek(seconds) {},              // a click outside the segments
 *     onSelect(segment) {},            // a click or Enter on a segment
 *     onChange(segment, done, end) {}, // the "start" or "end" was dragged; done is true when it is released
 *     onCreate(start, end, done) {},   // a segment is being drawn with the pointer; in seconds, in the order of the drag
 *     onView(view) {},                 // another part is shown
 *   });
 *   timeline.setData({duration, labels, truths, detections, matched}, {keepView: false});
 *     labels      names; they are only ever used as text
 *     truths      [{start, end, label}]; label is a position in labels, times are in seconds
 *     detections  [{start, end, label, score, kind, truth}], best first; kind is one of KINDS, or null if unknown;
 *                 truth is the position of the ground truth that it matches, or −1
 *     colours     of the labels, for their ground truths; those that are missing have the usual one
 *     matched     whether detections were matched (only then is a ground truth found or missed); empty: a text without any
 *   timeline.setThreshold(score)       hides detections below it; their ground truths are then missed
 *   timeline.setView(start, end)       in seconds; also zoom(factor) and fit(); timeline.view is [start, end]
 *   timeline.setPlayhead(seconds, follow)
 *   timeline.select(id, reveal)        ids are "t0" (first ground truth), "d0" (best detection) or null
 *   timeline.segments()                those shown, by time: {id, type, index, start, end, label, score, state, …}
 */

import {element, svgElement} from "./dom.js";
import {STATE_NAMES, clamp, describe, formatTime, nearestTime, visibleSegments} from "./segments.js";
import {TimelineBox} from "./timeline_box.js";
import {addPatterns, drawTicks, legendItems} from "./timeline_drawing.js";
import {TimelineLanes} from "./timeline_lanes.js";
import {layOut, ticks} from "./timeline_layout.js";
import {TimelinePointer} from "./timeline_pointer.js";

const [RIGHT, SHORTEST] = [6, 0.001]; // pixels after the end of the view; seconds that a dragged segment keeps
const SNAP_PIXELS = 6; // from which a dragged end jumps to a neighbour's or to the playhead

export class Timeline {
  static #instances = 0;

  #options; #box; #svg; #lanes; #axis; #ghost; #head; #tip; #legend; #names;
  #prefix = `timeline-${Timeline.#instances++}`; // of the ids of patterns
  #data = {duration: 1, labels: [], truths: [], detections: [], matched: false};
  #threshold = -Infinity;
  #shown = [];
  #selected = null;
  #held = null; // where the playhead was when a drag began, which may move it
  #playhead = 0; #gutter = 0; #width = 0; #height = 0;

  constructor(container, options = {}) {
    this.#options = {editable: false, scrolling: false, label: "Timeline of ground truths and detections", ...options};
    this.#names = {...STATE_NAMES, ...options.names};
    this.view = [0, 1];
    container.classList.add("timeline");
    this.#box = new TimelineBox(container, this.#options.scrolling, () => this.#draw());
    this.#svg = svgElement("svg", {role: "group", "aria-label": this.#options.label}, this.#box.element);
    addPatterns(this.#svg, this.#prefix);
    this.#axis = svgElement("g", {class: "axis", "aria-hidden": "true"}, this.#svg);
    this.#lanes = new TimelineLanes(svgElement("g", {}, this.#svg), this.#prefix, (segment) => this.#describe(segment));
    this.#ghost = svgElement("rect", {class: "ghost", y: 20}, this.#svg);
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

  /** Where the time axis begins and ends, in pixels from the left of the timeline. */
  get plot() {
    return [this.#gutter, this.#width - RIGHT];
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
    const has = this.#lanes.has(id);
    this.#lanes.group(this.#selected)?.classList.remove("selected");
    this.#selected = has ? id : null;
    this.#lanes.keep(this.#selected);
    const group = this.#lanes.group(this.#selected);
    if (!group) return this.#placeHandles();
    group.classList.add("selected");
    this.#lanes.makeTabStop(group);
    const {start, end} = group.segment;
    if (reveal && (start < this.view[0] || end > this.view[1])) {
      const span = Math.max(this.view[1] - this.view[0], 1.5 * (end - start));
      this.setView((start + end - span) / 2, (start + end + span) / 2);
    } else this.#placeLanes();
    if (reveal) this.#box.reveal(group);
    return this.#placeHandles();
  }

  // -- drawing ---------------------------------------------------------------------------------------------------

  #draw() {
    this.#width = this.#box.width;
    this.#shown = visibleSegments(this.#data, this.#threshold);
    const layout = layOut(this.#shown, this.#width);
    this.#gutter = layout.gutter;
    const focused = this.#svg.contains(document.activeElement) ? document.activeElement.segment?.id : null;
    this.#lanes.draw(layout, this.#width, this.#data.colours);
    this.#svg.querySelector(".none")?.remove();
    if (!layout.lanes.length) {
      const text = svgElement("text", {class: "lane-name none", x: layout.gutter + 6, y: 46}, this.#svg);
      text.textContent = this.#data.empty ?? "No action, and no detection with this score or a higher one.";
    }
    const height = (this.#height = layout.height);
    this.#head.setAttribute("y2", height);
    const size = {height, width: this.#width, viewBox: `0 0 ${this.#width} ${height}`}; // in print, it follows the page
    for (const [name, value] of Object.entries(size)) this.#svg.setAttribute(name, value);
    this.#legend.replaceChildren(...legendItems(this.#shown, this.#names, this.#prefix));
    if (!this.#lanes.has(this.#selected)) this.#selected = null;
    this.#lanes.keep(this.#selected, focused);
    this.#place();
    this.#lanes.makeFirstTabStop();
    this.select(this.#selected);
    this.#lanes.group(focused)?.focus();
  }

  #describe(segment) {
    return describe(segment, this.#data.truths[segment.truth], this.#names);
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
    this.#placeLanes();
    const {times, decimals} = ticks(...this.view, (this.#width - this.#gutter) / 80);
    drawTicks(this.#axis, times.map((seconds) => [this.#x(seconds), formatTime(seconds, decimals)]), this.#width, this.#height);
    this.#placeHandles();
    this.#placePlayhead();
    this.#options.onView?.(this.view);
  }

  #placeLanes() {
    this.#lanes.place((seconds) => this.#x(seconds), this.#gutter - 2, this.#width);
  }

  #placePlayhead() {
    const x = this.#x(this.#playhead);
    this.#head.setAttribute("x1", x);
    this.#head.setAttribute("x2", x);
    this.#head.classList.toggle("outside", x < this.#gutter - 2 || x > this.#width);
  }

  #placeHandles() {
    for (const old of this.#svg.querySelectorAll(".handle")) old.remove();
    const group = this.#options.editable ? this.#lanes.group(this.#selected) : null;
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
      secondsAt: (x) => this.#secondsAt(x), setView: (start, end) => this.setView(start, end),
      zoom: (factor, at) => this.zoom(factor, at),
      showTip: (segment, x, y) => this.#showTip(segment, x, y),
      hideTip: () => (this.#tip.hidden = true),
      creates: this.#options.creates,
      click: (segment, x) => this.#click(segment, x),
      pull: (end, seconds, free) => this.#pull(end, seconds, free), release: (end) => this.#release(end),
      create: (from, to, free, done) => this.#create(from, to, free, done),
      reveal: (segment) => this.#reveal(segment), focusNeighbour: (segment, step) => this.#focusNeighbour(segment, step),
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
    const body = this.#lanes.group(segment.id).querySelector(".body");
    this.#showTip(segment, this.#x(segment.start), Number(body.getAttribute("y")));
  }

  #focusNeighbour(segment, step) {
    const next = this.#shown[this.#shown.findIndex((one) => one.id === segment.id) + step];
    if (!next) return;
    this.#lanes.keep(this.#selected, next.id);
    const group = this.#lanes.group(next.id);
    this.#placeLanes();
    this.#lanes.makeTabStop(group);
    group.focus();
  }

  #pull(end, seconds, free) {
    const {segment} = this.#lanes.group(this.#selected);
    const limits = end === "start" ? [0, segment.end - SHORTEST] : [segment.start + SHORTEST, this.#data.duration];
    segment[end] = clamp(free ? seconds : this.#snapped(seconds, segment.id), ...limits);
    this.#place();
    this.#options.onChange?.(segment, false, end);
  }

  #release(end) {
    this.#held = null;
    this.#options.onChange?.(this.#lanes.group(this.#selected).segment, true, end);
  }

  /** Draw a new segment from one time to another; done is false while it is drawn. */
  #create(from, to, free, done) {
    const ends = [from, to].map((seconds) => clamp(free ? seconds : this.#snapped(seconds), 0, this.#data.duration));
    const [left, right] = ends.map((seconds) => this.#x(seconds)).sort((a, b) => a - b);
    const ghost = done === false ? {x: left, width: right - left, height: Math.max(this.#height - 22, 0)} : {width: 0};
    for (const [name, value] of Object.entries(ghost)) this.#ghost.setAttribute(name, value);
    if (done !== false) this.#held = null;
    if (done !== null) this.#options.onCreate?.(...ends, done); // null: it was given up
  }

  /** The nearest end of another segment, or where the playhead was when the drag began, if it is close enough. */
  #snapped(seconds, id) {
    this.#held ??= this.#playhead;
    const others = this.#shown.filter((one) => one.id !== id).flatMap((one) => [one.start, one.end]);
    const [start, end] = this.view;
    return nearestTime(seconds, [this.#held, 0, this.#data.duration, ...others], (SNAP_PIXELS / this.#plotWidth) * (end - start));
  }
}
