// Questions to the server.

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(method, address, body) {
  const options = { method, headers: { "X-RCL": "1" } };
  if (method !== "GET") {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body ?? {});
  }
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Refused("The server does not answer. Start rcl serve again; your changes are kept in this page.", 0);
  }
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(content.error ?? `The server answered ${response.status}.`, response.status);
  return content;
}

const of = (key) => `/api/videos/${encodeURIComponent(key)}`;

export const server = {
  overview: () => ask("GET", "/api/session"),
  video: (key) => ask("GET", of(key)),
  job: (key) => ask("GET", `${of(key)}/job`),
  detect: (key) => ask("POST", `${of(key)}/job`),
  cancel: (key) => ask("DELETE", `${of(key)}/job`),
  scores: (key, segments) => ask("POST", `${of(key)}/scores`, { segments }),
  save: (key, segments, revision) => ask("PUT", `${of(key)}/annotations`, { segments, revision }),
  media: (key) => `/media/${encodeURIComponent(key)}`,
};
