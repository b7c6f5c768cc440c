/* The confidence map of the continuous function: start of a segment to the right, its length upwards (logarithmic).
 *
 *   const map = new ConfidenceMap(container, {onSelect(id) {}});
 *   map.setData({end, tiles: [{edges: [start, start, length, length], png}], truths, detections, paths})
 *     tiles       the overview first, then finer ones, which are drawn over it; the longest segments are their top row
 *     truths      [{id, start, end}], crosses;  detections  [{id, start, end, state}], circles
 *     paths       detection id → [start, end, start, end, …], from the anchor to the detection
 *   map.setMarks({truths, detections, paths}); map.select(id); map.show(start, end); map.fit(); map.zoom(factor)
 */
"use strict";

const COLOURS = [[13, 8, 48], [72, 33, 115], [49, 104, 142], [53, 183, 121], [253, 231, 37]];

/** The colour of a confidence from 0 to 1: dark to light, for any colour vision. */
function colourOf(value) {
  const place = Math.min(Math.max(value, 0), 1) * (COLOURS.length - 1);
  const index = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[index].map((from, i) => Math.round(from + (COLOURS[index + 1][i] - from) * (place - index)));
}

class ConfidenceMap {
  #container; #options; #canvas; #readout; #observer;
  #data = null;
  #tiles = [];
  #selected = null;
  #view = null; // [start, start, log2 length, log2 length]
  #pointers = new Map();
  #moved = false;
  #loading = 0;

