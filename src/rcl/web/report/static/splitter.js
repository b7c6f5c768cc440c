// The bar between the player and the timeline, which resizes both.

import {byId} from "./dom.js";
import {clamp} from "./segments.js";

const [NARROWEST, WIDEST, STEP] = [20, 75, 5]; // percent of the width
const splitter = byId("splitter");
const share = () => Number(splitter.getAttribute("aria-valuenow"));

function widenPlayer(percent) {
  const value = clamp(percent, NARROWEST, WIDEST);
  splitter.setAttribute("aria-valuenow", Math.round(value));
  byId("stage").style.setProperty("--watch", `${value}%`);
}

splitter.addEventListener("pointerdown", (event) => {
  event.preventDefault(); // no text is selected
  splitter.setPointerCapture(event.pointerId);
  splitter.focus();
});
splitter.addEventListener("pointermove", (event) => {
  if (!splitter.hasPointerCapture(event.pointerId)) return;
  const {right, width} = byId("stage").getBoundingClientRect();
  widenPlayer((100 * (right - event.clientX)) / width);
});
splitter.addEventListener("keydown", (event) => {
  const wanted = {ArrowLeft: share() + STEP, ArrowRight: share() - STEP, Home: WIDEST, End: NARROWEST}[event.key];
  if (wanted === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation(); // elsewhere in the page, arrows go from video to video
  widenPlayer(wanted);
});
