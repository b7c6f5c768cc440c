// The whole video in a bar: its segments, what was looked at, and the part that the timeline shows, which can be moved.

import { byId } from "./dom.js";
import { classesChanged, durationOf, marksChanged, page, segmentsChanged, viewChanged } from "./page_state.js";
import { formatTime } from "./segments.js";
import { panTimeline, showFrom } from "./timeline_view.js";

const bar = byId("overview");
const KEYS = { ArrowLeft: -0.1, ArrowRight: 0.1, PageUp: -0.9, PageDown: 0.9, Home: -Infinity, End: Infinity };
let isAsked = false; // to be drawn with the next frame

function ask() {
  if (isAsked || !page.current) return;
  isAsked = true;
  requestAnimationFrame(draw);
}

function draw() {
  isAsked = false;
  const duration = durationOf(page.current);
  const [width, height] = [bar.clientWidth, bar.clientHeight];
  if (!duration || !width) return;
  const context = fitCanvas(bar, width, height);
  const x = (seconds) => (seconds / duration) * width;
  const box = (start, end, top, size) => context.fillRect(x(start), top, Math.max(x(end) - x(start), 1.5), size);
  const style = getComputedStyle(bar);
  const colours = new Map(page.classes.map((one) => [one.name, one.colour]));
  const { review, watched } = page.current;
  for (const [intervals, colour] of [[watched, "--warn"], [review.seen, "--good"]]) {
    context.fillStyle = style.getPropertyValue(colour);
    for (const [start, end] of intervals) box(start, end, height - 4, 4);
  }
  for (const { start, end, label } of [...page.proposals, ...review.accepted]) {
    context.fillStyle = colours.get(label) ?? style.getPropertyValue("--faint");
    box(start, end, 3, height - 10);
  }
  const [start, end] = page.view;
  context.strokeStyle = style.getPropertyValue("--accent");
  context.lineWidth = 2;
  context.strokeRect(x(start) + 1, 1, Math.max(x(end) - x(start) - 2, 4), height - 2);
  announce(duration);
}

/** A context whose unit is a pixel of the page. */
export function fitCanvas(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: width * scale, height: height * scale }); // which empties it
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return context;
}

function announce(duration) {
  const [start, end] = page.view;
  const values = { valuemin: 0, valuemax: Math.round(duration), valuenow: Math.round(start) };
  for (const [name, value] of Object.entries(values)) bar.setAttribute(`aria-${name}`, value);
  bar.setAttribute("aria-valuetext", `${formatTime(start, 0)} to ${formatTime(end, 0)} of ${formatTime(duration, 0)}`);
}

bar.addEventListener("pointerdown", (down) => {
  const { left, width } = bar.getBoundingClientRect();
  const secondsAt = (event) => ((event.clientX - left) / width) * durationOf(page.current);
  const [start, end] = page.view;
  const at = secondsAt(down);
  const grip = at >= start && at <= end ? at - start : (end - start) / 2; // beside it, the part jumps to the pointer
  const move = (event) => showFrom(secondsAt(event) - grip);
  move(down);
  bar.setPointerCapture(down.pointerId);
  bar.addEventListener("pointermove", move);
  bar.addEventListener("lostpointercapture", () => bar.removeEventListener("pointermove", move), { once: true });
});
bar.addEventListener("keydown", (event) => {
  const by = KEYS[event.key];
  if (by === undefined) return;
  event.preventDefault();
  if (Number.isFinite(by)) panTimeline(by);
  else showFrom(by > 0 ? durationOf(page.current) : 0);
});
for (const signal of [segmentsChanged, viewChanged, marksChanged, classesChanged]) signal.on(ask);
new ResizeObserver(ask).observe(bar);
