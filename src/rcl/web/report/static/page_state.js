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
  tiou: index.tiou, // position in index.thresholds
  listed: [], // the videos of the list, as it is sorted
  selected: null, // the id of a segment of the timeline
};

const parsed = new Map(); // number of a video → its data

export function videoData(number) {
  if (!parsed.has(number)) parsed.set(number, blockOf(`video-${number}`));
  return parsed.get(number);
}

/** The data of a video as the timeline takes it, matched at the chosen tIoU. */
export function timelineData(number) {
  const data = videoData(number);
  const taken = data.taken[state.tiou];
  const kinds = data.kinds[state.tiou];
  return {
    duration: data.duration,
    labels: index.labels,
    matched: data.annotated,
    truths: data.truthLabels.map((label, i) => ({start: data.truths[2 * i], end: data.truths[2 * i + 1], label})),
    detections: data.labels.map((label, i) => ({
      start: data.segments[2 * i],
      end: data.segments[2 * i + 1],
      label,
      score: data.scores[i],
      kind: kinds ? index.kinds[Number(kinds[i])] : null,
      truth: taken ? taken[i] : -1,
    })),
  };
}

/** Missed ground truths and wrong detections at the chosen score and tIoU; null if the video is not annotated. */
export function countErrors(number) {
  const data = videoData(number);
  if (!data.annotated) return null;
  const taken = data.taken[state.tiou];
  let [shown, right] = [0, 0];
  data.scores.forEach((score, i) => {
    if (score < state.threshold) return;
    shown++;
    if (taken[i] >= 0) right++;
  });
  return data.truthLabels.length - right + shown - right;
}
