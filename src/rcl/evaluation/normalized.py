"""Average precision that does not depend on how frequent a class is (Hoiem et al., ECCV 2012)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from rcl.evaluation.ground_truths import GroundTruths, IndexedDetections
from rcl.evaluation.matching import match


@dataclass(frozen=True, eq=False)
class Ranking:
    """Detections by class and then by falling score, with the ground truths that they took.

    Args:
        video_index: ``(K,)`` int64, −1 for a video that is not annotated.
        label_index: ``(K,)`` int64, ascending.
        segments_seconds: ``(K, 2)`` float64.
        rank: ``(K,)`` int64, 0 for the best of each class.
        taken: ``(T, K)`` int64, the ground truth that each detection took at each threshold, −1 for none.
        positives: ``(L,)`` int64, number of ground truths of each class, above 0.
    """

    video_index: np.ndarray
    label_index: np.ndarray
    segments_seconds: np.ndarray
    rank: np.ndarray
    taken: np.ndarray
    positives: np.ndarray

    def __len__(self) -> int:
        return len(self.rank)

    @property
    def right(self) -> np.ndarray:
        """``(T, K)`` bool, whether a detection took a ground truth."""
        return self.taken >= 0

    @property
    def instances_per_class(self) -> float:
        """Mean number of ground truths of a class: N of the normalized precision."""
        return float(self.positives.sum() / len(self.positives))

    def best(self, multiple: int) -> Ranking:
        """The best ``multiple · G`` detections of each class, G being its number of ground truths."""
        rows = self.rank < multiple * self.positives[self.label_index]  # (K,)
        return replace(
            self,
            video_index=self.video_index[rows],
            label_index=self.label_index[rows],
            segments_seconds=self.segments_seconds[rows],
            rank=self.rank[rows],
            taken=self.taken[:, rows],
        )

    def classes(self) -> Iterator[slice]:
        """The detections of each class."""
        edges = np.searchsorted(self.label_index, np.arange(len(self.positives) + 1))
        yield from (slice(*pair) for pair in pairwise(edges))


def rank(found: IndexedDetections, truth: GroundTruths, thresholds: np.ndarray) -> Ranking:
    """Match detections by the official rule and rank them; those whose label no ground truth has are left out."""
    taken = match(found.grouped, found.scores, truth.grouped, thresholds)  # (T, K)
    order = np.lexsort((-found.scores, found.label_index))  # stable
    order = order[found.label_index[order] >= 0]
    label_index = found.label_index[order]
    first = np.searchsorted(label_index, np.arange(len(truth.labels)))  # (L,)
    return Ranking(
        found.video_index[order],
        label_index,
        found.grouped.segments[order],
        np.arange(len(order)) - first[label_index],
        taken[:, order],
        np.bincount(truth.label_index),
    )


def normalized_precision(right: np.ndarray, counted: np.ndarray, positives: int, instances: float) -> np.ndarray:
    """Precision at every rank as if the class had ``instances`` ground truths: ``r·N / (r·N + FP)`` with recall ``r``.

    Args:
        right: ``(..., K)`` bool, by falling score.
        counted: ``(..., K)`` bool, the right and the wrong detections. The others are ignored.
        positives: number of ground truths of the class, above 0.
        instances: N.

    Returns:
        ``(..., K)`` float64, 0 before the first counted detection.

    >>> right = np.array([True, False, True])
    >>> normalized_precision(right, np.ones(3, dtype=bool), positives=2, instances=4.0)
    array([1.        , 0.66666667, 0.8       ])
    """
    scaled = right.cumsum(axis=-1) / positives * instances  # (..., K)
    total = scaled + (counted & ~right).cumsum(axis=-1)
    return np.divide(scaled, total, out=np.zeros_like(total), where=total > 0)


def average_precision_n(right: np.ndarray, counted: np.ndarray, positives: int, instances: float) -> np.ndarray:
    """AP_N, ``(...)``: area under the interpolated curve of :func:`normalized_precision`, with its arguments.

    >>> right = np.array([True, False, True])
    >>> float(average_precision_n(right, np.ones(3, dtype=bool), positives=2, instances=4.0))
    0.9
    """
    precision = normalized_precision(right, counted, positives, instances)
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return (envelope * right).sum(axis=-1) / positives


def normalized_ap(
    ranking: Ranking,
    *,
    right: np.ndarray | None = None,
    counted: np.ndarray | None = None,
    positives: np.ndarray | None = None,
) -> np.ndarray:
    """AP_N of every class, ``(T, L)`` float64; 0 for a class without detections, NaN for one without ground truth.

    Args:
        ranking: ``K`` detections.
        right: ``(T, K)`` bool; ``None`` for the detections that took a ground truth.
        counted: ``(T, K)`` or ``(K,)`` bool; ``None`` for all detections.
        positives: ``(L,)`` int64, ground truths of every class; ``None`` for all ground truths. N stays that of all.
    """
    right = ranking.right if right is None else right
    counted = np.broadcast_to(True if counted is None else counted, right.shape)
    positives = ranking.positives if positives is None else positives
    result = np.full((len(right), len(positives)), np.nan)
    for label, rows in enumerate(ranking.classes()):
        if positives[label]:
            columns = right[:, rows], counted[:, rows]
            result[:, label] = average_precision_n(*columns, int(positives[label]), ranking.instances_per_class)
    return result
