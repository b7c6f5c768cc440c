// The panel of the selected segment, and everything that changes segments.

import { canTravel, isNext, travelClasses } from "./class_history.js";
import { byId, cutName, element } from "./dom.js";
import { requestScores, scores } from "./live_scores.js";
import { classesChanged, durationOf, page, scoresChanged, segmentsChanged, selectionChanged, shownSegment, showSegments } from "./page_state.js";
import { seek } from "./player.js";
import { toMilliseconds } from "./review.js";
import { clamp, formatTime } from "./segments.js";
import { select } from "./selection.js";
import { say } from "./status.js";

const NUDGE_SECONDS = 0.1;
const NEW_SECONDS = 2; // length of a segment that is added
const LABELS_SHOWN = 4; // those with the highest scores
const REMOVALS = { accepted: "Delete", open: "Reject", rejected: "Take back" };
const UNSCORED = "Find the actions of this video to see here how well the segment fits.";

const toHundredths = (seconds) => Math.round(seconds * 100) / 100;

let scored = ""; // the video and the segment whose scores are shown

// -- the panel ---------------------------------------------------------------------------------------------------

function showEditor() {
  const segment = shownSegment();
  byId("nothing").hidden = Boolean(segment);
  byId("fields").hidden = !segment;
  if (!segment) return;
  const state = page.current.review.stateOf(page.selected);
  byId("state").textContent = describe(segment, state);
  byId("state").className = `state ${segment.label ? state : "unlabelled"}`;
  fill("label", segment.label);
  fill("start", toHundredths(segment.start));
  fill("end", toHundredths(segment.end));
  fill("comment", segment.comment ?? "");
  byId("accept").hidden = state === "accepted";
  byId("remove").textContent = REMOVALS[state];
  const { file } = page.current.video;
  byId("play-segment").hidden = !file;
  byId("set-start").hidden = byId("set-end").hidden = !file && !durationOf(page.current);
  showScores();
}

function describe(segment, state) {
  if (!segment.label && state === "accepted") return "New: choose a label";
  const score = segment.score === undefined ? "" : `, score ${segment.score.toFixed(2)}`;
  const by = segment.annotator && segment.annotator !== page.annotator ? ` by ${segment.annotator}` : "";
  return { accepted: `Accepted${by}`, rejected: `Rejected${score}`, open: `Detection${score}` }[state];
}

/** Set a field, unless the user is typing in it. */
function fill(id, value) {
  const field = byId(id);
  if (document.activeElement !== field || field.dataset.segment !== page.selected) field.value = value;
  field.dataset.segment = page.selected;
}

function showScores() {
  const segment = shownSegment();
  if (!segment) return;
  const answer = scores.of(segment);
  const shown = `${page.current.video.key} ${page.selected}`;
  byId("scores").hidden = Boolean(answer?.refusal) || (!page.current.video.scored && !answer);
  byId("unscored").hidden = !byId("scores").hidden || !page.detector;
  byId("unscored").textContent = answer?.refusal ?? UNSCORED;
  if (!answer || answer.refusal) {
    if (scored !== shown) clearScores(); // those of the same segment stay while it is dragged
    return;
  }
  scored = shown;
  byId("fit").value = answer.confidence;
  byId("fit-value").textContent = answer.confidence.toFixed(2);
  const ranked = answer.names
    .map((name, index) => ({ name, score: answer.labels[index] }))
    .sort((a, b) => b.score - a.score)
    .slice(0, LABELS_SHOWN);
  byId("label-scores").replaceChildren(...ranked.map((one) => labelButton(one, segment.label)));
  const [start, end] = answer.refined;
  byId("refined").textContent = `Model: ${formatTime(start)} – ${formatTime(end)}`;
  byId("snap").disabled = !(end > start);
}

function clearScores() {
  byId("fit").value = 0;
  byId("fit-value").textContent = "";
  byId("label-scores").replaceChildren();
  byId("refined").textContent = "";
  byId("snap").disabled = true;
}

function labelButton({ name, score }, label) {
  const bar = element("meter", { min: 0, max: 1, value: score });
  bar.setAttribute("aria-hidden", "true");
  const button = element("button", { className: "score", title: `Set the label to ${name}` });
  button.append(cutName(name), bar, element("output", { textContent: score.toFixed(2) }));
  if (name === label) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => editSelected({ label: name }));
  return button;
}

// -- changes of the selected segment -----------------------------------------------------------------------------

function edit(id, values) {
  const segment = { ...page.current.review.find(id), ...values };
  const last = durationOf(page.current) || Infinity;
  segment.start = toMilliseconds(clamp(segment.start, 0, last));
  segment.end = toMilliseconds(clamp(segment.end, 0, last));
  if (segment.start < segment.end) {
    page.current.review.edit(id, Object.fromEntries(Object.keys(values).map((name) => [name, segment[name]])));
  } else say("The start must be before the end.");
  showSegments();
}

