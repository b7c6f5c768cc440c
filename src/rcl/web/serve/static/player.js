// Playing the current video.

import { byId } from "./dom.js";
import { durationOf, movePlayhead, page, shownSegment, showSegments } from "./page_state.js";
import { clamp } from "./segments.js";
import { server } from "./server.js";

const player = byId("player");
let playUntil = null; // the end of the segment that is played

export const hasPlayer = () => Boolean(page.current?.video.file) && byId("unplayable").hidden;

/** Load the current video, if there is a file to play. */
export function loadPlayer() {
  const { file, key } = page.current.video;
  byId("unplayable").hidden = true;
  player.hidden = !file;
  byId("work").classList.toggle("playerless", !file);
  if (file) player.src = server.media(key);
  else player.removeAttribute("src");
  player.load();
}

export function seek(seconds) {
  playUntil = null;
  const place = clamp(seconds, 0, durationOf(page.current) || Infinity);
  if (hasPlayer()) player.currentTime = place;
  movePlayhead(place, { follow: true });
}

export function toggle() {
  if (!hasPlayer()) return;
  playUntil = null;
  if (player.paused) player.play().catch(() => {});
  else player.pause();
}

export function playSegment() {
  const segment = shownSegment();
  if (!segment || !hasPlayer()) return;
  seek(segment.start);
  playUntil = segment.end;
  player.play().catch(() => {});
}

function followPlayer() {
  if (playUntil !== null && player.currentTime >= playUntil) {
    player.pause();
    playUntil = null;
  }
  movePlayhead(player.currentTime, { follow: true });
  if (!player.paused) requestAnimationFrame(followPlayer);
}

player.addEventListener("play", () => requestAnimationFrame(followPlayer));
player.addEventListener("timeupdate", () => player.paused && followPlayer());
player.addEventListener("loadedmetadata", () => page.current && showSegments({ keepView: false }));
player.addEventListener("error", () => {
  const file = page.current?.video.file;
  if (!file || !player.getAttribute("src")) return;
  byId("unplayable").hidden = false;
  byId("unplayable").textContent = `This browser cannot play ${file}. Everything else works without the player.`;
  player.hidden = true;
  byId("work").classList.add("playerless");
});
