// The page: puts a Review on the screen and hands over what the user does.

import { clock, element, get, say, told } from "/static/dom.js";
import { listenToKeys } from "/static/keys.js";
import { Review, toMilliseconds } from "/static/review.js";
import { Scores } from "/static/scores.js";
import { server } from "/static/server.js";

const POLL_MS = 250;
const NUDGE_SECONDS = 0.1;
const NEW_SECONDS = 2; // length of a segment that is added
const UNSCORED = "Find the actions of this video, and the model says here how well this segment fits.";
const BUSY = ["waiting", "running"];

const player = get("player");

const page = { minScore: 0.4, labels: [], videos: [] };
const opened = new Map(); // key → what is known of a video and its review; kept when another one is chosen
const scores = new Scores(
  () => {
    showFits();
    showScores();
  },
  (error) => {
    current.video.scored = false; // not again until the actions are found again
    if (error.status !== 409) say(error.message, { lasting: true });
    showJob();
    showScores();
  },
);
let current = null; // of opened
let selected = null; // id of a segment
let dragged = null; // {id, start, end} while an end is being dragged
let playhead = 0;
let playUntil = null;

Object.assign(Timeline.NAMES, { truth: "accepted", detection: "detection, to be decided" });
const timeline = new Timeline(get("timeline"), {
  editable: true,
  onSeek: (seconds) => seek(seconds),
  onSelect: (segment) => select(segment ? idOf(segment) : null),
  onChange: (segment, done) => drag(segment, done),
});
get("timeline").querySelector("svg").setAttribute("aria-label", "Timeline of accepted segments and detections");

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const hasPlayer = () => Boolean(current?.video.file) && get("unplayable").hidden;
const durationOf = ({ video }) => video.duration || (Number.isFinite(player.duration) ? player.duration : 0);

// -- videos ------------------------------------------------------------------------------------------------------

function showVideos() {
  const wanted = get("filter").value.trim().toLowerCase();
  const rows = page.videos
    .filter((video) => video.name.toLowerCase().includes(wanted))
    .map((video) => {
      const one = opened.get(video.key);
      const state = stateOf(video, one);
      const button = element("button", { className: "video", title: video.name });
      button.append(element("span", { className: "title", textContent: video.name }));
      button.append(element("span", { className: `badge ${state.kind}`, textContent: state.text }));
      if (one && one === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => open(video.key));
      return element("li", {}, button);
    });
  get("videos").replaceChildren(...rows);
  get("empty").hidden = rows.length > 0;
}

function stateOf(video, one) {
  const job = one?.video.job;
  if (one?.review.isDirty) return { kind: "unsaved", text: "unsaved" };
  if (job?.state === "running") return { kind: "busy", text: "detecting" };
  if (job?.state === "waiting") return { kind: "busy", text: "waiting" };
  if (job?.state === "failed") return { kind: "bad", text: "unusable" };
  if (video.saved !== null) return { kind: "saved", text: `${video.saved} saved` };
  return { kind: "", text: video.detected ? "detected" : "" };
}

const open = told(async (key) => {
  hideSidebar();
  if (!opened.has(key)) {
    const video = await server.video(key);
    opened.set(key, { video, review: new Review(video), threshold: page.minScore });
    if (video.detections) opened.get(key).review.propose(video.detections);
  }
  current = opened.get(key);
  selected = null;
  playhead = 0;
  scores.begin(key);
  say("");
  history.replaceState(null, "", `#${key}`);
  document.title = `${current.video.name} – RCL`;
  get("welcome").hidden = true;
  get("work").hidden = false;
  get("name").textContent = current.video.name;
  get("unplayable").hidden = true;
  player.hidden = !current.video.file;
  get("work").classList.toggle("playerless", !current.video.file);
  if (current.video.file) player.src = server.media(key);
  else player.removeAttribute("src");
  player.load();
  showThreshold();
  show({ keepView: false });
  showJob();
  if (BUSY.includes(current.video.job?.state)) watch(key);
  else if (current.video.detections && !current.video.scored) say("Find the actions again for live scores.");
});

