// The controls and keys of the page, and moving from error to error.

import {byId} from "./dom.js";
import {isError, openVideo, refresh, select, timeline} from "./opened_video.js";
import {followAddress, listenToKeys, stepTo} from "./navigation.js";
import {index, matched, state} from "./page_state.js";
import {recount, showList} from "./video_list.js";
import {togglePlayer} from "./video_player.js";

const RECOUNT_MS = 200; // all videos are counted again once the score has not changed for this time

// -- moving about ------------------------------------------------------------------------------------------------

const step = (by) => stepTo(by, openVideo);

/** Select the next error of this video, or else the first one of the next video that has any. */
function stepError(by) {
  if (!matched) return;
  if (state.video < 0 && step(1) === null) return;
  const {video: first, selected} = state;
  for (let round = 0; round <= state.listed.length; round++) {
    const shown = timeline.segments();
    const from = round === 0 ? shown.findIndex((one) => one.id === selected) : -1;
    const isLater = (place) => from < 0 || (by > 0 ? place > from : place < from);
    const errors = shown.filter((one, place) => isError(one) && isLater(place));
    const next = errors.at(by > 0 ? 0 : -1);
    if (next) return select(next.id, true);
    if (step(by) === first && round > 0) return;
  }
}

const showKeys = () => byId("keys").showModal();
const zoom = (factor) => timeline?.zoom(factor);

const CLICKS = {
  previous: () => step(-1), next: () => step(1), "previous-error": () => stepError(-1), "next-error": () => stepError(1),
  "zoom-in": () => zoom(1.6), "zoom-out": () => zoom(1 / 1.6), fit: () => timeline.fit(), help: showKeys,
};
for (const [id, act] of Object.entries(CLICKS)) byId(id)?.addEventListener("click", act);

const KEYS = {
  n: () => step(1), ArrowRight: () => step(1), p: () => step(-1), ArrowLeft: () => step(-1),
  e: () => stepError(1), E: () => stepError(-1),
  "+": () => zoom(1.6), "=": () => zoom(1.6), "-": () => zoom(1 / 1.6), 0: () => timeline?.fit(),
  "?": showKeys, " ": togglePlayer,
};

listenToKeys(KEYS);

// -- score and tIoU ----------------------------------------------------------------------------------------------

const [slider, field] = [byId("slider"), byId("threshold")];
const [lowest, highest] = [Math.min(index.scores[0], 0), index.scores[1]];
for (const input of [slider, field]) Object.assign(input, {min: lowest, max: highest, step: "any"});
field.step = Number(((highest - lowest) / 100 || 0.01).toPrecision(1));
slider.value = field.value = state.threshold;

let waiting = 0;
function changeThreshold(input, other) {
  const value = input.valueAsNumber;
  if (Number.isNaN(value)) return;
  state.threshold = value;
  other.value = other === field ? Number(value.toPrecision(4)) : value;
  refresh();
  clearTimeout(waiting);
  waiting = setTimeout(() => matched && recount(), RECOUNT_MS);
}
slider.addEventListener("input", () => changeThreshold(slider, field));
field.addEventListener("input", () => changeThreshold(field, slider));
if (matched) {
  byId("tiou").append(...index.thresholds.map((value, i) => new Option(String(value), i, i === state.tiou, i === state.tiou)));
  byId("tiou").addEventListener("change", (event) => {
    state.tiou = Number(event.target.value);
    refresh();
    recount();
  });
}
showList();
followAddress(openVideo);
