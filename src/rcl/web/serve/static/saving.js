// Saving the segments of the current video, and what to do if another page has saved it.

import { byId } from "./dom.js";
import { opened, page, segmentsChanged, showSegments } from "./page_state.js";
import { counted } from "./segments.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";

export const save = showingErrors(async ({ overwrite = false } = {}) => {
  const one = page.current;
  if (!one) return;
  if (one.review.accepted.some((segment) => !segment.label)) {
    say("A segment has no label. Enter one first.");
    return;
  }
  const content = one.review.content(); // later changes are not part of this request
  const segments = JSON.parse(content);
  try {
    const { revision } = await server.save(one.video.key, segments, overwrite ? null : one.review.revision);
    one.review.markSaved(revision, content);
    page.videos.find((video) => video.key === one.video.key).saved = segments.length;
    say(`Saved ${counted(segments.length, "segment")} of ${one.video.name}.`);
  } catch (error) {
    if (error.status !== 409) throw error;
    byId("conflict-dialog").showModal();
  }
  if (one === page.current) showSegments();
});

const loadSaved = showingErrors(async () => {
  const one = page.current;
  byId("conflict-dialog").close();
  const { annotations, revision } = await server.video(one.video.key);
  one.review.load(annotations, revision);
  page.selected = null;
  showSegments();
});

byId("conflict-load").addEventListener("click", loadSaved);
byId("conflict-cancel").addEventListener("click", () => byId("conflict-dialog").close());
byId("conflict-overwrite").addEventListener("click", () => {
  byId("conflict-dialog").close();
  save({ overwrite: true });
});
window.addEventListener("beforeunload", (event) => {
  if (![...opened.values()].some(({ review }) => review.isDirty)) return;
  event.preventDefault();
  event.returnValue = ""; // for older browsers
});
segmentsChanged.on(() => {
  const { isDirty, revision } = page.current.review;
  byId("save").disabled = !isDirty && revision !== "new";
  byId("save").classList.toggle("primary", isDirty);
});