// -- detection ---------------------------------------------------------------------------------------------------

const detect = told(async () => {
  const one = current;
  one.video.job = await server.detect(one.video.key);
  showJob();
  await watch(one.video.key);
});

const watched = new Set();
async function watch(key) {
  if (watched.has(key)) return;
  watched.add(key);
  const one = opened.get(key);
  try {
    do {
      one.video.job = await server.job(key);
      if (one === current) showJob();
      showVideos();
      if (BUSY.includes(one.video.job?.state)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    } while (BUSY.includes(one.video.job?.state));
  } finally {
    watched.delete(key);
  }
  if (one.video.job?.state === "done") await takeOver(one);
  showVideos();
}

/** Detections of a job that is done; what the user has done meanwhile stays. */
async function takeOver(one) {
  const { duration, snippet, problems, detections, scored } = await server.video(one.video.key);
  Object.assign(one.video, { duration, snippet, problems, detections, scored });
  page.videos.find((video) => video.key === one.video.key).detected = true;
  one.review.propose(detections);
  if (one !== current) return;
  if (!one.review.find(selected)) selected = null;
  showThreshold();
  show({ keepView: false });
  showJob();
  const count = one.review.open(one.threshold).length;
  say(count ? `${count} detection${count === 1 ? "" : "s"} to decide.` : "No detection above the score; lower it to see more.");
}

function showJob() {
  const job = current.video.job;
  const busy = BUSY.includes(job?.state);
  get("job").hidden = !busy;
  get("detect").hidden = busy || current.video.scored;
  get("detect").textContent = current.video.detections ? "Find actions again" : "Find actions";
  get("detect").classList.toggle("primary", !current.video.detections);
  if (busy) {
    const { share, stage, state, ahead } = job;
    if (share === null) get("progress").removeAttribute("value");
    else get("progress").value = share;
    const percent = share === null ? "" : ` ${Math.round(100 * share)} %`;
    const names = { extracting: "reading the video", reading: "reading the features", detecting: "detecting" };
    get("stage").textContent = state === "waiting" ? `waiting for ${ahead > 1 ? `${ahead} other videos` : "another video"}` : `${names[stage] ?? "starting"}${percent}`;
  }
  const problems = job?.state === "failed" ? [job.message] : current.video.problems;
  get("problem").hidden = !problems.length;
  get("problem").textContent = job?.state === "failed" ? job.message : `This file ${problems.join("; ")}. What could be read is used.`;
}

// -- segments ----------------------------------------------------------------------------------------------------

const proposals = () => current.review.open(current.threshold);

/** Accepted and open segments, by time. */
const listed = () =>
  [...current.review.accepted, ...proposals()].sort((a, b) => a.start - b.start || a.end - b.end);

function idOf({ type, index }) {
  return (type === "truth" ? current.review.accepted : shownProposals)[index].id;
}

let shownProposals = []; // in the order of the timeline
function placeOf(id) {
  const accepted = current.review.accepted.findIndex((segment) => segment.id === id);
  if (accepted >= 0) return `t${accepted}`;
  const open = shownProposals.findIndex((segment) => segment.id === id);
  return open >= 0 ? `d${open}` : null;
}

function labelIndex(label) {
  if (!page.labels.includes(label)) page.labels.push(label);
  return page.labels.indexOf(label);
}

/** Draw everything that depends on the segments. */
function show({ keepView = true } = {}) {
  const { review } = current;
  shownProposals = proposals();
  const plain = ({ start, end, label }) => ({ start, end, label: labelIndex(label) });
  const last = Math.max(0, ...review.accepted.map((segment) => segment.end));
  timeline.setData(
    {
      duration: durationOf(current) || last || 1,
      truths: review.accepted.map(plain),
      detections: shownProposals.map((one) => ({ ...plain(one), score: Number(one.score.toFixed(3)), kind: null, truth: -1 })),
      labels: page.labels,
    },
    { keepView },
  );
  timeline.setPlayhead(playhead);
  timeline.select(placeOf(selected));
  get("labels").replaceChildren(...page.labels.filter(Boolean).map((label) => element("option", { value: label })));
  get("undo").disabled = !review.past.length;
  get("redo").disabled = !review.future.length;
  get("save").disabled = !review.isDirty && review.revision !== "new";
  get("save").classList.toggle("primary", review.isDirty);
  get("timeline").hidden = !durationOf(current) && !last;
  get("accept-all").disabled = !shownProposals.length;
  showRows();
  showEditor();
  showVideos();
  askScores();
}

function showRows() {
  const rows = listed().map((segment) => {
    const accepted = current.review.isAccepted(segment.id);
    const choose = element("button", { className: "link", textContent: clock(segment.start) });
    choose.setAttribute("aria-label", `Select ${segment.label || "segment"} from ${clock(segment.start)}`);
    const fit = element("td", { className: "fit" });
    const row = element(
      "tr",
      { className: accepted ? "accepted" : "open" },
      element("td", {}, choose),
      element("td", { textContent: clock(segment.end) }),
      element("td", { className: "name", textContent: segment.label || "(no label)" }),
      fit,
      element("td", { className: "what", textContent: accepted ? "accepted" : `score ${segment.score.toFixed(2)}` }),
    );
    row.dataset.id = segment.id;
    if (segment.id === selected) row.setAttribute("aria-selected", "true");
    row.addEventListener("click", () => select(segment.id, { reveal: true }));
    return row;
  });
  const focused = document.activeElement?.closest?.("tr")?.dataset.id;
  get("rows").replaceChildren(...rows);
  if (focused) get("rows").querySelector(`tr[data-id="${focused}"] button`)?.focus();
  const open = shownProposals.length;
  get("count").textContent = `${current.review.accepted.length} accepted, ${open} to decide`;
  showFits();
}

function showFits() {
  for (const cell of get("rows").querySelectorAll(".fit")) {
    const segment = current.review.find(cell.closest("tr").dataset.id);
    cell.textContent = (segment && scores.of(segment)?.confidence?.toFixed(2)) ?? "";
  }
}

function select(id, { reveal = false } = {}) {
  selected = id;
  dragged = null;
  const inTimeline = get("timeline").contains(document.activeElement);
  timeline.select(placeOf(id), true);
  if (inTimeline) get("timeline").querySelector(".segment.selected")?.focus();
  for (const row of get("rows").children) {
    if (row.dataset.id === id) {
      row.setAttribute("aria-selected", "true");
      bringIntoBox(row);
    } else row.removeAttribute("aria-selected");
  }
  const segment = current.review.find(id);
  if (segment && (reveal || playhead < segment.start || playhead > segment.end)) seek(segment.start);
  showEditor();
  askScores();
}

/** Scrolls the table, not the page, which would take the video out of sight. */
function bringIntoBox(row) {
  const box = get("table-box");
  const head = box.querySelector("thead").offsetHeight;
  const top = row.offsetTop - head;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (row.offsetTop + row.offsetHeight > box.scrollTop + box.clientHeight) {
    box.scrollTop = row.offsetTop + row.offsetHeight - box.clientHeight;
  }
}

/** The segment that is selected, as it is shown: while it is being dragged, where it is now. */
function shownSegment() {
  const segment = current?.review.find(selected);
  return segment && dragged?.id === selected ? { ...segment, ...dragged } : segment;
}

function showEditor() {
  const segment = shownSegment();
  get("nothing").hidden = Boolean(segment);
  get("fields").hidden = !segment;
  if (!segment) return;
  const accepted = current.review.isAccepted(selected);
  const score = segment.score === undefined || accepted ? "" : `, score ${segment.score.toFixed(2)}`;
  get("state").textContent = accepted ? "Accepted" : `Detection${score}`;
  get("state").className = `state ${accepted ? "accepted" : "open"}`;
  fill("label", segment.label);
  fill("start", segment.start);
  fill("end", segment.end);
  get("accept").hidden = accepted;
  get("remove").textContent = accepted ? "Delete" : "Reject";
  get("play-segment").hidden = get("set-start").hidden = get("set-end").hidden = !current.video.file && !durationOf(current);
  get("play-segment").hidden ||= !current.video.file;
  showScores();
}

/** What the user is typing is left alone. */
function fill(id, value) {
  const field = get(id);
  if (document.activeElement !== field || field.dataset.segment !== selected) {
    field.value = typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
  }
  field.dataset.segment = selected;
}

function drag(segment, done) {
  const id = idOf(segment);
  const ends = { start: Math.round(segment.start * 100) / 100, end: Math.round(segment.end * 100) / 100 };
  if (ends.end <= ends.start) ends.end = toMilliseconds(ends.start + 0.01);
  dragged = { id, ...ends };
  if (done) {
    dragged = null;
    const before = current.review.find(id);
    edit(id, before.start === ends.start ? { end: ends.end } : { start: ends.start });
  } else {
    showEditor();
    askScores();
  }
}

function edit(id, values) {
  const segment = { ...current.review.find(id), ...values };
  const end = durationOf(current) || Infinity;
  segment.start = toMilliseconds(clamp(segment.start, 0, end));
  segment.end = toMilliseconds(clamp(segment.end, 0, end));
  if (!(segment.start < segment.end)) {
    say("The start has to lie before the end.");
    show();
    return;
  }
  const kept = Object.fromEntries(Object.keys(values).map((name) => [name, segment[name]]));
  current.review.edit(id, kept);
  show();
}

const editSelected = (values) => current?.review.find(selected) && edit(selected, values);

function accept() {
  if (!selected || current.review.isAccepted(selected)) return;
  const from = current.review.find(selected);
  if (!from.label) {
    say("Give it a label first.");
    get("label").focus();
    return;
  }
  current.review.accept(selected);
  goOn(from);
}

function remove() {
  const from = current?.review.find(selected);
  if (!from) return;
  current.review.remove(selected);
  goOn(from);
}

/** After a decision: the next one. */
function goOn(from) {
  const open = [...proposals()].sort((a, b) => a.start - b.start);
  const next = open.find((one) => one.start >= from.start) ?? open[0];
  selected = next?.id ?? null;
  show();
  if (selected) select(selected);
}

function acceptAll() {
  const unnamed = shownProposals.some((one) => !one.label);
  if (unnamed) return say("These detections have no labels; label them one by one.");
  current.review.accept(...shownProposals.map((one) => one.id));
  return show();
}

function add() {
  if (!current) return;
  const end = durationOf(current) || Infinity;
  const start = clamp(playhead, 0, Math.max(end - 0.1, 0));
  const label = shownSegment()?.label ?? page.labels[0] ?? "";
  const values = { start: toMilliseconds(start), end: toMilliseconds(Math.min(start + NEW_SECONDS, end)), label };
  const id = current.review.add(values);
  show();
  select(id);
  get("label").focus();
  get("label").select();
}

function travel(direction) {
  if (!current) return;
  current.review[direction]();
  if (!current.review.find(selected)) selected = null;
  show();
}

function step(by) {
  const order = listed();
  if (!order.length) return;
  const at = order.findIndex((segment) => segment.id === selected);
  const next = at < 0 ? (by > 0 ? 0 : order.length - 1) : clamp(at + by, 0, order.length - 1);
  select(order[next].id, { reveal: true });
}

// -- scores ------------------------------------------------------------------------------------------------------

/** Ask about what is not known yet: first about the segment that is selected, and while it is being dragged only so. */
function askScores() {
  if (!current?.video.scored) return;
  const live = shownSegment();
  scores.ask([...(live ? [live] : []), ...(dragged ? [] : listed())]);
}

function showScores() {
  const segment = shownSegment();
  if (!segment) return;
  const answer = scores.of(segment);
  get("scores").hidden = Boolean(answer?.refusal) || (!current.video.scored && !answer);
  get("unscored").hidden = !get("scores").hidden;
  get("unscored").textContent = answer?.refusal ?? UNSCORED;
  if (!answer || answer.refusal) return;
  get("fit").value = answer.confidence;
  get("fit-value").textContent = answer.confidence.toFixed(2);
  const ranked = answer.names
    .map((name, index) => ({ name, score: answer.labels[index] }))
    .sort((a, b) => b.score - a.score)
    .slice(0, 4);
  get("label-scores").replaceChildren(
    ...ranked.map(({ name, score }) => {
      const bar = element("meter", { min: 0, max: 1, value: score });
      bar.setAttribute("aria-hidden", "true");
      const button = element("button", { className: "score", title: `Label it ${name}` });
      button.append(element("span", { textContent: name }), bar, element("output", { textContent: score.toFixed(2) }));
      if (name === segment.label) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => editSelected({ label: name }));
      return button;
    }),
  );
  const [start, end] = answer.refined;
  get("refined").textContent = `Model: ${clock(start)} – ${clock(end)}`;
  get("snap").disabled = !(end > start);
}

