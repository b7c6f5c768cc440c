// The segments of one video under review: accepted ones, proposals, rejected ones, the parts that were looked at,
// and the history for undo and redo.

import { tiou } from "./segments.js";

const SAME = 0.5; // tIoU from which a proposal counts as an accepted segment of the same label
const SAME_REJECTED = 0.9; // and as a rejected one: nearly the same times
const ONE_CHANGE_MS = 800; // repeated changes of one segment within this time are undone together

export const toMilliseconds = (seconds) => Math.round(seconds * 1000) / 1000;

export class Review {
  constructor(video) {
    this.number = 0;
    this.accepted = []; // [{id, start, end, label, comment}]; the label of a new one is empty until it is chosen
    this.rejected = []; // [{id, start, end, label}]
    this.proposals = []; // [{id, start, end, label, score}], best first
    this.seen = []; // [[start, end]], the parts that the user looked at
    this.past = [];
    this.future = [];
    Object.assign(this, this.#read(video));
    this.#begin(video);
  }

  /** Replace all decisions by those that are saved; this can be undone. */
  load(video) {
    this.#change(this.#read(video));
    this.#begin(video);
  }

  /** Segments that are kept beside the labels of the same video have yet to be saved there. */
  #begin({ revision, annotations, saved, draft }) {
    const isBeside = saved !== null && (draft || annotations.length > saved);
    this.markSaved(revision, isBeside ? "" : this.content());
    this.kept = this.content();
  }

