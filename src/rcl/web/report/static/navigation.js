// Moving from video to video: by the address of the page, by the list, by keys.

import {byId} from "./dom.js";
import {index, state} from "./page_state.js";
import {addressOf} from "./video_list.js";
import {hasPlayer} from "./video_player.js";

const ONE_COLUMN = "(max-width: 860px)"; // as in report.css

/** Open the video that the address names, now and whenever the address changes. */
export function followAddress(openVideo) {
  const open = () => openByAddress(openVideo);
  window.addEventListener("hashchange", open);
  open();
}

function openByAddress(openVideo) {
  const match = /^#video=(.*)$/s.exec(location.hash);
  if (!match) return;
  let name = match[1];
  try { name = decodeURIComponent(name); } catch { /* an address that was typed by hand */ }
  const number = index.videos.findIndex((video) => video.name === name);
  if (number < 0) return;
  openVideo(number);
  byId(matchMedia(ONE_COLUMN).matches ? "viewer" : "videos").scrollIntoView();
}

/** Open the next video of the list (by 1) or the previous one (by −1); return its number, or null in an empty list. */
export function stepTo(by, openVideo) {
  const {listed, video} = state;
  if (!listed.length) return null;
  const place = listed.findIndex((one) => one.number === video);
  const next = listed[place < 0 ? (by > 0 ? 0 : listed.length - 1) : (place + by + listed.length) % listed.length];
  location.hash = addressOf(next);
  openVideo(next.number); // now, and not only when the browser reports the new address
  return next.number;
}

/** Act on keys, unless they belong to a field, the player or the help. */
export function listenToKeys(keys) {
  document.addEventListener("keydown", (event) => {
    const {key, target} = event;
    if (!(key in keys) || event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    if (target.matches("input, select, textarea")) return;
    if (target.matches("video") && [" ", "ArrowLeft", "ArrowRight"].includes(key)) return; // keys of the player
    if (key === " " && (!hasPlayer() || target.matches("button, a, [role='button']"))) return;
    event.preventDefault();
    keys[key]();
  });
}
