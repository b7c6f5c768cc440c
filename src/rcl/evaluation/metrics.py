"""Mean average precision (mAP), equal to the official ActivityNet evaluation.

Source: ``eval_detection.py`` of https://github.com/activitynet/ActivityNet (2017 and later: all-point interpolation,
every threshold matched on its own).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation.ground_truths import (
    GroundTruths,
    IndexedDetections,
    Policy,
    checked_thresholds,
    ground_truths,
    index_detections,
    reviewed_detections,
)
from rcl.evaluation.matching import best_tiou, match
from rcl.evaluation.recall import RECALL_TIOU_THRESHOLDS, RecallCurve, average_recall, recall_curve
from rcl.system.errors import InputError

__all__ = ["Evaluation", "RecallCurve", "average_precision", "average_recall", "evaluate"]

_REPORTED_NUMBERS = (1, 5, 10, 50, 100)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of :func:`evaluate`. All measures are fractions in [0, 1].

    Args:
        tiou_thresholds: ``(T,)``.
        labels: the ``L`` classes of the ground truth.
        ap: ``(T, L)`` average precision; 0 for a class without detections.
        short_seconds: the longest instance that counts as short; ``None`` if short instances were not evaluated.
        short_map_per_tiou: ``(T,)`` mAP on short instances over the classes that have one; ``None`` if there are no
            short instances or they were not evaluated.
        recall_at: AR@AN, class-agnostic.
        policy: which ground truths count.
        counts: numbers of ``ground_truths``, ``short_ground_truths``, ``videos``, ``detections``, and of the
            detections ``in_other_videos`` (they count as wrong) and ``of_other_labels`` (left out of every AP).
    """

    tiou_thresholds: np.ndarray
    labels: tuple[str, ...]
    ap: np.ndarray
    short_seconds: float | None
    short_map_per_tiou: np.ndarray | None
    recall_at: RecallCurve
    policy: str
    counts: dict[str, int]

    @property
    def map_per_tiou(self) -> np.ndarray:
        """``(T,)`` mean of ``ap`` over the classes."""
        return self.ap.mean(axis=1)

    @property
    def average_map(self) -> float:
        """Mean of ``map_per_tiou`` over the thresholds."""
        return float(self.map_per_tiou.mean())

    @property
    def short_map(self) -> float | None:
        """Mean of ``short_map_per_tiou`` over the thresholds."""
        return None if self.short_map_per_tiou is None else float(self.short_map_per_tiou.mean())

    @property
    def ar_auc(self) -> float:
        """Area under the AR@AN curve."""
        return self.recall_at.auc

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types: the content of ``rcl evaluate --json``."""
        keys = [_threshold_key(t) for t in self.tiou_thresholds]
        average, last = self.recall_at.average, round(float(self.recall_at.numbers[-1]))
        points = {n: n * len(average) / last - 1 for n in (*_REPORTED_NUMBERS, last) if 0 < n <= last}
        return {
            "mAP": dict(zip(keys, self.map_per_tiou.tolist(), strict=True)),
            "average_mAP": self.average_map,
            "short_seconds": self.short_seconds,
            "short_mAP": self.short_map,
            "short_mAP_per_tIoU": None
            if self.short_map_per_tiou is None
            else dict(zip(keys, self.short_map_per_tiou.tolist(), strict=True)),
            **{f"AR@{n}": float(average[int(p)]) for n, p in points.items() if p == int(p)},
            "AR_AUC": self.ar_auc,
            "per_class_AP": {
                label: dict(zip(keys, column, strict=True))
                for label, column in zip(self.labels, self.ap.T.tolist(), strict=True)
            },
            "policy": self.policy,
            "counts": self.counts,
        }


def evaluate(
    detections: Detections,
    annotations: Annotations,
    *,
    tiou_thresholds: Sequence[float] | np.ndarray,
    short_seconds: float | None = None,
    average_numbers: int = 100,
    policy: Policy = "official",
) -> Evaluation:
    """Compare detections with the ground truth of a subset.

    As in the official program, the classes are those of the ground truth, a detection in a video without ground truth
    counts as wrong even if ``annotations`` does not name the video, and every detection counts as a proposal of the
    class-agnostic recall. A detection whose label no ground truth has is left out of every AP, as in G-TAD and OpenTAD;
    the official program stops there. Equal scores keep the input order. A detection where nobody looked is ignored, see
    :func:`~rcl.evaluation.ground_truths.reviewed_detections`.

    For short instances, ground truths longer than ``short_seconds`` are ignored: they are not missed, and a detection
    that finds no free short instance but reaches the threshold with an ignored one is neither right nor wrong. This is
    COCO's order (regular ground truths first) with its rule for crowds (one ignored ground truth absorbs any number of
    detections). Unlike in COCO, a detection that matches nothing is wrong, whatever its length.

    Args:
        detections: of any videos and labels.
        annotations: ground truth of the subset, not clipped.
        tiou_thresholds: ``T`` numbers in (0, 1], for instance ``np.linspace(0.5, 0.95, 10)``.
        short_seconds: also measure the mAP on instances of at most this length.
        average_numbers: average number of proposals per video at which the AR curve ends.
        policy: ``official`` uses every ground truth. ``deduplicated`` drops repeated ones and those shorter than a
            millisecond, see :func:`~rcl.evaluation.ground_truths.ground_truths`.

    Raises:
        InputError: a threshold, limit or policy is outside its range, or there is no ground truth.

    >>> from rcl.data.annotations import VideoAnnotation
    >>> segments = np.array([[0.0, 4.0], [10.0, 12.0]])
    >>> video = VideoAnnotation("v", "validation", 20.0, None, segments, ("jump", "jump"))
    >>> found = np.array([[0.0, 3.0], [14.0, 16.0], [10.0, 12.0]])
    >>> zeros = np.zeros(3, dtype=np.int64)
    >>> detections = Detections(("v",), zeros, found, ("jump",), zeros, np.array([0.9, 0.8, 0.7]))
    >>> evaluation = evaluate(detections, Annotations({"v": video}), tiou_thresholds=[0.5, 0.8])
    >>> evaluation.map_per_tiou  # at 0.8 only the worst-scored detection is right
    array([0.83333333, 0.16666667])
    """
    thresholds = checked_thresholds(tiou_thresholds)
    if short_seconds is not None and not short_seconds > 0:
        raise InputError(
            "short_seconds",
            expected="a length above 0 s",
            found=repr(short_seconds),
            fix="set it to e.g. 2.0",
        )
    truth = ground_truths(annotations, policy=policy)
    found = index_detections(reviewed_detections(detections, annotations), truth)
    short = None if short_seconds is None else truth.lengths <= short_seconds  # (N,)
    return Evaluation(
        tiou_thresholds=thresholds,
        labels=truth.labels,
        ap=_ap(found, truth, thresholds),
        short_seconds=short_seconds,
        short_map_per_tiou=None if short is None else _short_map(found, truth, thresholds, short),
        recall_at=recall_curve(found, truth, average_numbers, RECALL_TIOU_THRESHOLDS),
        policy=policy,
        counts={
            "ground_truths": len(truth),
            "short_ground_truths": 0 if short is None else int(short.sum()),
            "videos": len(truth.videos),
            "detections": len(found.scores),
            "in_other_videos": int((found.video_index < 0).sum()),
            "of_other_labels": int((found.label_index < 0).sum()),
            **({"not_reviewed": ignored} if (ignored := len(detections) - len(found.scores)) else {}),
        },
    )


def average_precision(hit: np.ndarray, counted: np.ndarray, positives: int) -> np.ndarray:
    """Area under the interpolated precision-recall curve (Pascal VOC 2011, all points).

    Args:
        hit: ``(..., K)`` bool, the right detections, by falling score.
        counted: ``(..., K)`` bool, the right and the wrong detections. The others are ignored.
        positives: number of ground truths, above 0.

    Returns:
        ``(...)`` float64; 0 without detections.

    >>> hit = np.array([True, False, True])
    >>> round(float(average_precision(hit, np.ones(3, dtype=bool), positives=2)), 4)
    0.8333
    """
    precision = hit.cumsum(axis=-1) / np.maximum(counted.cumsum(axis=-1), 1)  # (..., K)
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return (envelope * hit).sum(axis=-1) / positives


def _ap(found: IndexedDetections, truth: GroundTruths, thresholds: np.ndarray) -> np.ndarray:
    """``(T, L)`` AP of every class."""
    hit = match(found.grouped, found.scores, truth.grouped, thresholds) >= 0  # (T, K)
    positives = np.bincount(truth.label_index, minlength=len(truth.labels))  # (L,)
    return _ap_per_class(found, hit, np.ones_like(hit), positives)


def _short_map(
    found: IndexedDetections, truth: GroundTruths, thresholds: np.ndarray, short: np.ndarray
) -> np.ndarray | None:
    """``(T,)`` mAP on the ``short (N,)`` ground truths, ``None`` if there are none."""
    positives = np.bincount(truth.label_index[short], minlength=len(truth.labels))  # (L,)
    if not positives.any():
        return None
    hit = match(found.grouped, found.scores, truth.grouped.take(short), thresholds) >= 0  # (T, K)
    overlap = best_tiou(found.grouped, truth.grouped.take(~short), float(thresholds.min()))  # (K,)
    counted = hit | (overlap < thresholds[:, None])  # (T, K)
    return _ap_per_class(found, hit, counted, positives)[:, positives > 0].mean(axis=1)


def _ap_per_class(found: IndexedDetections, hit: np.ndarray, counted: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """``(T, L)`` AP of each class from ``hit`` and ``counted (T, K)`` and ``positives (L,)``; 0 without positives."""
    order = np.lexsort((-found.scores, found.label_index))  # (K,) stable
    edges = np.searchsorted(found.label_index[order], np.arange(len(positives) + 1))  # (L + 1,)
    classes = [order[start:end] for start, end in pairwise(edges)]
    return np.stack(
        [
            average_precision(hit[:, rows], counted[:, rows], max(int(count), 1))
            for rows, count in zip(classes, positives, strict=True)
        ],
        axis=1,
    )


def _threshold_key(threshold: float) -> str:
    """A threshold as a key of a JSON object, with two decimals or as many as it needs."""
    return f"{threshold:.2f}" if abs(round(threshold, 2) - threshold) < 1e-9 else f"{threshold:.6g}"
