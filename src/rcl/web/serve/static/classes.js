// The panel of the classes: their colours, keys and buttons, and the dialog to change one.

import { byId, cutName, element } from "./dom.js";
import { keepAll } from "./drafts.js";
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
  const { classes } = await server.putClass({ name });
  setClasses(classes);
  byId("new-class").value = "";
  const { key } = classes.find((one) => one.name === name) ?? {};
  return say(key ? `${name} has the key ${key.toUpperCase()}.` : `${name} was added.`);
});

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
  const [colour, key] = [byId("class-colour").value, byId("class-key").value];
  if (name !== changed.name) await rename(changed.name, name);
  setClasses((await server.putClass({ name, colour, key })).classes);
  if (page.current) showSegments();
  return undefined;
});

/** Rename a class in all files, and in the videos that are open here with their histories. */
async function rename(old, name) {
  await keepAll();
  const { segments } = await server.renameClass(old, name);
  for (const one of opened.values()) {
    one.review.rename(old, name);
    if (one.running.has(old)) one.running.set(name, one.running.get(old));
    one.running.delete(old);
    const video = await server.video(one.video.key);
    Object.assign(one.review, { revision: video.revision, kept: one.review.content() });
    if (!video.draft) one.review.saved = one.review.content();
    setSaved(one, video, { isDecided: false });
  }
  say(`${old} is now ${name}, in ${counted(segments, "segment")} of the labels.`);
}

const removeClass = showingErrors(async () => {
  byId("class-dialog").close();
  await keepAll();
  setClasses((await server.removeClass(changed.name)).classes);
  say(`${changed.name} was removed.`);
});

/** Warn where two classes become one: that cannot be undone. */
function note() {
  const name = byId("class-name").value.trim();
  const joins = name !== changed.name && page.classes.some((one) => one.name === name);
  byId("class-note").textContent = joins
    ? `There is a class ${name} already. The two become one, which cannot be undone.`
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
