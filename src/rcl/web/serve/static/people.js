// The people who label together: the name of this page's user, whose videos are listed, and what others have done.

import { byId } from "./dom.js";
import { inTurn } from "./drafts.js";
import { opened, page, peopleChanged, setClasses, setSaved, showSegments } from "./page_state.js";
import { server, setAnnotator } from "./server.js";
import { say, showingErrors } from "./status.js";

const KEPT_AS = "rcl-annotator";
const THIS_MACHINE = ["localhost", "127.0.0.1", "[::1]"];
const EVERYBODY = "", MINE = "mine", NOBODY = "nobody"; // of the list of videos

/** Whether the list shows a video, as far as it is a matter of whose it is. */
export function isListed(video) {
  const whose = byId("whose").value;
  return whose === EVERYBODY || (page.assigned[video.key] ?? "") === (whose === MINE ? page.annotator : "");
}

/** Take over what the server says of people; a name that it was started with counts for all pages. */
export function beginPeople({ annotator, annotators, assigned }) {
  const kept = localStorage.getItem(KEPT_AS);
  byId("who").disabled = Boolean(annotator);
  Object.assign(page, { annotators, assigned });
  setName(annotator || (kept ?? ""));
  const withOthers = annotators.length > 0 || !THIS_MACHINE.includes(location.hostname);
  if (!annotator && kept === null && withOthers) askForName();
}

export function setAssigned(assigned) {
  const annotators = [...new Set([...page.annotators, ...Object.values(assigned)])].sort();
  Object.assign(page, { annotators, assigned });
  showPeople();
}

function setName(name) {
  page.annotator = name;
  setAnnotator(name);
  showPeople();
}

function showPeople() {
  byId("who").textContent = page.annotator ? `You: ${page.annotator}` : "Your name";
  byId("assign").hidden = !page.annotator && !page.annotators.length;
  byId("whose").hidden = !Object.keys(page.assigned).length;
  if (byId("whose").hidden) byId("whose").value = EVERYBODY;
  const names = [...new Set([page.annotator, ...page.annotators])].filter(Boolean);
  byId("annotators").replaceChildren(...names.map((name) => new Option(name, name)));
  peopleChanged.emit();
}

function askForName() {
  byId("who-name").value = page.annotator;
  byId("who-dialog").showModal();
}

byId("who").addEventListener("click", askForName);
byId("whose").append(new Option("all videos", EVERYBODY), new Option("my videos", MINE), new Option("videos of nobody", NOBODY));
byId("whose").addEventListener("change", () => peopleChanged.emit());
byId("who-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = byId("who-name").value.trim();
  localStorage.setItem(KEPT_AS, name);
  byId("who-dialog").close();
  setName(name);
});
byId("who-dialog").addEventListener("close", () => {
  if (localStorage.getItem(KEPT_AS) === null) localStorage.setItem(KEPT_AS, ""); // asked once
});
byId("who-cancel").addEventListener("click", () => byId("who-dialog").close());

// -- what others have done ---------------------------------------------------------------------------------------

/** When the user comes back to the page, it shows what others saved meanwhile; own changes that are not kept stay. */
const refresh = showingErrors(async () => {
  if (!page.videos.length) return;
  const { videos, classes, assigned } = await server.overview();
  for (const video of videos) {
    const one = opened.get(video.key);
    if (one) await inTurn(one, () => takeOver(one, video));
    else Object.assign(page.videos.find(({ key }) => key === video.key) ?? {}, video);
  }
  setClasses(classes);
  setAssigned(assigned);
});

async function takeOver(one, { key, revision }) {
  const isSettled = () => one.review.isKept && !one.isConflicting;
  if (revision === one.review.revision || !isSettled()) return;
  const video = await server.video(key);
  if (video.revision === one.review.revision || !isSettled()) return; // it was this page
  one.review.load(video);
  setSaved(one, video);
  if (one !== page.current) return;
  page.selected = null;
  showSegments();
  say("Somebody else has changed this video: these are the segments now. Undo brings yours back.", { lasting: true });
}

window.addEventListener("focus", refresh);