  constructor(container, options = {}) {
    this.#container = container;
    this.#options = options;
    container.classList.add("map");
    this.#canvas = document.createElement("canvas");
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", "Confidence of every segment, start against length. The timeline lists the same segments.");
    this.#readout = document.createElement("p");
    this.#readout.className = "map-readout";
    container.append(this.#canvas, this.#readout);
    this.#listen();
    this.#observer = new ResizeObserver(() => this.draw());
    this.#observer.observe(container);
  }

  async setData(data) {
    const ticket = ++this.#loading;
    this.#data = data;
    this.#selected = null;
    this.#tiles = [];
    this.fit();
    const tiles = await Promise.all(data.tiles.map((tile) => this.#decode(tile)));
    if (ticket !== this.#loading) return; // another video was opened meanwhile
    const highest = Math.max(...tiles.map((tile) => tile.values.reduce((a, b) => Math.max(a, b), 0)), 1);
    for (const tile of tiles) this.#paint(tile, highest);
    this.#tiles = tiles;
    this.highest = highest / 255;
    this.draw();
  }

  /** Other truths, detections or paths on the same map. */
  setMarks(marks) {
    this.#data = {...this.#data, ...marks};
    this.draw();
  }

  select(id) {
    this.#selected = id;
    this.draw();
  }

  fit() {
    const [left, right, shortest, longest] = this.#data.tiles[0].edges;
    this.#view = [left, right, Math.log2(shortest), Math.log2(longest)];
    this.draw();
  }

  /** Centre on a segment, as near as its close-up would be. */
  show(start, end) {
    const length = Math.max(end - start, 1e-3);
    this.#view = [start - 0.6 * length, start + 0.6 * length, Math.log2(length) - 0.8, Math.log2(length) + 0.8];
    this.draw();
  }

  zoom(factor, at = [(this.#view[0] + this.#view[1]) / 2, (this.#view[2] + this.#view[3]) / 2]) {
    const [left, right, low, high] = this.#view;
    const [x, y] = at;
    this.#view = [x - (x - left) / factor, x + (right - x) / factor, y - (y - low) / factor, y + (high - y) / factor];
    const [first, last, shortest, longest] = this.#data.tiles[0].edges;
    const whole = this.#view[1] - this.#view[0] >= last - first && this.#view[3] - this.#view[2] >= Math.log2(longest / shortest);
    if (whole) this.fit();
    else this.draw();
  }

  get view() {
    return this.#view;
  }

  // -- tiles -----------------------------------------------------------------------------------------------------

  async #decode({edges, png}) {
    const image = new Image();
    image.src = `data:image/png;base64,${png}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    const values = Uint8Array.from({length: canvas.width * canvas.height}, (_, i) => pixels.data[4 * i]);
    return {edges, canvas, context, pixels, values};
  }

  #paint({canvas, context, pixels, values, edges}, highest) {
    const palette = Array.from({length: 256}, (_, value) => colourOf(value / highest));
    values.forEach((value, i) => {
      const column = i % canvas.width;
      const row = Math.floor(i / canvas.width);
      const [start, length] = this.#cell(edges, canvas, column, row);
      pixels.data.set(palette[value], 4 * i);
      pixels.data[4 * i + 3] = start + length > this.#data.end ? 0 : 255; // would end after the video
    });
    context.putImageData(pixels, 0, 0);
  }

  #cell([first, last, shortest, longest], {width, height}, column, row) {
    const start = first + ((column + 0.5) / width) * (last - first);
    return [start, longest * (shortest / longest) ** ((row + 0.5) / height)];
  }

  /** The confidence at a place, from the finest tile that has it. */
  #valueAt(start, length) {
    for (const {edges, canvas, values} of [...this.#tiles].reverse()) {
      const [first, last, shortest, longest] = edges;
      const column = Math.floor(((start - first) / (last - first)) * canvas.width);
      const row = Math.floor((Math.log(longest / length) / Math.log(longest / shortest)) * canvas.height);
      if (column >= 0 && column < canvas.width && row >= 0 && row < canvas.height) return values[row * canvas.width + column] / 255;
    }
    return null;
  }

  // -- drawing ---------------------------------------------------------------------------------------------------

  #frame() {
    const width = this.#container.clientWidth || 600;
    const height = Math.round(Math.min(Math.max(width * 0.42, 220), 400));
    return {width, height, left: 46, right: width - 8, top: 8, bottom: height - 34};
  }

  #xy(start, end, {left, right, top, bottom}) {
    const [first, last, low, high] = this.#view;
    const octaves = Math.log2(Math.max(end - start, 1e-4));
    return [left + ((start - first) / (last - first)) * (right - left), bottom - ((octaves - low) / (high - low)) * (bottom - top)];
  }

  draw() {
    if (!this.#data || !this.#view) return;
    const frame = this.#frame();
    const {width, height, left, right, top, bottom} = frame;
    const ratio = window.devicePixelRatio || 1;
    [this.#canvas.width, this.#canvas.height] = [width * ratio, height * ratio];
    this.#canvas.style.height = `${height}px`;
    const context = this.#canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.#container);
    const ink = style.getPropertyValue("--ink").trim() || "black";
    context.save();
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    context.fillStyle = style.getPropertyValue("--sunken").trim() || "#eee";
    context.fill();
    context.clip();
    for (const {edges, canvas} of this.#tiles) {
      const [x0, y0] = this.#xy(edges[0], edges[0] + edges[3], frame);
      const [x1, y1] = this.#xy(edges[1], edges[1] + edges[2], frame);
      context.imageSmoothingEnabled = (x1 - x0) / canvas.width < 6; // nearer, the cells show what was asked
      context.drawImage(canvas, x0, y0, x1 - x0, y1 - y0);
      if (canvas !== this.#tiles[0].canvas) {
        context.strokeStyle = "rgba(255, 255, 255, 0.35)";
        context.strokeRect(x0, y0, x1 - x0, y1 - y0);
      }
    }
    this.#drawSegments(context, frame);
    context.restore();
    this.#drawAxes(context, frame, ink);
  }

  #drawSegments(context, frame) {
    const stroke = (path, colour, width) => {
      // Light in dark: seen on every colour of the map.
      for (const [style, extra] of [["rgba(0, 0, 0, 0.75)", 2.5], [colour, 0]]) {
        context.strokeStyle = style;
        context.lineWidth = width + extra;
        context.stroke(path);
      }
    };
    for (const one of this.#data.detections) {
      const [x, y] = this.#xy(one.start, one.end, frame);
      const circle = new Path2D();
      circle.arc(x, y, one.id === this.#selected ? 8 : 5, 0, 2 * Math.PI);
      stroke(circle, one.id === this.#selected ? "#ff9d5c" : "white", one.id === this.#selected ? 3 : 1.5);
    }
    for (const one of this.#data.truths) {
      const [x, y] = this.#xy(one.start, one.end, frame);
      const size = one.id === this.#selected ? 8 : 5;
      const cross = new Path2D(`M${x - size},${y - size} L${x + size},${y + size} M${x - size},${y + size} L${x + size},${y - size}`);
      stroke(cross, one.id === this.#selected ? "#ff9d5c" : "#7fe0ff", 2);
    }
    const path = this.#data.paths?.[this.#selected];
    if (!path) return;
    const points = [];
    for (let i = 0; i < path.length; i += 2) points.push(this.#xy(path[i], path[i + 1], frame));
    const line = new Path2D();
    points.forEach(([x, y], i) => (i ? line.lineTo(x, y) : line.moveTo(x, y)));
    stroke(line, "#ff9d5c", 2);
    context.font = "bold 11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    points.slice(0, -1).forEach(([x, y], i) => {
      const [nextX, nextY] = points[i + 1];
      const near = Math.hypot(nextX - x, nextY - y) < 15; // a number would hide the next point
      context.fillStyle = "black";
      context.beginPath();
      context.arc(x, y, near ? 3 : 8, 0, 2 * Math.PI);
      context.fill();
      context.fillStyle = "#ff9d5c";
      if (!near) context.fillText(i ? String(i) : "a", x, y + 0.5);
    });
  }

  #drawAxes(context, {left, right, top, bottom, height}, ink) {
    const [first, last, low, high] = this.#view;
    context.fillStyle = context.strokeStyle = ink;
    context.lineWidth = 1;
    context.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
    context.font = "11px system-ui, sans-serif";
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];
    const step = steps.find((one) => (last - first) / one <= (right - left) / 70) ?? 7200;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (let number = Math.ceil(first / step); number * step <= last; number++) {
      const x = left + ((number * step - first) / (last - first)) * (right - left);
      if (number >= 0 && x > left + 14 && x < right - 14) context.fillText(formatTime(number * step, step < 0.1 ? 2 : step < 1 ? 1 : 0), x, bottom + 4);
    }
    context.fillText("start", (left + right) / 2, height - 14);
    context.textAlign = "right";
    context.textBaseline = "middle";
    const every = [0.25, 0.5, 1, 2, 4].find((one) => (high - low) / one <= (bottom - top) / 26) ?? 8;
    for (let number = Math.ceil(low / every); number * every <= high; number++) {
      const y = bottom - ((number * every - low) / (high - low)) * (bottom - top);
      if (y > top + 5 && y < bottom - 5) context.fillText(`${Number((2 ** (number * every)).toPrecision(3))} s`, left - 4, y);
    }
  }

  // -- pointers --------------------------------------------------------------------------------------------------

  #listen() {
    const canvas = this.#canvas;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const at = ([x, y]) => {
      const {left, right, top, bottom} = this.#frame();
      const [first, last, low, high] = this.#view;
      return [first + ((x - left) / (right - left)) * (last - first), low + ((bottom - y) / (bottom - top)) * (high - low)];
    };
    canvas.addEventListener("wheel", (event) => {
      if (!this.#view) return;
      const [first, last] = this.#data.tiles[0].edges;
      if (event.deltaY > 0 && this.#view[1] - this.#view[0] >= last - first) return; // the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), at(place(event)));
    }, {passive: false});
    canvas.addEventListener("pointerdown", (event) => {
      this.#pointers.set(event.pointerId, place(event));
      canvas.setPointerCapture(event.pointerId);
      this.#moved = false;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.#view) return;
      const here = place(event);
      const before = this.#pointers.get(event.pointerId);
      if (!before) return this.#readOut(...at(here));
      if (!this.#moved && Math.hypot(here[0] - before[0], here[1] - before[1]) < 4 && this.#pointers.size < 2) return;
      this.#moved = true;
      const [from, to] = [at(before), at(here)];
      this.#pointers.set(event.pointerId, here);
      if (this.#pointers.size === 2) {
        const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, one]) => one);
        const apart = (one) => Math.max(Math.hypot(one[0] - other[0], one[1] - other[1]), 8);
        return this.zoom(apart(here) / apart(before), at([(here[0] + other[0]) / 2, (here[1] + other[1]) / 2]));
      }
      this.#view = this.#view.map((value, i) => value + (i < 2 ? from[0] - to[0] : from[1] - to[1]));
      this.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      this.#pointers.delete(event.pointerId);
      if (!this.#moved && this.#view) this.#clicked(place(event));
    });
    canvas.addEventListener("pointercancel", (event) => this.#pointers.delete(event.pointerId));
    canvas.addEventListener("dblclick", () => this.#view && this.fit());
  }

  #readOut(start, octaves) {
    const value = this.#valueAt(start, 2 ** octaves);
    const length = 2 ** octaves;
    const inside = start >= 0 && start + length <= this.#data.end && value !== null;
    this.#readout.textContent = inside
      ? `${formatTime(start)} – ${formatTime(start + length)} (${length.toFixed(2)} s): confidence ${value.toFixed(2)}`
      : "";
  }

  /** The nearest mark, where one is under the finger. */
  #clicked([x, y]) {
    const frame = this.#frame();
    let [nearest, id] = [14, null];
    for (const one of [...this.#data.truths, ...this.#data.detections]) {
      const [px, py] = this.#xy(one.start, one.end, frame);
      const distance = Math.hypot(px - x, py - y);
      if (distance < nearest) [nearest, id] = [distance, one.id];
    }
    if (id) this.#options.onSelect?.(id);
  }
}
