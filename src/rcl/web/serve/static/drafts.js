// Every change is kept by the server as a draft, which is no decision; the page says when the server has written it.

import { byId } from "./dom.js";
import { keptChanged, opened, page, segmentsChanged, setSaved } from "./page_state.js";
import { server } from "./server.js";
import { say } from "./status.js";

const DELAY_MS = 250; // after a change: several in a row are sent together
const LARGEST_LAST = 20_000; // letters that can still be sent while the page is being closed
const RETRY_MS = 3000; // while the server does not respond

const turns = new Map(); // key → the last write of a video, which the next one waits for
const waiting = new Map(); // key → timer
let failure = "";
let onConflict = () => {};

/** Call ask(one) if another page has saved the video of a draft. */
export const askOnConflict = (ask) => (onConflict = ask);

/** Do one write of a video after the other, since each needs the revision of the one before. */
export function inTurn(one, write) {
  const { key } = one.video;
  const turn = (turns.get(key) ?? Promise.resolve()).catch(() => {}).then(write);
  turns.set(key, turn);
  return turn;
}

/** Send the changes of a video at once. */
export function keep(one) {
  clearTimeout(waiting.get(one.video.key));
  waiting.delete(one.video.key);
  return inTurn(one, () => send(one));
}

/** Send the changes of all videos at once. */
export const keepAll = () => Promise.all([...opened.values()].filter((one) => !one.review.isKept).map(keep));

async function send(one) {
  const { review, video } = one;
  if (review.isKept || one.isConflicting) return;
  const content = review.content(); // later changes are not part of this request
  try {
    const isLast = document.hidden && content.length < LARGEST_LAST;
    const answer = await server.draft(video.key, { ...JSON.parse(content), revision: review.revision }, { isLast });
    review.markKept(answer.revision, content);
    if (failure) say("Your changes are kept now.");
    failure = "";
    setSaved(one, answer, { isDecided: false });
  } catch (error) {
    if (error.status === 409) {
      one.isConflicting = true; // until the user has chosen
      onConflict(one);
    } else {
      if (failure !== error.message) say(error.message, { lasting: true });
      failure = error.message;
      if (error.status === 0) schedule(one, RETRY_MS);
    }
    keptChanged.emit(one);
  }
}

function schedule(one, after = DELAY_MS) {
  clearTimeout(waiting.get(one.video.key));
  waiting.set(one.video.key, setTimeout(() => keep(one), after));
}

function show() {
  const isKept = [...opened.values()].every(({ review }) => review.isKept);
  const text = isKept ? "All changes kept" : failure ? "Not kept" : "Keeping…";
  if (byId("kept").textContent !== text) byId("kept").textContent = text;
  byId("kept").title = isKept ? "The server has written everything that you did." : failure;
  byId("kept").className = isKept ? "hint" : failure ? "hint bad" : "hint";
}

segmentsChanged.on(() => {
  if (!page.current.review.isKept) schedule(page.current);
  show();
});
keptChanged.on(show);
document.addEventListener("visibilitychange", () => document.hidden && keepAll());
window.addEventListener("beforeunload", (event) => {
  if ([...opened.values()].every(({ review }) => review.isKept)) return;
  keepAll();
  event.preventDefault();
  event.returnValue = ""; // for older browsers
});
