// The timeline of the current video.

import { byId } from "./dom.js";
import { drag } from "./editor.js";
import { addSegment } from "./labelling.js";
import { classesChanged, durationOf, page, playheadMoved, segmentsChanged, selectionChanged, viewChanged } from "./page_state.js";
import { seek, showFrame } from "./player.js";
import { clamp } from "./segments.js";
import { select } from "./selection.js";
import { Timeline } from "./timeline.js";

const timeline = new Timeline(byId("timeline"), {
  editable: true,
  scrolling: true,
  creates: true,
  names: { truth: "accepted", detection: "detection, to be decided" },
  label: "Timeline of accepted segments and detections",
  onSeek: seek,
  onSelect: (segment) => select(idOf(segment)),
  onChange: (segment, done, end) => {
    showFrame(segment[end]);
    drag({ id: idOf(segment), start: segment.start, end: segment.end }, done);
  },
  onCreate: (from, to, done) => {
    showFrame(to);
    if (done) addSegment(Math.min(from, to), Math.max(from, to), "");
  },
  onView: (view) => {
    Object.assign(page, { view, plot: timeline.plot });
    viewChanged.emit();
  },
});

/** Zoom around the playhead, or where the view is if the playhead is out of sight. */
export function zoomTimeline(factor) {
  const [start, end] = timeline.view;
  timeline.zoom(factor, page.playhead >= start && page.playhead <= end ? page.playhead : (start + end) / 2);
}

export const fitTimeline = () => timeline.fit();

/** Move the view by a share of its length. */
export function panTimeline(by) {
  const [start, end] = timeline.view;
  showFrom(start + by * (end - start));
}

/** Show what begins at a time, as far as the video goes. */
export function showFrom(seconds) {
  const span = timeline.view[1] - timeline.view[0];
  const start = clamp(seconds, 0, Math.max(durationOf(page.current) - span, 0));
  timeline.setView(start, start + span);
}

/** Show a part of the video. */
export function showRange(start, end) {
  timeline.setView(Math.max(start, 0), Math.min(end, durationOf(page.current) || end));
}

/** The id of a segment in the review; the timeline has ids of its own. */
const idOf = ({ type, index }) => (type === "truth" ? page.current.review.accepted : page.proposals)[index].id;

function timelineId(id) {
  const accepted = page.current.review.accepted.findIndex((segment) => segment.id === id);
  if (accepted >= 0) return `t${accepted}`;
  const proposal = page.proposals.findIndex((segment) => segment.id === id);
  return proposal >= 0 ? `d${proposal}` : null;
}

function whyEmpty({ detections }) {
  if (!detections) return page.detector ? "No segment yet. Press Find actions, or N to add one." : "No segment yet. Drag here to add one.";
  return "No segment, and no detection with this score or a higher one to decide.";
}

function show({ keepView }) {
  const { accepted } = page.current.review;
  const plain = ({ start, end, label }) => ({ start, end, label: page.labels.indexOf(label) });
  const last = Math.max(0, ...accepted.map((segment) => segment.end));
  const duration = durationOf(page.current) || last;
  timeline.setData(
    {
      duration: duration || 1,
      truths: accepted.map(plain),
      detections: page.proposals.map((one) => ({ ...plain(one), score: Number(one.score.toFixed(3)), kind: null, truth: -1 })),
      labels: page.labels.map((label) => label || "(no label)"),
      colours: page.labels.map((label) => page.classes.find(({ name }) => name === label)?.colour),
      empty: whyEmpty(page.current.video),
    },
    { keepView },
  );
  timeline.setPlayhead(page.playhead);
  timeline.select(timelineId(page.selected));
  byId("timeline").hidden = byId("navigation").hidden = !duration;
}

segmentsChanged.on(show);
classesChanged.on(() => page.current && show({ keepView: true }));

selectionChanged.on(() => {
  const hasFocus = byId("timeline").contains(document.activeElement);
  timeline.select(timelineId(page.selected), true);
  if (hasFocus) byId("timeline").querySelector(".segment.selected")?.focus();
});

playheadMoved.on(({ follow }) => timeline.setPlayhead(page.playhead, follow));
