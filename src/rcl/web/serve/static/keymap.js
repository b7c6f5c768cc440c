// The keys of the page: what they do, and what the page of keys says about them. Letters that are not here may be those
// of classes.

import { byId } from "./dom.js";
import { accept, add, editSelected, nudge, remove, snap, travel } from "./editor.js";
import { acceptAll } from "./bulk.js";
import { train } from "./learning.js";
import { copyPrevious, giveUpBegun, markEnd, markStart } from "./labelling.js";
import { confirmWatched, takeLookBack } from "./looked_at.js";
import { page } from "./page_state.js";
import { changeSpeed, playSegment, stepFrames, stepSeconds, toggle, toggleLoop } from "./player.js";
import { finish, save } from "./saving.js";
import { select, selectNeighbour } from "./selection.js";
import { nextStretch, seenStretch } from "./stretches.js";
import { fitTimeline, panTimeline, zoomTimeline } from "./timeline_view.js";
import { openNeighbour } from "./video_list.js";

const focus = (id) => () => byId(id).focus();

/** [{ title, keys: [{ keys, shown, does, act(event), isForDetector, needsNoVideo }] }]. A key with Shift is "Shift+c",
 * one with Ctrl or Cmd "Control+z"; shown: as people know the key, if that is not its name. */
export const KEYMAP = [
  {
    title: "Play",
    keys: [
      { keys: [" "], shown: "Space", does: "play or pause", act: toggle },
      { keys: [","], does: "one frame back", act: () => stepFrames(-1) },
      { keys: ["."], does: "one frame on", act: () => stepFrames(1) },
      { keys: ["<"], does: "one second back", act: () => stepSeconds(-1) },
      { keys: [">"], does: "one second on", act: () => stepSeconds(1) },
      { keys: ["d"], does: "slower", act: () => changeSpeed(-1) },
      { keys: ["f"], does: "faster", act: () => changeSpeed(1) },
      { keys: ["p"], does: "play the selected segment", act: playSegment },
      { keys: ["r"], does: "play the selected segment over and over, or no longer", act: toggleLoop },
    ],
  },
  {
    title: "Label",
    keys: [
      { keys: [], shown: "key of a class", does: "hold it while the action lasts; or press it where the action begins and again where it ends" },
      { keys: ["i"], does: "mark the start at the playhead", act: markStart },
      { keys: ["o"], does: "mark the end at the playhead: the segment is added", act: markEnd },
      { keys: ["n"], does: "add a segment of two seconds at the playhead", act: add },
      { keys: ["c"], does: "copy the selected segment, or the one before, to the playhead", act: copyPrevious },
      { keys: ["Shift+C"], does: "add a class", act: focus("new-class"), needsNoVideo: true },
      { keys: ["v"], does: "say that you have looked at what was played, and nothing else happens there", act: confirmWatched },
      { keys: ["Shift+V"], does: "take that back for the part at the playhead", act: takeLookBack },
    ],
  },
  {
    title: "Selected segment",
    keys: [
      { keys: ["ArrowUp"], shown: "↑", does: "previous segment", act: () => selectNeighbour(-1) },
      { keys: ["ArrowDown"], shown: "↓", does: "next segment", act: () => selectNeighbour(1) },
      { keys: ["["], does: "set the start to the playhead", act: () => editSelected({ start: page.playhead }) },
      { keys: ["]"], does: "set the end to the playhead", act: () => editSelected({ end: page.playhead }) },
      {
        keys: ["ArrowLeft", "ArrowRight"], shown: "← →", act: nudge,
        does: "move the start by 0.1 s, with Shift the end, with Alt by one snippet; without a selection, the playhead by a second",
      },
      { keys: ["l"], does: "edit the label", act: focus("label") },
      { keys: ["m"], does: "edit the comment", act: focus("comment") },
      { keys: ["s"], does: "snap: move it to where the model places it", act: snap, isForDetector: true },
      { keys: ["Enter"], does: "accept it, and go to the next detection", act: accept, isForDetector: true },
      { keys: ["Shift+A"], does: "accept all detections shown", act: acceptAll, isForDetector: true },
      { keys: ["Delete", "Backspace"], shown: "Del", does: "delete it; reject a detection, or take a rejection back", act: remove },
      { keys: ["Escape"], shown: "Esc", does: "give up what has begun; clear the selection", act: () => giveUpBegun() || select(null) },
    ],
  },
  {
    title: "Timeline",
    keys: [
      { keys: ["+", "="], shown: "+", does: "zoom in", act: () => zoomTimeline(1.5) },
      { keys: ["-"], shown: "−", does: "zoom out", act: () => zoomTimeline(1 / 1.5) },
      { keys: ["0"], does: "show all of it", act: fitTimeline },
      { keys: ["PageUp"], shown: "Page ↑", does: "move to the left", act: () => panTimeline(-0.5) },
      { keys: ["PageDown"], shown: "Page ↓", does: "move to the right", act: () => panTimeline(0.5) },
    ],
  },
  {
    title: "Videos",
    keys: [
      { keys: ["Control+z"], shown: "Ctrl Z", does: "undo", act: () => travel("undo"), needsNoVideo: true },
      { keys: ["Control+Z", "Control+y"], shown: "Ctrl Shift Z", does: "redo", act: () => travel("redo"), needsNoVideo: true },
      { keys: ["Control+Enter"], shown: "Ctrl Enter", does: "done with this video: put it in the labels", act: finish },
      { keys: ["Control+s"], shown: "Ctrl S", does: "save", act: save, needsNoVideo: true },
      { keys: ["Shift+L"], does: "open the stretch to look at next; skip the one that is open", act: nextStretch, needsNoVideo: true },
      { keys: ["Shift+S"], does: "you have looked at the stretch: it goes into the labels, and the next one opens", act: seenStretch },
      { keys: ["Shift+N"], does: "next video", act: () => openNeighbour(1) },
      { keys: ["Shift+P"], does: "previous video", act: () => openNeighbour(-1) },
      { keys: ["Shift+T"], does: "train a detector on the labels", act: train, needsNoVideo: true },
      { keys: ["?"], does: "show these keys", act: () => byId("help-dialog").showModal(), needsNoVideo: true },
    ],
  },
];
