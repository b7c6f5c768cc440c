/* The confidence of every segment of a video: its start to the right, its length upwards, as Plotly heatmaps.
 *
 *   const map = new ConfidenceMap(container, content, {onSelect(id) {}, onSeek(seconds) {}});
 *     content     {end, tiles: [{edges: [start, start, length, length], png}], paths}; the first tile is the overview,
 *                 the others are close-ups; the first row of an image has the longest segments; paths has
 *                 [start, end, start, end, …] from anchor to detection for the best detections, or null
 *   await map.load();
 *   map.setSegments(segments, selected)  ground truths are crosses, detections circles; selected is an id or null
 *   map.select(id); map.show(start, end); map.zoom(factor); map.fit(); map.draw()
 *
 * The wheel zooms, dragging moves, a double click shows the whole map.
 */

import {element} from "./dom.js";
import {clamp, describe, formatTime} from "./segments.js";
import {plotly, sizeOnPaper} from "./summary.js";

const SCALE = [[0, "#0d0830"], [0.25, "#482173"], [0.5, "#31688e"], [0.75, "#35b779"], [1, "#fde725"]];
const [TRUTH, DETECTION, SELECTED, OUTLINE] = ["#7fe0ff", "#ffffff", "#ff9d5c", "rgba(0, 0, 0, 0.75)"];
const LABEL = "Confidence of every segment, start against length. The timeline lists the same segments.";
const REACH = 0.6; // the view of a segment shows this many lengths to each side of its start
const FACTOR = 2 ** 0.8; // and lengths up to this factor from its own
const CONFIG = {responsive: true, scrollZoom: true, doubleClick: false, displayModeBar: false, displaylogo: false};

export class ConfidenceMap {
  #chart; #readout; #content; #options; #heatmaps; #frames; #highest;
  #segments = [];
  #selected = null;
  #waiting = 0;

  constructor(container, content, options) {
    this.#chart = element("div", {className: "map", role: "img", ariaLabel: LABEL});
    this.#readout = element("p", {className: "map-readout"});
    this.#content = content;
    this.#options = options;
    container.append(this.#chart, this.#readout);
  }

  /** Decode the tiles and draw them. */
  async load() {
    const tiles = await Promise.all(this.#content.tiles.map(decode));
    this.#highest = Math.max(...tiles.flatMap(({values}) => values.map((row) => Math.max(...row))), 1 / 255);
    this.#heatmaps = tiles.map((tile) => heatmapOf(tile, this.#content.end));
    this.#frames = this.#content.tiles.slice(1).map(({edges: [x0, x1, y0, y1]}) => (
      {type: "rect", x0, x1, y0: Math.log2(y0), y1: Math.log2(y1), line: {color: "rgba(255, 255, 255, 0.35)", width: 1}}
    ));
    await new Promise((resolve) => setTimeout(resolve, 30)); // the first use of Plotly takes a moment: paint before
    this.draw();
    this.#chart.on("plotly_hover", ({points}) => (this.#readout.textContent = this.#textOf(points[0])));
    this.#chart.on("plotly_unhover", () => (this.#readout.textContent = ""));
    this.#chart.on("plotly_click", ({points}) => this.#click(points[0]));
    this.#chart.on("plotly_doubleclick", () => this.fit());
    this.#chart.on("plotly_relayout", (change) => "dragmode" in change || this.#setView(...this.view));
    // Nothing is left to zoom out of: the wheel scrolls the page.
    this.#chart.addEventListener("wheel", (event) => event.deltaY > 0 && this.#isWhole() && event.stopPropagation(), true);
  }

  get isDrawn() {
    return this.#chart.layout !== undefined;
  }

  setSegments(segments, selected) {
    this.#segments = segments;
    this.select(selected);
  }

