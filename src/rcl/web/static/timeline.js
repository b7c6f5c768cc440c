/* A timeline of labelled segments: ground truths and detections in lanes by label. No dependency, a plain script.
 *
 *   const timeline = new Timeline(container, {
 *     editable: false,                 // the ends of the selected segment can be dragged
 *     legend: true,                    // below the lanes, of the states that occur
 *     onSeek(seconds) {},              // a click beside the segments
 *     onSelect(segment) {},            // a click or Enter on a segment; null where the selection ends
 *     onChange(segment, done) {},      // an end was dragged; done is true when it is let go
 *     onView(start, end) {},           // zoomed or moved
 *   });
 *   timeline.setData({duration, labels, truths, detections}, {keepView: false});
 *     labels      names, escaped by whoever shows them: they are only ever text here
 *     truths      [{start, end, label}]; label is a position in labels, times are in seconds
 *     detections  [{start, end, label, score, kind, truth}], best first; kind is one of Timeline.KINDS or null where
 *                 nobody knows, truth the position of the ground truth that it matches or −1
 *     matched     whether detections were matched: only then is a ground truth found or missed
 *   timeline.setThreshold(score)       hides detections below it; ground truths that lose theirs are missed
 *   timeline.setView(start, end)       in seconds; zoom(factor) and fit() as well; timeline.view is [start, end]
 *   timeline.setPlayhead(seconds, follow)
 *   timeline.select(id, reveal)        ids are "t0" (first ground truth), "d0" (best detection) or null
 *   timeline.segments()                what is shown, by time: {id, type, index, start, end, label, score, state, …}
 *   timeline.destroy()
 *
 * The wheel zooms (with Shift it moves), dragging moves, two fingers pinch, +, − and 0 zoom; among segments the arrow
 * keys move the focus. Its looks are in timeline.css.
 */
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function svgElement(name, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
}

