"""Event precision, recall and F1: detections as a list of what happened, each of them right or wrong.

An average precision judges a ranking; these measures judge the list as it is, for instance after thresholds. They are
those of sound event detection (Mesaros et al., *Metrics for Polyphonic Sound Event Detection*, 2016, event-based), with
the matching of the average precision in place of a tolerance at both ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation.calibration import reliability
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

EVENT_TIOU = 0.5
MOST_CUTS = 4000  # thresholds that are looked at; below it, every distinct score has one
_LEAST = np.finfo(np.float64).tiny
RANKING = 3.0  # so many detections per instance are a ranking, and not a list of what happened


class Measures(NamedTuple):
    """Precision, recall and F1, in [0, 1]: numbers, or ``(L,)`` of every class. 0 where nothing is found."""

    precision: Any
    recall: Any
    f1: Any

    @classmethod
    def of(cls, right: Any, found: Any, instances: Any) -> Measures:
        """The measures of ``right`` ones among ``found`` detections and ``instances``, numbers or arrays."""
        pairs = ((right, found), (right, instances), (2 * right, found + instances))
        return cls(*(hits / np.maximum(total, _LEAST) for hits, total in pairs))  # no hits where there is nothing

    def to_json(self) -> dict[str, float]:
        """The numbers by their names."""
        return {name: float(value) for name, value in self._asdict().items()}


@dataclass(frozen=True, eq=False)
class Events:
    """The result of :func:`evaluate_events`.

    Args:
        tiou: from which on a detection is right.
        labels: the ``L`` classes of the ground truth.
        right: ``(L,)`` int64, detections that took a ground truth.
        found: ``(L,)`` int64, detections.
        instances: ``(L,)`` int64, ground truths.
        of_other_labels: detections whose label no ground truth has; wrong in the average over all detections.
        best_single: the score threshold for all classes that gives the best ``micro`` F1, and that F1; ``None``
            without detections.
        calibration_error: of the scores, see :class:`~rcl.evaluation.calibration.Reliability`.
    """

    tiou: float
    labels: tuple[str, ...]
    right: np.ndarray
    found: np.ndarray
    instances: np.ndarray
    of_other_labels: int
    best_single: tuple[float, float] | None
    calibration_error: float | None

    @property
    def per_class(self) -> Measures:
        """Those of every class, each ``(L,)``."""
        return Measures.of(self.right, self.found, self.instances)

    @property
    def micro(self) -> Measures:
        """Those of all detections and instances together."""
        return Measures.of(self.right.sum(), self.found.sum() + self.of_other_labels, self.instances.sum())

    @property
    def macro(self) -> Measures:
        """Those of a class, averaged over the classes of the ground truth."""
        return Measures(*(values.mean() for values in self.per_class))

    @property
    def is_ranking(self) -> bool:
        """Whether there are so many detections that they are a ranking, from which a threshold has to choose."""
        return int(self.found.sum()) + self.of_other_labels > RANKING * int(self.instances.sum())

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types."""
        single = self.best_single and {"score": self.best_single[0], "micro_f1": self.best_single[1]}
        columns = zip(self.labels, *self.per_class, self.right, self.found, self.instances, strict=True)
        return {
            "tiou": self.tiou,
            "micro": self.micro.to_json(),
            "macro": self.macro.to_json(),
            "best_single_threshold": single,
            "per_class": {
                label: Measures(*row[:3]).to_json()
                | dict(zip(("right", "detections", "ground_truths"), map(int, row[3:]), strict=True))
                for label, *row in columns
            },
            "of_other_labels": self.of_other_labels,
            "calibration_error": self.calibration_error,
        }