  select(id) {
    this.#selected = id;
    cancelAnimationFrame(this.#waiting); // draw once, however fast a slider moves
    if (this.isDrawn) this.#waiting = requestAnimationFrame(() => this.draw());
  }

  // -- view ------------------------------------------------------------------------------------------------------

  /** [start, start, shortest, longest], in seconds. */
  get view() {
    const {xaxis, yaxis} = this.#chart.layout;
    return [...xaxis.range, ...yaxis.range.map((octaves) => 2 ** octaves)];
  }

  fit() {
    this.#setView(...this.#content.tiles[0].edges);
  }

  /** Show the surroundings of a segment. */
  show(start, end) {
    const length = Math.max(end - start, 1e-3);
    this.#setView(start - REACH * length, start + REACH * length, length / FACTOR, length * FACTOR);
  }

  zoom(factor) {
    const [first, last, shortest, longest] = this.view;
    const [middle, half] = [(first + last) / 2, (last - first) / 2 / factor];
    const [centre, ratio] = [Math.sqrt(shortest * longest), (longest / shortest) ** (1 / 2 / factor)];
    this.#setView(middle - half, middle + half, centre / ratio, centre * ratio);
  }

  #setView(first, last, shortest, longest) {
    const [left, right, low, high] = this.#content.tiles[0].edges;
    const range = [Math.max(first, left), Math.min(last, right)];
    const lengths = [Math.max(shortest, low), Math.min(longest, high)].map(Math.log2);
    const whole = range[1] - range[0] >= right - left && longest >= high && shortest <= low;
    const {tickvals, ticktext} = ticksOf(lengths);
    plotly().relayout(this.#chart, {
      "xaxis.range": range,
      "yaxis.range": lengths,
      "yaxis.tickvals": tickvals,
      "yaxis.ticktext": ticktext,
      dragmode: whole ? false : "pan", // where there is nothing to pan to, a finger scrolls the page
    });
  }

  #isWhole() {
    return this.#chart.layout.dragmode === false;
  }

  // -- drawing ---------------------------------------------------------------------------------------------------

  draw() {
    if (!this.#heatmaps) return;
    const style = getComputedStyle(this.#chart);
    const [ink, line, sunken] = ["--ink", "--line", "--sunken"].map((name) => style.getPropertyValue(name).trim());
    const [first, last, ...limits] = this.isDrawn ? this.view : this.#content.tiles[0].edges;
    const lengths = limits.map(Math.log2);
    const axis = {gridcolor: line, linecolor: line, showgrid: false, zeroline: false, automargin: true};
    const layout = {
      xaxis: {...axis, title: {text: "start (s)"}, range: [first, last]},
      yaxis: {...axis, title: {text: "length (s)"}, range: lengths, ...ticksOf(lengths)},
      coloraxis: {
        colorscale: SCALE, cmin: 0, cmax: this.#highest, colorbar: {thickness: 10, outlinewidth: 0, xpad: 4, nticks: 5},
      },
      ...sizeOnPaper(this.#chart),
      shapes: this.#frames,
      dragmode: this.isDrawn ? this.#chart.layout.dragmode : false,
      hoverdistance: 10,
      showlegend: false,
      paper_bgcolor: "transparent",
      plot_bgcolor: sunken,
      font: {color: ink, size: 11, family: style.fontFamily},
      margin: {l: 40, r: 5, t: 8, b: 40},
    };
    const of = (type) => this.#segments.filter((one) => one.type === type && one.id !== this.#selected);
    const selected = this.#segments.filter((one) => one.id === this.#selected);
    plotly().react(this.#chart, [
      ...this.#heatmaps,
      ...marks(of("detection"), DETECTION, 10),
      ...marks(of("truth"), TRUTH, 10),
      ...marks(selected, SELECTED, 16),
      ...this.#path(),
    ], layout, CONFIG);
  }

  /** The path of the selected detection, from its anchor (a) through the steps. */
  #path() {
    const path = this.#selected?.startsWith("d") ? this.#content.paths[Number(this.#selected.slice(1))] : null;
    if (!path) return [];
    const [starts, ends] = [0, 1].map((side) => path.filter((_, i) => i % 2 === side));
    const line = {type: "scatter", x: starts, y: ends.map((end, i) => octavesOf(starts[i], end)), hoverinfo: "skip"};
    return [
      {...line, mode: "lines", line: {color: OUTLINE, width: 5}},
      {
        ...line,
        mode: "lines+markers+text",
        line: {color: SELECTED, width: 2},
        marker: {color: "black", size: 6, line: {color: SELECTED, width: 1}},
        text: starts.map((_, i) => (i ? (i < starts.length - 1 ? `<b>${i}</b>` : "") : "<b>a</b>")),
        textposition: "top center",
        textfont: {color: SELECTED, shadow: "0 0 3px black, 0 0 3px black"},
      },
    ];
  }

  // -- pointer ---------------------------------------------------------------------------------------------------

  #textOf({customdata: segment, data, pointNumber, z}) {
    if (segment) return describe(segment).join(", ");
    const {start, length} = cellOf(data, pointNumber);
    return `${formatTime(start)} – ${formatTime(start + length)} (${length.toFixed(2)} s): confidence ${z.toFixed(2)}`;
  }

  #click({customdata: segment, data, pointNumber}) {
    if (segment) this.#options.onSelect(segment.id);
    else this.#options.onSeek(clamp(cellOf(data, pointNumber).start, 0, this.#content.end));
  }
}

