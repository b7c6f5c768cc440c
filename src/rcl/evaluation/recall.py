"""Average recall at an average number of proposals (AR@AN), equal to the official ActivityNet evaluation.

Source: ``eval_proposal.py`` of https://github.com/activitynet/ActivityNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from rcl.evaluation.matching import GroupedSegments, candidate_pairs
from rcl.system.errors import InputError

RECALL_TIOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""tIoU thresholds of average recall in the ActivityNet proposal task, whatever thresholds the mAP uses."""

_CURVE_POINTS = 100


@dataclass(frozen=True, eq=False)
class RecallCurve:
    """Average recall against the average number of proposals per video (AR@AN).

    Args:
        numbers: ``(100,)`` average number of proposals per video at each point, AN.
        recall: ``(T, 100)`` recall at each threshold and point.
    """

    numbers: np.ndarray
    recall: np.ndarray

    @property
    def average(self) -> np.ndarray:
        """``(100,)`` recall averaged over the thresholds, AR."""
        return self.recall.mean(axis=0)

    @property
    def auc(self) -> float:
        """Area under AR over AN, the official percentage divided by 100. It stays just below 1 for perfect recall."""
        width, average = np.diff(self.numbers), self.average
        area = (width * (average[1:] + average[:-1]) / 2).sum()
        return float(area / self.numbers[-1]) if self.numbers[-1] > 0 else 0.0


def average_recall(
    detections: Detections,
    annotations: Annotations,
    *,
    average_numbers: int | None = 100,
    tiou_thresholds: Sequence[float] | np.ndarray = RECALL_TIOU_THRESHOLDS,
    policy: Policy = "official",
) -> RecallCurve:
    """Class-agnostic AR@AN, as ``eval_proposal.py`` computes it.

    Each video keeps the same share of its best-scored proposals, so that there are ``average_numbers`` per video with
    ground truth on average. The curve grows that share in 100 steps. Labels are ignored. A ground truth of length 0 is
    never found. Without detections the curve is 0.

    Args:
        detections: the proposals. Those in videos without ground truth count in the average number.
        annotations: ground truth of the subset, not clipped.
        average_numbers: where the curve ends; ``None`` uses all proposals.
        tiou_thresholds: numbers in (0, 1].
        policy: see :func:`~rcl.evaluation.ground_truths.ground_truths`.

    Raises:
        InputError: a threshold, number or policy is outside its range, or there is no ground truth.

    >>> from rcl.data.annotations import VideoAnnotation
    >>> segments = np.array([[0.0, 4.0], [10.0, 12.0]])
    >>> video = VideoAnnotation("v", "validation", 20.0, None, segments, ("jump", "run"))
    >>> zeros, found = np.zeros(2, dtype=np.int64), np.array([[0.0, 3.0], [10.0, 12.0]])
    >>> proposals = Detections(("v",), zeros, found, ("",), zeros, np.array([0.9, 0.8]))
    >>> curve = average_recall(proposals, Annotations({"v": video}), average_numbers=2, tiou_thresholds=[0.5, 0.8])
    >>> curve.numbers[[49, 99]], curve.average[[49, 99]]
    (array([1., 2.]), array([0.25, 0.75]))
    """
    thresholds = checked_thresholds(tiou_thresholds)
    truth = ground_truths(annotations, policy=policy)
    found = index_detections(reviewed_detections(detections, annotations), truth)
    return recall_curve(found, truth, average_numbers, thresholds)


def recall_curve(
    proposals: IndexedDetections, truth: GroundTruths, average_numbers: int | None, thresholds: np.ndarray
) -> RecallCurve:
    """:func:`average_recall` of indexed detections, in the official order of operations."""
    if average_numbers is not None and average_numbers < 1:
        raise InputError(
            "average_numbers",
            expected="at least 1 proposal",
            found=str(average_numbers),
            fix="use for example 100",
        )
    share = np.arange(1, _CURVE_POINTS + 1) / float(_CURVE_POINTS)  # (100,)
    total = len(proposals.scores)
    annotated = np.bincount(truth.video_index, minlength=len(truth.videos)) > 0  # (V,)
    videos = float(annotated.sum())
    maximum = total / videos if average_numbers is None else average_numbers
    found = np.bincount(proposals.video_index[proposals.video_index >= 0], minlength=len(annotated))  # (V,)
    found = np.where(annotated, found, 0)
    kept = np.minimum((found * (maximum * videos / max(total, 1))).astype(np.int64), found)  # (V,)
    if not kept.any():
        return RecallCurve(share * maximum, np.zeros((len(thresholds), _CURVE_POINTS)))
    growth = share * (maximum * videos / kept.sum())  # (100,)
    limits = np.minimum((kept[:, None] * growth).astype(np.int64), kept[:, None])  # (V, 100)
    ranks = _first_ranks(proposals, truth, thresholds)  # (T, N)
    recalled = [(rank[:, None] < limits[truth.video_index]).sum(axis=0) for rank in ranks]
    return RecallCurve(growth * (float(kept.sum()) / videos), np.stack(recalled) / len(truth))


def _first_ranks(proposals: IndexedDetections, truth: GroundTruths, thresholds: np.ndarray) -> np.ndarray:
    """Rank, within its video, of the best-scored proposal that finds each ground truth.

    Returns:
        ``(T, N)`` int64, 0 for the best proposal of the video, the number of all proposals for a missed ground truth.
    """
    order = np.lexsort((-proposals.scores, proposals.video_index))  # (K,) stable
    video = proposals.video_index[order]
    ranks = np.arange(len(video)) - np.searchsorted(video, video)  # (K,)
    ranked = GroupedSegments(proposals.grouped.segments[order], video)  # any label may match
    truths = truth.by_video
    pairs = candidate_pairs(ranked, truths, float(thresholds.min()))
    first = np.full((len(thresholds), len(truth)), len(video))  # (T, N)
    for row, threshold in zip(first, thresholds, strict=True):
        # In recall the official tIoU of two segments of length 0, NaN there and infinite here, counts as a miss.
        hit = (pairs.tiou >= threshold) & np.isfinite(pairs.tiou)
        np.minimum.at(row, pairs.ground_truth[hit], ranks[pairs.detection[hit]])
    return first
