// The player of the open video.

import {byId, element} from "./dom.js";

let player = null;

/** Play another file, or none; onTime(seconds, isPlaying) and onDuration(seconds) follow it. */
export function openPlayer(file, name, {onTime, onDuration}) {
  player?.pause();
  player = null;
  byId("player").replaceChildren();
  byId("stage").classList.toggle("plain", !file);
  if (!file) return;
  const video = element("video", {controls: true, preload: "metadata", ariaLabel: `Video ${name}`});
  const follow = () => {
    if (player !== video) return;
    onTime(video.currentTime, !video.paused);
    if (!video.paused) requestAnimationFrame(follow);
  };
  for (const event of ["play", "seeked", "pause"]) video.addEventListener(event, follow);
  video.addEventListener("loadedmetadata", () => player === video && onDuration(video.duration));
  video.addEventListener("error", () => {
    if (player !== video) return;
    const text = `This browser cannot play ${decodeURIComponent(file)}: the file was moved, or its format is not supported.`;
    byId("player").replaceChildren(element("p", {className: "caption", textContent: text}));
    player = null;
  });
  video.src = file;
  byId("player").append(video);
  player = video;
}

export function seekPlayer(seconds) {
  if (player) player.currentTime = seconds;
}

export const hasPlayer = () => player !== null;

export function togglePlayer() {
  if (player.paused) player.play();
  else player.pause();
}
