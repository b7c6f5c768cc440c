// The bar below the player, which sets its height.

import { byId } from "./dom.js";
import { clamp } from "./segments.js";

const LOWEST = 120; // pixels
const STEP = 24;
const KEPT_AS = "rcl-player-height";

const splitter = byId("splitter");
const highest = () => Math.max(LOWEST, Math.round(window.innerHeight * 0.8));

function setHeight(pixels) {
  const height = Math.round(clamp(pixels, LOWEST, highest()));
  byId("work").style.setProperty("--player-height", `${height}px`);
  localStorage.setItem(KEPT_AS, height);
  announce();
}

function announce() {
  splitter.setAttribute("aria-valuemin", LOWEST);
  splitter.setAttribute("aria-valuemax", highest());
  splitter.setAttribute("aria-valuenow", Math.round(byId("player").clientHeight));
}

splitter.addEventListener("pointerdown", (down) => {
  const before = byId("player").clientHeight;
  const move = (event) => setHeight(before + event.clientY - down.clientY);
  splitter.setPointerCapture(down.pointerId);
  splitter.addEventListener("pointermove", move);
  splitter.addEventListener("lostpointercapture", () => splitter.removeEventListener("pointermove", move), { once: true });
});
splitter.addEventListener("keydown", ({ key }) => {
  const step = { ArrowUp: -STEP, ArrowDown: STEP }[key];
  if (step) setHeight(byId("player").clientHeight + step);
});
new ResizeObserver(announce).observe(byId("player"));
splitter.addEventListener("focus", announce);

const kept = Number(localStorage.getItem(KEPT_AS));
if (kept) setHeight(kept);
