"""How often a user changed what a detector proposed, label by label."""

from __future__ import annotations

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.overlap import tiou
from rcl.data.reviewed import unreviewed_share

SAME_TIOU = 0.5  # a proposal that overlaps an instance of its label so far was right, also if its ends were moved
PRIOR_CHANGED, PRIOR_COUNT = 2, 4  # as if four proposals of every label had been judged, half of them wrong


def corrected_shares(proposed: Detections, labelled: Annotations, *, min_score: float = 0.3) -> dict[str, float]:
    """The share of the proposals and instances of each label that the user had to remove, to move far or to add.

    A few proposals say little, so two right and two wrong ones of every label are added to them.

    >>> proposed = Detections(("a",), [0, 0], [[0, 2], [4, 6]], ("run",), [0, 0], [0.9, 0.8])
    >>> video = VideoAnnotation("a", "training", 10.0, None, np.array([[0.0, 2.0]]), ("run",))
    >>> corrected_shares(proposed, Annotations({"a": video}))
    {'run': 0.5}

    Args:
        proposed: what a detector found before the user looked.
        labelled: what the user made of it. What was not reviewed does not count.
        min_score: proposals with a lower score do not count.

    Returns:
        Label to share, of all labels of both.
    """
    labels = sorted({*labelled.labels, *proposed.labels})
    changed, judged = dict.fromkeys(labels, float(PRIOR_CHANGED)), dict.fromkeys(labels, float(PRIOR_COUNT))
    for name, video in labelled.videos.items():
        if name not in proposed.videos:
            continue
        found = proposed.for_video(name)
        found = found[(found.scores >= min_score) & _is_reviewed(found.segments_seconds, video)]
        own = np.array(video.labels, dtype=object)
        for label in labels:
            index = found.labels.index(label) if label in found.labels else -1
            proposals = found.segments_seconds[found.label_index == index]
            wrong, count = _compare(proposals, video.segments_seconds[own == label])
            changed[label] += wrong
            judged[label] += count
    return {label: changed[label] / judged[label] for label in labels}


def _is_reviewed(segments: np.ndarray, video: VideoAnnotation) -> np.ndarray:
    """Which segments ``(K, 2)`` were reviewed for the most part: ``(K,)`` bool."""
    if video.reviewed_seconds is None:
        return np.ones(len(segments), dtype=bool)
    return unreviewed_share(segments, video.reviewed_seconds, video.duration_seconds or np.inf) < 0.5


def _compare(proposals: np.ndarray, instances: np.ndarray) -> tuple[int, int]:
    """How many of ``K`` proposals and ``N`` instances have no counterpart, and how many pairs and others there are."""
    if not len(proposals) or not len(instances):
        return len(proposals) + len(instances), len(proposals) + len(instances)
    same = tiou(proposals[:, None], instances[None]) >= SAME_TIOU  # (K, N)
    missed, wrong = int((~same.any(axis=0)).sum()), int((~same.any(axis=1)).sum())
    return missed + wrong, len(instances) + wrong