/** 83.4 → "1:23.4"; as many decimals as the step between two ticks asks for. */
function formatTime(seconds, decimals = 2) {
  const scale = 10 ** decimals;
  const rounded = Math.round(Math.max(seconds, 0) * scale) / scale;
  const minutes = Math.floor(rounded / 60);
  const hours = Math.floor(minutes / 60);
  const rest = (rounded - 60 * minutes).toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function tiou(a, b) {
  const common = Math.max(Math.min(a.end, b.end) - Math.max(a.start, b.start), 0);
  const union = a.end - a.start + b.end - b.start - common;
  return union > 0 ? common / union : 0;
}

class Timeline {
  static KINDS = ["true_positive", "double_detection", "wrong_label", "localization", "confusion", "background"];
  static GLYPHS = {
    true_positive: "✓", double_detection: "2", wrong_label: "L", localization: "↔", confusion: "?", background: "∅",
    missed: "!", found: "", truth: "", detection: "",
  };
  static NAMES = {
    true_positive: "true positive", double_detection: "double detection", wrong_label: "wrong label",
    localization: "badly localized", confusion: "wrong label and badly localized", background: "background",
    missed: "missed ground truth", found: "found ground truth", truth: "ground truth", detection: "detection",
  };
  static #instances = 0;

  #options; #container; #svg; #lanes; #axis; #head; #tip; #legend; #observer;
  #prefix = `timeline-${Timeline.#instances++}`;
  #data = {duration: 1, labels: [], truths: [], detections: [], matched: false};
  #threshold = -Infinity;
  #shown = [];
  #groups = new Map(); // id → its element
  #selected = null;
  #playhead = 0;
  #gutter = 0;
  #width = 0;
  #pointers = new Map();
  #drag = null;

  constructor(container, options = {}) {
    this.#container = container;
    this.#options = {editable: false, legend: true, ...options};
    this.view = [0, 1];
    container.classList.add("timeline");
    this.#svg = svgElement("svg", {role: "group", "aria-label": "Timeline of ground truths and detections"}, container);
    this.#addPatterns();
    this.#axis = svgElement("g", {class: "axis", "aria-hidden": "true"}, this.#svg);
    this.#lanes = svgElement("g", {}, this.#svg);
    this.#head = svgElement("line", {class: "playhead", y1: 0}, this.#svg);
    this.#tip = document.createElement("div");
    this.#tip.className = "timeline-tip";
    this.#tip.setAttribute("role", "tooltip");
    this.#tip.hidden = true;
    this.#legend = document.createElement("ul");
    this.#legend.className = "timeline-legend";
    container.append(this.#tip, this.#legend);
    this.#listen();
    this.#observer = new ResizeObserver(() => {
      if (Math.abs(container.clientWidth - this.#width) > 1) this.#layOut();
    });
    this.#observer.observe(container);
  }

  setData(data, {keepView = false} = {}) {
    this.#data = {matched: false, ...data, duration: Math.max(data.duration, 0.1)};
    this.#selected = keepView ? this.#selected : null;
    if (!keepView) this.view = [0, this.#data.duration];
    this.#layOut();
  }

  setThreshold(score) {
    this.#threshold = score;
    this.#layOut();
  }

  setView(start, end) {
    const duration = this.#data.duration;
    const span = Math.min(Math.max(end - start, Math.min(0.05, duration)), duration);
    const from = Math.min(Math.max((start + end - span) / 2, 0), duration - span);
    this.view = [from, from + span];
    this.#place();
    this.#options.onView?.(...this.view);
  }

  /** Show 1 / factor of what is shown now; the time at stays where it is. */
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
    for (const one of this.#groups.values()) one.setAttribute("tabindex", one === group ? 0 : -1);
    const {start, end} = group.segment;
    if (reveal && (start < this.view[0] || end > this.view[1])) {
      const span = Math.max(this.view[1] - this.view[0], 1.5 * (end - start));
      this.setView((start + end - span) / 2, (start + end + span) / 2);
    }
    this.#placeHandles();
  }

  destroy() {
    this.#observer.disconnect();
    this.#container.replaceChildren();
    this.#container.classList.remove("timeline");
  }

  // -- what is shown ---------------------------------------------------------------------------------------------

  /** Greedy matching goes from the highest score down, so hiding detections does not change what the others took. */
  #collect() {
    const {truths, detections, labels, matched} = this.#data;
    const shown = detections
      .map((one, index) => ({...one, id: `d${index}`, type: "detection", index, state: one.kind ?? "detection"}))
      .filter((one) => one.score >= this.#threshold);
    const found = new Set(shown.map((one) => one.truth));
    const state = (index) => (matched ? (found.has(index) ? "found" : "missed") : "truth");
    const all = [
      ...truths.map((one, index) => ({...one, id: `t${index}`, type: "truth", index, state: state(index)})),
      ...shown,
    ];
    for (const one of all) one.name = labels[one.label] || "(any action)";
    return all.sort((a, b) => a.start - b.start || a.end - b.end);
  }

  /** The lanes: one per label that occurs, ground truths above, detections below in as many rows as they need. */
  #rows(shown) {
    const lanes = new Map();
    for (const one of shown) {
      if (!lanes.has(one.label)) lanes.set(one.label, {label: one.label, name: one.name, truths: [], detections: []});
      lanes.get(one.label)[one.type === "truth" ? "truths" : "detections"].push(one);
    }
    const most = 8;
    const stack = (segments) => {
      const ends = [];
      for (const one of segments) {
        const free = ends.findIndex((end) => end <= one.start);
        one.row = free >= 0 ? free : Math.min(ends.length, most - 1);
        ends[one.row] = Math.max(one.end, ends[one.row] ?? 0);
      }
      return ends.length;
    };
    for (const lane of lanes.values()) {
      lane.truthRows = stack(lane.truths);
      lane.detectionRows = stack(lane.detections);
    }
    return [...lanes.values()].sort((a, b) => a.label - b.label);
  }

  #layOut() {
    this.#width = this.#container.clientWidth || 600;
    const wide = this.#width >= 560; // narrower, names stand above their lanes
    this.#gutter = wide ? 146 : 6;
    this.#shown = this.#collect();
    const heights = {truth: 16, detection: 13};
    let y = 26;
    const focused = this.#svg.contains(document.activeElement) ? document.activeElement.segment?.id : null;
    this.#groups.clear();
    this.#lanes.replaceChildren();
    let even = "";
    for (const lane of this.#rows(this.#shown)) {
      const top = y;
      y += wide ? 5 : 18;
      const truthTop = y;
      const detectionTop = truthTop + lane.truthRows * (heights.truth + 2);
      y = Math.max(detectionTop + lane.detectionRows * (heights.detection + 2), truthTop + 18) + 4;
      const back = svgElement("rect", {class: `lane${even}`, x: 0, y: top, width: this.#width, height: y - top}, this.#lanes);
      back.laneLabel = lane.label;
      for (const one of [...lane.truths, ...lane.detections]) {
        const from = one.type === "truth" ? truthTop : detectionTop;
        this.#add(one, from + one.row * (heights[one.type] + 2), heights[one.type]);
      }
      // The name last: it stays readable over what reaches below it.
      const box = wide ? svgElement("rect", {class: `gutter${even}`, x: 0, y: top, width: this.#gutter - 4, height: y - top}, this.#lanes) : null;
      const text = svgElement("text", {class: "lane-name", x: 6, y: wide ? truthTop + 12 : top + 13}, this.#lanes);
      const limit = wide ? 19 : 48;
      text.textContent = lane.name.length > limit ? `${lane.name.slice(0, limit - 1)}…` : lane.name;
      svgElement("title", {}, box ?? text).textContent = lane.name;
      even = even ? "" : " even";
    }
    if (!this.#shown.length) {
      const text = svgElement("text", {class: "lane-name", x: this.#gutter + 6, y: 46}, this.#lanes);
      text.textContent = "No action and no detection above the score.";
      y = 60;
    }
    this.#svg.setAttribute("height", y + 2);
    this.#svg.setAttribute("width", this.#width);
    this.#head.setAttribute("y2", y + 2);
    this.#describe();
    this.#groups.values().next().value?.setAttribute("tabindex", 0);
    if (this.#groups.has(this.#selected)) this.select(this.#selected);
    else this.#selected = null;
    this.#place();
    this.#groups.get(focused)?.focus();
  }

  #add(segment, y, height) {
    const group = svgElement("g", {class: `segment ${segment.type} ${segment.state}`, role: "button", tabindex: -1}, this.#lanes);
    group.setAttribute("aria-label", Timeline.describe(segment, this.#data.truths[segment.truth]).join(", "));
    svgElement("rect", {class: "body", y, height, rx: 2}, group);
    if (segment.type === "detection") {
      svgElement("rect", {class: "hatch", y, height, rx: 2, fill: `url(#${this.#prefix}-${segment.state})`}, group);
    }
    const glyph = svgElement("text", {class: "glyph", y: y + height - (segment.type === "truth" ? 4 : 3)}, group);
    glyph.textContent = Timeline.GLYPHS[segment.state];
    group.segment = segment;
    this.#groups.set(segment.id, group);
  }

  /** What hovering over a segment says, a line each. */
  static describe(segment, matched) {
    const lines = [`${segment.name}: ${Timeline.NAMES[segment.state]}`];
    lines.push(`${formatTime(segment.start)} – ${formatTime(segment.end)} (${(segment.end - segment.start).toFixed(2)} s)`);
    if (segment.type === "detection") lines.push(`score ${segment.score}`);
    if (matched) lines.push(`tIoU ${tiou(segment, matched).toFixed(2)} with its ground truth`);
    return lines;
  }

  // -- where it is shown -----------------------------------------------------------------------------------------

  #x(seconds) {
    const [start, end] = this.view;
    return this.#gutter + ((seconds - start) / (end - start)) * (this.#width - this.#gutter - 6);
  }

  #seconds(x) {
    const [start, end] = this.view;
    return start + ((x - this.#gutter) / (this.#width - this.#gutter - 6)) * (end - start);
  }

  #place() {
    const [left, right] = [this.#gutter - 2, this.#width];
    for (const group of this.#groups.values()) {
      const from = Math.max(this.#x(group.segment.start), left);
      const to = Math.min(this.#x(group.segment.end), right);
      // Where a segment is out of sight it stays in reach of the keyboard, which brings it back.
      group.classList.toggle("outside", to < left || from > right);
      const width = Math.max(to - from, 3);
      for (const rect of group.querySelectorAll("rect")) {
        rect.setAttribute("x", from);
        rect.setAttribute("width", width);
      }
      const glyph = group.lastElementChild;
      glyph.setAttribute("x", from + Math.min(width / 2, 8));
      glyph.classList.toggle("tight", width < 11);
    }
    this.#placeAxis();
    this.#placeHandles();
    this.#placePlayhead();
  }

  #placeAxis() {
    const [start, end] = this.view;
    const most = Math.max((this.#width - this.#gutter) / 80, 2);
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
    const step = steps.find((one) => (end - start) / one <= most) ?? 14400;
    const decimals = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    this.#axis.replaceChildren();
    const height = this.#svg.getAttribute("height");
    for (let number = Math.ceil(start / step); number * step <= end; number++) {
      const x = this.#x(number * step);
      svgElement("line", {x1: x, x2: x, y1: 18, y2: height}, this.#axis);
      const anchor = x > this.#width - 30 ? "end" : x < 20 ? "start" : "middle";
      const text = svgElement("text", {x, y: 13, "text-anchor": anchor}, this.#axis);
      text.textContent = formatTime(number * step, decimals);
    }
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

  // -- patterns and legend ---------------------------------------------------------------------------------------

  #addPatterns() {
    const paths = {
      double_detection: "M-1,7 L7,-1 M-1,1 L1,-1 M5,7 L7,5",
      wrong_label: "M1.5,1.5 h1.6 v1.6 h-1.6 z M4.5,4.5 h1.6 v1.6 h-1.6 z",
      localization: "M-1,-1 L7,7 M-1,5 L1,7 M5,-1 L7,1",
      confusion: "M-1,7 L7,-1 M-1,-1 L7,7",
      background: "M0,3 H6",
    };
    const definitions = svgElement("defs", {}, this.#svg);
    for (const state of [...Timeline.KINDS, "detection"]) {
      const size = {width: 6, height: 6, patternUnits: "userSpaceOnUse"};
      const pattern = svgElement("pattern", {id: `${this.#prefix}-${state}`, ...size}, definitions);
      if (paths[state]) svgElement("path", {class: "hatching", d: paths[state]}, pattern);
    }
  }

  #describe() {
    this.#legend.replaceChildren();
    if (!this.#options.legend) return;
    const counts = new Map();
    for (const one of this.#shown) counts.set(one.state, (counts.get(one.state) ?? 0) + 1);
    for (const state of ["truth", "found", "missed", "detection", ...Timeline.KINDS]) {
      if (!counts.has(state)) continue;
      const type = ["truth", "found", "missed"].includes(state) ? "truth" : "detection";
      const item = document.createElement("li");
      const swatch = svgElement("svg", {width: 30, height: 14, "aria-hidden": "true"}, item);
      const group = svgElement("g", {class: `segment ${type} ${state}`}, swatch);
      svgElement("rect", {class: "body", x: 1, y: 1, width: 28, height: 12, rx: 2}, group);
      if (type === "detection") {
        const fill = `url(#${this.#prefix}-${state})`;
        svgElement("rect", {class: "hatch", x: 1, y: 1, width: 28, height: 12, rx: 2, fill}, group);
      }
      svgElement("text", {class: "glyph", x: 9, y: 11}, group).textContent = Timeline.GLYPHS[state];
      item.append(` ${Timeline.NAMES[state]} (${counts.get(state)})`);
      this.#legend.append(item);
    }
  }

  #showTip(segment, x, y) {
    this.#tip.replaceChildren();
    for (const line of Timeline.describe(segment, this.#data.truths[segment.truth])) {
      const row = document.createElement("div");
      row.textContent = line;
      this.#tip.append(row);
    }
    this.#tip.hidden = false;
    this.#tip.style.left = `${Math.max(Math.min(x + 12, this.#width - this.#tip.offsetWidth - 4), 0)}px`;
    this.#tip.style.top = `${y + 16}px`;
  }

  // -- pointers and keys -----------------------------------------------------------------------------------------

  #listen() {
    const svg = this.#svg;
    const place = (event) => {
      const box = svg.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const segmentOf = (event) => event.target.closest?.(".segment")?.segment;
    svg.addEventListener("wheel", (event) => {
      const [x] = place(event);
      const whole = this.view[1] - this.view[0] >= this.#data.duration;
      if (x < this.#gutter || (whole && event.deltaY > 0 && !event.shiftKey)) return; // the page scrolls
      event.preventDefault();
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.#move(sideways);
      else this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), this.#seconds(x));
    }, {passive: false});
    svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.#pointers.set(event.pointerId, place(event));
      this.#drag = {moved: false, end: event.target.handle, segment: segmentOf(event), from: place(event)};
    });
    svg.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      const segment = segmentOf(event);
      if (segment && !this.#drag?.moved) this.#showTip(segment, x, y);
      else this.#tip.hidden = true;
      if (this.#pointers.has(event.pointerId)) this.#dragged(event, x, y);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      svg.addEventListener(name, (event) => {
        if (!this.#pointers.delete(event.pointerId) || this.#pointers.size) return;
        const drag = this.#drag;
        this.#drag = null;
        if (drag?.end && drag.moved) this.#changed(true);
        else if (!drag?.moved && !drag?.end && name === "pointerup") this.#clicked(drag?.segment, place(event)[0]);
      });
    }
    svg.addEventListener("pointerleave", () => (this.#tip.hidden = true));
    // On the container: an SVG that listens to focus becomes a stop of the tabulator itself.
    this.#container.addEventListener("focusin", (event) => {
      const segment = segmentOf(event);
      if (!segment || !event.target.matches(":focus-visible")) return;
      if (segment.start < this.view[0] || segment.end > this.view[1]) {
        const half = (this.view[1] - this.view[0]) / 2;
        const middle = (segment.start + segment.end) / 2;
        this.setView(middle - half, middle + half);
      }
      this.#showTip(segment, this.#x(segment.start), Number(event.target.querySelector(".body").getAttribute("y")));
    });
    this.#container.addEventListener("focusout", () => (this.#tip.hidden = true));
    svg.addEventListener("keydown", (event) => this.#pressed(event, segmentOf(event)));
  }

  #pressed(event, segment) {
    const order = this.#shown;
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (segment && step && !event.altKey && !event.ctrlKey && !event.metaKey) {
      const next = order[order.findIndex((one) => one.id === segment.id) + step];
      if (next) {
        for (const group of this.#groups.values()) group.setAttribute("tabindex", -1);
        this.#groups.get(next.id).setAttribute("tabindex", 0);
        this.#groups.get(next.id).focus();
      }
    } else if (segment && event.key === "Enter") this.#clicked(segment);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #clicked(segment, x) {
    if (segment) {
      this.select(segment.id);
      this.#options.onSelect?.(segment);
    } else if (x >= this.#gutter) {
      this.#options.onSeek?.(Math.min(Math.max(this.#seconds(x), 0), this.#data.duration));
    }
  }

  #dragged(event, x, y) {
    const before = this.#pointers.get(event.pointerId);
    const drag = this.#drag;
    if (!drag) return;
    if (!drag.moved && Math.hypot(x - drag.from[0], y - drag.from[1]) < 4 && this.#pointers.size < 2) return;
    if (!drag.moved) this.#svg.setPointerCapture(event.pointerId); // not before: it would take clicks from segments
    drag.moved = true;
    this.#pointers.set(event.pointerId, [x, y]);
    if (this.#pointers.size === 2) {
      const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const apart = (at) => Math.max(Math.abs(at[0] - other[0]), 8);
      this.zoom(apart([x, y]) / apart(before), this.#seconds((x + other[0]) / 2));
    } else if (drag.end) this.#pull(drag.end, this.#seconds(x));
    else this.#move(before[0] - x);
  }

  #move(pixels) {
    const [start, end] = this.view;
    const shift = (pixels / (this.#width - this.#gutter - 6)) * (end - start);
    const limited = Math.min(Math.max(shift, -start), this.#data.duration - end);
    this.setView(start + limited, end + limited);
  }

  #pull(end, seconds) {
    const {segment} = this.#groups.get(this.#selected);
    const shortest = 0.001;
    const limits = end === "start" ? [0, segment.end - shortest] : [segment.start + shortest, this.#data.duration];
    segment[end] = Math.min(Math.max(seconds, limits[0]), limits[1]);
    this.#place();
    this.#changed(false);
  }

  #changed(done) {
    this.#options.onChange?.(this.#groups.get(this.#selected).segment, done);
  }
}
