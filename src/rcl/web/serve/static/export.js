// Downloading the labels as files of other tools.

import { byId } from "./dom.js";
import { server } from "./server.js";
import { say, showingErrors } from "./status.js";

const download = showingErrors(async (format) => {
  const { name, content, lost } = await server.exported(format);
  const link = document.createElement("a");
  Object.assign(link, { href: URL.createObjectURL(content), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
  say(lost ? `${name} was downloaded. It cannot keep: ${lost}.` : `${name} was downloaded.`, { lasting: Boolean(lost) });
});

for (const button of byId("export").querySelectorAll("button")) {
  button.addEventListener("click", () => download(button.dataset.format));
}
