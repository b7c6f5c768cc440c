// Playing the current video: faster and slower, frame by frame, and one segment over and over.

import { byId } from "./dom.js";
import { union } from "./intervals.js";
import { durationOf, marksChanged, movePlayhead, page, playheadMoved, shownSegment, showSegments } from "./page_state.js";
import { clamp, formatTime } from "./segments.js";
import { server } from "./server.js";
import { say } from "./status.js";

const RATES = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4];
const USUAL_RATE = 25; // frames per second, where the file states none
const INSIDE = 0.001; // seconds after the start of a frame, so that no rounding shows the frame before
const JUMP = 1; // seconds between two looks at a playing video from which it did not just play on

const player = byId("player");
let playUntil = null; // the end of the segment that is played
let isLooping = false;
let lookedAt = null; // where the player was when we looked last, while it plays

export const hasPlayer = () => Boolean(page.current?.video.file) && byId("unplayable").hidden;
export const frameSeconds = () => 1 / (page.current?.video.frame_rate || USUAL_RATE);

/** Load the current video, if there is a file to play. */
export function loadPlayer() {
  const { file, key } = page.current.video;
  byId("unplayable").hidden = true;
  player.hidden = !file;
  byId("work").classList.toggle("playerless", !file);
  setLoop(false);
  if (file) player.src = server.media(key);
  else player.removeAttribute("src");
  player.load();
  player.defaultPlaybackRate = player.playbackRate = Number(byId("speed").value);
}

export function seek(seconds) {
  playUntil = null;
  lookedAt = null;
  const place = clamp(seconds, 0, durationOf(page.current) || Infinity);
  if (hasPlayer()) player.currentTime = place;
  movePlayhead(place, { follow: true });
}

/** Show the frame of a time while something is dragged; the player shows only as many as it can. */
export function showFrame(seconds) {
  if (hasPlayer() && !player.seeking) player.currentTime = seconds + INSIDE;
  movePlayhead(seconds);
}

/** Go on by frames (by 1 or −1). */
export function stepFrames(by) {
  const length = frameSeconds();
  if (hasPlayer()) player.pause();
  const frame = Math.max(Math.floor((page.playhead + INSIDE) / length + 1e-6) + by, 0);
  const place = clamp(frame * length, 0, durationOf(page.current) || Infinity);
  playUntil = null;
  if (hasPlayer()) player.currentTime = place + INSIDE;
  movePlayhead(place, { follow: true });
}

export const stepSeconds = (by) => seek(page.playhead + by);

export function toggle() {
  if (!hasPlayer()) return;
  if (!isLooping) playUntil = null;
  if (player.paused) player.play().catch(() => {});
  else player.pause();
}

export function playSegment() {
  const segment = shownSegment();
  if (segment) playRange(segment.start, segment.end);
}

export function playRange(start, end) {
  if (!hasPlayer()) return;
  seek(start);
  playUntil = end;
  player.play().catch(() => {});
}

/** Play the selected segment over and over, or no longer. */
export function toggleLoop() {
  if (!isLooping && !shownSegment()) return say("Select a segment to play it over and over.");
  setLoop(!isLooping);
  if (isLooping) playSegment();
  return say(isLooping ? "The segment is played over and over; R ends that." : "Played once.");
}

function setLoop(loops) {
  isLooping = loops;
  if (!loops) playUntil = null;
  byId("loop").setAttribute("aria-pressed", String(loops));
}

/** Play faster (by 1) or slower (by −1). */
export function changeSpeed(by) {
  const at = RATES.indexOf(Number(byId("speed").value));
  byId("speed").value = RATES[clamp(at + by, 0, RATES.length - 1)];
  setSpeed();
}

function setSpeed() {
  player.defaultPlaybackRate = player.playbackRate = Number(byId("speed").value);
  say(`Plays at ${byId("speed").selectedOptions[0].text} speed.`);
}

function followPlayer() {
  const now = player.currentTime;
  if (playUntil !== null && now >= playUntil) endSegment();
  noteWatched(now);
  if (!player.paused || Math.abs(now - page.playhead) > 2 * INSIDE) movePlayhead(now, { follow: true });
  if (!player.paused) requestAnimationFrame(followPlayer);
}

function endSegment() {
  if (isLooping && shownSegment()) return playSegment();
  player.pause();
  return (playUntil = null);
}

function noteWatched(now) {
  if (lookedAt !== null && now > lookedAt && now - lookedAt < JUMP * Math.max(player.playbackRate, 1)) {
    page.current.watched = union([...page.current.watched, [lookedAt, now]]);
    marksChanged.emit();
  }
  lookedAt = player.paused ? null : now;
}

for (const rate of RATES) {
  const text = { 0.25: "¼", 0.5: "½", 0.75: "¾" }[rate] ?? rate;
  byId("speed").add(new Option(`${text}×`, rate, rate === 1, rate === 1));
}
playheadMoved.on(() => (byId("time").textContent = formatTime(page.playhead)));
byId("speed").addEventListener("change", setSpeed);
player.addEventListener("play", () => requestAnimationFrame(followPlayer));
player.addEventListener("timeupdate", () => player.paused && followPlayer());
for (const event of ["play", "pause", "emptied"]) {
  player.addEventListener(event, () => {
    byId("play").textContent = player.paused ? "Play" : "Pause";
  });
}
player.addEventListener("loadedmetadata", () => page.current && !page.current.video.duration && showSegments({ keepView: false }));
player.addEventListener("error", () => {
  const file = page.current?.video.file;
  if (!file || !player.getAttribute("src")) return;
  byId("unplayable").hidden = false;
  byId("unplayable").textContent = `This browser cannot play ${file}. Everything else works without the player.`;
  player.hidden = true;
  byId("work").classList.add("playerless");
});