function snap() {
  const segment = shownSegment();
  const [start, end] = (segment && scores.of(segment)?.refined) ?? [];
  if (end > start) editSelected({ start, end });
}

// -- saving ------------------------------------------------------------------------------------------------------

const save = told(async ({ overwrite = false } = {}) => {
  const one = current;
  if (!one) return;
  if (one.review.accepted.some((segment) => !segment.label)) {
    say("A segment has no label; give it one first.");
    return;
  }
  const content = one.review.content(); // what is changed while the answer is awaited is not saved
  try {
    const revision = overwrite ? null : one.review.revision;
    const answer = await server.save(one.video.key, JSON.parse(content), revision);
    one.review.markSaved(answer.revision, content);
    page.videos.find((video) => video.key === one.video.key).saved = JSON.parse(content).length;
    const count = JSON.parse(content).length;
    say(`Saved ${count} segment${count === 1 ? "" : "s"} of ${one.video.name}.`);
  } catch (error) {
    if (error.status !== 409) throw error;
    get("conflict-dialog").showModal();
  }
  if (one === current) show();
});

const loadTheirs = told(async () => {
  const one = current;
  get("conflict-dialog").close();
  const { annotations, revision } = await server.video(one.video.key);
  one.review.load(annotations, revision);
  selected = null;
  show();
});

