// Whether the current video is in the labels, why not, and the buttons that change it.

import { byId } from "./dom.js";
import { classesChanged, isFinished, keptChanged, page, segmentsChanged, undecidedInParts } from "./page_state.js";
import { counted } from "./segments.js";

/** In which file the decisions about a video are. */
function placeOf({ video, review }) {
  const parts = video.partial ? ", for the parts that were looked at" : "";
  if (video.saved === 0) return `In the labels: nothing happens here${parts}.`;
  if (video.saved !== null) return `In the labels with ${counted(video.saved, "segment")}${parts}.`;
  if (video.unfinished !== null) return "Partly reviewed: not in the labels yet, so training leaves it out.";
  if (review.accepted.length && !review.isDirty) return "With the labels of the pack.";
  return "Not reviewed: not in the labels, so training leaves it out.";
}

/** What is left to do until the video is in the labels. */
function stepFor(one, undecided) {
  const { video, review } = one;
  const isDecided = review.accepted.length > 0;
  if (undecided) return `${counted(undecided, "detection")} to accept or reject.`;
  if (video.saved !== null) return review.isDirty && isDecided ? "Save updates them." : "";
  if (!page.detector) return isDecided ? "Press Done when you have looked at all of it." : howToBegin();
  if (isDecided && !isFinished(one)) return "Find the actions again to see what is undecided, or press Done.";
  if (isDecided && review.isDirty) return "Save puts it there; the rest of the video counts as no action.";
  if (isDecided) return video.unfinished === null ? "" : "No detection is left to decide: press Done.";
  return video.detections ? "No detection is left to decide. Add what is missing, or say that nothing happens here." : "Find its actions, or add segments.";
}

function howToBegin() {
  if (!page.classes.length) return "First add a class, such as “wave”.";
  return "Play it, and press the key of a class where an action begins and where it ends.";
}

function show() {
  const one = page.current;
  const { video, review } = one;
  const undecided = page.proposals.length;
  const hasSegments = review.accepted.length > 0;
  const isUnfinished = undecided > 0 || video.saved === null || video.partial;
  byId("review-state").textContent = `${placeOf(one)} ${stepFor(one, undecided)}`.trim();
  byId("review-state").className = video.saved !== null ? "saved" : video.unfinished !== null ? "partly" : "";
  byId("finish").hidden = !hasSegments || !(page.detector ? undecided || video.unfinished !== null || video.partial : isUnfinished);
  byId("finish").textContent = undecided ? `Done: reject the other ${undecided}` : "Done with this video";
  byId("finish").classList.toggle("primary", !undecided && (!page.detector || !review.isDirty));
  byId("finish-parts").hidden = !review.seen.length || undecidedInParts(one).length > 0 || (video.saved !== null && !review.isDirty);
  byId("nothing-here").hidden = hasSegments || (video.saved === 0 && !undecided && !video.partial);
  byId("take-out").hidden = video.saved === null;
}

segmentsChanged.on(show);
classesChanged.on(() => page.current && show());
keptChanged.on((one) => one === page.current && show());
