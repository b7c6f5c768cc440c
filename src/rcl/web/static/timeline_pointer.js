// Mouse, touch and keyboard on a timeline. The wheel zooms (with Shift it moves;
// with Ctrl it zooms also where lanes scroll), dragging moves or creates, two fingers pinch,
// the arrow keys move the focus from segment to segment, and Enter selects.

import {clamp} from "./segments.js";

const CLICK_PIXELS = 4; // a pointer that moves less has clicked
const AXIS_PIXELS = 22; // height of the times above the lanes

export class TimelinePointer {
  #svg; #timeline;
  #pointers = new Map(); // id → [x, y]
  #drag = null;

  /** timeline gives {gutter, plotWidth, duration, scrolls, creates, view, secondsAt(x), setView, zoom, showTip(segment, x, y),
   * hideTip, click(segment, x), pull(end, seconds, free), release(end), create(from, to, free, done),
   * focusNeighbour(segment, step), reveal(segment)}.
   */
  constructor(svg, container, timeline) {
    this.#svg = svg;
    this.#timeline = timeline;
    svg.addEventListener("wheel", (event) => this.#wheel(event), {passive: false});
    svg.addEventListener("pointerdown", (event) => this.#down(event));
    svg.addEventListener("pointermove", (event) => this.#hover(event));
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, (event) => this.#up(event));
    svg.addEventListener("pointerleave", () => timeline.hideTip());
    // On the container: browsers make an SVG that listens to focus a tab stop itself.
    container.addEventListener("focusin", (event) => {
      if (segmentOf(event) && event.target.matches(":focus-visible")) timeline.reveal(segmentOf(event));
    });
    container.addEventListener("focusout", () => timeline.hideTip());
    svg.addEventListener("keydown", (event) => this.#press(event));
  }

  #place(event) {
    const box = this.#svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #wheel(event) {
    const timeline = this.#timeline;
    const [x] = this.#place(event);
    const whole = timeline.view[1] - timeline.view[0] >= timeline.duration;
    if (x < timeline.gutter || (whole && event.deltaY > 0 && !event.shiftKey)) return; // the page scrolls
    const moves = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (timeline.scrolls && !moves && !event.ctrlKey) return; // the lanes scroll
    event.preventDefault();
    if (moves) this.#move(event.shiftKey ? event.deltaY || event.deltaX : event.deltaX);
    else timeline.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), timeline.secondsAt(x));
  }

  #down(event) {
    if (event.button) return;
    this.#pointers.set(event.pointerId, this.#place(event));
    if (this.#drag?.creates) this.#timeline.create(0, 0, true, null); // a second finger: they pinch
    const [from, segment, end] = [this.#place(event), segmentOf(event), event.target.handle];
    const creates = this.#canCreate(event, from) && !segment && !end;
    this.#drag = {moved: false, end, segment, from, creates, at: this.#timeline.secondsAt(from[0])};
  }

  #canCreate(event, [x, y]) {
    const {creates, gutter} = this.#timeline;
    return creates && !event.shiftKey && x >= gutter && y > AXIS_PIXELS && this.#pointers.size === 1;
  }

  #hover(event) {
    const [x, y] = this.#place(event);
    const segment = segmentOf(event);
    if (segment && !this.#drag?.moved) this.#timeline.showTip(segment, x, y);
    else this.#timeline.hideTip();
    if (this.#drag && this.#pointers.has(event.pointerId)) this.#dragTo(event, x, y);
  }

  #dragTo(event, x, y) {
    const [drag, pointers, timeline] = [this.#drag, this.#pointers, this.#timeline];
    const before = pointers.get(event.pointerId);
    if (!drag.moved && Math.hypot(x - drag.from[0], y - drag.from[1]) < CLICK_PIXELS && pointers.size < 2) return;
    if (!drag.moved) this.#svg.setPointerCapture(event.pointerId); // not before: it would take clicks from segments
    drag.moved = true;
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const apart = (at) => Math.max(Math.abs(at[0] - other[0]), 8);
      timeline.zoom(apart([x, y]) / apart(before), timeline.secondsAt((x + other[0]) / 2));
    } else if (drag.end) timeline.pull(drag.end, timeline.secondsAt(x), event.altKey);
    else if (drag.creates) timeline.create(drag.at, timeline.secondsAt(x), event.altKey, false);
    else this.#move(before[0] - x);
  }

  #up(event) {
    if (!this.#pointers.delete(event.pointerId) || this.#pointers.size) return;
    const drag = this.#drag;
    this.#drag = null;
    if (drag.end && drag.moved) this.#timeline.release(drag.end);
    else if (drag.creates && drag.moved) {
      const to = this.#timeline.secondsAt(this.#place(event)[0]);
      this.#timeline.create(drag.at, to, event.altKey, event.type === "pointerup" ? true : null);
    }
    else if (!drag.moved && !drag.end && event.type === "pointerup") {
      this.#timeline.click(drag.segment, this.#place(event)[0]);
    }
  }

  #move(pixels) {
    const {view: [start, end], plotWidth, duration} = this.#timeline;
    const shift = clamp((pixels / plotWidth) * (end - start), -start, duration - end);
    this.#timeline.setView(start + shift, end + shift);
  }

  #press(event) {
    const segment = segmentOf(event);
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!segment) return;
    if (step && !event.altKey && !event.ctrlKey && !event.metaKey) this.#timeline.focusNeighbour(segment, step);
    else if (event.key === "Enter") this.#timeline.click(segment);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

const segmentOf = (event) => event.target.closest?.(".segment")?.segment;
