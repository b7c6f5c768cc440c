// The list of videos, and opening one of them.

import { byId, cutName, element } from "./dom.js";
import { watch } from "./jobs.js";
import { scores } from "./live_scores.js";
import { isBusy, jobsChanged, opened, page, segmentsChanged, showSegments } from "./page_state.js";
import { loadPlayer } from "./player.js";
import { Review } from "./review.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";

export function showVideos() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const rows = page.videos
    .filter((video) => video.name.toLowerCase().includes(wanted))
    .map((video) => element("li", {}, buttonOf(video)));
  byId("videos").replaceChildren(...rows);
  byId("empty").hidden = rows.length > 0;
  const saved = page.videos.filter((video) => video.saved !== null).length;
  const partly = page.videos.filter((video) => video.unfinished !== null).length;
  const counts = [`${saved} of ${page.videos.length} in the labels`];
  if (partly) counts.push(`${partly} partly reviewed`);
  counts.push(`${page.videos.length - saved - partly} not reviewed`);
  byId("counts").textContent = counts.join(", ");
}

function buttonOf(video) {
  const one = opened.get(video.key);
  const { kind, text } = stateOf(video, one);
  const button = element("button", { className: "video", title: video.name });
  button.append(cutName(video.name, "title"));
  button.append(element("span", { className: `badge ${kind}`, textContent: text }));
  button.setAttribute("aria-label", text ? `${video.name}, ${text}` : video.name);
  if (one && one === page.current) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => openVideo(video.key));
  return button;
}

function stateOf(video, one) {
  const job = one?.video.job;
  if (one?.review.isDirty) return { kind: "unsaved", text: "unsaved" };
  if (job?.state === "running") return { kind: "busy", text: "detecting" };
  if (job?.state === "waiting") return { kind: "busy", text: "waiting" };
  if (job?.state === "failed") return { kind: "bad", text: "unusable" };
  if (video.saved !== null) return { kind: "saved", text: `in the labels: ${video.saved || "no action"}` };
  if (video.unfinished !== null) return { kind: "partly", text: "partly reviewed" };
  return { kind: "", text: video.detected ? "detected" : "" };
}

export const openVideo = showingErrors(async (key) => {
  hideSidebar();
  if (!opened.has(key)) {
    const video = await server.video(key);
    opened.set(key, { video, review: new Review(video), threshold: page.minScore });
    if (video.detections) opened.get(key).review.propose(video.detections);
  }
  Object.assign(page, { current: opened.get(key), selected: null, dragged: null, playhead: 0 });
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
  jobsChanged.emit();
  if (isBusy(video.job)) watch(key);
  else if (video.detections && !video.scored) say("Find the actions again to see live scores.");
});

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
