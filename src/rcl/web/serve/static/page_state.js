// What the page shows: the videos, the current one with its review, the selected segment and the playhead.
// Modules that draw a part of the page listen to the signals; those that change the state emit them.

import { byId } from "./dom.js";

function signal() {
  const listeners = [];
  return { on: (listener) => listeners.push(listener), emit: (...values) => listeners.forEach((one) => one(...values)) };
}

export const segmentsChanged = signal(); // ({ keepView }) of the current video, or another video was opened
export const selectionChanged = signal();
export const playheadMoved = signal(); // ({ follow }): whether the timeline follows it
export const scoresChanged = signal(); // the live scores
export const jobsChanged = signal();
export const classesChanged = signal();
export const peopleChanged = signal(); // the name of the user, or whose videos are listed
export const keptChanged = signal(); // (one): what the server has confirmed of a video, or that it does not answer
export const viewChanged = signal(); // the timeline shows another part
export const learningChanged = signal(); // features, trainings, the detector
export const marksChanged = signal(); // the parts that were played, or an action that has begun and not ended

export const page = {
  minScore: 0.4,
  detector: false, // whether there is one
  version: undefined, // of the detector: each training makes a new one
  learning: null, // what the server says of features and trainings; see learning.js
  labels: [],
  classes: [], // [{ name, colour, key }]; the first labels, in the same order
  keys: "", // those that a class may have
  annotator: "", // the name of the user
  annotators: [], // all names
  assigned: {}, // key of a video → name of who is to label it
  videos: [], // [{ key, name, saved, unfinished, draft, partial, detected }]
  current: null, // of opened
  proposals: [], // detections to decide, in the order of the timeline
  selected: null, // id of a segment
  dragged: null, // { id, start, end } while an end is dragged
  playhead: 0,
  view: [0, 1], // seconds that the timeline shows
  plot: [0, 1], // pixels from the left of the timeline where it shows them
  showsRejected: false,
};
/** key → { video, review, threshold, watched, running, begin } of every video that was opened; changes are kept.
 *
 * watched: [[start, end]] that were played; running: class → start of an action that has not ended;
 * begin: where the next segment begins, or null.
 */
export const opened = new Map();

/** Why a video cannot be read, as far as that is known; undefined if it can. */
export const unreadable = ({ name }) => page.learning?.features?.failed.find(({ video }) => video === name)?.message;

export const isBusy = (job) => ["waiting", "running"].includes(job?.state);

/** The seconds of a video, also as its file says; 0 if unknown. */
export function durationOf({ video }) {
  const { duration } = byId("player");
  return video.duration || (Number.isFinite(duration) ? duration : 0);
}

/** Update everything that depends on the segments of the current video. */
export function showSegments({ keepView = true } = {}) {
  const { review, threshold } = page.current;
  page.proposals = review.open(threshold);
  const used = [...review.accepted, ...page.proposals].map((segment) => segment.label);
  page.labels = [...new Set([...page.labels, ...used])];
  segmentsChanged.emit({ keepView });
}

/** Accepted segments, detections to decide and, if wanted, rejected ones, by time. */
export function listedSegments() {
  const { review } = page.current;
  const rejected = page.showsRejected ? review.rejected.filter((one) => !review.isAccepted(one.id)) : [];
  return [...review.accepted, ...page.proposals, ...rejected].sort((a, b) => a.start - b.start || a.end - b.end);
}

/** Whether nothing is left to decide. Of a review that was begun earlier, only a search tells; without a detector, the user. */
export function isFinished({ video }) {
  if (!page.detector) return video.saved !== null;
  return !page.proposals.length && (!video.begunEarlier || video.detections !== null);
}

/** Detections to decide that lie in the parts that were looked at. */
export const undecidedInParts = ({ review }) =>
  page.proposals.filter((one) => review.seen.some(([start, end]) => one.start < end && one.end > start));

/** Note where a video is saved: how many segments in the labels, how many beside them, and whether there is a draft. */
export function setSaved(one, { saved, unfinished, draft, partial }, { isDecided = true } = {}) {
  Object.assign(one.video, { saved, unfinished, draft, partial });
  if (isDecided) one.video.begunEarlier = unfinished !== null;
  Object.assign(page.videos.find((video) => video.key === one.video.key), { saved, unfinished, draft, partial });
  keptChanged.emit(one);
}

/** Take over the classes of the server; labels that only this page has stay. */
export function setClasses(classes) {
  const names = classes.map((one) => one.name);
  const used = page.current ? page.current.review.accepted.map((one) => one.label) : [];
  Object.assign(page, { classes, labels: [...new Set([...names, ...used])] });
  classesChanged.emit();
}

/** The selected segment as it is shown: while an end is dragged, where it is now. */
export function shownSegment() {
  const segment = page.current?.review.find(page.selected);
  return segment && page.dragged?.id === page.selected ? { ...segment, ...page.dragged } : segment;
}

export function movePlayhead(seconds, { follow = false } = {}) {
  page.playhead = seconds;
  playheadMoved.emit({ follow });
}
