// Changes of classes, with undo and redo. They concern all videos, so they have a history of their own; undo takes back
// whatever was last, there or in the current video.

import { classesChanged } from "./page_state.js";
import { say, showingErrors } from "./status.js";

const OTHER = { undo: "redo", redo: "undo" };
const histories = { undo: [], redo: [] }; // of { what, undo(), redo(), at }
let turn = Promise.resolve(); // one change after the other: each asks the server
let making = 0; // changes that are not in the history yet

/** Make a change: { what, redo(), undo() }; what says so to the user, such as "wave is now greet". */
export function makeChange(change) {
  making += 1;
  return inTurn(async () => {
    try {
      await change.redo();
      histories.redo = [];
      keep("undo", change);
    } finally {
      making -= 1;
    }
  });
}

/** Whether a change of classes is the next to undo or redo, rather than one of the video that was made at that time. */
export function isNext(direction, at = -Infinity) {
  const last = histories[direction].at(-1);
  return (direction === "undo" && making > 0) || (last !== undefined && last.at > at);
}

export const canTravel = (direction) => histories[direction].length > 0;

/** Undo or redo the last change of classes. */
export function travelClasses(direction) {
  return inTurn(async () => {
    const change = histories[direction].pop();
    if (!change) return;
    await change[direction]();
    keep(OTHER[direction], change);
    say(direction === "undo" ? `Undone: ${change.what}.` : `Done again: ${change.what}.`);
  });
}

function keep(direction, change) {
  histories[direction].push({ ...change, at: performance.now() });
  classesChanged.emit();
}

const inTurn = (act) => (turn = turn.then(showingErrors(act)));
