// The list of videos: search, order and counts.

import {byId, cutName, element} from "./dom.js";
import {countErrors, index, state} from "./page_state.js";
import {counted} from "./segments.js";

const spread = ({errors}) => Math.max(...errors) - Math.min(...errors);
const COUNTS = {
  changes: (video) => `${video.errors.join(video.errors.length === 2 ? " → " : " · ")} errors`,
  errors: (video) => (video.errors === null ? "not annotated" : counted(video.errors, "error")),
  best: (video) => (video.best === null ? "none" : video.best.toFixed(2)),
  name: (video) => `${video.detections}`,
};
const ORDERS = {
  changes: (a, b) => spread(b) - spread(a),
  errors: (a, b) => (b.errors ?? -1) - (a.errors ?? -1),
  best: (a, b) => (b.best ?? -Infinity) - (a.best ?? -Infinity),
  name: (a, b) => a.name.localeCompare(b.name, undefined, {numeric: true}),
};

export const addressOf = (video) => `#video=${encodeURIComponent(video.name)}`;

export function showList() {
  const sort = byId("sort").value;
  const wanted = byId("search").value.trim().toLowerCase();
  state.listed = index.videos
    .map((video, number) => ({...video, number}))
    .filter((video) => video.name.toLowerCase().includes(wanted))
    .sort((a, b) => ORDERS[sort](a, b) || a.number - b.number);
  byId("list").replaceChildren(...state.listed.map((video) => {
    const link = element("a", {
      href: addressOf(video),
      title: `${video.name}: ${counted(video.truths, "ground truth")}, ${counted(video.detections, "detection")}`,
    });
    link.dataset.number = video.number;
    link.append(cutName(video.name, "title"));
    link.append(element("span", {className: "count", textContent: COUNTS[index.detectors ? "changes" : sort](video)}));
    return element("li", {}, link);
  }));
  const [total, shown] = [index.videos.length, state.listed.length];
  byId("listed").textContent = shown === total ? counted(total, "video") : `${shown} of ${counted(total, "video")}`;
  markOpen();
}

/** Mark the open video, and scroll the list, but not the page, to it. */
export function markOpen() {
  const list = byId("list");
  for (const link of list.querySelectorAll("a")) {
    if (Number(link.dataset.number) !== state.video) {
      link.removeAttribute("aria-current");
      continue;
    }
    link.setAttribute("aria-current", "true");
    const top = link.parentElement.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - 30) list.scrollTop = top - 40;
  }
}

/** Count the errors of all videos again. */
export function recount() {
  index.videos.forEach((video, number) => {
    video.errors = index.detectors?.map((_, detector) => countErrors(number, detector)) ?? countErrors(number);
  });
  showList();
}

byId("search").addEventListener("input", showList);
byId("sort").addEventListener("change", showList);
