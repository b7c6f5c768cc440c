// Where the lanes, segments and ticks of a timeline go. Nothing is drawn here.

const NARROW = 560; // pixels; a narrower timeline has the labels above the lanes
const MOST_ROWS = 8; // of overlapping segments in a lane
const AXIS_HEIGHT = 26;
const HEIGHTS = {truth: 16, detection: 13};
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];

/** One lane per label that occurs: ground truths above, detections below, in as many rows as they need.
 *
 * Returns {gutter, height, lanes: [{label, name, top, height, textY, text, places: [{segment, y, height}]}]}.
 */
export function layOut(segments, width) {
  const wide = width >= NARROW;
  let y = AXIS_HEIGHT;
  const lanes = lanesOf(segments).map(({label, name, truths, detections}) => {
    const top = y;
    const truthTop = top + (wide ? 5 : 18);
    const detectionTop = truthTop + stack(truths) * (HEIGHTS.truth + 2);
    y = Math.max(detectionTop + stack(detections) * (HEIGHTS.detection + 2), truthTop + 18) + 4;
    const place = (segment) => {
      const height = HEIGHTS[segment.type];
      return {segment, y: (segment.type === "truth" ? truthTop : detectionTop) + segment.row * (height + 2), height};
    };
    const limit = wide ? 19 : 48;
    return {
      label, name, top, height: y - top,
      textY: wide ? truthTop + 12 : top + 13,
      text: shortened([...name], limit),
      places: [...truths, ...detections].map(place),
    };
  });
  return {wide, gutter: wide ? 146 : 6, lanes, height: lanes.length ? y + 2 : 62};
}

/** A name of at most `limit` letters, cut in the middle. */
function shortened(letters, limit) {
  const half = Math.floor((limit - 1) / 2);
  return letters.length > limit ? [...letters.slice(0, half), "…", ...letters.slice(-half)].join("") : letters.join("");
}

function lanesOf(segments) {
  const lanes = new Map();
  for (const one of segments) {
    if (!lanes.has(one.label)) lanes.set(one.label, {label: one.label, name: one.name, truths: [], detections: []});
    lanes.get(one.label)[one.type === "truth" ? "truths" : "detections"].push(one);
  }
  return [...lanes.values()].sort((a, b) => a.label - b.label);
}

/** Give segments that overlap rows of their own; return the number of rows. */
function stack(segments) {
  const ends = [];
  for (const one of segments) {
    const free = ends.findIndex((end) => end <= one.start);
    one.row = free >= 0 ? free : Math.min(ends.length, MOST_ROWS - 1);
    ends[one.row] = Math.max(one.end, ends[one.row] ?? 0);
  }
  return ends.length;
}

/** At most about `most` times between start and end, at round numbers, and the decimals that they need. */
export function ticks(start, end, most) {
  const step = STEPS.find((one) => (end - start) / one <= Math.max(most, 2)) ?? 14400;
  const times = [];
  for (let number = Math.ceil(start / step); number * step <= end; number++) times.push(number * step);
  return {times, decimals: step < 0.1 ? 2 : step < 1 ? 1 : 0};
}
