/* The summary of the page: its theme, the charts, which are drawn when they come into view, and the table of classes. */

import {byId} from "./dom.js";
import {index} from "./page_state.js";

const root = document.documentElement;

// -- theme -------------------------------------------------------------------------------------------------------

const stored = {
  get: () => { try { return localStorage.getItem("rcl-theme"); } catch { return null; } }, // a page from the disk may have no storage
  set: (value) => { try { localStorage.setItem("rcl-theme", value); } catch { /* then the choice is not kept */ } },
};
const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
if (stored.get()) root.dataset.theme = stored.get();
byId("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  root.dataset.theme = theme;
  stored.set(theme);
  themeChanged();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);

function themeChanged() {
  for (const chart of document.querySelectorAll(".chart.drawn")) drawChart(chart);
  document.dispatchEvent(new Event("themechange"));
}

// -- charts ------------------------------------------------------------------------------------------------------

/** Plotly, which is in the page as text and runs when the first chart comes into view, so that the page opens fast. */
export function plotly() {
  if (!window.Plotly) {
    const script = document.createElement("script");
    script.textContent = byId("plotly").textContent;
    document.head.append(script);
  }
  return window.Plotly;
}

function drawChart(element) {
  const {data, layout} = structuredClone(index.charts[element.dataset.chart]);
  const style = getComputedStyle(document.body);
  const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = {gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true};
  const themed = {
    ...layout,
    ...sizeOnPaper(element),
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: {color: ink, size: 12, family: style.fontFamily},
    margin: {l: 55, r: 15, t: 20, b: 50, ...layout.margin},
    xaxis: {...axis, ...layout.xaxis},
    yaxis: {...axis, ...layout.yaxis},
    legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0, ...layout.legend},
    bargap: 0.25,
  };
  if (element.clientWidth < 480) {
    themed.margin.r = 5;
    themed.font.size = 10;
  }
  plotly().react(element, data, themed, {responsive: true, displayModeBar: false, displaylogo: false});
  element.classList.add("drawn");
}

const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    inView.unobserve(entry.target);
    // Let the page appear first: the first chart takes a moment.
    setTimeout(() => drawChart(entry.target), 30);
  }
});
document.querySelectorAll(".chart").forEach((chart) => inView.observe(chart));

// -- printing ----------------------------------------------------------------------------------------------------

/** The size of a chart while it is printed, as a part of its layout; on the screen, a chart follows its place itself. */
export const sizeOnPaper = ({clientWidth, clientHeight}) => (
  root.classList.contains("printing") ? {width: clientWidth, height: clientHeight} : {}
);

let screenTheme; // while the page is printed, in light colours

/** Draw all charts, also those that were not in view yet, in the colours and the width of paper. */
function preparePrinting() {
  if (root.classList.contains("printing")) return;
  screenTheme = root.dataset.theme;
  root.dataset.theme = "light";
  root.classList.add("printing");
  document.querySelectorAll(".chart").forEach(drawChart);
  document.dispatchEvent(new Event("themechange"));
}

function finishPrinting() {
  if (!root.classList.contains("printing")) return;
  root.classList.remove("printing");
  if (screenTheme) root.dataset.theme = screenTheme;
  else delete root.dataset.theme;
  document.querySelectorAll(".chart.drawn").forEach(plotly().purge); // a chart that is resized keeps its legend's place
  themeChanged();
  for (const map of document.querySelectorAll(".map")) if (map.layout) plotly().Plots.resize(map);
}

window.addEventListener("beforeprint", preparePrinting);
window.addEventListener("afterprint", finishPrinting);
matchMedia("print").addEventListener("change", ({matches}) => (matches ? preparePrinting() : finishPrinting()));

// -- table of classes --------------------------------------------------------------------------------------------

const table = byId("classes");
const numberIn = (text) => Number(text.replace("−", "-"));
table?.querySelectorAll("thead button").forEach((button, column) => {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const number = "number" in head.dataset;
    const before = head.getAttribute("aria-sort");
    const descending = before ? before === "ascending" : number;
    table.querySelectorAll("thead th").forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const text = (row) => row.cells[column].textContent;
    const compare = (a, b) => (number ? numberIn(text(a)) - numberIn(text(b)) : text(a).localeCompare(text(b)));
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => (descending ? compare(b, a) : compare(a, b))));
  });
});
