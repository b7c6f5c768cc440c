// The stretch that is worth a look next: why, where, and that it was looked at.

import { byId } from "./dom.js";
import { union } from "./intervals.js";
import { durationOf, jobsChanged, learningChanged, page, segmentsChanged, showSegments, viewChanged } from "./page_state.js";
import { playRange, seek } from "./player.js";
import { finishParts } from "./saving.js";
import { counted, formatTime } from "./segments.js";
import { select } from "./selection.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";
import { showRange } from "./timeline_view.js";
import { openVideo } from "./video_list.js";

const AROUND = 0.15; // of its length, which the timeline shows before and after a stretch

let stretch = null; // { key, video, start, end, reason }

const isHere = () => stretch !== null && stretch.key === page.current?.video.key;

/** Open the next stretch; the one that is open, if any, is skipped. */
export const nextStretch = showingErrors(() => go(isHere() ? stretch : null));

async function go(skipped) {
  ({ stretch } = await server.nextStretch(skipped));
  if (!stretch) {
    show();
    return say("All of it was looked at.");
  }
  if (page.current?.video.key !== stretch.key) await openVideo(stretch.key);
  frame();
  say(`${describe()} ${stretch.reason}`, { lasting: true });
  return show();
}

/** Show the stretch with a little around it, and go to its start. */
function frame() {
  const margin = AROUND * (stretch.end - stretch.start);
  showRange(stretch.start - margin, stretch.end + margin);
  seek(stretch.start);
}

const describe = () => `${stretch.video}, ${formatTime(stretch.start, 0)} to ${formatTime(stretch.end, 0)}.`;

/** The stretch was looked at: apart from the segments, nothing happens there. It goes into the labels. */
export const seenStretch = showingErrors(async () => {
  if (!isHere()) return say("No stretch is open. Press “Next to look at” first.");
  const { review } = page.current;
  const { start, end } = stretch;
  const undecided = page.proposals.filter((one) => one.start < end && one.end > start);
  if (undecided.length) {
    select(undecided[0].id, { reveal: true });
    return say(`Accept or reject the ${counted(undecided.length, "detection")} in this stretch first.`);
  }
  review.look(union([...review.seen, [start, Math.min(end, durationOf(page.current) || end)]]));
  showSegments();
  if (await finishParts()) await go(null);
  return undefined;
});

/** Leave the stretch without a decision. */
export function leaveStretch() {
  stretch = null;
  show();
}

function show() {
  byId("next-stretch").hidden = !page.learning?.open;
  byId("stretch").hidden = !isHere();
  if (isHere()) byId("stretch-reason").textContent = `Look at ${formatTime(stretch.start, 0)} to ${formatTime(stretch.end, 0)}. ${stretch.reason}`;
  place();
}

/** The frame around the stretch on the timeline. */
function place() {
  const box = byId("stretch-frame");
  const [first, last] = page.view;
  const isShown = isHere() && !byId("timeline").hidden && stretch.start < last && stretch.end > first;
  box.hidden = !isShown;
  if (!isShown) return;
  const [from, to] = page.plot;
  const x = (seconds) => from + ((Math.min(Math.max(seconds, first), last) - first) / (last - first)) * (to - from);
  Object.assign(box.style, { left: `${x(stretch.start)}px`, width: `${x(stretch.end) - x(stretch.start)}px` });
}

const CLICKS = {
  "next-stretch": nextStretch, "skip-stretch": nextStretch, "seen-stretch": seenStretch, "leave-stretch": leaveStretch,
  "play-stretch": () => playRange(stretch.start, stretch.end),
};
for (const [id, act] of Object.entries(CLICKS)) byId(id).addEventListener("click", act);
for (const signal of [segmentsChanged, learningChanged, jobsChanged]) signal.on(show);
viewChanged.on(place);
