// Selecting a segment.

import { listedSegments, page, selectionChanged } from "./page_state.js";
import { seek } from "./player.js";
import { clamp } from "./segments.js";

/** Select a segment, or none by null. The playhead moves to its start, unless it is inside and reveal is false, or stays. */
export function select(id, { reveal = false, stay = false } = {}) {
  page.selected = id;
  page.dragged = null;
  selectionChanged.emit();
  const segment = page.current.review.find(id);
  if (segment && !stay && (reveal || page.playhead < segment.start || page.playhead > segment.end)) seek(segment.start);
}

/** Select the next segment (by 1) or the previous one (by −1). */
export function selectNeighbour(by) {
  const order = listedSegments();
  if (!order.length) return;
  const at = order.findIndex((segment) => segment.id === page.selected);
  const next = at < 0 ? (by > 0 ? 0 : order.length - 1) : clamp(at + by, 0, order.length - 1);
  select(order[next].id, { reveal: true });
}
