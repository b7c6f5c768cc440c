// Below the timeline, with the same axis: pictures of the video, and its sound.

import { byId } from "./dom.js";
import { fitCanvas } from "./overview_bar.js";
import { durationOf, page, playheadMoved, segmentsChanged, viewChanged } from "./page_state.js";
import { seek, showFrame } from "./player.js";
import { clamp } from "./segments.js";
import { Tiles } from "./tiles.js";

const PICTURE_WIDTH = 84; // pixels that a picture gets at least
const PICTURES = 8; // in a tile
const PEAKS = 512;
const LONGEST_SOUND = 600; // seconds of a tile, as the server allows
const WAIT_MS = 150; // after the view has moved, until tiles are requested

const [pictures, sound, head] = [byId("pictures"), byId("sound"), byId("strip-head")];
const tiles = new Tiles(ask);
let isAsked = false; // to be drawn with the next frame
let waiting = 0;

function ask() {
  if (isAsked || !page.current) return;
  isAsked = true;
  requestAnimationFrame(draw);
}

function draw() {
  isAsked = false;
  const { file, key } = page.current.video;
  const duration = durationOf(page.current);
  byId("strips").hidden = !file || !duration || !byId("unplayable").hidden;
  sound.hidden = !page.current.video.sound;
  if (byId("strips").hidden) return;
  tiles.begin(key);
  drawPictures(duration);
  if (!sound.hidden) drawSound(duration);
  placeHead();
}

const xOf = (seconds) => page.plot[0] + ((seconds - page.view[0]) / (page.view[1] - page.view[0])) * (page.plot[1] - page.plot[0]);
const secondsAt = (x) => page.view[0] + ((x - page.plot[0]) / (page.plot[1] - page.plot[0])) * (page.view[1] - page.view[0]);

/** A canvas whose drawing is cut off where the axis ends. */
function clipped(canvas) {
  const context = fitCanvas(canvas, canvas.clientWidth, canvas.clientHeight);
  context.beginPath();
  context.rect(page.plot[0], 0, page.plot[1] - page.plot[0], canvas.clientHeight);
  context.clip();
  return context;
}

/** The tiles of a length that are in sight: [[start, end]], at multiples of the length. */
function inSight(length, duration) {
  const found = [];
  const last = Math.min(page.view[1], duration);
  for (let number = Math.floor(page.view[0] / length); number * length < last; number++) found.push([number * length, (number + 1) * length]);
  return found;
}

const pixelsPerSecond = () => (page.plot[1] - page.plot[0]) / (page.view[1] - page.view[0]);

/** The shortest power of two of a length in seconds that takes so many pixels. */
const lengthFor = (pixels) => 2 ** Math.ceil(Math.log2(Math.max(pixels / pixelsPerSecond(), 1 / 32)));

function drawPictures(duration) {
  const context = clipped(pictures);
  const height = pictures.clientHeight;
  const apart = lengthFor(PICTURE_WIDTH);
  for (const [start, end] of inSight(apart * PICTURES, duration)) {
    const count = Math.min(PICTURES, Math.ceil((duration - start) / apart));
    const image = tiles.picture(start, start + count * apart, count);
    for (let number = 0; image && number < count; number++) {
      const from = xOf(start + number * apart);
      const room = xOf(start + (number + 1) * apart) - from - 1;
      drawCovering(context, image, number * (image.width / count), image.width / count, from, room, height);
    }
    if (end > duration) break;
  }
}

/** Draw a part of an image so that it covers a cell; what does not fit is cut off at both sides. */
function drawCovering(context, image, left, width, x, room, height) {
  const scale = Math.max(room / width, height / image.height);
  const [w, h] = [room / scale, height / scale];
  context.drawImage(image, left + (width - w) / 2, (image.height - h) / 2, w, h, x, 0, room, height);
}

function drawSound(duration) {
  const context = clipped(sound);
  const height = sound.clientHeight;
  context.fillStyle = getComputedStyle(sound).getPropertyValue("--faint");
  const length = lengthFor(PEAKS);
  if (length > LONGEST_SOUND) return context.fillText("Zoom in to see the sound.", page.plot[0] + 6, height / 2 + 4);
  for (const [start, end] of inSight(length, duration)) {
    const peaks = tiles.peaks(start, end, PEAKS);
    const wide = (xOf(end) - xOf(start)) / PEAKS;
    peaks?.forEach((peak, number) => {
      const tall = Math.max((peak / 255) * height, 1);
      context.fillRect(xOf(start) + number * wide, (height - tall) / 2, Math.max(wide, 0.8), tall);
    });
  }
  return undefined;
}

function placeHead() {
  const x = xOf(page.playhead);
  head.hidden = x < page.plot[0] || x > page.plot[1];
  head.style.left = `${x}px`;
}

byId("strips").addEventListener("pointerdown", (down) => {
  const strips = byId("strips");
  const { left } = strips.getBoundingClientRect();
  const at = (event) => clamp(secondsAt(event.clientX - left), 0, durationOf(page.current));
  const move = (event) => showFrame(at(event));
  strips.setPointerCapture(down.pointerId);
  seek(at(down));
  strips.addEventListener("pointermove", move);
  strips.addEventListener("lostpointercapture", () => strips.removeEventListener("pointermove", move), { once: true });
});
viewChanged.on(() => {
  tiles.pause(); // what is passed by is not requested
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    tiles.resume();
    ask();
  }, WAIT_MS);
  ask();
});
segmentsChanged.on(ask);
playheadMoved.on(() => page.current && placeHead());
