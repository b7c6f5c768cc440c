// Accepting proposals of at least a score in all videos that are not in the labels.

import { acceptable, describeMistakes } from "./bulk.js";
import { byId } from "./dom.js";
import { keepAll } from "./drafts.js";
import { learningChanged, page, showSegments } from "./page_state.js";
import { counted } from "./segments.js";
import { server } from "./server.js";
import { showingErrors } from "./status.js";
import { load } from "./video_list.js";

let found = []; // the videos whose proposals are counted, as page_state.js has them in `opened`
let accepted = []; // [{ one, depth }]: where something was accepted, and how many steps could be undone then

const score = () => byId("bulk-score").valueAsNumber || 0;
const chosenIn = ({ review }) => acceptable(review.open(score()));

const open = showingErrors(async () => {
  [found, accepted] = [[], []];
  byId("bulk-score").value = page.current?.threshold ?? page.minScore;
  byId("bulk-dialog").showModal();
  const listed = page.videos.filter((video) => video.detected && video.saved === null);
  for (const { key } of listed) {
    if (!byId("bulk-dialog").open) return;
    byId("bulk-count").textContent = `Counting: ${found.length} of ${counted(listed.length, "video")}.`;
    const one = await load(key);
    const { detections } = await server.video(key); // those of the present detector
    if (detections) one.review.propose(detections);
    found.push(one);
  }
  show();
});

function show() {
  const chosen = found.map(chosenIn).filter((own) => own.length);
  const all = chosen.flat();
  const where = `${counted(all.length, "proposal")} in ${counted(chosen.length, "video")}`;
  byId("bulk-count").textContent = all.length ? `${where}, ${describeMistakes(all)}.` : "No proposal has this score or a higher one.";
  byId("bulk-accept").disabled = !all.length;
  byId("bulk-undo").hidden = !accepted.length;
}

const accept = showingErrors(async () => {
  for (const one of found) {
    const chosen = chosenIn(one);
    if (!chosen.length) continue;
    one.review.accept(...chosen.map(({ id }) => id));
    accepted.push({ one, depth: one.review.past.length });
  }
  await update();
  byId("bulk-count").textContent = `Accepted in ${counted(accepted.length, "video")}. Look at each, and press Done there.`;
});

/** Take it back where nothing else was done since. */
const undo = showingErrors(async () => {
  for (const { one, depth } of accepted) if (one.review.past.length === depth) one.review.undo();
  accepted = [];
  await update();
});

async function update() {
  if (page.current) showSegments();
  await keepAll();
  show();
}

byId("bulk").addEventListener("click", open);
byId("bulk-score").addEventListener("input", show);
byId("bulk-accept").addEventListener("click", accept);
byId("bulk-undo").addEventListener("click", undo);
byId("bulk-close").addEventListener("click", () => byId("bulk-dialog").close());
learningChanged.on(() => (byId("bulk").hidden = !page.learning.open || page.learning.proposals.keys.length < 2));
