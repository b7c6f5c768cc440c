"""Average precision that does not depend on how frequent a class is (Hoiem et al., ECCV 2012)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rcl.evaluation.ground_truths import GroundTruths, IndexedDetections
from rcl.evaluation.matching import match


@dataclass(frozen=True, eq=False)
class Ranking:
    """Detections of known labels, by class and then by falling score, and what each of them took.

    Args:
        video_index: ``(K,)`` int64, −1 where the video is not annotated.
        label_index: ``(K,)`` int64, growing.
        segments_seconds: ``(K, 2)`` float64.
        rank: ``(K,)`` int64, 0 for the best of each class.
        taken: ``(T, K)`` int64, the ground truth that each has at each threshold, −1 for none.
    """

    video_index: np.ndarray
    label_index: np.ndarray
    segments_seconds: np.ndarray
    rank: np.ndarray
    taken: np.ndarray

    def __len__(self) -> int:
        return len(self.rank)

    @property
    def right(self) -> np.ndarray:
        """``(T, K)`` bool, whether a detection has a ground truth."""
        return self.taken >= 0

    def take(self, rows: np.ndarray) -> Ranking:
        """Some of the detections, a mask ``(K,)`` that keeps the best of each class."""
        return Ranking(
            self.video_index[rows],
            self.label_index[rows],
            self.segments_seconds[rows],
            self.rank[rows],
            self.taken[:, rows],
        )

    def classes(self, count: int) -> Iterator[slice]:
        """Where each of ``count`` classes stands."""
        yield from (slice(*edges) for edges in pairwise(np.searchsorted(self.label_index, np.arange(count + 1))))


def rank(found: IndexedDetections, truth: GroundTruths, thresholds: np.ndarray) -> Ranking:
    """Match detections by the official rule and order them; those of labels without ground truth are left out."""
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
    )


def normalized_precision(right: np.ndarray, counted: np.ndarray, positives: int, instances: float) -> np.ndarray:
    """Precision at every rank as if the class had ``instances`` ground truths: ``r·N / (r·N + FP)`` with recall ``r``.

    Args:
        right: ``(..., K)`` bool, in order of falling score.
        counted: ``(..., K)`` bool, detections that are right or wrong; the others are passed over.
        positives: ground truths of the class, above 0.
        instances: N.

    Returns:
        ``(..., K)`` float64, 0 before the first counted detection.
    """
    scaled = right.cumsum(axis=-1) / positives * instances  # (..., K)
    total = scaled + (counted & ~right).cumsum(axis=-1)
    return np.divide(scaled, total, out=np.zeros_like(total), where=total > 0)


def average_precision_n(right: np.ndarray, counted: np.ndarray, positives: int, instances: float) -> np.ndarray:
    """AP_N: area under the interpolated curve of :func:`normalized_precision`, arguments as there: ``(...)``."""
    precision = normalized_precision(right, counted, positives, instances)
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return (envelope * right).sum(axis=-1) / positives


def normalized_ap(
    ranking: Ranking, right: np.ndarray, counted: np.ndarray, positives: np.ndarray, instances: float
) -> np.ndarray:
    """AP_N of every class, ``(T, L)`` float64; 0 for a class without detections, NaN for one without ground truth.

    Args:
        ranking: ``K`` detections.
        right: ``(T, K)`` bool.
        counted: ``(T, K)`` bool.
        positives: ``(L,)`` int64, ground truths of every class.
        instances: N.
    """
    result = np.full((len(right), len(positives)), np.nan)
    for label, rows in enumerate(ranking.classes(len(positives))):
        if positives[label]:
            here = right[:, rows], counted[:, rows]
            result[:, label] = average_precision_n(*here, int(positives[label]), instances)
    return result
