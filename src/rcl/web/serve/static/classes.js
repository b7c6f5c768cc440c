// The panel of the classes: their colours, keys and buttons, and the dialog to change one.

import { makeChange } from "./class_history.js";
import { byId, cutName, element } from "./dom.js";
import { inTurn, keepAll } from "./drafts.js";
import { giveUpPress, pressClass, releaseClass } from "./labelling.js";
import { classesChanged, opened, page, segmentsChanged, setClasses, setSaved, showSegments } from "./page_state.js";
import { counted } from "./segments.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";

const typed = new Set(); // labels whose class was asked for
let changed = null; // the class in the dialog

function showClasses() {
  const focused = byId("classes").contains(document.activeElement) ? document.activeElement.dataset : null;
  byId("classes").replaceChildren(...page.classes.map(rowOf));
  byId("no-classes").hidden = page.classes.length > 0;
  if (focused) byId("classes").querySelector(`[data-name="${CSS.escape(focused.name)}"].${focused.part}`)?.focus();
}

function rowOf({ name, colour, key }) {
  const label = element("button", { className: "class label" }, element("kbd", { textContent: key.toUpperCase() }), swatch(colour), cutName(name));
  label.setAttribute("aria-label", key ? `${name}, key ${key.toUpperCase()}` : name);
  label.title = `Label with ${name}: hold it while the action lasts, or press it shortly`;
  label.addEventListener("pointerdown", (event) => event.button || pressClass(name, event.timeStamp));
  label.addEventListener("pointerup", (event) => releaseClass(name, event.timeStamp));
  for (const event of ["pointercancel", "pointerleave"]) label.addEventListener(event, giveUpPress);
  label.addEventListener("click", (event) => event.detail || (pressClass(name, 0), releaseClass(name, 0))); // by Enter or a screen reader
  label.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long touch
  const change = element("button", { className: "quiet change", textContent: "Edit" });
  change.setAttribute("aria-label", `Edit ${name}`);
  change.addEventListener("click", () => edit(name));
  Object.assign(label.dataset, { name, part: "label" });
  Object.assign(change.dataset, { name, part: "change" });
  return element("li", {}, label, change);
}

function swatch(colour) {
  const made = element("span", { className: "swatch" });
  made.style.background = colour;
  return made;
}

const addClass = showingErrors(async () => {
  const name = byId("new-class").value.trim();
  if (!name) return byId("new-class").focus();
  byId("new-class").value = "";
  if (page.classes.some((one) => one.name === name)) return say(`There is a class ${name} already.`);
  return makeChange({ what: `${name} was added`, undo: () => remove(name), redo: () => add(name) });
});

async function add(name) {
  setClasses((await server.putClass({ name })).classes);
  const { key } = page.classes.find((one) => one.name === name) ?? {};
  say(key ? `${name} has the key ${key.toUpperCase()}.` : `${name} was added.`);
}

function edit(name) {
  changed = page.classes.find((one) => one.name === name);
  byId("class-name").value = changed.name;
  byId("class-colour").value = changed.colour;
  const options = [...page.keys].map((key) => new Option(describeKey(key), key));
  byId("class-key").replaceChildren(new Option("none", ""), ...options);
  byId("class-key").value = changed.key;
  byId("class-note").textContent = "Another name is given to all segments of this class, in all videos.";
  byId("class-dialog").showModal();
}

function describeKey(key) {
  const other = page.classes.find((one) => one.key === key && one !== changed);
  return other ? `${key.toUpperCase()} (now ${other.name})` : key.toUpperCase();
}

const saveClass = showingErrors(async () => {
  const name = byId("class-name").value.trim();
  if (!name) return byId("class-name").focus();
  byId("class-dialog").close();
  const old = changed.name;
  const wanted = { name, colour: byId("class-colour").value, key: byId("class-key").value };
  let [before, takeBack] = [[], null];
  const redo = async () => {
    before = page.classes;
    takeBack = name === old ? null : await rename(old, name);
    await put(wanted);
  };
  const undo = async () => restore(before, (await takeBack?.()) ?? page.classes);
  return makeChange({ what: name === old ? `${name} was changed` : `${old} is now ${name}`, undo, redo });
});

async function put(one) {
  show((await server.putClass(one)).classes);
}

/** Give classes, which are like now on the server, the colours and keys that they had. */
async function restore(classes, now) {
  for (const one of classes) {
    const { colour, key } = now.find(({ name }) => name === one.name) ?? {};
    if (colour !== one.colour || key !== one.key) now = (await server.putClass(one)).classes;
  }
  show(now);
}

function show(classes) {
  setClasses(classes);
  if (page.current) showSegments();
}

/** Rename a class in all files, and in the videos that are open here with their histories; show() shows it.
 *
 * Returns what takes it back; that returns the classes.
 */
async function rename(old, name) {
  const { answer, renamed } = await renameSome(old, name);
  const back = async () => (await renameSome(name, old, answer.renamed, renamed)).answer.classes;
  say(`${old} is now ${name}, in ${counted(answer.segments, "segment")} of the labels.`);
  return back;
}

/** Rename those segments: only is what the server needs to know of them, among what this page does; null for all. */
async function renameSome(old, name, only = null, among = null) {
  await keepAll();
  const answer = await server.renameClass(old, name, only);
  const renamed = new Map();
  for (const [key, one] of opened) {
    // In turn: a write that was planned before would send the new name with the revision before it.
    await inTurn(one, async () => {
      renamed.set(key, one.review.rename(old, name, only && (among.get(key) ?? new Set())));
      if (one.running.has(old) && !only) one.running.set(name, one.running.get(old));
      if (!only) one.running.delete(old);
      const video = await server.video(key);
      one.review.follow(video);
      setSaved(one, video, { isDecided: false });
    });
  }
  return { answer, renamed };
}

const removeClass = showingErrors(async () => {
  byId("class-dialog").close();
  const removed = changed;
  return makeChange({ what: `${removed.name} was removed`, undo: () => put(removed), redo: () => remove(removed.name) });
});

async function remove(name) {
  await keepAll();
  setClasses((await server.removeClass(name)).classes);
  say(`${name} was removed.`);
}

/** Say where two classes become one. */
function note() {
  const name = byId("class-name").value.trim();
  const joins = name !== changed.name && page.classes.some((one) => one.name === name);
  byId("class-note").textContent = joins
    ? `There is a class ${name} already. The two become one.`
    : "Another name is given to all segments of this class, in all videos.";
  byId("class-save").textContent = joins ? "Join them" : "Save";
}

byId("add-class").addEventListener("submit", (event) => {
  event.preventDefault();
  addClass();
});
byId("class-name").addEventListener("input", note);
byId("class-form").addEventListener("submit", (event) => {
  event.preventDefault();
  saveClass();
});
byId("class-remove").addEventListener("click", removeClass);
byId("class-cancel").addEventListener("click", () => byId("class-dialog").close());
classesChanged.on(showClasses);

/** A label that was typed is a class, too: the server gives it a colour and a key. */
const addTyped = showingErrors(async (label) => {
  typed.add(label);
  setClasses((await server.putClass({ name: label })).classes);
  showSegments();
});

segmentsChanged.on(() => {
  const known = new Set([...page.classes.map((one) => one.name), ...typed, ""]);
  const label = page.current.review.accepted.find((one) => !known.has(one.label))?.label;
  if (label) addTyped(label);
});
