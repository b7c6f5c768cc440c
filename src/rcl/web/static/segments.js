// Segments as pages show them: their states, times and overlap.

export const KINDS = ["true_positive", "double_detection", "wrong_label", "localization", "confusion", "background"];
export const TRUTH_STATES = ["truth", "found", "missed"];
export const GLYPHS = {
  true_positive: "✓", double_detection: "2", wrong_label: "L", localization: "↔", confusion: "?", background: "∅",
  missed: "!", found: "", truth: "", detection: "",
};
export const STATE_NAMES = {
  true_positive: "true positive", double_detection: "double detection", wrong_label: "wrong label",
  localization: "badly localized", confusion: "wrong label and badly localized", background: "background",
  missed: "missed ground truth", found: "found ground truth", truth: "ground truth", detection: "detection",
};

/** 83.4 → "1:23.40". */
export function formatTime(seconds, decimals = 2) {
  const scale = 10 ** decimals;
  const rounded = Math.round(Math.max(seconds, 0) * scale) / scale;
  const minutes = Math.floor(rounded / 60);
  const hours = Math.floor(minutes / 60);
  const rest = (rounded - 60 * minutes).toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** The nearest of other times, if one is less than `within` away; otherwise the time itself. */
export function nearestTime(seconds, others, within) {
  let [best, found] = [within, seconds];
  for (const one of others) {
    if (Math.abs(one - seconds) < best) [best, found] = [Math.abs(one - seconds), one];
  }
  return found;
}

export function tiou(a, b) {
  const common = Math.max(Math.min(a.end, b.end) - Math.max(a.start, b.start), 0);
  const union = a.end - a.start + b.end - b.start - common;
  return union > 0 ? common / union : 0;
}

/** The ground truths, and the detections that score at least threshold, by time, with their state, id and name.
 *
 * Matching goes from the highest score down, so hiding detections does not change what the others match.
 */
export function visibleSegments({truths, detections, labels, matched}, threshold) {
  const shown = detections
    .map((one, index) => ({...one, id: `d${index}`, type: "detection", index, state: one.kind ?? "detection"}))
    .filter((one) => one.score >= threshold);
  const found = new Set(shown.map((one) => one.truth));
  const state = (index) => (matched ? (found.has(index) ? "found" : "missed") : "truth");
  const all = [
    ...truths.map((one, index) => ({...one, id: `t${index}`, type: "truth", index, state: state(index)})),
    ...shown,
  ];
  for (const one of all) one.name = labels[one.label] || "(any action)";
  return all.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** A description of a segment, line by line; truth is the ground truth that it matches. */
export function describe(segment, truth, names = STATE_NAMES) {
  const lines = [`${segment.name}: ${names[segment.state]}`];
  lines.push(`${formatTime(segment.start)} – ${formatTime(segment.end)} (${(segment.end - segment.start).toFixed(2)} s)`);
  if (segment.type === "detection") lines.push(`score ${segment.score}`);
  if (truth) lines.push(`tIoU ${tiou(segment, truth).toFixed(2)} with its ground truth`);
  return lines;
}
