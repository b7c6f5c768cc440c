// Small things that the page is built with.

export const get = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function clock(seconds) {
  const rounded = Math.round(seconds * 100) / 100;
  const minutes = Math.floor(rounded / 60);
  return `${minutes}:${(rounded - 60 * minutes).toFixed(2).padStart(5, "0")}`;
}

let silence = 0;
export function say(text, { lasting = false } = {}) {
  const status = get("status");
  status.textContent = text;
  status.classList.toggle("shown", Boolean(text));
  clearTimeout(silence);
  if (text && !lasting) silence = setTimeout(() => say(""), 4000);
}

/** An action of which a failure is told to the user. */
export const told = (action) => async (...values) => {
  try {
    await action(...values);
  } catch (error) {
    say(error.message, { lasting: true });
  }
};
