"""Which detection of a look is which of those that are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rcl.data.detections import Detections
from rcl.detector.live.events.expected_change import Form
from rcl.evaluation.matching import GroupedSegments, candidate_pairs


def paired(
    forms: Sequence[Form], labels: Sequence[str], minimum_tiou: np.ndarray, detections: Detections
) -> dict[int, int]:
    """Pairs of what is known and the detections of a look: of one label, the best tIoU first, one to one.

    Args:
        forms: ``N`` known ones.
        labels: of each.
        minimum_tiou: ``(N,)``, above 0: what a pair with it needs at least.
        detections: ``M`` of one look.

    Returns:
        Position in ``forms`` to position in ``detections``.
    """
    if not forms or not len(detections):
        return {}
    known = np.array([form[:2] for form in forms], dtype=np.float64)  # (N, 2)
    number = {label: index for index, label in enumerate(detections.labels)}
    groups = np.array([number.get(label, -1) for label in labels], dtype=np.int64)  # (N,)
    found = GroupedSegments(detections.segments_seconds, detections.label_index)
    pairs = candidate_pairs(GroupedSegments(known, groups), found, float(minimum_tiou.min()))
    segments = known[pairs.detection], detections.segments_seconds[pairs.ground_truth]
    same = (segments[0] == segments[1]).all(axis=1)  # (P,); two moments without a length have the tIoU inf
    kept = (pairs.tiou >= minimum_tiou[pairs.detection]) & (np.isfinite(pairs.tiou) | same)
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(-pairs.tiou[rows], kind="stable")]
    chosen, taken = dict[int, int](), set[int]()
    for one, other in zip(pairs.detection[rows].tolist(), pairs.ground_truth[rows].tolist(), strict=True):
        if one not in chosen and other not in taken:
            chosen[one] = other
            taken.add(other)
    return chosen
