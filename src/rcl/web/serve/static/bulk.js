// Accepting many proposals at once, with the number of mistakes to expect.

import { byId } from "./dom.js";
import { learningChanged, page, segmentsChanged, showSegments } from "./page_state.js";
import { counted } from "./segments.js";
import { say } from "./status.js";

/** The proposals to accept: of those that overlap, the best. */
export const acceptable = (proposals) => proposals.filter((one) => one.label && !one.duplicate);

/** How many of some proposals are probably wrong, in words. */
export function describeMistakes(proposals) {
  if (!proposals.length) return "";
  if (proposals.some((one) => one.probability === null || one.probability === undefined)) {
    return "how many of them are wrong is not known";
  }
  const wrong = proposals.reduce((sum, one) => sum + 1 - one.probability, 0);
  if (wrong < 0.5) return "probably none of them wrong";
  return `about ${Math.round(wrong)} of them wrong`;
}

export function acceptAll() {
  if (!page.current) return;
  const chosen = acceptable(page.proposals);
  if (!chosen.length) return say("There is no detection with a label to accept.");
  page.current.review.accept(...chosen.map((one) => one.id));
  showSegments();
  return say(`Accepted ${counted(chosen.length, "detection")}; ${describeMistakes(chosen)}. Ctrl+Z takes it back.`, { lasting: true });
}

function show() {
  if (!page.current) return;
  const chosen = acceptable(page.proposals);
  byId("accept-all").disabled = !chosen.length;
  byId("accept-all").textContent = chosen.length ? `Accept all ${chosen.length} shown` : "Accept all shown";
  byId("mistakes").textContent = describeMistakes(chosen);
}

segmentsChanged.on(show);
learningChanged.on(show);
