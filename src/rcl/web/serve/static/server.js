// Requests to the server.

let annotator = ""; // who changes what is sent from now on

export const setAnnotator = (name) => (annotator = name);

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(method, address, body, more = {}) {
  const options = { method, headers: { "X-RCL": "1" }, ...more };
  if (method !== "GET") {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body ?? {});
  }
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Refused("The server does not respond. Start rcl serve again; this page keeps your changes.", 0);
  }
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(content.error ?? `The server answered ${response.status}.`, response.status);
  return content;
}

/** A file to download: its name, its content, and what its format cannot keep. */
async function fetchFile(address) {
  const response = await fetch(address, { headers: { "X-RCL": "1" } });
  if (!response.ok) throw new Refused((await response.json().catch(() => ({}))).error ?? `The server answered ${response.status}.`, response.status);
  const [, name] = response.headers.get("content-disposition").split('"');
  return { name, content: await response.blob(), lost: decodeURIComponent(response.headers.get("x-rcl-lost") ?? "") };
}

const of = (key) => `/api/videos/${encodeURIComponent(key)}`;

export const server = {
  overview: () => request("GET", "/api/session"),
  video: (key) => request("GET", of(key)),
  job: (key) => request("GET", `${of(key)}/job`),
  detect: (key) => request("POST", `${of(key)}/job`),
  cancel: (key) => request("DELETE", `${of(key)}/job`),
  scores: (key, segments) => request("POST", `${of(key)}/scores`, { segments }),
  /** With isLast, it is also sent while the page is being closed, which browsers allow for 64 KiB. */
  draft: (key, content, { isLast = false } = {}) => request("PUT", `${of(key)}/draft`, { ...content, annotator }, { keepalive: isLast }),
  save: (key, decided) => request("PUT", `${of(key)}/annotations`, { ...decided, annotator }),
  takeOut: (key, revision) => request("DELETE", `${of(key)}/annotations`, { revision }),
  putClass: (one) => request("PUT", "/api/classes", one),
  removeClass: (name) => request("DELETE", "/api/classes", { name }),
  renameClass: (from, to, only) => request("POST", "/api/classes/rename", { from, to, only }),
  assign: (videos, name) => request("PUT", "/api/assigned", { videos, annotator: name }),
  exported: (format) => fetchFile(`/api/export/${format}`),
  learning: () => request("GET", "/api/learning"),
  train: () => request("POST", "/api/learning/training"),
  cancelTraining: () => request("DELETE", "/api/learning/training"),
  forecast: () => request("POST", "/api/learning/forecast"),
  continueRun: (name) => request("POST", `/api/learning/runs/${encodeURIComponent(name)}`),
  removeRun: (name) => request("DELETE", `/api/learning/runs/${encodeURIComponent(name)}`),
  /** skipped: the stretch that the user does not want, or null. */
  nextStretch: (skipped) => request("POST", "/api/learning/stretch", { skipped }),
  media: (key) => `/media/${encodeURIComponent(key)}`,
  thumbnails: (key, start, end, count) => `${of(key)}/thumbnails?start=${start}&end=${end}&count=${count}`,
  waveform: (key, start, end, count) => `${of(key)}/waveform?start=${start}&end=${end}&count=${count}`,
};
