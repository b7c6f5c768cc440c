// The segments of one video under review: accepted ones, proposals, and the history for undo and redo.

import { tiou } from "./segments.js";

const SAME = 0.5; // tIoU from which a proposal counts as an accepted segment of the same label
const ONE_CHANGE_MS = 800; // repeated changes of one segment within this time are undone together

export const toMilliseconds = (seconds) => Math.round(seconds * 1000) / 1000;

export class Review {
  constructor(video) {
    this.number = 0;
    this.accepted = []; // [{id, start, end, label}]
    this.rejected = new Set(); // ids of proposals
    this.proposals = []; // [{id, start, end, label, score}], best first
    this.load(video.annotations, video.revision);
  }

  /** Begin with the segments of the file. */
  load(annotations, revision) {
    this.accepted = annotations.map((segment) => ({ id: this.#newId(), ...segment }));
    this.past = [];
    this.future = [];
    this.markSaved(revision);
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

  /** The segments to save, as text. */
  content() {
    const segments = this.accepted.map(({ start, end, label }) => ({ start, end, label }));
    segments.sort((a, b) => a.start - b.start || a.end - b.end || (a.label < b.label ? -1 : 1));
    return JSON.stringify(segments);
  }

  /** Proposals that are not decided and not the same as an accepted segment. */
  open(threshold) {
    const decided = new Set([...this.rejected, ...this.accepted.map((segment) => segment.id)]);
    const isAccepted = (proposal) =>
      this.accepted.some((segment) => segment.label === proposal.label && tiou(segment, proposal) >= SAME);
    return this.proposals.filter(
      (proposal) => proposal.score >= threshold && !decided.has(proposal.id) && !isAccepted(proposal),
    );
  }

  find(id) {
    return this.accepted.find((segment) => segment.id === id) ?? this.proposals.find((proposal) => proposal.id === id);
  }

  isAccepted(id) {
    return this.accepted.some((segment) => segment.id === id);
  }

  accept(...ids) {
    const fresh = ids.filter((id) => !this.isAccepted(id)).map((id) => bare(this.find(id)));
    if (fresh.length) this.#change([...this.accepted, ...fresh], this.rejected);
  }

  /** Reject a proposal or delete an accepted segment. */
  remove(id) {
    const isProposal = this.proposals.some((proposal) => proposal.id === id);
    const rejected = isProposal ? new Set([...this.rejected, id]) : this.rejected;
    this.#change(this.accepted.filter((segment) => segment.id !== id), rejected);
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
    if (same(before, after)) return;
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

const same = (a, b) => a.start === b.start && a.end === b.end && a.label === b.label;
