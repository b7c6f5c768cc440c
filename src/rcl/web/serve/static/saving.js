// Saving what was decided about the current video, and taking it out of the labels.

import { byId } from "./dom.js";
import { askOnConflict, inTurn, keep } from "./drafts.js";
import { coverWhole, union } from "./intervals.js";
import { durationOf, isFinished, page, segmentsChanged, setSaved, showSegments, undecidedInParts } from "./page_state.js";
import { counted } from "./segments.js";
import { select } from "./selection.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";

const NONE_LEFT = "No segment is left. Press “Nothing happens here” if that is right; otherwise the video stays as it is saved.";

let conflict = null; // {one, retry}: the video that another page has saved, and what to do once more

/** Save the decisions; the video goes into the labels once all detections shown are decided. */
export const save = showingErrors(async () => {
  const one = page.current;
  if (!one || !isLabelled(one)) return;
  if (!one.review.isDirty) return say("There is nothing new to save.");
  const isInLabels = one.video.saved !== null;
  if (!page.detector && !isInLabels) return keepOpen(one);
  if (!one.review.accepted.length && isInLabels) return say(NONE_LEFT, { lasting: true });
  if (one.video.partial && !undecidedInParts(one).length) return finishWith({ parts: true });
  if (isInLabels && page.proposals.length) return askAboutUndecided(one);
  const finished = one.review.accepted.length > 0 && isFinished(one);
  return send(one, { finished, reviewed: one.video.partial || !finished ? one.review.seen : null });
});

/** Without a detector, only the user knows whether a video is done. */
async function keepOpen(one) {
  await keep(one);
  if (one.review.isKept) say("Kept. Press Done (Ctrl+Enter) when you have looked at the whole video.");
}

/** Reject the detections that are undecided, and put the video in the labels; true of parts: as far as it was looked at. */
async function finishWith({ parts }) {
  const one = page.current;
  if (!one || !isLabelled(one)) return false;
  const rejected = parts ? undecidedInParts(one) : page.proposals;
  one.review.remove(...rejected.map((proposal) => proposal.id));
  showSegments();
  await send(one, { finished: true, nothing_happens: !one.review.accepted.length, reviewed: parts ? partsOf(one) : null });
  return one.review.isKept;
}

export const finish = showingErrors(async () => {
  if (!page.current) return;
  if (!page.current.review.accepted.length) return askAboutNothing();
  return finishWith({ parts: false });
});
export const finishParts = showingErrors(() => finishWith({ parts: true }));
export const sayNothingHappens = showingErrors(() => finishWith({ parts: false }));

/** The parts that were looked at; null if they are the whole video. */
function partsOf(one) {
  const seen = union(one.review.seen);
  return coverWhole(seen, durationOf(one)) ? null : seen;
}

function askAboutNothing() {
  byId("nothing-name").textContent = page.current.video.name;
  byId("nothing-dialog").showModal();
}

export const takeOut = showingErrors(async () => {
  const one = page.current;
  await keep(one);
  await takeOutOf(one);
});

async function takeOutOf(one, { overwrite = false } = {}) {
  const content = one.review.content();
  await unlessOutdated(one, async () => {
    const answer = await server.takeOut(one.video.key, overwrite ? null : one.review.revision);
    one.review.markSaved(answer.revision, overwrite ? "" : content); // overwritten: other segments are kept
    setSaved(one, answer);
    const kept = answer.unfinished ? " Its segments are kept beside them." : "";
    say(`${one.video.name} is out of the labels.${kept}`);
  }, () => takeOutOf(one, { overwrite: true }));
  if (one === page.current) showSegments();
}

async function send(one, how, { overwrite = false } = {}) {
  const content = one.review.content(); // later changes are not part of this request
  const decided = JSON.parse(content);
  await unlessOutdated(one, async () => {
    const revision = overwrite ? null : one.review.revision;
    const answer = await server.save(one.video.key, { ...decided, ...how, revision });
    one.review.markSaved(answer.revision, content);
    setSaved(one, answer);
    say(saidOf(one, decided));
  }, () => send(one, how, { overwrite: true }));
  if (one === page.current) showSegments();
}

function saidOf({ video }, { segments, rejected }) {
  const what = segments.length ? counted(segments.length, "segment") : counted(rejected.length, "rejection");
  if (video.saved === 0 && video.partial) return `Saved: nothing happens in the parts of ${video.name} that you looked at.`;
  if (video.saved === 0) return `Saved: nothing happens in ${video.name}.`;
  const parts = video.partial ? "The parts that you looked at are in the labels." : "The video is in the labels.";
  const place = video.saved === null ? "The video is not in the labels yet." : parts;
  return `Saved ${what} of ${video.name}. ${place}`;
}

/** Whether all segments have a label; the first one without is selected. */
function isLabelled(one) {
  const missing = one.review.accepted.find((segment) => !segment.label);
  if (!missing) return true;
  select(missing.id, { reveal: true });
  say("This segment has no label. Choose one first.");
  byId("label").focus();
  return false;
}

async function unlessOutdated(one, action, retry) {
  try {
    await inTurn(one, action);
    one.isConflicting = false;
  } catch (error) {
    if (error.status !== 409) throw error;
    askAboutConflict(one, retry);
  }
}

function askAboutConflict(one, retry) {
  conflict = { one, retry };
  if (!byId("conflict-dialog").open) byId("conflict-dialog").showModal();
}

async function keepOver(one) {
  await inTurn(one, async () => {
    const content = one.review.content();
    const answer = await server.draft(one.video.key, { ...JSON.parse(content), revision: null });
    one.review.markKept(answer.revision, content);
    setSaved(one, answer, { isDecided: false });
    one.isConflicting = false;
  });
  if (one === page.current) showSegments();
}

function askAboutUndecided(one) {
  const are = page.proposals.length === 1 ? "1 detection is" : `${page.proposals.length} detections are`;
  byId("undecided").textContent = `${are} undecided. ${one.video.name} is in the labels, where what is undecided counts as no action.`;
  byId("undecided-dialog").showModal();
}

const loadSaved = showingErrors(async () => {
  const { one } = conflict; // perhaps no longer the current one
  const video = await server.video(one.video.key);
  one.review.load(video);
  one.isConflicting = false;
  setSaved(one, video);
  if (one === page.current) {
    page.selected = null;
    showSegments();
  }
  say("Loaded. Undo brings your segments back.");
});

const CHOICES = {
  "conflict-cancel": null,
  "conflict-load": loadSaved,
  "conflict-overwrite": showingErrors(() => conflict.retry()),
  "undecided-cancel": null,
  "undecided-reject": finish,
  "undecided-out": showingErrors(() => send(page.current, { finished: false, reviewed: page.current.review.seen })),
  "nothing-cancel": null,
  "nothing-all": sayNothingHappens,
};
for (const [id, act] of Object.entries(CHOICES)) {
  byId(id).addEventListener("click", () => {
    byId(id).closest("dialog").close();
    act?.();
  });
}
askOnConflict((one) => askAboutConflict(one, () => keepOver(one)));
segmentsChanged.on(() => {
  const { isDirty } = page.current.review;
  byId("save").disabled = !isDirty;
  byId("save").classList.toggle("primary", isDirty);
});
