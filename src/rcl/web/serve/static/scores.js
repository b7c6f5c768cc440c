// The scores of the segments of one video, requested once for each.

import { server } from "./server.js";

const AT_ONCE = 500; // segments in one request

const keyOf = ({ start, end }) => `${start} ${end}`;

export class Scores {
  #answers = new Map();
  #video = null;
  #atOnce = AT_ONCE;
  #isRequesting = false;
  #wanted = [];

  /** onAnswer() is called when scores have arrived, onFailure(error) when no more will arrive. */
  constructor(onAnswer, onFailure) {
    Object.assign(this, { onAnswer, onFailure });
  }

  /** Drop all scores and begin with another video. */
  begin(video) {
    this.#answers.clear();
    this.#video = video;
    this.#atOnce = AT_ONCE;
    this.#wanted = [];
  }

  /** {confidence, labels, names, refined}; {refusal} if the model cannot score the segment; undefined until it arrives. */
  of(segment) {
    return this.#answers.get(keyOf(segment));
  }

  /** Request the scores of segments. While a request runs, only the latest list is kept. */
  async request(segments) {
    this.#wanted = segments;
    if (this.#isRequesting) return;
    this.#isRequesting = true;
    try {
      while (await this.#requestSome());
    } finally {
      this.#isRequesting = false;
    }
  }

  async #requestSome() {
    const missing = new Map(this.#wanted.filter((one) => !this.of(one)).map((one) => [keyOf(one), one]));
    const segments = [...missing.values()].slice(0, this.#atOnce);
    if (!segments.length) return false;
    const video = this.#video;
    try {
      const answer = await server.scores(video, segments.map(({ start, end }) => [start, end]));
      if (video === this.#video) this.#keep(segments, answer);
    } catch (error) {
      if (video === this.#video) return this.#isolate(segments, error);
    }
    return true;
  }

  #keep(segments, { confidence, labels, names, refined }) {
    segments.forEach((segment, index) => {
      const answer = { confidence: confidence[index], labels: labels[index], names, refined: refined[index] };
      this.#answers.set(keyOf(segment), answer);
    });
    this.onAnswer();
  }

  /** Request one segment at a time after an error, to find the one that cannot be scored; return whether to go on. */
  #isolate(segments, error) {
    if (error.status !== 400) {
      this.onFailure(error);
      return false;
    }
    if (segments.length > 1) this.#atOnce = 1;
    else this.#answers.set(keyOf(segments[0]), { refusal: error.message });
    this.onAnswer();
    return true;
  }
}
