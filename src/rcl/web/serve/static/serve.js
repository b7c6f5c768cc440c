// The page: its keys and buttons, and the start.

import { byId } from "./dom.js";
import { accept, acceptAll, add, editSelected, nudge, remove, snap, travel } from "./editor.js";
import { cancelJob, findActions } from "./jobs.js";
import { listenToKeys } from "./keys.js";
import { page } from "./page_state.js";
import { playSegment, toggle } from "./player.js";
import "./review_state.js";
import { finish, save, sayNothingHappens, takeOut } from "./saving.js";
import "./segment_table.js";
import { select, selectNeighbour } from "./selection.js";
import { server } from "./server.js";
import "./splitter.js";
import { showingErrors } from "./status.js";
import { fitTimeline, zoomTimeline } from "./timeline_view.js";
import { openVideo, showVideos } from "./video_list.js";

const showHelp = () => byId("help-dialog").showModal();

const KEYS = {
  " ": toggle, p: playSegment, s: snap, n: add, l: () => byId("label").focus(),
  "[": () => editSelected({ start: page.playhead }), "]": () => editSelected({ end: page.playhead }),
  ArrowLeft: nudge, ArrowRight: nudge, ArrowUp: () => selectNeighbour(-1), ArrowDown: () => selectNeighbour(1),
  Enter: accept, Delete: remove, Backspace: remove, Escape: () => select(null),
  "+": () => zoomTimeline(1.5), "-": () => zoomTimeline(1 / 1.5), 0: fitTimeline, "?": showHelp,
};
const WITH_CONTROL = { z: (event) => travel(event.shiftKey ? "redo" : "undo"), y: () => travel("redo"), s: save };
const CLICKS = {
  detect: findActions, cancel: cancelJob, add, accept, remove, snap, "accept-all": acceptAll, "play-segment": playSegment,
  undo: () => travel("undo"), redo: () => travel("redo"), save, help: showHelp,
  finish, "nothing-here": sayNothingHappens, "take-out": takeOut,
};

listenToKeys(KEYS, WITH_CONTROL, (key) => page.current || key === "?");
for (const [id, act] of Object.entries(CLICKS)) byId(id).addEventListener("click", () => act());

// A clicked button would keep the focus, and with it the keys Space and Enter.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (event.detail && button && !button.closest("dialog")) button.blur();
});

showingErrors(async () => {
  const { folder, annotations, min_score: minScore, detector, labels, videos } = await server.overview();
  Object.assign(page, { minScore, detector, labels, videos });
  byId("title").textContent = folder.split(/[\\/]/).pop() || "RCL";
  byId("title").title = folder;
  byId("file").textContent = annotations;
  showVideos();
  const wanted = location.hash.slice(1);
  if (videos.some((video) => video.key === wanted)) await openVideo(wanted);
  else if (videos.length === 1) await openVideo(videos[0].key);
})();
