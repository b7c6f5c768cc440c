// The open video: its timeline, player, confidence map and the selected segment.

import {ConfidenceMap} from "./confidence_map.js";
import {byId, element} from "./dom.js";
import {blockOf, index, state, timelineData, videoData} from "./page_state.js";
import {STATE_NAMES, counted, tiou} from "./segments.js";
import {Timeline} from "./timeline.js";
import {markOpen} from "./video_list.js";
import {openPlayer, seekPlayer} from "./video_player.js";

export let timeline = null; // from the first video that is opened
let map = null;

export const isError = (one) => one.state === "missed" || (one.type === "detection" && !["true_positive", "detection"].includes(one.state));

export function openVideo(number) {
  if (number === state.video) return;
  state.video = number;
  state.selected = null;
  const video = index.videos[number];
  byId("invitation").hidden = true;
  byId("opened").hidden = false;
  byId("name").textContent = video.name;
  timeline ??= new Timeline(byId("timeline"), {onSeek: seek, onSelect: (segment) => select(segment.id)});
  timeline.setThreshold(state.threshold);
  timeline.setData(timelineData(number));
  timeline.setPlayhead(0);
  openPlayer(videoData(number).file, video.name, {
    onTime: (seconds, isPlaying) => timeline.setPlayhead(seconds, isPlaying),
    onDuration: lengthen,
  });
  openMap(number);
  showSelection();
  markOpen();
}

/** Show the video anew, after a change of the score or the tIoU. */
export function refresh({keepView = true} = {}) {
  if (state.video < 0) return;
  timeline.setThreshold(state.threshold);
  timeline.setData(timelineData(state.video), {keepView});
  if (!timeline.segments().some((one) => one.id === state.selected)) state.selected = null;
  showSelection();
  map?.setSegments(timeline.segments(), state.selected);
}

export function select(id, reveal = false) {
  state.selected = id;
  timeline.select(id, reveal);
  map?.select(id);
  const segment = selectedSegment();
  if (segment) seek(segment.start);
  showSelection();
}

const selectedSegment = () => timeline.segments().find((one) => one.id === state.selected);

function seek(seconds) {
  seekPlayer(seconds);
  timeline.setPlayhead(seconds);
}

/** Without annotations, the file says how long the video is. */
function lengthen(seconds) {
  const data = videoData(state.video);
  if (data.annotated || !(seconds > data.duration)) return;
  data.duration = seconds;
  refresh({keepView: false});
}

function showSelection() {
  const shown = timeline.segments();
  const detections = shown.filter((one) => one.type === "detection").length;
  const data = videoData(state.video);
  byId("counts").textContent = data.annotated
    ? [counted(shown.length - detections, "ground truth"), counted(detections, "detection"), counted(shown.filter(isError).length, "error")].join(", ")
    : `${detections} of ${counted(data.scores.length, "detection")}`;
  const segment = selectedSegment();
  const rows = segment ? factsOf(segment, shown) : [];
  byId("selection").replaceChildren(...rows.map(([name, text]) => (
    element("div", {}, element("dt", {textContent: name}), element("dd", {textContent: text}))
  )));
}

function factsOf(segment, shown) {
  const facts = [
    ["label", segment.name], ["type", STATE_NAMES[segment.state]],
    ["start", `${segment.start.toFixed(3)} s`], ["end", `${segment.end.toFixed(3)} s`],
    ["length", `${(segment.end - segment.start).toFixed(3)} s`],
  ];
  if (segment.type === "detection") facts.push(["score", String(segment.score)], ["rank", `${segment.index + 1} in this video`]);
  const other = nearest(segment, shown);
  if (other) {
    const name = other.type === "truth" ? "nearest ground truth" : "nearest detection";
    facts.push([name, `${other.name}, tIoU ${tiou(segment, other).toFixed(3)}`]);
  }
  return facts;
}

/** The ground truth that overlaps most with a detection, or the reverse, whatever the labels. */
function nearest(segment, shown) {
  const others = shown.filter((one) => one.type !== segment.type);
  const best = others.reduce((a, b) => (a && tiou(segment, a) >= tiou(segment, b) ? a : b), null);
  return best && tiou(segment, best) > 0 ? best : null;
}

// -- map ---------------------------------------------------------------------------------------------------------

async function openMap(number) {
  const part = byId("map-part");
  const content = blockOf(`map-${number}`);
  map = null;
  if (!content) {
    const reason = index.maps ? "the features of this video are missing" : "the report was made without a checkpoint";
    part.replaceChildren(element("p", {className: "caption", textContent: `No confidence map: ${reason}.`}));
    return;
  }
  const box = element("div");
  const text = "✕ ground truth, ○ detection. The line of a selected detection leads from its anchor (a) through the "
    + "refinement steps. Inside the frames, the map has a finer resolution.";
  part.replaceChildren(mapControls(), box, element("p", {className: "caption", textContent: text}));
  map = new ConfidenceMap(box, content, {onSelect: (id) => select(id, true), onSeek: seek});
  map.setSegments(timeline.segments(), state.selected);
  await map.load();
}

function mapControls() {
  const showSelected = () => selectedSegment() && map.show(selectedSegment().start, selectedSegment().end);
  const buttons = [
    ["+", "Zoom into the map", () => map.zoom(1.6)], ["−", "Zoom out of the map", () => map.zoom(1 / 1.6)],
    ["Whole", "Show the whole map", () => map.fit()], ["Selection", "Zoom to the selected segment", showSelected],
  ].map(([text, label, act]) => {
    const button = element("button", {type: "button", textContent: text, title: label, ariaLabel: label});
    button.addEventListener("click", () => map.isDrawn && act());
    return button;
  });
  return element("div", {className: "controls"},
    element("strong", {textContent: "Confidence of every segment"}), element("span", {className: "buttons"}, ...buttons));
}

document.addEventListener("themechange", () => map?.draw());