window.addEventListener("beforeunload", (event) => {
  if ([...opened.values()].some(({ review }) => review.isDirty)) {
    event.preventDefault();
    event.returnValue = ""; // which older browsers need
  }
});

// -- playing -----------------------------------------------------------------------------------------------------

function seek(seconds) {
  playhead = clamp(seconds, 0, durationOf(current) || Infinity);
  playUntil = null;
  if (hasPlayer()) player.currentTime = playhead;
  timeline.setPlayhead(playhead, true);
}

function toggle() {
  if (!hasPlayer()) return;
  playUntil = null;
  if (player.paused) player.play().catch(() => {});
  else player.pause();
}

function playSegment() {
  const segment = shownSegment();
  if (!segment || !hasPlayer()) return;
  seek(segment.start);
  playUntil = segment.end;
  player.play().catch(() => {});
}

function follow() {
  if (playUntil !== null && player.currentTime >= playUntil) {
    player.pause();
    playUntil = null;
  }
  playhead = player.currentTime;
  timeline.setPlayhead(playhead, true);
  if (!player.paused) requestAnimationFrame(follow);
}

player.addEventListener("play", () => requestAnimationFrame(follow));
player.addEventListener("timeupdate", () => player.paused && follow());
player.addEventListener("loadedmetadata", () => current && show({ keepView: false }));
player.addEventListener("error", () => {
  if (!current?.video.file || !player.getAttribute("src")) return;
  get("unplayable").hidden = false;
  get("unplayable").textContent = `This browser does not play ${current.video.file}. Everything else works without it.`;
  player.hidden = true;
  get("work").classList.add("playerless");
});