/** A tile with its confidences, the shortest segments first: values[row][column]. */
async function decode({edges, png}) {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const {naturalWidth: width, naturalHeight: height} = image;
  const context = Object.assign(document.createElement("canvas"), {width, height}).getContext("2d");
  context.drawImage(image, 0, 0);
  const {data} = context.getImageData(0, 0, width, height);
  const row = (number) => Array.from({length: width}, (_, column) => data[4 * (number * width + column)] / 255);
  return {edges, values: Array.from({length: height}, (_, number) => row(height - 1 - number))};
}

function heatmapOf({edges: [first, last, shortest, longest], values}, end) {
  const dx = (last - first) / values[0].length;
  const dy = Math.log2(longest / shortest) / values.length;
  const place = {x0: first + dx / 2, dx, y0: Math.log2(shortest) + dy / 2, dy};
  const trace = {type: "heatmap", ...place, coloraxis: "coloraxis", hoverinfo: "none", hoverongaps: false};
  // A segment that would end after the video has no confidence.
  const isInside = (row, column) => {
    const {start, length} = cellOf(trace, [row, column]);
    return start + length <= end;
  };
  return {...trace, z: values.map((line, row) => line.map((value, column) => (isInside(row, column) ? value : null)))};
}

// Lengths are drawn by their binary logarithm on a linear axis, because Plotly draws regular cells much faster than others.
const octavesOf = (start, end) => Math.log2(Math.max(end - start, 1e-3));

/** Ticks at round lengths within a range of octaves. */
function ticksOf([low, high]) {
  const digits = high - low > 4 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const lengths = [-3, -2, -1, 0, 1, 2, 3, 4].flatMap((decade) => digits.map((digit) => digit * 10 ** decade));
  return {tickvals: lengths.map(Math.log2), ticktext: lengths.map((length) => `${Number(length.toPrecision(2))}`)};
}

/** The segment in the centre of a cell of a heatmap. */
function cellOf({x0, dx, y0, dy}, [row, column]) {
  return {start: x0 + column * dx, length: 2 ** (y0 + row * dy)};
}

/** Circles for detections and crosses for ground truths, with a dark outline to be seen on every colour of the map. */
function marks(segments, colour, size) {
  const points = {
    type: "scatter",
    mode: "markers",
    x: segments.map((one) => one.start),
    y: segments.map((one) => octavesOf(one.start, one.end)),
    customdata: segments,
    hoverinfo: "none",
  };
  const symbol = segments.map((one) => (one.type === "truth" ? "x-thin" : "circle-open"));
  const marker = (color, width) => ({symbol, size, color, line: {color, width}});
  return [{...points, marker: marker(OUTLINE, 4)}, {...points, marker: marker(colour, 2)}];
}
