// The panel of the detector: features, training, and how good the result is.

import { byId, element } from "./dom.js";
import { cancelTraining, continueRun, forecast as askForecast, removeRun, train } from "./learning.js";
import { isBusy, learningChanged, page } from "./page_state.js";
import { counted } from "./segments.js";

const STAGES = { features: "Features", training: "Training", evaluation: "Testing", curve: "Trainings on parts of the labels", "": "Starting" };

/** A rough duration. */
export function about(seconds) {
  if (seconds < 90) return `${Math.max(Math.round(seconds / 10) * 10, 10)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function show() {
  const { training, obstacle, detector, proposals, features, interrupted, open, forecast } = page.learning;
  const isTraining = isBusy(training);
  byId("learning").hidden = !open;
  byId("features-state").textContent = describeFeatures(features);
  byId("train").hidden = isTraining;
  byId("train").disabled = Boolean(obstacle);
  byId("train").textContent = detector?.run ? "Train again" : "Train a detector";
  byId("train").classList.toggle("primary", !obstacle && !detector);
  byId("obstacle").textContent = isTraining || !obstacle ? "" : obstacle;
  showTraining(isTraining, training);
  showInterrupted(interrupted);
  byId("outcome").replaceChildren(...(detector?.sentences ?? []).map((text) => element("p", { textContent: text })));
  byId("outcome-box").hidden = !detector?.sentences.length || isTraining;
  byId("forecast").hidden = isTraining || !detector?.tested || forecast.length > 0;
  byId("forecast-said").textContent = forecast.join(" ");
  const isLooking = detector && proposals.done < proposals.total;
  byId("proposals-state").textContent = isLooking ? `Proposals: ${proposals.done} of ${counted(proposals.total, "video")}.` : "";
}

function describeFeatures(features) {
  if (!features) return "";
  const { done, total, current, failed, problem } = features;
  const unreadable = failed.map(({ video }) => video).slice(0, 3).join(", ");
  const said = failed.length ? ` Cannot be read: ${unreadable}${failed.length > 3 ? " and more" : ""}.` : "";
  byId("features-state").title = failed.map(({ message }) => message).join("\n");
  if (problem || done + failed.length >= total) return said.trim();
  const now = current ? ` ${current.video}: ${Math.round(100 * current.share)} %.` : "";
  return `Features: ${done} of ${counted(total, "video")}.${now}${said}`;
}

function showTraining(isTraining, training) {
  byId("training").hidden = !isTraining;
  byId("training-problem").hidden = training?.state !== "failed";
  byId("training-problem").textContent = training?.state === "failed" ? training.message : "";
  if (!isTraining) return;
  const { stage, share, seconds_left: left } = training;
  if (share === null) byId("training-progress").removeAttribute("value");
  else byId("training-progress").value = share;
  const time = left === null ? "" : `, about ${about(left)} left`;
  byId("training-stage").textContent = `${STAGES[stage] ?? stage}${time}`;
}

function showInterrupted(names) {
  const shown = [...byId("interrupted").children].map((one) => one.dataset.name).join();
  if (shown === names.join()) return;
  byId("interrupted").replaceChildren(...names.map(rowOf));
}

function rowOf(name) {
  const go = element("button", { textContent: "Continue" });
  const remove = element("button", { textContent: "Remove" });
  go.setAttribute("aria-label", `Continue training ${name}`);
  remove.setAttribute("aria-label", `Remove training ${name}`);
  remove.title = "Delete what this training has done so far; labels and features stay";
  go.addEventListener("click", () => continueRun(name));
  remove.addEventListener("click", () => removeRun(name));
  const row = element("div", { className: "row" }, `Training ${name} was interrupted.`, go, remove);
  row.dataset.name = name;
  return row;
}

byId("train").addEventListener("click", train);
byId("forecast").addEventListener("click", askForecast);
byId("cancel-training").addEventListener("click", cancelTraining);
learningChanged.on(show);
