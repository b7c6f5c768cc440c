// The data of the page, and what is open and selected in it.

import {byId} from "./dom.js";

/** The JSON of a script element of the page, or null. */
export function blockOf(id) {
  const block = byId(id);
  return block ? JSON.parse(block.textContent) : null;
}

export const index = blockOf("report");
export const matched = index.videos.some((video) => video.annotated) && index.thresholds.length > 0;
export const state = {
  video: -1, // the number of the open video
  threshold: index.threshold, // of the score
  share: index.share, // position in index.shares, of a page that compares detectors
  tiou: index.tiou, // position in index.thresholds
  listed: [], // the videos of the list, as it is sorted
  selected: null, // the id of a segment of the timeline
};

const parsed = new Map(); // number of a video → its data

export function videoData(number) {
  if (!parsed.has(number)) parsed.set(number, blockOf(`video-${number}`));
  return parsed.get(number);
}

/** The detections of one detector; a page that compares detectors has several. */
const foundIn = (data, detector) => data.detectors?.[detector] ?? data;

/** The lowest score that is shown. */
export const lowestScore = (detector) => index.detectors?.[detector].cuts[state.share] ?? state.threshold;

/** The data of a video as the timeline takes it, matched at the chosen tIoU. */
export function timelineData(number, detector = 0) {
  const data = videoData(number);
  const found = foundIn(data, detector);
  const taken = found.taken[state.tiou];
  const kinds = found.kinds[state.tiou];
  return {
    duration: data.duration,
    labels: index.labels,
    matched: data.annotated,
    truths: data.truthLabels.map((label, i) => ({start: data.truths[2 * i], end: data.truths[2 * i + 1], label})),
    detections: found.labels.map((label, i) => ({
      start: found.segments[2 * i],
      end: found.segments[2 * i + 1],
      label,
      score: found.scores[i],
      kind: kinds ? index.kinds[Number(kinds[i])] : null,
      truth: taken ? taken[i] : -1,
    })),
  };
}

/** Missed ground truths and wrong detections at the chosen score and tIoU; null if the video is not annotated. */
export function countErrors(number, detector = 0) {
  const data = videoData(number);
  if (!data.annotated) return null;
  const found = foundIn(data, detector);
  const taken = found.taken[state.tiou];
  const lowest = lowestScore(detector);
  let [shown, right] = [0, 0];
  found.scores.forEach((score, i) => {
    if (score < lowest) return;
    shown++;
    if (taken[i] >= 0) right++;
  });
  return data.truthLabels.length - right + shown - right;
}
