// The page that compares detectors: a timeline for each, one above the other, which zoom and move together.

import {byId, element} from "./dom.js";
import {followAddress, listenToKeys, stepTo} from "./navigation.js";
import {countErrors, index, lowestScore, state, timelineData, videoData} from "./page_state.js";
import {counted, describe} from "./segments.js";
import "./summary.js";
import {Timeline} from "./timeline.js";
import {markOpen, recount, showList} from "./video_list.js";
import {openPlayer, seekPlayer, togglePlayer} from "./video_player.js";

/** A timeline that takes all the others along. */
class LinkedTimeline extends Timeline {
  setView(start, end) {
    for (const {timeline} of rows) timeline.follow(start, end);
  }

  follow(start, end) {
    super.setView(start, end);
  }
}

const rows = []; // of the detectors, from the first video that is opened: {timeline, facts}

function makeRow({name}, detector) {
  const facts = element("span", {className: "facts"});
  const box = element("div");
  byId("timelines").append(element("h4", {}, element("span", {textContent: name}), " ", facts), box);
  const label = `Timeline of ground truths and detections of ${name}`;
  const timeline = new LinkedTimeline(box, {label, onSeek: seek, onSelect: (segment) => select(segment, detector)});
  return {timeline, facts};
}

function openVideo(number) {
  if (number === state.video) return;
  state.video = number;
  const video = index.videos[number];
  byId("invitation").hidden = true;
  byId("opened").hidden = false;
  byId("name").textContent = video.name;
  if (!rows.length) rows.push(...index.detectors.map(makeRow));
  show({keepView: false});
  openPlayer(videoData(number).file, video.name, {onTime: setPlayheads, onDuration() {}});
  setPlayheads(0);
  markOpen();
}

/** Show the video, or show it anew after a change of the tIoU or of the number of detections. */
function show({keepView = true} = {}) {
  if (state.video < 0) return;
  rows.forEach(({timeline, facts}, detector) => {
    const lowest = lowestScore(detector);
    timeline.setThreshold(lowest);
    timeline.setData(timelineData(state.video, detector), {keepView});
    const found = timeline.segments().filter((one) => one.type === "detection").length;
    const errors = counted(countErrors(state.video, detector), "error");
    facts.textContent = `${counted(found, "detection")} with a score of ${lowest} or more, ${errors}`;
  });
  byId("selection").replaceChildren();
}

/** Select a segment: a ground truth in all timelines, a detection in its own. */
function select(segment, detector) {
  rows.forEach(({timeline}, place) => timeline.select(place === detector || segment.type === "truth" ? segment.id : null));
  seek(segment.start);
  const truth = timelineData(state.video, detector).truths[segment.truth];
  const name = segment.type === "truth" ? "ground truth" : index.detectors[detector].name;
  const facts = element("dd", {textContent: describe(segment, truth).join(", ")});
  byId("selection").replaceChildren(element("div", {}, element("dt", {textContent: name}), facts));
}

function setPlayheads(seconds, isPlaying = false) {
  for (const {timeline} of rows) timeline.setPlayhead(seconds, isPlaying);
}

function seek(seconds) {
  seekPlayer(seconds);
  setPlayheads(seconds);
}

// -- controls ----------------------------------------------------------------------------------------------------

const step = (by) => stepTo(by, openVideo);
const zoom = (factor) => rows[0]?.timeline.zoom(factor);
const fit = () => rows[0]?.timeline.fit();
const showKeys = () => byId("keys").showModal();

const CLICKS = {
  previous: () => step(-1), next: () => step(1), help: showKeys,
  "zoom-in": () => zoom(1.6), "zoom-out": () => zoom(1 / 1.6), fit,
};
for (const [id, act] of Object.entries(CLICKS)) byId(id).addEventListener("click", act);

listenToKeys({
  n: () => step(1), ArrowRight: () => step(1), p: () => step(-1), ArrowLeft: () => step(-1),
  "+": () => zoom(1.6), "=": () => zoom(1.6), "-": () => zoom(1 / 1.6), 0: fit, "?": showKeys, " ": togglePlayer,
});

/** A choice between positions of a list in the state. */
function choose(id, key, texts) {
  byId(id).append(...texts.map((text, place) => new Option(text, place, place === state[key], place === state[key])));
  byId(id).addEventListener("change", (event) => {
    state[key] = Number(event.target.value);
    show();
    recount();
  });
}

choose("tiou", "tiou", index.thresholds.map(String));
choose("share", "share", index.shares.map((share) => (share === null ? "all" : `${share} for each ground truth`)));
showList();
followAddress(openVideo);
