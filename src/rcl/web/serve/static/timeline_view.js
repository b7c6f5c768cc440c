// The timeline of the current video.

import { byId } from "./dom.js";
import { drag } from "./editor.js";
import { durationOf, page, playheadMoved, segmentsChanged, selectionChanged } from "./page_state.js";
import { seek } from "./player.js";
import { select } from "./selection.js";
import { Timeline } from "./timeline.js";

const timeline = new Timeline(byId("timeline"), {
  editable: true,
  scrolling: true,
  names: { truth: "accepted", detection: "detection, to be decided" },
  label: "Timeline of accepted segments and detections",
  onSeek: seek,
  onSelect: (segment) => select(idOf(segment)),
  onChange: (segment, done) => drag({ id: idOf(segment), start: segment.start, end: segment.end }, done),
});

export const zoomTimeline = (factor) => timeline.zoom(factor, page.playhead);
export const fitTimeline = () => timeline.fit();

/** The id of a segment in the review; the timeline has ids of its own. */
const idOf = ({ type, index }) => (type === "truth" ? page.current.review.accepted : page.proposals)[index].id;

function timelineId(id) {
  const accepted = page.current.review.accepted.findIndex((segment) => segment.id === id);
  if (accepted >= 0) return `t${accepted}`;
  const proposal = page.proposals.findIndex((segment) => segment.id === id);
  return proposal >= 0 ? `d${proposal}` : null;
}

function whyEmpty({ detections }) {
  if (!detections) return "No segment yet. Press Find actions, or N to add one.";
  return "No segment, and no detection with this score or a higher one to decide.";
}

segmentsChanged.on(({ keepView }) => {
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
      empty: whyEmpty(page.current.video),
    },
    { keepView },
  );
  timeline.setPlayhead(page.playhead);
  timeline.select(timelineId(page.selected));
  byId("timeline").hidden = !duration;
});

selectionChanged.on(() => {
  const hasFocus = byId("timeline").contains(document.activeElement);
  timeline.select(timelineId(page.selected), true);
  if (hasFocus) byId("timeline").querySelector(".segment.selected")?.focus();
});

playheadMoved.on(({ follow }) => timeline.setPlayhead(page.playhead, follow));
