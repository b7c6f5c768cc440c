/* The list of videos, and the one that is open: timeline, player, map. After summary.js, timeline.js and map.js. */
"use strict";

const matched = index.videos.some((video) => video.annotated) && index.thresholds.length > 0 && byId("tiou") !== null;
const parsed = new Map(); // number of a video → its data
const state = {open: -1, threshold: index.threshold, tiou: index.tiou, order: [], selected: null};
let timeline = null;
let map = null;
let player = null;

// -- data of a video ---------------------------------------------------------------------------------------------

function dataOf(number) {
  if (!parsed.has(number)) parsed.set(number, blockOf(`video-${number}`));
  return parsed.get(number);
}

/** Columns → what the timeline takes, matched at the chosen tIoU. */
function timelineData(number) {
  const data = dataOf(number);
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

/** Missed ground truths and wrong detections at the chosen score and tIoU. */
function errorsOf(number) {
  const data = dataOf(number);
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

// -- list of videos ----------------------------------------------------------------------------------------------

const countOf = {
  errors: (video) => (video.errors === null ? "not annotated" : `${video.errors} ${video.errors === 1 ? "error" : "errors"}`),
  best: (video) => (video.best === null ? "none" : video.best.toFixed(2)),
  name: (video) => `${video.detections}`,
};

function fillList() {
  const sort = byId("sort").value;
  const wanted = byId("search").value.trim().toLowerCase();
  const compare = {
    errors: (a, b) => (b.errors ?? -1) - (a.errors ?? -1),
    best: (a, b) => (b.best ?? -Infinity) - (a.best ?? -Infinity),
    name: (a, b) => a.name.localeCompare(b.name, undefined, {numeric: true}),
  }[sort];
  state.order = index.videos
    .map((video, number) => ({...video, number}))
    .filter((video) => video.name.toLowerCase().includes(wanted))
    .sort((a, b) => compare(a, b) || a.number - b.number);
  byId("list").replaceChildren(...state.order.map((video) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `#video=${encodeURIComponent(video.name)}`;
    link.dataset.number = video.number;
    for (const [name, text] of [["title", video.name], ["count", countOf[sort](video)]]) {
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      link.append(part);
    }
    link.title = `${video.name}: ${video.truths} ground truths, ${video.detections} detections`;
    item.append(link);
    return item;
  }));
  const total = index.videos.length;
  const shown = state.order.length;
  byId("listed").textContent = shown === total ? `${total} ${total === 1 ? "video" : "videos"}` : `${shown} of ${total} videos`;
  markOpen();
}

function markOpen() {
  for (const link of byId("list").querySelectorAll("a")) {
    const current = Number(link.dataset.number) === state.open;
    if (!current) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "true");
      const list = byId("list"); // scroll the list alone, not the page
      const top = link.parentElement.offsetTop - list.offsetTop;
      if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - 30) list.scrollTop = top - 40;
    }
  }
}

function recount() {
  index.videos.forEach((video, number) => (video.errors = errorsOf(number)));
  fillList();
}

// -- the open video ----------------------------------------------------------------------------------------------

function open(number) {
  if (number === state.open) return;
  state.open = number;
  state.selected = null;
  const video = index.videos[number];
  byId("invitation").hidden = true;
  byId("opened").hidden = false;
  byId("name").textContent = video.name;
  timeline ??= new Timeline(byId("timeline"), {
    onSeek: seek,
    onSelect: (segment) => select(segment.id),
  });
  timeline.setThreshold(state.threshold);
  timeline.setData(timelineData(number));
  timeline.setPlayhead(0);
  openPlayer(dataOf(number).file, video.name);
  openMap(number);
  describe();
  markOpen();
}

function refresh(keepView = true) {
  if (state.open < 0) return;
  timeline.setThreshold(state.threshold);
  timeline.setData(timelineData(state.open), {keepView});
  if (!timeline.segments().some((one) => one.id === state.selected)) state.selected = null;
  describe();
  fillMap();
}

function select(id, reveal = false) {
  state.selected = id;
  timeline.select(id, reveal);
  map?.select(id);
  const segment = timeline.segments().find((one) => one.id === id);
  if (segment) seek(segment.start);
  describe();
}

function seek(seconds) {
  if (player) player.currentTime = seconds;
  timeline.setPlayhead(seconds);
}

