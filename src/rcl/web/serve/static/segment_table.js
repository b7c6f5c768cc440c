// The table of segments, and the lowest score of the detections in it.

import { byId, element } from "./dom.js";
import { scores } from "./live_scores.js";
import { listedSegments, page, scoresChanged, segmentsChanged, selectionChanged, showSegments } from "./page_state.js";
import { clamp, counted, formatTime } from "./segments.js";
import { select } from "./selection.js";
import { say } from "./status.js";

const ROWS = 150; // of the table; of more segments, those around the selected one or the playhead are shown

/** The segments of the rows that are shown, and a note if these are not all. */
function shownRows() {
  const all = listedSegments();
  if (all.length <= ROWS) return { rows: all, note: "" };
  const chosen = all.findIndex((one) => one.id === page.selected);
  const next = all.findIndex((one) => one.start >= page.playhead);
  const first = clamp((chosen >= 0 ? chosen : next) - ROWS / 2, 0, all.length - ROWS);
  return { rows: all.slice(first, first + ROWS), note: ` (rows ${first + 1} to ${first + ROWS} of ${all.length})` };
}

function showRows() {
  const focused = document.activeElement?.closest?.("tr")?.dataset.id;
  const { rows, note } = shownRows();
  byId("rows").replaceChildren(...rows.map(rowOf));
  if (focused) byId("rows").querySelector(`tr[data-id="${focused}"] button`)?.focus();
  const { accepted, rejected } = page.current.review;
  const counts = `${accepted.length} accepted, ${page.proposals.length} to decide, ${rejected.length} rejected`;
  byId("count").textContent = (page.detector || rejected.length ? counts : counted(accepted.length, "segment")) + note;
  byId("rejected-box").hidden = !rejected.length;
  showFits();
}

function rowOf(segment) {
  const state = page.current.review.stateOf(segment.id);
  const choose = element("button", { className: "link", textContent: formatTime(segment.start) });
  choose.setAttribute("aria-label", `Select ${segment.label || "segment"} from ${formatTime(segment.start)}`);
  const row = element(
    "tr",
    { className: state },
    element("td", {}, choose),
    element("td", { textContent: formatTime(segment.end) }),
    element("td", { className: "name", textContent: segment.label || "(no label)" }),
    element("td", { className: "fit of-detector" }),
    element("td", { className: "what", textContent: describe(segment, state) }),
  );
  row.dataset.id = segment.id;
  if (segment.id === page.selected) row.setAttribute("aria-selected", "true");
  row.addEventListener("click", () => select(segment.id, { reveal: true }));
  return row;
}

function describe({ label, score, comment }, state) {
  if (state === "open") return `score ${score.toFixed(2)}`;
  if (!label) return "to label";
  return comment || state;
}

function showFits() {
  for (const cell of byId("rows").querySelectorAll(".fit")) {
    const segment = page.current.review.find(cell.closest("tr").dataset.id);
    cell.textContent = (segment && scores.of(segment)?.confidence?.toFixed(2)) ?? "";
  }
}

function showSelected() {
  if (page.selected && !byId("rows").querySelector(`tr[data-id="${page.selected}"]`)) showRows();
  for (const row of byId("rows").children) {
    if (row.dataset.id !== page.selected) row.removeAttribute("aria-selected");
    else {
      row.setAttribute("aria-selected", "true");
      bringIntoBox(row);
    }
  }
}

/** Scroll the table, but not the page, which would move the video out of sight. */
function bringIntoBox(row) {
  const box = byId("table-box");
  const top = row.offsetTop - box.querySelector("thead").offsetHeight;
  const bottom = row.offsetTop + row.offsetHeight;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}

function showThreshold() {
  const { video, review, threshold } = page.current;
  byId("threshold-box").hidden = !video.detections && !review.proposals.length;
  byId("threshold").value = threshold;
  byId("threshold-value").textContent = Number(threshold).toFixed(2);
}

byId("threshold").addEventListener("input", (event) => {
  page.current.threshold = event.target.valueAsNumber;
  say(""); // it may be about the score before
  showSegments();
});
byId("show-rejected").addEventListener("change", (event) => {
  page.showsRejected = event.target.checked;
  showSegments();
});
segmentsChanged.on(showRows);
segmentsChanged.on(showThreshold);
selectionChanged.on(showSelected);
scoresChanged.on(showFits);
