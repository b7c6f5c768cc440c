// The scores that the model gives to the segments of the current video, while they are edited.

import { jobsChanged, listedSegments, page, scoresChanged, segmentsChanged, selectionChanged, shownSegment } from "./page_state.js";
import { Scores } from "./scores.js";
import { say } from "./status.js";

export const scores = new Scores(scoresChanged.emit, (error) => {
  page.current.video.scored = false; // until its actions are found again
  if (error.status !== 409) say(error.message, { lasting: true });
  jobsChanged.emit();
  scoresChanged.emit();
});

/** Request the scores that are missing: that of the selected segment first, and only that one while it is dragged. */
export function requestScores() {
  if (!page.current?.video.scored) return;
  const segment = shownSegment();
  scores.request([...(segment ? [segment] : []), ...(page.dragged ? [] : listedSegments())]);
}

segmentsChanged.on(requestScores);
selectionChanged.on(requestScores);
