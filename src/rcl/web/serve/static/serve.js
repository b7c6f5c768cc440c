// The page: its keys and buttons, and the start.

import "./assigning.js";
import { acceptAll } from "./bulk.js";
import "./bulk_dialog.js";
import "./classes.js";
import { byId } from "./dom.js";
import { accept, add, remove, snap, travel } from "./editor.js";
import { showKeys } from "./help.js";
import { cancelJob, findActions } from "./jobs.js";
import { KEYMAP } from "./keymap.js";
import { listenToKeys } from "./keys.js";
import { copyPrevious, giveUpPress, markEnd, markStart, pressClass, releaseClass } from "./labelling.js";
import { refreshLearning } from "./learning.js";
import "./export.js";
import "./learning_panel.js";
import { confirmWatched } from "./looked_at.js";
import "./overview_bar.js";
import { page, setClasses } from "./page_state.js";
import { beginPeople } from "./people.js";
import { playSegment, stepFrames, stepSeconds, toggle, toggleLoop } from "./player.js";
import "./review_state.js";
import { finish, finishParts, save, sayNothingHappens, takeOut } from "./saving.js";
import "./segment_table.js";
import { server } from "./server.js";
import "./splitter.js";
import { showingErrors } from "./status.js";
import "./stretches.js";
import "./strips.js";
import { fitTimeline, panTimeline, zoomTimeline } from "./timeline_view.js";
import { openVideo } from "./video_list.js";

const CLICKS = {
  detect: findActions, cancel: cancelJob, add, accept, remove, snap, "accept-all": acceptAll, "play-segment": playSegment,
  undo: () => travel("undo"), redo: () => travel("redo"), save, help: () => byId("help-dialog").showModal(),
  finish, "finish-parts": finishParts, "nothing-here": sayNothingHappens, "take-out": takeOut,
  play: toggle, loop: toggleLoop, "frame-back": () => stepFrames(-1), "frame-on": () => stepFrames(1),
  "second-back": () => stepSeconds(-1), "second-on": () => stepSeconds(1),
  "mark-start": markStart, "mark-end": markEnd, copy: copyPrevious, seen: confirmWatched,
  "zoom-in": () => zoomTimeline(1.5), "zoom-out": () => zoomTimeline(1 / 1.5), "zoom-all": fitTimeline,
  "pan-left": () => panTimeline(-0.5), "pan-right": () => panTimeline(0.5),
};
const isNew = ({ saved }) => saved === null;
const classOf = ({ key }) => page.classes.find((one) => one.key && one.key === key.toLowerCase());
const CLASS_KEYS = {
  down(event) {
    const one = classOf(event);
    if (one && !event.repeat) pressClass(one.name, event.timeStamp);
    return Boolean(one);
  },
  up(event) {
    const one = classOf(event);
    if (one) releaseClass(one.name, event.timeStamp);
  },
};

const actions = new Map(KEYMAP.flatMap((section) => section.keys).flatMap((one) => one.keys.map((key) => [key, one])));
listenToKeys(actions, CLASS_KEYS, () => Boolean(page.current));
window.addEventListener("blur", giveUpPress);
for (const [id, act] of Object.entries(CLICKS)) byId(id).addEventListener("click", () => act());

// A clicked button would keep the focus, and with it the keys Space and Enter.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (event.detail && button && !button.closest("dialog")) button.blur();
});
byId("speed").addEventListener("change", () => byId("speed").blur());

showingErrors(async () => {
  const overview = await server.overview();
  const { folder, annotations, min_score: minScore, detector, classes, keys, videos } = overview;
  Object.assign(page, { minScore, detector, keys, videos });
  setClasses(classes);
  document.body.classList.toggle("without-detector", !detector);
  byId("title").textContent = folder.split(/[\\/]/).pop() || "RCL";
  byId("title").title = folder;
  byId("file").textContent = annotations;
  showKeys();
  beginPeople(overview);
  await refreshLearning();
  const wanted = location.hash.slice(1);
  if (videos.some((video) => video.key === wanted)) await openVideo(wanted);
  else if (videos.length === 1 || !detector || page.learning?.open) await openVideo((videos.find(isNew) ?? videos[0]).key);
})();