export const editSelected = (values) => page.current?.review.find(page.selected) && edit(page.selected, values);

/** Show a segment while one of its ends is dragged; change it when the end is released. */
export function drag({ id, start, end }, done) {
  const ends = { start: toHundredths(start), end: toHundredths(end) };
  if (ends.end <= ends.start) ends.end = toMilliseconds(ends.start + 0.01);
  page.dragged = done ? null : { id, ...ends };
  if (done) {
    const before = page.current.review.find(id);
    edit(id, before.start === ends.start ? { end: ends.end } : { start: ends.start });
  } else {
    showEditor();
    requestScores();
  }
}

/** Move the start, with Shift the end; without a selection, the playhead. */
export function nudge({ key, shiftKey, altKey }) {
  const sign = key === "ArrowLeft" ? -1 : 1;
  const segment = page.current.review.find(page.selected);
  if (!segment) return seek(page.playhead + sign * (shiftKey ? 5 : 1));
  const by = sign * (altKey ? (page.current.video.snippet ?? NUDGE_SECONDS) : NUDGE_SECONDS);
  return edit(segment.id, shiftKey ? { end: segment.end + by } : { start: segment.start + by });
}

/** Move the segment to where the model would. */
export function snap() {
  const segment = shownSegment();
  const [start, end] = (segment && scores.of(segment)?.refined) ?? [];
  if (end > start) editSelected({ start, end });
}

// -- decisions ---------------------------------------------------------------------------------------------------

export function accept() {
  const segment = page.current.review.find(page.selected);
  if (!segment || page.current.review.isAccepted(segment.id)) return;
  if (!segment.label) {
    say("Enter a label first.");
    byId("label").focus();
    return;
  }
  page.current.review.accept(segment.id);
  selectNext(segment);
}

/** Reject a detection, delete a segment, or take a rejection back. */
export function remove() {
  const segment = page.current?.review.find(page.selected);
  if (!segment) return;
  const { review } = page.current;
  const state = review.stateOf(segment.id);
  if (state === "rejected") review.restore(segment.id);
  else review.remove(segment.id);
  selectNext(segment);
  if (state === "accepted") say("The segment was deleted; Ctrl+Z brings it back.");
}

/** Select the next detection to decide after a segment, or the first one if there is none. */
function selectNext({ start }) {
  page.selected = null;
  showSegments();
  const left = [...page.proposals].sort((a, b) => a.start - b.start);
  const next = left.find((one) => one.start >= start) ?? left[0];
  if (next) select(next.id);
}

export function add() {
  if (!page.current) return;
  const last = durationOf(page.current) || Infinity;
  const start = clamp(page.playhead, 0, Math.max(last - 0.1, 0));
  const end = Math.min(start + NEW_SECONDS, last);
  const id = page.current.review.add({ start: toMilliseconds(start), end: toMilliseconds(end), label: "" });
  showSegments();
  select(id);
  byId("label").focus();
}

/** direction is "undo" or "redo". */
export function travel(direction) {
  const review = page.current?.review;
  const last = (direction === "undo" ? review?.past : review?.future)?.at(-1);
  if (isNext(direction, last?.at)) return travelClasses(direction);
  if (!last) return say(`Nothing is left to ${direction}.`);
  review[direction]();
  if (!review.find(page.selected)) page.selected = null;
  showSegments();
  return say(direction === "undo" ? "Undone." : "Done again.");
}

function showTravel() {
  const { past, future } = page.current?.review ?? { past: [], future: [] };
  byId("undo").disabled = !past.length && !canTravel("undo");
  byId("redo").disabled = !future.length && !canTravel("redo");
}

for (const name of ["start", "end"]) {
  byId(name).addEventListener("change", (event) => {
    const seconds = event.target.valueAsNumber;
    if (Number.isFinite(seconds)) editSelected({ [name]: seconds });
    else showSegments();
  });
  byId(`set-${name}`).addEventListener("click", () => editSelected({ [name]: page.playhead }));
}
byId("label").addEventListener("change", (event) => {
  const label = event.target.value.trim();
  if (label) editSelected({ label });
  else event.target.value = shownSegment()?.label ?? "";
});
byId("comment").addEventListener("change", (event) => editSelected({ comment: event.target.value.trim() }));
for (const name of ["label", "comment"]) {
  byId(name).addEventListener("keydown", (event) => event.key === "Enter" && event.target.blur());
}
segmentsChanged.on(() => {
  const labels = page.labels.filter(Boolean).map((label) => element("option", { value: label }));
  byId("labels").replaceChildren(...labels);
  showTravel();
  showEditor();
});
classesChanged.on(showTravel);
selectionChanged.on(showEditor);
scoresChanged.on(showScores);
