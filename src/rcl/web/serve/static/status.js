// Short messages at the bottom of the page.

import { byId } from "./dom.js";

const SHOWN_MS = 4000;
let hiding = 0;

/** Show a message; a lasting one stays until the next message. */
export function say(text, { lasting = false } = {}) {
  const status = byId("status");
  status.textContent = text;
  status.classList.toggle("shown", Boolean(text));
  clearTimeout(hiding);
  if (text && !lasting) hiding = setTimeout(() => say(""), SHOWN_MS);
}

/** The same action, but an error that it throws is shown. */
export const showingErrors = (action) => async (...values) => {
  try {
    return await action(...values);
  } catch (error) {
    say(error.message, { lasting: true });
    return undefined;
  }
};
