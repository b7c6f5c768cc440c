// Finding the actions of a video, and the progress of that.

import { byId } from "./dom.js";
import { durationOf, isBusy, jobsChanged, learningChanged, opened, page, showSegments, unreadable } from "./page_state.js";
import { counted } from "./segments.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";

const POLL_MS = 250;
const STAGES = { extracting: "reading the video", reading: "reading the features", detecting: "finding actions" };

const watched = new Set(); // keys of videos whose jobs are polled

export const findActions = showingErrors(async () => {
  const one = page.current;
  one.video.job = await server.detect(one.video.key);
  showJob();
  await watch(one.video.key);
});

export const cancelJob = showingErrors(() => server.cancel(page.current.video.key));

/** Follow the job of a video until it ends, and take over its detections. */
export async function watch(key) {
  if (watched.has(key)) return;
  watched.add(key);
  const one = opened.get(key);
  try {
    do {
      one.video.job = await server.job(key);
      jobsChanged.emit();
      if (isBusy(one.video.job)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    } while (isBusy(one.video.job));
  } finally {
    watched.delete(key);
  }
  if (one.video.job?.state === "done") await takeOver(one);
  jobsChanged.emit();
}

/** Show the detections of a finished job; decisions that the user made in the meantime stay. */
async function takeOver(one) {
  const { duration, snippet, problems, detections, scored } = await server.video(one.video.key);
  const before = one.video.duration ?? (one === page.current ? durationOf(one) : 0);
  Object.assign(one.video, { duration, snippet, problems, detections, scored });
  page.videos.find((video) => video.key === one.video.key).detected = true;
  one.review.propose(detections);
  if (one !== page.current) return;
  if (!one.review.find(page.selected)) page.selected = null;
  showSegments({ keepView: Math.abs(before - duration) < 1 });
  say(describeProposals(one));
}

function describeProposals({ review, threshold }) {
  if (page.proposals.length) return `${counted(page.proposals.length, "detection")} to decide.`;
  if (review.proposals.some((one) => one.score >= threshold)) return "You have decided about all detections shown.";
  return "No detection has this score or a higher one. Lower the score to see more.";
}

function showJob() {
  if (!page.current) return;
  const { job, scored, detections, problems } = page.current.video;
  const busy = isBusy(job);
  byId("job").hidden = !busy;
  byId("detect").hidden = busy || scored || !page.detector;
  byId("detect").textContent = detections ? "Find actions again" : "Find actions";
  byId("detect").classList.toggle("primary", !detections);
  if (busy) showProgress(job);
  const failure = job?.state === "failed" ? job.message : unreadable(page.current.video);
  const said = failure ?? (problems.length ? `This file ${problems.join("; ")}. The readable part is used.` : "");
  byId("problem").hidden = !said;
  if (byId("problem").textContent !== said) byId("problem").textContent = said; // a screen reader reads it when it changes
}

function showProgress({ share, stage, state, ahead }) {
  if (share === null) byId("progress").removeAttribute("value");
  else byId("progress").value = share;
  const percent = share === null ? "" : ` ${Math.round(100 * share)} %`;
  const others = ahead > 1 ? `${ahead} other videos` : "another video";
  byId("stage").textContent = state === "waiting" ? `waiting for ${others}` : `${STAGES[stage] ?? "starting"}${percent}`;
}

jobsChanged.on(showJob);
learningChanged.on(showJob);
