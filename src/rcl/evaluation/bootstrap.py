"""How much an average mAP depends on the videos that happen to be held out: a bootstrap over videos.

Videos are drawn with replacement, since the instances of one video are alike. Two detectors are compared on the same
draws, so that videos that are hard for both do not widen the interval of their difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

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
from rcl.evaluation.matching import match

FEW_INSTANCES = 20  # below it, a single instance changes the mAP by several points
_PERCENTILES = (2.5, 97.5)


class Interval(NamedTuple):
    """A measure, and the limits of its 95 % interval; ``None`` with fewer than two videos."""

    value: float
    low: float | None
    high: float | None

    @property
    def sign(self) -> int:
        """Of all numbers in the interval: 1 or −1; 0 if it contains 0, or if there is none."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    def to_json(self, measure: str = "average_mAP") -> dict[str, Any]:
        """The value under the name of its measure, and the interval."""
        return {measure: self.value, "interval_95": None if self.low is None else [self.low, self.high]}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two detectors on the same videos.

    Args:
        earlier: average mAP of the first detector.
        later: of the second one.
        difference: of the two, the second minus the first, on the same draws of videos.
        tiou_thresholds: ``(T,)``, over which the mAP is averaged.
        videos: number of annotated videos.
        instances: number of ground truths.
    """

    earlier: Interval
    later: Interval
    difference: Interval
    tiou_thresholds: np.ndarray
    videos: int
    instances: int

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types."""
        return {
            "earlier": self.earlier.to_json(),
            "later": self.later.to_json(),
            "difference": self.difference.to_json(),
            "tiou_thresholds": self.tiou_thresholds.tolist(),
            "counts": {"videos": self.videos, "ground_truths": self.instances},
        }


def compare(
    earlier: Detections,
    later: Detections,
    annotations: Annotations,
    *,
    tiou_thresholds: Sequence[float] | np.ndarray,
    draws: int = 1000,
    seed: int = 0,
    policy: Policy = "official",
) -> Comparison:
    """Compare two detectors by their average mAP, with 95 % intervals.

    Args:
        earlier: detections of the first detector.
        later: of the second one.
        annotations: ground truth of the videos, not clipped.
        tiou_thresholds: ``T`` numbers in (0, 1].
        draws: number of draws of as many videos as there are.
        seed: of the draws.
        policy: see :func:`~rcl.evaluation.ground_truths.ground_truths`.

    Raises:
        InputError: a threshold or the policy is outside its range, or there is no ground truth.
    """
    thresholds = checked_thresholds(tiou_thresholds)
    truth = ground_truths(annotations, policy=policy)
    videos = len(truth.videos)
    weights = draw_videos(videos, draws=draws, seed=seed)
    both = (reviewed_detections(found, annotations) for found in (earlier, later))
    before, after = (average_map(found, truth, thresholds, weights) for found in both)  # each (1 + D,)
    return Comparison(
        earlier=interval_of(centred(before), videos),
        later=interval_of(centred(after), videos),
        difference=interval_of(after - before, videos),
        tiou_thresholds=thresholds,
        videos=videos,
        instances=len(truth),
    )


def draw_videos(videos: int, *, draws: int, seed: int) -> np.ndarray:
    """How often each video occurs, in the videos as they are and in each draw: ``(1 + D, V)``."""
    drawn = np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), size=draws)
    return np.concatenate([np.ones((1, videos)), drawn])


