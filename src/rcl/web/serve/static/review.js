// The segments of one video under review: accepted ones, proposals, rejected ones, and the history for undo and redo.

import { tiou } from "./segments.js";

const SAME = 0.5; // tIoU from which a proposal counts as an accepted segment of the same label
const SAME_REJECTED = 0.9; // and as a rejected one: nearly the same times
const ONE_CHANGE_MS = 800; // repeated changes of one segment within this time are undone together

export const toMilliseconds = (seconds) => Math.round(seconds * 1000) / 1000;

export class Review {
  constructor(video) {
    this.number = 0;
    this.accepted = []; // [{id, start, end, label}]; the label of a new one is empty until it is chosen
    this.rejected = []; // [{id, start, end, label}]
    this.proposals = []; // [{id, start, end, label, score}], best first
    this.past = [];
    this.future = [];
    Object.assign(this, this.#read(video));
    this.#begin(video);
  }

  /** Replace all decisions by those that are saved; this can be undone. */
  load(video) {
    const { accepted, rejected } = this.#read(video);
    this.#change(accepted, rejected);
    this.#begin(video);
  }

  /** Segments that are kept beside the labels of the same video have yet to be saved there. */
  #begin({ revision, annotations, saved }) {
    this.markSaved(revision, saved !== null && annotations.length > saved ? "" : this.content());
  }

  #read({ annotations, rejected }) {
    const withId = (segment) => ({ id: this.#newId(), ...segment });
    return { accepted: annotations.map(withId), rejected: rejected.map(withId) };
  }

  /** Replace the proposals by detections; decisions about equal ones stay. */
  propose(detections) {
    const name = ({ start, end, label }) => JSON.stringify([start, end, label]);
    const before = new Map(this.proposals.map((proposal) => [name(proposal), proposal.id]));
    this.proposals = detections.map((detection) => ({ id: before.get(name(detection)) ?? this.#newId(), ...detection }));
  }

  get isDirty() {
    return this.content() !== this.saved;
  }

  markSaved(revision, content = this.content()) {
    this.saved = content;
    this.revision = revision;
  }

  /** The segments and rejected detections to save, as text. */
  content() {
    return JSON.stringify({ segments: plain(this.accepted), rejected: plain([...this.rejected, ...this.#replaced()]) });
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
    if (fresh.length) this.#change([...this.accepted, ...fresh], this.#rejectedWithout(fresh));
  }

  /** Reject proposals, delete accepted segments. */
  remove(...ids) {
    const rejected = this.proposals.filter((one) => ids.includes(one.id) && !this.isRejected(one)).map(bare);
    const accepted = this.accepted.filter((segment) => !ids.includes(segment.id));
    if (ids.length) this.#change(accepted, [...this.rejected, ...rejected]);
  }

  /** Take a rejection back. */
  restore(id) {
    this.#change(this.accepted, this.#rejectedWithout([this.find(id)]));
  }

  #rejectedWithout(segments) {
    return this.rejected.filter((other) => !segments.some((segment) => isSame(other, segment)));
  }

  add(segment) {
    const added = { id: this.#newId(), ...segment };
    this.#change([...this.accepted, added], this.rejected);
    return added.id;
  }

  /** Change a segment. A proposal that is corrected is thereby accepted. */
  edit(id, values) {
    const before = bare(this.find(id));
    const after = { ...before, ...values };
    if (before.start === after.start && before.end === after.end && before.label === after.label) return;
    const accepted = this.isAccepted(id)
      ? this.accepted.map((segment) => (segment.id === id ? after : segment))
      : [...this.accepted, after];
    this.#change(accepted, this.rejected, `${id} ${Object.keys(values)}`);
  }

  undo() {
    this.#travel(this.past, this.future);
  }

  redo() {
    this.#travel(this.future, this.past);
  }

  #travel(from, to) {
    if (!from.length) return;
    to.push({ accepted: this.accepted, rejected: this.rejected });
    Object.assign(this, from.pop());
    this.last = null;
  }

  #change(accepted, rejected, what = null) {
    const now = performance.now();
    const continues = what !== null && this.last?.what === what && now - this.last.at < ONE_CHANGE_MS;
    if (!continues) this.past.push({ accepted: this.accepted, rejected: this.rejected });
    this.last = { what, at: now };
    this.future = [];
    Object.assign(this, { accepted, rejected });
  }

  #newId() {
    this.number += 1;
    return `s${this.number}`;
  }
}

const bare = ({ id, start, end, label }) => ({ id, start, end, label });

/** Segments without their ids, by time. */
const plain = (segments) =>
  segments
    .map(({ start, end, label }) => ({ start, end, label }))
    .sort((a, b) => a.start - b.start || a.end - b.end || (a.label < b.label ? -1 : 1));

const isSame = (a, b) => a.id === b.id || (a.label === b.label && tiou(a, b) >= SAME_REJECTED);
