// What the model says of the segments of one video: asked once for each, and never about more than is shown.

import { server } from "/static/server.js";

const AT_ONCE = 500;

const keyOf = ({ start, end }) => `${start} ${end}`;

export class Scores {
  #answers = new Map();
  #video = null;
  #atOnce = AT_ONCE;
  #asking = false;
  #wanted = [];

  /** onAnswer() is called when there is more to show, onFailure(error) when there will be no more. */
  constructor(onAnswer, onFailure) {
    Object.assign(this, { onAnswer, onFailure });
  }

  /** Forget everything: from now on it is about another video. */
  begin(video) {
    this.#answers.clear();
    this.#video = video;
    this.#atOnce = AT_ONCE;
    this.#wanted = [];
  }

  /** {confidence, labels, names, refined}, or {refusal} where there is no answer, or undefined as yet. */
  of(segment) {
    return this.#answers.get(keyOf(segment));
  }

  /** Ask about segments. While an answer is awaited only the latest question is kept. */
  async ask(segments) {
    this.#wanted = segments;
    if (this.#asking) return;
    this.#asking = true;
    try {
      while (await this.#askSome());
    } finally {
      this.#asking = false;
    }
  }

  async #askSome() {
    const missing = new Map(this.#wanted.filter((one) => !this.of(one)).map((one) => [keyOf(one), one]));
    const segments = [...missing.values()].slice(0, this.#atOnce);
    if (!segments.length) return false;
    const video = this.#video;
    try {
      const answer = await server.scores(video, segments.map(({ start, end }) => [start, end]));
      if (video === this.#video) this.#take(segments, answer);
    } catch (error) {
      if (video === this.#video) return this.#give(segments, error);
    }
    return true;
  }

  #take(segments, { confidence, labels, names, refined }) {
    segments.forEach((segment, index) => {
      const answer = { confidence: confidence[index], labels: labels[index], names, refined: refined[index] };
      this.#answers.set(keyOf(segment), answer);
    });
    this.onAnswer();
  }

  #give(segments, error) {
    if (error.status !== 400) {
      this.onFailure(error);
      return false;
    }
    // One of them has no answer, such as one that is longer than the windows of the model: it is found by asking singly.
    if (segments.length > 1) this.#atOnce = 1;
    else this.#answers.set(keyOf(segments[0]), { refusal: error.message });
    this.onAnswer();
    return true;
  }
}
