// The list of videos, and opening one of them.

import { byId, cutName, element } from "./dom.js";
import { findActions, watch } from "./jobs.js";
import { scores } from "./live_scores.js";
import {
  isBusy, jobsChanged, keptChanged, learningChanged, movePlayhead, opened, page, peopleChanged, segmentsChanged, showSegments, unreadable,
} from "./page_state.js";
import { isListed } from "./people.js";
import { loadPlayer } from "./player.js";
import { Review } from "./review.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";

const rows = new Map(); // key → [what its row says, its element]

/** The videos that the list shows. */
export function listedVideos() {
  const wanted = byId("filter").value.trim().toLowerCase();
  return page.videos.filter((video) => video.name.toLowerCase().includes(wanted) && isListed(video));
}

export function showVideos() {
  const shown = listedVideos().map(rowOf);
  const list = byId("videos");
  if (list.children.length !== shown.length || shown.some((row, at) => row !== list.children[at])) {
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    list.replaceChildren(...shown);
    focused?.focus();
  }
  byId("empty").hidden = shown.length > 0;
  const saved = page.videos.filter((video) => video.saved !== null).length;
  const partly = page.videos.filter((video) => video.unfinished !== null).length;
  const counts = [`${saved} of ${page.videos.length} in the labels`];
  if (partly) counts.push(`${partly} partly reviewed`);
  counts.push(`${page.videos.length - saved - partly} not reviewed`);
  byId("counts").textContent = counts.join(", ");
}

/** The row of a video; only one that says something else is made anew. */
function rowOf(video) {
  const one = opened.get(video.key);
  const { kind, text } = stateOf(video, one);
  const says = `${kind} ${text} ${page.assigned[video.key] ?? ""} ${one !== undefined && one === page.current}`;
  const [before, row] = rows.get(video.key) ?? [];
  if (before === says) return row;
  const hadFocus = row?.contains(document.activeElement);
  const made = element("li", {}, buttonOf(video, one, kind, text));
  rows.set(video.key, [says, made]);
  if (hadFocus) {
    row.replaceWith(made);
    made.firstElementChild.focus();
  }
  return made;
}

function buttonOf(video, one, kind, text) {
  const button = element("button", { className: "video", title: video.name });
  button.append(cutName(video.name, "title"));
  button.append(element("span", { className: `badge ${kind}`, textContent: text }));
  const assigned = page.assigned[video.key];
  if (assigned) button.append(element("span", { className: "badge", textContent: `for ${assigned}` }));
  button.setAttribute("aria-label", [video.name, text, assigned && `for ${assigned}`].filter(Boolean).join(", "));
  if (one && one === page.current) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => openVideo(video.key));
  return button;
}

function stateOf(video, one) {
  const job = one?.video.job;
  if (one && !one.review.isKept) return { kind: "unsaved", text: "unsaved" };
  if (job?.state === "running") return { kind: "busy", text: "detecting" };
  if (job?.state === "waiting") return { kind: "busy", text: "waiting" };
  if (job?.state === "failed") return { kind: "bad", text: "unusable" };
  if (video.draft && video.saved !== null) return { kind: "partly", text: "changed, to save" };
  const what = `${video.saved || "no action"}${video.partial ? ", in parts" : ""}`;
  if (video.saved !== null) return { kind: "saved", text: `in the labels: ${what}` };
  if (video.unfinished !== null) return { kind: "partly", text: "partly reviewed" };
  if (unreadable(video)) return { kind: "bad", text: "unusable" };
  return { kind: "", text: video.detected ? "detected" : "" };
}

/** A video with its review, as far as the user has got with it. */
export async function load(key) {
  if (!opened.has(key)) {
    const video = await server.video(key);
    video.begunEarlier = video.unfinished !== null;
    const marks = { watched: [], running: new Map(), begin: null };
    opened.set(key, { video, review: new Review(video), threshold: page.minScore, ...marks });
    if (video.detections) opened.get(key).review.propose(video.detections);
  }
  return opened.get(key);
}

export const openVideo = showingErrors(async (key) => {
  hideSidebar();
  Object.assign(page, { current: await load(key), selected: null, dragged: null, playhead: 0 });
  const { video } = page.current;
  scores.begin(key);
  say("");
  history.replaceState(null, "", `#${key}`);
  document.title = `${video.name} – RCL`;
  byId("welcome").hidden = true;
  byId("work").hidden = false;
  byId("name").textContent = video.name;
  loadPlayer();
  showSegments({ keepView: false });
  movePlayhead(0);
  jobsChanged.emit();
  if (isBusy(video.job)) watch(key);
  else if (page.learning?.open && page.detector && !video.scored) findActions();
  else if (video.detections && !video.scored) say("Find the actions again to see live scores.");
});

/** Open the next video of the list (by 1) or the one before (by −1). */
export function openNeighbour(by) {
  const listed = new Set([...listedVideos().map(({ key }) => key), page.current?.video.key]);
  const videos = page.videos.filter(({ key }) => listed.has(key));
  const next = videos[videos.findIndex(({ key }) => key === page.current?.video.key) + by];
  if (next) openVideo(next.key);
  else say(by > 0 ? "This is the last video." : "This is the first video.");
}

function hideSidebar() {
  byId("sidebar").classList.remove("shown");
  byId("show-videos").setAttribute("aria-expanded", "false");
}

byId("filter").addEventListener("input", showVideos);
byId("show-videos").addEventListener("click", () => {
  const shown = byId("sidebar").classList.toggle("shown");
  byId("show-videos").setAttribute("aria-expanded", String(shown));
});
segmentsChanged.on(showVideos);
jobsChanged.on(showVideos);
learningChanged.on(showVideos);
keptChanged.on(showVideos);
peopleChanged.on(showVideos);