// -- what the user does ------------------------------------------------------------------------------------------

function showThreshold() {
  get("threshold-box").hidden = !current.video.detections && !current.review.proposals.length;
  get("threshold").value = current.threshold;
  get("threshold-value").textContent = Number(current.threshold).toFixed(2);
}

function hideSidebar() {
  get("sidebar").classList.remove("shown");
  get("show-videos").setAttribute("aria-expanded", "false");
}

function nudge(event) {
  const sign = event.key === "ArrowLeft" ? -1 : 1;
  const by = event.altKey ? (current.video.snippet ?? NUDGE_SECONDS) : NUDGE_SECONDS;
  const segment = current.review.find(selected);
  if (!segment) return seek(playhead + sign * (event.shiftKey ? 5 : 1));
  return editSelected(event.shiftKey ? { end: segment.end + sign * by } : { start: segment.start + sign * by });
}

const KEYS = {
  " ": toggle, p: playSegment, s: snap, n: add, l: () => get("label").focus(),
  "[": () => editSelected({ start: playhead }), "]": () => editSelected({ end: playhead }),
  ArrowLeft: nudge, ArrowRight: nudge, ArrowUp: () => step(-1), ArrowDown: () => step(1),
  Enter: accept, Delete: remove, Backspace: remove, Escape: () => select(null),
  "+": () => timeline.zoom(1.5, playhead), "-": () => timeline.zoom(1 / 1.5, playhead), 0: () => timeline.fit(),
  "?": () => get("help-dialog").showModal(),
};
const WITH_CONTROL = { z: (event) => travel(event.shiftKey ? "redo" : "undo"), y: () => travel("redo"), s: () => save() };

