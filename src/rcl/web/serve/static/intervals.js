// Intervals [start, end] in seconds, such as the parts of a video that somebody looked at.

const NEAR = 0.05; // seconds between two intervals that are one, since a player skips a little between its frames

/** The union, sorted and disjoint. */
export function union(intervals) {
  const merged = [];
  for (const [start, end] of [...intervals].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && start <= last[1] + NEAR) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

export const secondsIn = (intervals) => intervals.reduce((sum, [start, end]) => sum + end - start, 0);

/** Whether they cover a video, but for what no player shows at its ends. */
export const coverWhole = (intervals, duration) => duration > 0 && secondsIn(intervals) >= duration - Math.max(0.5, 0.005 * duration);

/** The intervals without the one around a time. */
export const without = (intervals, seconds) => intervals.filter(([start, end]) => seconds < start || seconds > end);