def average_map(detections: Detections, truth: GroundTruths, thresholds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average mAP as :func:`rcl.evaluation.evaluate` computes it, if every video occurs several times or not at all.

    Args:
        detections: of any videos and labels; those in other videos count once.
        truth: ground truths of ``V`` videos.
        thresholds: ``(T,)``.
        weights: ``(D, V)``, how often each video occurs in each draw.

    Returns:
        ``(D,)``; NaN for a draw without a ground truth.
    """
    return mean_over_classes(class_precisions(detections, truth, thresholds, weights))


def mean_over_classes(precisions: np.ndarray) -> np.ndarray:
    """The mean of ``(D, L)`` over the classes that each draw has: ``(D,)``, NaN for a draw without any."""
    classes = np.isfinite(precisions).sum(axis=1)  # (D,)
    total = np.nansum(precisions, axis=1)
    return np.divide(total, classes, out=np.full(len(total), np.nan), where=classes > 0)


def class_precisions(
    detections: Detections, truth: GroundTruths, thresholds: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """AP of each class, averaged over the thresholds, if every video occurs several times or not at all.

    Detections and ground truths match within a video, so the matching is the same for all draws.

    Args:
        detections: of any videos and labels; those in other videos count once.
        truth: ground truths of ``V`` videos and ``L`` classes.
        thresholds: ``(T,)``.
        weights: ``(D, V)``, how often each video occurs in each draw.

    Returns:
        ``(D, L)``; NaN for a class that has no ground truth in a draw.
    """
    found = index_detections(detections, truth)
    hit = match(found.grouped, found.scores, truth.grouped, thresholds) >= 0  # (T, K)
    positives = np.zeros((len(truth.labels), len(truth.videos)))
    np.add.at(positives, (truth.label_index, truth.video_index), 1)
    positives = weights @ positives.T  # (D, L)
    weights = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)  # index −1: a video that is not annotated
    result = np.full(positives.shape, np.nan)
    for label, rows in enumerate(_by_class(found, len(truth.labels))):
        videos, column = np.unique(found.video_index[rows], return_inverse=True)  # most classes are in few videos
        gained = np.mean([_gained(hits, column, weights[:, videos]) for hits in hit[:, rows]], axis=0)  # (D,)
        count = positives[:, label]
        np.divide(gained, count, out=result[:, label], where=count > 0)
    return result


def _by_class(found: IndexedDetections, labels: int) -> Iterator[np.ndarray]:
    """The detections of each class, by falling score."""
    order = np.lexsort((-found.scores, found.label_index))  # (K,) stable
    edges = np.searchsorted(found.label_index[order], np.arange(labels + 1))
    yield from (order[start:end] for start, end in pairwise(edges))


def _gained(hit: np.ndarray, video: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve of one class, times its number of positives: ``(D,)``.

    Args:
        hit: ``(K,)`` bool, the right detections, by falling score.
        video: ``(K,)`` int64, column in ``weights``.
        weights: ``(D, V)``.
    """
    places = np.flatnonzero(hit)  # (H,)
    above = np.zeros((len(places) + 1, weights.shape[1]))  # detections of each video from one hit to the next
    np.add.at(above, (np.searchsorted(places, np.arange(len(hit))), video), 1)
    ranked = weights @ above[:-1].cumsum(axis=0).T  # (D, H) detections down to each hit
    own = weights[:, video[places]]  # (D, H)
    precision = own.cumsum(axis=1) / np.maximum(ranked, 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return (envelope * own).sum(axis=1)


def interval_of(values: np.ndarray, videos: int) -> Interval:
    """The first value, and percentiles of the others, without draws that have no ground truth."""
    drawn = values[1:][np.isfinite(values[1:])]
    if videos < 2 or not len(drawn):
        return Interval(float(values[0]), None, None)
    low, high = np.percentile(drawn, _PERCENTILES).tolist()
    return Interval(float(values[0]), low, high)


def centred(values: np.ndarray) -> np.ndarray:
    """Draws of a precision, moved so that their mean is the value of the videos as they are: ``(1 + D, …)``, the same.

    Draws repeat videos, which raises every AP, the more the fewer instances its class has. On the 4,926 videos of
    ActivityNet, whose classes have some 38 instances each, the value itself can be below 97.5 % of the draws. In a
    difference of two detectors this cancels.
    """
    mean = np.nanmean(values[1:], axis=0) if np.isfinite(values[1:]).any() else 0.0
    return np.concatenate([values[:1], np.clip(values[1:] + values[:1] - mean, 0, 1)])


# -- several trainings -------------------------------------------------------------------------------------------


class Repeated(NamedTuple):
    """The average mAP of several trainings that differ in their seeds.

    Args:
        values: of each training.
        interval: their mean, and its limits.
    """

    values: tuple[float, ...]
    interval: Interval

    @property
    def spread(self) -> float | None:
        """Half the distance from the lowest to the highest value; ``None`` for one training."""
        return (max(self.values) - min(self.values)) / 2 if len(self.values) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """The mean under ``average_mAP``, its interval, the spread, and the value of each training."""
        return {**self.interval.to_json(), "spread": self.spread, "per_seed": list(self.values)}


def mean_of_trainings(
    trainings: Sequence[Detections],
    annotations: Annotations,
    *,
    tiou_thresholds: Sequence[float] | np.ndarray,
    draws: int = 1000,
    seed: int = 0,
) -> Repeated:
    """The average mAP of several trainings, with the 95 % interval of their mean.

    All trainings are evaluated on the same draws of videos, so the interval is what other videos would change, and the
    spread of the values what other seeds would.

    Args:
        trainings: detections of each, in the same videos.
        annotations: ground truth of the videos, not clipped.
        tiou_thresholds: ``T`` numbers in (0, 1].
        draws: number of draws of as many videos as there are.
        seed: of the draws.

    Raises:
        InputError: a threshold is outside its range, or there is no ground truth.
    """
    thresholds = checked_thresholds(tiou_thresholds)
    truth = ground_truths(annotations)
    weights = draw_videos(len(truth.videos), draws=draws, seed=seed)  # (1 + D, V)
    judged = [reviewed_detections(found, annotations) for found in trainings]
    values = np.array([average_map(found, truth, thresholds, weights) for found in judged])  # (S, 1 + D)
    return Repeated(tuple(values[:, 0].tolist()), interval_of(centred(values.mean(axis=0)), len(truth.videos)))
