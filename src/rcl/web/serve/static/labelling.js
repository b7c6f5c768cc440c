// Making segments: with the keys of the classes, with the start and end marked, by dragging, or as a copy.

import { byId } from "./dom.js";
import { durationOf, marksChanged, page, showSegments } from "./page_state.js";
import { frameSeconds } from "./player.js";
import { toMilliseconds } from "./review.js";
import { clamp, formatTime } from "./segments.js";
import { select } from "./selection.js";
import { say } from "./status.js";

const HOLD_MS = 350; // a key that is pressed as long as this is held
const MODE_KEPT_AS = "rcl-short-press";

let pressed = null; // { name, from, at }: the class, the playhead and the time when its key went down

/** The key or the button of a class goes down, at a time of its event. A new segment gets the label; otherwise an action
 * begins. */
export function pressClass(name, at) {
  const segment = page.current?.review.find(page.selected);
  pressed = null;
  if (!page.current) return;
  if (segment && !segment.label && page.current.review.isAccepted(segment.id)) {
    page.current.review.edit(segment.id, { label: name });
    showSegments();
    say(`It is ${name}, ${describeTimes(segment)}.`);
  } else pressed = { name, from: page.playhead, at };
}

/** It goes up: an action lasted as long as it was held and the video went on; a short press is what the mode says. */
export function releaseClass(name, at) {
  if (pressed?.name !== name) return;
  const { from, at: down } = pressed;
  pressed = null;
  if (at - down >= HOLD_MS && page.playhead > from) addSegment(from, page.playhead, name);
  else if (byId("short-press").value === "point") addSegment(from, from + frameSeconds(), name);
  else beginOrEnd(name, from);
}

export const giveUpPress = () => (pressed = null);

function beginOrEnd(name, seconds) {
  const { running } = page.current;
  const start = running.get(name);
  if (start === undefined) {
    running.set(name, seconds);
    say(`${name} begins at ${formatTime(seconds)}. Press the same key where it ends.`, { lasting: true });
  } else if (start === seconds) {
    say(`${name} begins here. Move on, and press its key where it ends; Esc gives it up.`, { lasting: true });
  } else {
    running.delete(name);
    addSegment(Math.min(start, seconds), Math.max(start, seconds), name);
  }
  marksChanged.emit();
}

/** Give up what has begun and not ended; return whether there was anything. */
export function giveUpBegun() {
  const one = page.current;
  if (!one.running.size && one.begin === null) return false;
  one.running.clear();
  one.begin = null;
  marksChanged.emit();
  say("Given up: nothing was added.");
  return true;
}

export function markStart() {
  page.current.begin = page.playhead;
  marksChanged.emit();
  say(`Start at ${formatTime(page.playhead)}. Press O where it ends.`, { lasting: true });
}

export function markEnd() {
  const { begin } = page.current;
  if (begin === null) return say("Press I first, where the action begins.");
  if (begin === page.playhead) return say("The end must be after the start. Move on, and press O there.");
  page.current.begin = null;
  marksChanged.emit();
  return addSegment(Math.min(begin, page.playhead), Math.max(begin, page.playhead), "");
}

/** Add a segment, select it, and say so. */
export function addSegment(start, end, label) {
  const last = durationOf(page.current) || Infinity;
  const ends = [start, end].map((seconds) => toMilliseconds(clamp(seconds, 0, last)));
  if (ends[0] >= ends[1]) return say("There is no room for a segment here.");
  const segment = { start: ends[0], end: ends[1], label };
  const id = page.current.review.add(segment);
  showSegments();
  select(id, { stay: true });
  const what = label ? `${label}, ${describeTimes(segment)}, was added.` : `Added ${describeTimes(segment)}.`;
  return say(label ? what : `${what} ${howToLabel()}`, { lasting: !label });
}

const describeTimes = ({ start, end }) => `${formatTime(start)} to ${formatTime(end)}`;

function howToLabel() {
  const withKeys = page.classes.filter((one) => one.key).slice(0, 3).map((one) => `${one.key.toUpperCase()} ${one.name}`);
  return withKeys.length ? `Press the key of its class (${withKeys.join(", ")}), or L to type one.` : "Press L to type its label.";
}

/** Repeat the selected segment, or the last one before the playhead: the same label and length, from the playhead on. */
export function copyPrevious() {
  const { review } = page.current;
  const before = review.accepted.filter((one) => one.start <= page.playhead).sort((a, b) => a.start - b.start).at(-1);
  const model = review.isAccepted(page.selected) ? review.find(page.selected) : before;
  if (!model) return say("There is no segment before the playhead to copy.");
  return addSegment(page.playhead, page.playhead + model.end - model.start, model.label);
}

byId("short-press").value = localStorage.getItem(MODE_KEPT_AS) ?? "span";
byId("short-press").addEventListener("change", (event) => localStorage.setItem(MODE_KEPT_AS, event.target.value));