listenToKeys(KEYS, WITH_CONTROL, (key) => current || key === "?");

// A button that was clicked would keep the focus, and with it the keys Space and Enter.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (event.detail && button && !button.closest("dialog")) button.blur();
});
for (const name of ["start", "end"]) {
  get(name).addEventListener("change", (event) => {
    const seconds = event.target.valueAsNumber;
    if (Number.isFinite(seconds)) editSelected({ [name]: seconds });
    else show();
  });
  get(`set-${name}`).addEventListener("click", () => editSelected({ [name]: playhead }));
}
get("label").addEventListener("change", (event) => {
  const label = event.target.value.trim();
  if (label) editSelected({ label });
  else event.target.value = shownSegment()?.label ?? "";
});
get("label").addEventListener("keydown", (event) => event.key === "Enter" && event.target.blur());
get("threshold").addEventListener("input", (event) => {
  current.threshold = event.target.valueAsNumber;
  showThreshold();
  show();
});
get("filter").addEventListener("input", showVideos);
get("show-videos").addEventListener("click", () => {
  const shown = get("sidebar").classList.toggle("shown");
  get("show-videos").setAttribute("aria-expanded", String(shown));
});
const clicks = {
  detect, add, accept, remove, snap, undo: () => travel("undo"), redo: () => travel("redo"), save: () => save(),
  cancel: told(() => server.cancel(current.video.key)), "accept-all": acceptAll, "play-segment": playSegment,
  help: () => get("help-dialog").showModal(), "conflict-load": loadTheirs,
  "conflict-overwrite": () => {
    get("conflict-dialog").close();
    save({ overwrite: true });
  },
  "conflict-cancel": () => get("conflict-dialog").close(),
};
for (const [id, action] of Object.entries(clicks)) get(id).addEventListener("click", () => action());

told(async () => {
  const { folder, annotations, min_score: minScore, labels, videos } = await server.overview();
  Object.assign(page, { minScore, labels, videos });
  get("title").textContent = folder.split(/[\\/]/).pop() || "RCL";
  get("title").title = folder;
  get("file").textContent = annotations;
  showVideos();
  const wanted = location.hash.slice(1);
  if (videos.some((video) => video.key === wanted)) await open(wanted);
  else if (videos.length === 1) await open(videos[0].key);
})();
