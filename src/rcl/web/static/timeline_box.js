// What holds the lanes of a timeline. Where a page limits its height, it scrolls.

import {element} from "./dom.js";

const ABOVE = 30; // pixels above a segment that is scrolled to: the first ones are shown with the times
const BELOW = 6;

export class TimelineBox {
  #scrolling;
  #width = 0;

  /** Without scrolling, the container itself holds the lanes. onResize() is called if the width changes. */
  constructor(container, scrolling, onResize) {
    this.#scrolling = scrolling;
    this.element = scrolling ? element("div", {className: "timeline-box"}) : container;
    if (scrolling) container.append(this.element);
    new ResizeObserver(() => this.#resized(onResize)).observe(this.element);
  }

  get width() {
    return this.element.clientWidth || 600;
  }

  get scrolls() {
    return this.#scrolling && this.element.scrollHeight > this.element.clientHeight;
  }

  /** Scroll to a segment, but not the page. */
  reveal(group) {
    if (!this.scrolls) return;
    const [inside, outside] = [group.getBoundingClientRect(), this.element.getBoundingClientRect()];
    if (inside.top < outside.top) this.element.scrollTop -= outside.top - inside.top + ABOVE;
    else if (inside.bottom > outside.bottom) this.element.scrollTop += inside.bottom - outside.bottom + BELOW;
  }

  #resized(onResize) {
    if (Math.abs(this.width - this.#width) > 1) {
      this.#width = this.width;
      onResize();
    }
    if (this.#scrolling) this.element.tabIndex = this.scrolls ? 0 : -1; // what scrolls has to be in reach of the keyboard
  }
}