function describe() {
  const shown = timeline.segments();
  const detections = shown.filter((one) => one.type === "detection").length;
  const truths = shown.length - detections;
  const wrong = shown.filter(isError).length;
  const data = dataOf(state.open);
  byId("counts").textContent = data.annotated
    ? `${truths} ground truths, ${detections} detections, ${wrong} ${wrong === 1 ? "error" : "errors"}`
    : `${detections} of ${data.scores.length} detections`;
  const segment = shown.find((one) => one.id === state.selected);
  const rows = [];
  if (segment) {
    rows.push(["", segment.name], ["is", Timeline.NAMES[segment.state]]);
    rows.push(["from", `${segment.start.toFixed(3)} s`], ["to", `${segment.end.toFixed(3)} s`]);
    rows.push(["long", `${(segment.end - segment.start).toFixed(3)} s`]);
    if (segment.type === "detection") rows.push(["score", String(segment.score)], ["rank", `${segment.index + 1} in this video`]);
    const other = nearest(segment, shown);
    if (other) rows.push([other.type === "truth" ? "best ground truth" : "best detection", `${other.name}, tIoU ${tiou(segment, other).toFixed(3)}`]);
  }
  byId("selection").replaceChildren(...rows.map(([name, text]) => {
    const pair = document.createElement("div");
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, value.textContent] = [name, text];
    pair.append(...(name ? [term, value] : [value]));
    return pair;
  }));
}

/** What overlaps most with a segment on the other side, whatever its label. */
function nearest(segment, shown) {
  const others = shown.filter((one) => one.type !== segment.type);
  const best = others.reduce((a, b) => (a && tiou(segment, a) >= tiou(segment, b) ? a : b), null);
  return best && tiou(segment, best) > 0 ? best : null;
}

const isError = (one) => one.state === "missed" || (one.type === "detection" && !["true_positive", "detection"].includes(one.state));

// -- player ------------------------------------------------------------------------------------------------------

function openPlayer(file, name) {
  player?.pause();
  player = null;
  byId("player").replaceChildren();
  if (!file) return;
  const video = document.createElement("video");
  video.controls = true;
  video.preload = "metadata";
  video.setAttribute("aria-label", `Video ${name}`);
  video.addEventListener("error", () => {
    const note = document.createElement("p");
    note.className = "caption";
    note.textContent = `The video cannot be played here (${decodeURIComponent(file)}): it has moved, or the browser does not know its format.`;
    byId("player").replaceChildren(note);
    player = null;
  });
  const follow = () => {
    if (player !== video) return;
    timeline.setPlayhead(video.currentTime, !video.paused);
    if (!video.paused) requestAnimationFrame(follow);
  };
  video.addEventListener("loadedmetadata", () => {
    const data = dataOf(state.open);
    if (player !== video || data.annotated || !(video.duration > data.duration)) return;
    data.duration = video.duration; // nobody said how long it is
    refresh(false);
  });
  for (const event of ["play", "seeked", "pause"]) video.addEventListener(event, follow);
  video.src = file;
  byId("player").append(video);
  player = video;
}

// -- map ---------------------------------------------------------------------------------------------------------

function openMap(number) {
  const part = byId("map-part");
  const data = blockOf(`map-${number}`);
  part.replaceChildren();
  map = null;
  if (!data) {
    const note = document.createElement("p");
    note.className = "caption";
    note.textContent = index.maps ? "No confidence map: the features of this video were not given." : "No confidence map: the report was made without a checkpoint.";
    part.append(note);
    return;
  }
  const box = document.createElement("div");
  const controls = document.createElement("div");
  controls.className = "controls";
  const buttons = [["+", "Zoom into the map", () => map.zoom(1.6)], ["−", "Zoom out of the map", () => map.zoom(1 / 1.6)],
    ["whole", "Whole map", () => map.fit()], ["selected", "Zoom to the selected segment", showSelected]];
  const title = document.createElement("strong");
  title.textContent = "Confidence of every segment";
  controls.append(title, ...buttons.map(([text, label, act]) => {
    const button = document.createElement("button");
    button.type = "button";
    [button.textContent, button.title] = [text, label];
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    return button;
  }));
  const caption = document.createElement("p");
  caption.className = "caption";
  const scale = document.createElement("span");
  scale.className = "map-scale";
  scale.style.background = `linear-gradient(to right, ${COLOURS.map((one) => `rgb(${one})`).join(", ")})`;
  const highest = document.createElement("span");
  caption.append("0 ", scale, highest, " ✕ ground truth, ○ detection; the path of the selected detection goes from its anchor (a) through the steps. Framed parts are asked more finely.");
  part.append(controls, box, caption);
  map = new ConfidenceMap(box, {onSelect: (id) => select(id, true)});
  map.content = data;
  fillMap(true).then(() => map?.highest && (highest.textContent = ` ${map.highest.toFixed(2)}.`));
}

