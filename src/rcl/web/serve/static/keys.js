// The keys of the page, unless the focused element needs them.

const TYPED = "input:not([type=range], [type=checkbox], [type=color])";
const COUNT_WITH_SHIFT = /^([A-Z]|Arrow.*)$/; // of other characters, Shift is a part

/** Whether the focused element needs the key itself. */
function needs(target, key) {
  if (target.matches(`${TYPED}, textarea`)) return key !== "Escape" || Boolean(target.value && target.type === "search");
  if (target.matches("input[type=range], select")) return key.startsWith("Arrow") || key === " " || key === "Enter";
  if (target.matches("video")) return key === " " || key.startsWith("Arrow");
  if (target.matches("button, a, summary, [type=checkbox], [type=color]")) return key === " " || key === "Enter";
  if (target.matches("[role=separator], [role=scrollbar]")) return key.startsWith("Arrow") || key.startsWith("Page");
  const focused = target.closest(".timeline .segment");
  return Boolean(focused) && !focused.classList.contains("selected") && (key === "Enter" || key.startsWith("Arrow"));
}

/** The names under which a key may be in the table, the most specific one first. */
function namesOf(event, control) {
  const isLetter = event.key.length === 1;
  const key = isLetter ? (event.shiftKey ? event.key.toUpperCase() : event.key.toLowerCase()) : event.key;
  if (control) return [`Control+${key}`];
  return COUNT_WITH_SHIFT.test(key) && event.shiftKey ? [`Shift+${key}`, key, key.toLowerCase()] : [key];
}

/** Call the actions of keys.
 *
 * actions: name → { act, needsNoVideo }; classes: { down(key), up(key) } of the keys that label, each true if it is one;
 * hasVideo(): whether there is something to act on.
 */
export function listenToKeys(actions, classes, hasVideo) {
  const pressed = (event) => {
    if (document.querySelector("dialog[open]")) return;
    const types = event.getModifierState("AltGraph"); // many keyboards need it for brackets
    const control = (event.ctrlKey || event.metaKey) && !types;
    const typing = event.target.matches?.(TYPED);
    const action = actions.get(namesOf(event, control).find((name) => actions.has(name)));
    if (control) {
      const isOfText = typing && !["s", "Enter"].includes(event.key);
      if (!action || isOfText || !(hasVideo() || action.needsNoVideo)) return;
      event.preventDefault();
      if (typing) event.target.blur(); // the typed text counts
      action.act(event);
    } else if (!needs(event.target, event.key) && (!event.altKey || types || event.key.startsWith("Arrow"))) {
      const isOfClass = !action && !event.shiftKey && hasVideo() && classes.down(event);
      if (!isOfClass && !(action && (hasVideo() || action.needsNoVideo))) return;
      event.preventDefault();
      event.stopPropagation();
      if (typing) event.target.blur();
      else action?.act(event);
    }
  };
  document.addEventListener("keydown", pressed, true); // before the timeline, which uses the arrow keys itself
  document.addEventListener("keyup", (event) => classes.up(event), true);
}