  #read({ annotations, rejected, reviewed }) {
    const withId = (segment) => ({ id: this.#newId(), comment: "", ...segment });
    return { accepted: annotations.map(withId), rejected: rejected.map(withId), seen: reviewed };
  }

  /** Replace the proposals by detections; decisions about equal ones stay. */
  propose(detections) {
    const name = ({ start, end, label }) => JSON.stringify([start, end, label]);
    const before = new Map(this.proposals.map((proposal) => [name(proposal), proposal.id]));
    this.proposals = detections.map((detection) => ({ id: before.get(name(detection)) ?? this.#newId(), ...detection }));
  }

  /** Whether it differs from what was saved when the user last decided about the video. */
  get isDirty() {
    return this.content() !== this.saved;
  }

  /** Whether the server has confirmed all of it, decided or not. */
  get isKept() {
    return this.content() === this.kept;
  }

  markSaved(revision, content = this.content()) {
    this.saved = content;
    this.markKept(revision, content);
  }

  markKept(revision, content) {
    this.kept = content;
    this.revision = revision;
  }

  /** What is to be saved, as text: segments, rejected detections, and the parts that were looked at. */
  content() {
    const parts = [this.accepted, this.rejected, this.proposals, this.seen]; // never changed in place
    if (!this.written || parts.some((part, at) => part !== this.written.parts[at])) {
      const rejected = plain([...this.rejected, ...this.#replaced()]);
      this.written = { parts, text: JSON.stringify({ segments: plain(this.accepted), rejected, reviewed: this.seen }) };
    }
    return this.written.text;
  }

  /** Proposals that were corrected so far that they would be proposed again. */
  #replaced() {
    return this.proposals.filter((one) => this.isAccepted(one.id) && !this.#isCovered(one) && !this.isRejected(one));
  }

  /** Proposals that are not decided and not the same as an accepted segment. */
  open(threshold) {
    return this.proposals.filter(
      (one) => one.score >= threshold && !this.isAccepted(one.id) && !this.#isCovered(one) && !this.isRejected(one),
    );
  }

  #isCovered(proposal) {
    return this.accepted.some((segment) => segment.label === proposal.label && tiou(segment, proposal) >= SAME);
  }

  find(id) {
    const hasId = (segment) => segment.id === id;
    return this.accepted.find(hasId) ?? this.proposals.find(hasId) ?? this.rejected.find(hasId);
  }

  isAccepted(id) {
    return this.accepted.some((segment) => segment.id === id);
  }

  isRejected(segment) {
    return this.rejected.some((other) => isSame(other, segment));
  }

  /** "accepted", "rejected" or "open". */
  stateOf(id) {
    if (this.isAccepted(id)) return "accepted";
    return this.isRejected(this.find(id)) ? "rejected" : "open";
  }

  accept(...ids) {
    const fresh = ids.filter((id) => !this.isAccepted(id)).map((id) => bare(this.find(id)));
    if (fresh.length) this.#change({ accepted: [...this.accepted, ...fresh], rejected: this.#rejectedWithout(fresh) });
  }

  /** Reject proposals, delete accepted segments. */
  remove(...ids) {
    const rejected = this.proposals.filter((one) => ids.includes(one.id) && !this.isRejected(one)).map(bare);
    const accepted = this.accepted.filter((segment) => !ids.includes(segment.id));
    if (ids.length) this.#change({ accepted, rejected: [...this.rejected, ...rejected] });
  }

  /** Take a rejection back. */
  restore(id) {
    this.#change({ rejected: this.#rejectedWithout([this.find(id)]) });
  }

  #rejectedWithout(segments) {
    return this.rejected.filter((other) => !segments.some((segment) => isSame(other, segment)));
  }

  add(segment) {
    const added = { id: this.#newId(), comment: "", ...segment };
    this.#change({ accepted: [...this.accepted, added] });
    return added.id;
  }

  /** Replace the parts that were looked at. */
  look(seen) {
    this.#change({ seen });
  }

  /** Take over another name of a label, also in the history; nothing is to be saved by that.
   *
   * Returns the segments that have it now; with among, only those get it.
   */
  rename(old, name, among = null) {
    const renamed = new Map(); // one object is in many states
    const isIt = (one) => one.label === old && (!among || among.has(one));
    const under = (segments) => segments.map((one) => {
      if (!isIt(one)) return one;
      if (!renamed.has(one)) renamed.set(one, { ...one, label: name });
      return renamed.get(one);
    });
    for (const state of [this, ...this.past, ...this.future]) {
      Object.assign(state, { accepted: under(state.accepted), rejected: under(state.rejected) });
    }
    return new Set(renamed.values());
  }

  /** Take over the revision of a video that the server has changed in the same way as this page, or else its segments. */
  follow(video) {
    const { accepted, rejected, seen } = this.#read(video);
    const theirs = JSON.stringify({ segments: plain(accepted), rejected: plain(rejected), reviewed: seen });
    if (theirs === this.content()) this.markKept(video.revision, theirs);
    else this.load(video);
    if (!video.draft) this.saved = this.content();
  }

  /** Change a segment. A proposal that is corrected is thereby accepted. */
  edit(id, values) {
    const before = bare(this.find(id));
    const after = { ...before, ...values };
    if (["start", "end", "label", "comment"].every((name) => before[name] === after[name])) return;
    const accepted = this.isAccepted(id)
      ? this.accepted.map((segment) => (segment.id === id ? after : segment))
      : [...this.accepted, after];
    this.#change({ accepted }, `${id} ${Object.keys(values)}`);
  }

  undo() {
    this.#travel(this.past, this.future);
  }

  redo() {
    this.#travel(this.future, this.past);
  }

  #travel(from, to) {
    if (!from.length) return;
    to.push(this.#state());
    const { at, ...state } = from.pop();
    Object.assign(this, state);
    this.last = null;
  }

  #state() {
    return { accepted: this.accepted, rejected: this.rejected, seen: this.seen, at: performance.now() };
  }

  #change(changed, what = null) {
    const now = performance.now();
    const continues = what !== null && this.last?.what === what && now - this.last.at < ONE_CHANGE_MS;
    if (!continues) this.past.push(this.#state());
    this.last = { what, at: now };
    this.future = [];
    Object.assign(this, changed);
  }

  #newId() {
    this.number += 1;
    return `s${this.number}`;
  }
}

const bare = ({ id, start, end, label, comment = "" }) => ({ id, start, end, label, comment });

/** Segments without their ids, by time. */
const plain = (segments) =>
  segments
    .map(({ start, end, label, comment }) => ({ start, end, label, ...(comment ? { comment } : {}) }))
    .sort((a, b) => a.start - b.start || a.end - b.end || (a.label < b.label ? -1 : 1));

const isSame = (a, b) => a.id === b.id || (a.label === b.label && tiou(a, b) >= SAME_REJECTED);
