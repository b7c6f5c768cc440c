// What was looked at: stretches that were played, which the user confirms.

import { byId } from "./dom.js";
import { coverWhole, secondsIn, union, without } from "./intervals.js";
import { durationOf, marksChanged, page, segmentsChanged, showSegments } from "./page_state.js";
import { formatTime } from "./segments.js";
import { say } from "./status.js";

const spans = (intervals) => intervals.map(([start, end]) => `${formatTime(start, 1)} to ${formatTime(end, 1)}`).join(", ");
const toHundredths = (seconds) => Math.round(seconds * 100) / 100;

/** Confirm what was played: apart from the segments, nothing happens there. */
export function confirmWatched() {
  const { review, watched } = page.current;
  if (!watched.length) return say("Nothing new was played. Play a stretch, and then say that you have seen it.");
  const last = durationOf(page.current) || Infinity;
  const seen = union([...review.seen, ...watched.map(([start, end]) => [toHundredths(start), Math.min(toHundredths(end), last)])]);
  review.look(seen.filter(([start, end]) => start < end));
  page.current.watched = [];
  showSegments();
  return say(`You have looked at ${spans(watched)}: nothing else happens there.`);
}

/** Take back that the stretch around the playhead was looked at. */
export function takeLookBack() {
  const { review } = page.current;
  const left = without(review.seen, page.playhead);
  if (left.length === review.seen.length) return say("The playhead is not in a part that you said you have looked at.");
  review.look(left);
  showSegments();
  return say("This part counts as not looked at.");
}

function show() {
  const { review, watched, running, begin } = page.current;
  const duration = durationOf(page.current);
  const seen = secondsIn(review.seen);
  byId("seen").disabled = !watched.length;
  byId("seen-state").textContent = seen
    ? `Looked at ${coverWhole(review.seen, duration) ? "all of it" : `${formatTime(seen, 0)} of ${formatTime(duration, 0)}`}.`
    : "";
  const begun = [...running].map(([name, start]) => `${name} since ${formatTime(start)}`);
  if (begin !== null) begun.push(`start marked at ${formatTime(begin)}`);
  byId("running").textContent = begun.length ? `Begun: ${begun.join("; ")}` : "";
}

segmentsChanged.on(show);
marksChanged.on(show);