def evaluate_events(
    detections: Detections, annotations: Annotations, *, tiou: float = EVENT_TIOU, policy: Policy = "official"
) -> Events:
    """Precision, recall and F1 of a list of detections, taken as it is: the scores only decide who matches first.

    Detections and ground truths of a class match one to one by the rule of the average precision
    (:func:`~rcl.evaluation.matching.match`): a second detection of the same instance is wrong. So is a detection in a
    video that is not annotated.

    Args:
        detections: of any videos and labels.
        annotations: ground truth of the videos, not clipped.
        tiou: from which on a detection is right, in (0, 1].
        policy: see :func:`~rcl.evaluation.ground_truths.ground_truths`.

    Raises:
        InputError: ``tiou`` or the policy is outside its range, or there is no ground truth.

    >>> from rcl.data.annotations import VideoAnnotation
    >>> video = VideoAnnotation("v", "validation", 20.0, None, np.array([[0.0, 4.0], [8.0, 9.0]]), ("jump", "run"))
    >>> found = np.array([[0.0, 3.0], [0.0, 4.0], [8.0, 9.0]])
    >>> detections = Detections(("v",), [0, 0, 0], found, ("jump", "run"), [0, 0, 1], [0.9, 0.8, 0.7])
    >>> events = evaluate_events(detections, Annotations({"v": video}))
    >>> events.labels, events.per_class.precision.tolist(), round(float(events.micro.f1), 2)
    (('jump', 'run'), [0.5, 1.0], 0.8)
    """
    thresholds = checked_thresholds([tiou])
    truth = ground_truths(annotations, policy=policy)
    found = index_detections(reviewed_detections(detections, annotations), truth)
    hit = right_detections(found, truth, float(thresholds[0]))  # (K,)
    counts = cut_counts(found.scores, found.label_index, hit, truth)
    right, number = (column.sum(axis=1) for column in (counts.right, counts.found))  # (C,)
    f1 = Measures.of(right, number, len(truth)).f1  # (C,)
    best = int(f1.argmax()) if len(f1) else None
    known = found.label_index >= 0
    size = len(truth.labels)
    return Events(
        tiou=float(tiou),
        labels=truth.labels,
        right=np.bincount(found.label_index[known & hit], minlength=size),
        found=np.bincount(found.label_index[known], minlength=size),
        instances=counts.instances[:-1],
        of_other_labels=int((~known).sum()),
        best_single=None if best is None else (float(counts.thresholds[best]), float(f1[best])),
        calibration_error=reliability(found.scores, hit).error,
    )


def right_detections(found: IndexedDetections, truth: GroundTruths, tiou: float) -> np.ndarray:
    """Which detections take a ground truth of their class: ``(K,)`` bool."""
    return match(found.grouped, found.scores, truth.grouped, [tiou])[0] >= 0


class CutCounts(NamedTuple):
    """How many detections of every class have a score of at least each of ``C`` thresholds.

    Of the ``L + 1`` columns, the last is for labels that no ground truth has.

    Args:
        thresholds: ``(C,)`` float64, falling, halfway between scores that occur.
        right: ``(C, L + 1)`` int64, those that took a ground truth. Detections match in the order of their scores, so a
            lower threshold takes none away.
        found: ``(C, L + 1)`` int64, all of them.
        instances: ``(L + 1,)`` int64, ground truths.
    """

    thresholds: np.ndarray
    right: np.ndarray
    found: np.ndarray
    instances: np.ndarray


def cut_counts(scores: np.ndarray, label_index: np.ndarray, hit: np.ndarray, truth: GroundTruths) -> CutCounts:
    """Counts at thresholds between all distinct scores, or at ``MOST_CUTS`` of them.

    Args:
        scores: ``(K,)``.
        label_index: ``(K,)`` position in ``truth.labels``, −1 for others.
        hit: ``(K,)`` bool, the right ones.
        truth: the ground truths.
    """
    thresholds = _thresholds_between(np.unique(scores)[::-1])  # (C,)
    first = np.searchsorted(-thresholds, -scores)  # (K,), the first threshold that keeps a detection
    width = len(truth.labels) + 1
    shape = len(thresholds), width
    places = first * width + label_index % width  # (K,), −1 is the last column
    right, found = (
        np.bincount(places[rows], minlength=shape[0] * width).reshape(shape).cumsum(axis=0)
        for rows in (hit, slice(None))
    )
    return CutCounts(thresholds, right, found, np.bincount(truth.label_index, minlength=width))


def _thresholds_between(scores: np.ndarray) -> np.ndarray:
    """Thresholds, each of which keeps one more of distinct falling ``scores (S,)``, or several more."""
    if not len(scores):
        return scores
    rows = np.unique(np.linspace(0, len(scores) - 1, min(MOST_CUTS, len(scores))).round().astype(np.int64))
    kept, dropped = scores[rows], scores[np.minimum(rows + 1, len(scores) - 1)]  # the last one keeps all
    middle = kept + (dropped - kept) / 2
    return np.where(middle > dropped, middle, kept)
