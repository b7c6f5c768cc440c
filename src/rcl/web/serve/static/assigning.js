// The dialog that assigns videos to somebody.

import { byId } from "./dom.js";
import { page } from "./page_state.js";
import { setAssigned } from "./people.js";
import { counted } from "./segments.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";
import { listedVideos } from "./video_list.js";

function ask() {
  const choices = [new Option(`the ${counted(listedVideos().length, "video")} in the list`, "listed")];
  if (page.current) choices.unshift(new Option(`this one, ${page.current.video.name}`, "current"));
  byId("assign-what").replaceChildren(...choices);
  byId("assign-to").value = page.assigned[page.current?.video.key] ?? page.annotator;
  byId("assign-dialog").showModal();
}

const assign = showingErrors(async () => {
  const isCurrent = byId("assign-what").value === "current";
  const videos = isCurrent ? [page.current.video.key] : listedVideos().map(({ key }) => key);
  const annotator = byId("assign-to").value.trim();
  byId("assign-dialog").close();
  const { assigned } = await server.assign(videos, annotator);
  setAssigned(assigned);
  const what = isCurrent ? page.current.video.name : counted(videos.length, "video");
  say(annotator ? `Assigned ${what} to ${annotator}.` : `Assigned ${what} to nobody.`);
});

byId("assign").addEventListener("click", ask);
byId("assign-form").addEventListener("submit", (event) => {
  event.preventDefault();
  assign();
});
byId("assign-cancel").addEventListener("click", () => byId("assign-dialog").close());
