// Features, trainings and the detector: what the server says of them, asked again and again while something happens.

import { isBusy, keptChanged, learningChanged, opened, page } from "./page_state.js";
import { findActions } from "./jobs.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";

const BUSY_MS = 1000;
const IDLE_MS = 15000;

let timer = 0;
let labelled = null; // number of videos in the labels when the server was asked last

/** Ask now, and then again. */
export async function refreshLearning() {
  clearTimeout(timer);
  try {
    takeOver(await server.learning());
  } catch {
    // The server does not respond; that is said where it matters.
  }
  timer = setTimeout(refreshLearning, isWorking() ? BUSY_MS : IDLE_MS);
}

/** Take over what the server says, and say what has changed. */
export function takeOver(status) {
  const before = page.learning;
  page.learning = status;
  for (const video of page.videos) video.detected = status.proposals.keys.includes(video.key);
  const ended = before?.training && isBusy(before.training) && status.training && !isBusy(status.training);
  if (status.detector && status.detector.version !== page.version) adoptDetector(status.detector.version, before !== null);
  learningChanged.emit();
  if (ended) sayHowItEnded(status);
}

function isWorking() {
  const { training, features, proposals, detector } = page.learning ?? {};
  const isExtracting = features && !features.problem && features.done + features.failed.length < features.total;
  return isBusy(training) || isExtracting || (page.learning?.open && detector && proposals.done < proposals.total);
}

function sayHowItEnded({ training, detector, forecast }) {
  if (training.kind === "curve") return training.state === "done" && say(forecast.join(" "), { lasting: true });
  if (training.state === "done") say(`The training is finished. ${detector.sentences[0]}`, { lasting: true });
  else if (training.state === "cancelled") say("The training was cancelled.");
  return undefined;
}

/** There is another detector, or the first one: what the one before found is out of date. */
function adoptDetector(version, isNew) {
  Object.assign(page, { version, detector: true });
  document.body.classList.remove("without-detector");
  if (!isNew) return;
  for (const one of opened.values()) Object.assign(one.video, { scored: false, job: null });
  if (page.current) findActions();
}

const asking = (ask) =>
  showingErrors(async () => {
    takeOver(await ask());
    clearTimeout(timer);
    timer = setTimeout(refreshLearning, BUSY_MS);
  });

export const train = showingErrors(async () => {
  if (page.learning.obstacle) return say(page.learning.obstacle);
  if (isBusy(page.learning.training)) return say("A training is running.");
  await asking(server.train)();
  return say("The training has begun. You can go on labelling.");
});
export const forecast = asking(server.forecast);
export const cancelTraining = asking(server.cancelTraining);
export const continueRun = (name) => asking(() => server.continueRun(name))();
export const removeRun = (name) => asking(() => server.removeRun(name))();

keptChanged.on(() => {
  const now = page.videos.filter((video) => video.saved !== null).length;
  if (labelled !== null && now !== labelled) refreshLearning(); // a training may be possible now
  labelled = now;
});
