// Pictures and sounds of parts of a video, requested once; those that were not used lately are dropped.

import { server } from "./server.js";

const KEPT = 80;
const AT_ONCE = 2; // requests that run at the same time
const RETRY_MS = 5000; // after a failure, until it is asked for again

export class Tiles {
  #onArrival;
  #video = null;
  #tiles = new Map(); // address → what it holds; null until it arrives, and if it cannot be made
  #queue = [];
  #running = 0;
  #isPaused = false;

  /** onArrival() is called when something has arrived. */
  constructor(onArrival) {
    this.#onArrival = onArrival;
  }

  /** Begin with another video, unless it is the same. */
  begin(video) {
    this.#queue = []; // what is still in sight is asked for again
    if (video === this.#video) return;
    this.#video = video;
    this.#tiles.clear();
  }

  pause() {
    this.#isPaused = true;
  }

  resume() {
    this.#isPaused = false;
  }

  /** An image of pictures side by side, or null until it is there. */
  picture(start, end, count) {
    return this.#get(server.thumbnails(this.#video, start, end, count), asImage);
  }

  /** The peaks of equal parts, bytes; or null until they are there. */
  peaks(start, end, count) {
    return this.#get(server.waveform(this.#video, start, end, count), asBytes);
  }

  #get(address, read) {
    const found = this.#tiles.get(address);
    if (found !== undefined) {
      this.#tiles.delete(address); // so that the one used last is last
      this.#tiles.set(address, found);
      return found;
    }
    if (!this.#isPaused) {
      this.#queue.push([address, read]);
      this.#next();
    }
    return null;
  }

  async #next() {
    if (this.#running >= AT_ONCE) return;
    const [address, read] = this.#queue.shift() ?? [];
    if (!address) return;
    if (this.#tiles.has(address)) return void this.#next();
    this.#running += 1;
    this.#tiles.set(address, null);
    try {
      const response = await fetch(address);
      if (response.ok) this.#tiles.set(address, await read(response));
    } catch {
      setTimeout(() => this.#tiles.delete(address), RETRY_MS); // the server does not respond
    }
    this.#running -= 1;
    while (this.#tiles.size > KEPT) this.#tiles.delete(this.#tiles.keys().next().value);
    this.#onArrival();
    this.#next();
  }
}

const asImage = async (response) => createImageBitmap(await response.blob());
const asBytes = async (response) => new Uint8Array(await response.arrayBuffer());
