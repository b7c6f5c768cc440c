// The keys of the page, unless the focused element needs them.

const TYPED = "input:not([type=range], [type=checkbox])";

/** Whether the focused element needs the key itself. */
function needs(target, key) {
  if (target.matches(`${TYPED}, textarea, select`)) return key !== "Escape" || Boolean(target.value && target.type === "search");
  if (target.matches("input[type=range]")) return key.startsWith("Arrow");
  if (target.matches("video")) return key === " " || key.startsWith("Arrow");
  if (target.matches("button, a, summary, [type=checkbox]")) return key === " " || key === "Enter";
  if (target.matches("[role=separator]")) return key.startsWith("Arrow");
  const focused = target.closest(".timeline .segment");
  return Boolean(focused) && !focused.classList.contains("selected") && (key === "Enter" || key.startsWith("Arrow"));
}

/**
 * Call the action of each key.
 *
 * keys: key → action; withControl: the same with Ctrl or Cmd; isReady(key): whether the key has something to act on.
 */
export function listenToKeys(keys, withControl, isReady) {
  const pressed = (event) => {
    if (document.querySelector("dialog[open]")) return;
    const types = event.getModifierState("AltGraph"); // many keyboards need it for brackets
    const control = (event.ctrlKey || event.metaKey) && !types;
    const typing = event.target.matches?.(TYPED);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (control && key in withControl && !(typing && key !== "s")) {
      event.preventDefault();
      if (typing) event.target.blur(); // the typed text counts
      withControl[key](event);
    } else if (!control && key in keys && isReady(key) && !needs(event.target, event.key)) {
      if (event.altKey && !types && !key.startsWith("Arrow")) return;
      event.preventDefault();
      event.stopPropagation();
      if (typing) event.target.blur();
      else keys[key](event);
    }
  };
  document.addEventListener("keydown", pressed, true); // before the timeline, which uses the arrow keys itself
}