async function fillMap(fresh = false) {
  if (!map) return;
  const shown = timeline.segments();
  const marks = {
    truths: shown.filter((one) => one.type === "truth"),
    detections: shown.filter((one) => one.type === "detection"),
    paths: Object.fromEntries(map.content.paths.map((path, i) => [`d${i}`, path])),
  };
  if (fresh) await map.setData({...map.content, ...marks});
  else map.setMarks(marks);
  map?.select(state.selected);
}

function showSelected() {
  const segment = timeline.segments().find((one) => one.id === state.selected);
  if (segment) map.show(segment.start, segment.end);
}

// -- moving about ------------------------------------------------------------------------------------------------

function openByHash() {
  const match = /^#video=(.*)$/s.exec(location.hash);
  if (!match) return;
  let name = match[1];
  try { name = decodeURIComponent(name); } catch { /* as it was typed */ }
  const number = index.videos.findIndex((video) => video.name === name);
  if (number < 0) return;
  open(number);
  byId(matchMedia("(max-width: 860px)").matches ? "viewer" : "videos").scrollIntoView();
}

const go = (number) => (location.hash = `#video=${encodeURIComponent(index.videos[number].name)}`);

function step(by) {
  const {order, open: current} = state;
  if (!order.length) return null;
  const place = order.findIndex((video) => video.number === current);
  const next = order[place < 0 ? (by > 0 ? 0 : order.length - 1) : (place + by + order.length) % order.length];
  go(next.number);
  open(next.number); // now, not when the change of the address is told
  return next.number;
}

/** The next error of this video, or the first one of the next video that has some. */
function stepError(by) {
  if (!matched) return;
  if (state.open < 0 && step(1) === null) return;
  const [first, playhead] = [state.open, state.selected];
  for (let round = 0; round <= state.order.length; round++) {
    const shown = timeline.segments();
    const errors = shown.filter(isError);
    const from = round === 0 ? shown.findIndex((one) => one.id === playhead) : -1;
    const later = errors.filter((one) => from < 0 || (by > 0 ? shown.indexOf(one) > from : shown.indexOf(one) < from));
    const next = by > 0 ? later[0] : later[later.length - 1];
    if (next) return select(next.id, true);
    if (step(by) === first && round > 0) return;
  }
}

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("previous-error")?.addEventListener("click", () => stepError(-1));
byId("next-error")?.addEventListener("click", () => stepError(1));
byId("zoom-in").addEventListener("click", () => timeline.zoom(1.6));
byId("zoom-out").addEventListener("click", () => timeline.zoom(1 / 1.6));
byId("fit").addEventListener("click", () => timeline.fit());
byId("help").addEventListener("click", () => byId("keys").showModal());
window.addEventListener("hashchange", openByHash);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  const target = event.target;
  if (target.matches("input, select, textarea")) return;
  if (target.matches("video") && [" ", "ArrowLeft", "ArrowRight"].includes(event.key)) return; // its own keys
  if (event.key === " " && target.matches("button, a, [role='button']")) return;
  const acts = {
    n: () => step(1), ArrowRight: () => step(1), p: () => step(-1), ArrowLeft: () => step(-1),
    e: () => stepError(1), E: () => stepError(-1),
    "+": () => timeline?.zoom(1.6), "=": () => timeline?.zoom(1.6), "-": () => timeline?.zoom(1 / 1.6), 0: () => timeline?.fit(),
    "?": () => byId("keys").showModal(),
    " ": player && (() => (player.paused ? player.play() : player.pause())),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// -- controls ----------------------------------------------------------------------------------------------------

const [slider, number] = [byId("slider"), byId("threshold")];
const [lowest, highest] = [Math.min(index.scores[0], 0), index.scores[1]];
for (const input of [slider, number]) {
  input.min = lowest;
  input.max = highest;
  input.step = "any";
}
number.step = Number(((highest - lowest) / 100 || 0.01).toPrecision(1));
slider.value = number.value = state.threshold;

let waiting = 0;
function thresholdChanged(input, other) {
  const value = input.valueAsNumber;
  if (Number.isNaN(value)) return;
  state.threshold = value;
  other.value = other === number ? Number(value.toPrecision(4)) : value;
  refresh();
  clearTimeout(waiting); // all videos are counted anew when the slider rests
  waiting = setTimeout(() => matched && recount(), 200);
}
slider.addEventListener("input", () => thresholdChanged(slider, number));
number.addEventListener("input", () => thresholdChanged(number, slider));
if (matched) {
  byId("tiou").append(...index.thresholds.map((value, i) => new Option(String(value), i, i === state.tiou, i === state.tiou)));
  byId("tiou").addEventListener("change", (event) => {
    state.tiou = Number(event.target.value);
    refresh();
    recount();
  });
}
byId("search").addEventListener("input", fillList);
byId("sort").addEventListener("change", fillList);
fillList();
openByHash();
