"""Operating points: from a ranking to the list of what happened, by a score threshold for every class.

They are chosen on labelled videos that the detector was not trained on, and kept in its checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation.calibration import Calibration, fit_calibration
from rcl.evaluation.events import EVENT_TIOU, CutCounts, Measures, cut_counts, right_detections
from rcl.evaluation.ground_truths import (
    Policy,
    checked_thresholds,
    ground_truths,
    index_detections,
    reviewed_detections,
)
from rcl.models.soft_nms_selection import select
from rcl.system.errors import InputError, listed

DUPLICATE_TIOU = 0.4  # a decided list has no two detections of a class in a video that overlap more
PRIOR_INSTANCES = 10.0


@dataclass(frozen=True)
class OperatingPoints:
    """Score thresholds, and the map from scores to probabilities.

    Args:
        thresholds: label to the score from which on a detection counts; ``None`` for a class that does not reach the
            wanted precision at any score.
        calibration: from a score to the probability that the detection is right at ``tiou``.
        tiou: from which on a detection counted as right.
        precision: that was wanted; ``None`` for the best F1.
        chosen_on: the videos, in words.
    """

    thresholds: Mapping[str, float | None]
    calibration: Calibration
    tiou: float
    precision: float | None
    chosen_on: str

    @property
    def unreachable(self) -> list[str]:
        """The labels of the classes that do not reach the wanted precision; nothing of them is kept."""
        return [label for label, threshold in self.thresholds.items() if threshold is None]

    def decide(self, detections: Detections) -> Detections:
        """The detections that count: without duplicates, above the threshold of their class, with calibrated scores.

        All videos stay, and the order of the detections.

        Args:
            detections: as ``Localizer.detect`` returns them, of any number of videos.

        Raises:
            InputError: a detection has a label without a threshold.
        """
        other = [label for label in detections.labels if label not in self.thresholds]
        if other and np.isin(detections.label_index, [detections.labels.index(label) for label in other]).any():
            expected = f"labels that have a threshold ({listed([*self.thresholds], 3)})"
            fix = "choose thresholds on detections of these labels"
            raise InputError("detections", expected=expected, found=listed(other, 3), fix=fix)
        limits = [self.thresholds.get(label) for label in detections.labels]
        least = np.array([math.inf if limit is None else limit for limit in limits])  # (L,)
        kept = without_duplicates(detections[detections.scores >= least[detections.label_index]])
        return replace(kept, scores=self.calibration(kept.scores))

    def to_json(self) -> dict[str, Any]:
        """The values in plain Python types."""
        return {**asdict(self), "thresholds": dict(self.thresholds)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> OperatingPoints:
        """The operating points of :meth:`to_json`, checked, since a file may hold anything.

        Raises:
            KeyError, TypeError, ValueError: a value is missing or of another type.
        """
        points = cls(**{**kept, "calibration": Calibration(**kept["calibration"])})
        if not all(isinstance(label, str) for label in (*points.thresholds, points.chosen_on)):
            raise TypeError("operating points of the wrong type")
        maybe = [number for number in (*points.thresholds.values(), points.precision) if number is not None]
        numbers = [*maybe, points.tiou, *asdict(points.calibration).values()]
        if not all(math.isfinite(number) for number in numbers) or points.calibration.slope <= 0:
            raise ValueError("operating points out of range")
        return points


def known_points(points: OperatingPoints | None, *, checkpoint: object = "the checkpoint") -> OperatingPoints:
    """The operating points of a checkpoint that has some.

    Raises:
        InputError: it has none.
    """
    if points is None:
        fix = "choose them with rcl calibrate CHECKPOINT PACK, or detect without --decide"
        raise InputError(checkpoint, expected="operating points to decide by", found="none", fix=fix)
    return points


def without_duplicates(detections: Detections) -> Detections:
    """The detections without those that overlap a better one of their class and video by more than a tIoU of 0.4.

    Soft-NMS has lowered the scores of such detections, but not removed them. The order stays. A score of 0 is none.
    """
    if not len(detections):
        return detections
    groups = detections.video_index * len(detections.labels) + detections.label_index  # (K,)
    kept, _ = select(
        detections.segments_seconds,
        detections.scores,
        groups,
        method="hard",
        threshold=DUPLICATE_TIOU,
        top=len(detections),
    )
    return detections[np.sort(kept)]


def choose_operating_points(
    detections: Detections,
    annotations: Annotations,
    *,
    labels: Sequence[str] | None = None,
    tiou: float = EVENT_TIOU,
    precision: float | None = None,
    policy: Policy = "official",
    chosen_on: str = "held-out videos",
) -> OperatingPoints:
    """Choose a threshold for every class, and calibrate the scores of all classes together.

    The thresholds give the best event F1, or are the lowest that reach a precision. A class with few instances shows
    little, so every class counts as if it had ten more instances, of which its detector finds as many, and finds
    as many in vain, as that of an average class. With hundreds of instances this changes nothing; a class without any
    gets the best threshold for all classes.

    Args:
        detections: in videos that the detector was not trained on, as it ranks them.
        annotations: ground truth of these videos.
        labels: all labels of the detector; by default those of detections and annotations.
        tiou: from which on a detection is right.
        precision: that is wanted, in (0, 1]; by default, the best F1 is. It has to be reached with and without the ten
            instances.
        policy: see :func:`~rcl.evaluation.ground_truths.ground_truths`.
        chosen_on: the videos, in words.

    Raises:
        InputError: there is no detection or no ground truth, or ``tiou`` or ``precision`` is out of range.
    """
    tiou = float(checked_thresholds([tiou])[0])
    if precision is not None and not 0 < precision <= 1:
        raise InputError("precision", expected="a number above 0 and at most 1", found=str(precision), fix="correct it")
    truth = ground_truths(annotations, policy=policy)
    found = reviewed_detections(without_duplicates(detections), annotations)
    if not len(found):
        fix = "use a detector that finds some, or other videos"
        raise InputError("operating points", expected="detections", found="none", fix=fix)
    indexed = index_detections(found, truth)
    hit = right_detections(indexed, truth, tiou)  # (K,)
    counts = cut_counts(indexed.scores, indexed.label_index, hit, truth)
    chosen = _best_f1(counts) if precision is None else _lowest_precise(counts, precision)
    by_label = dict(zip(truth.labels, chosen, strict=False))
    labels = tuple(dict.fromkeys((*found.labels, *truth.labels))) if labels is None else labels
    return OperatingPoints(
        thresholds={label: by_label.get(label, chosen[-1]) for label in labels},
        calibration=fit_calibration(found.scores, hit),
        tiou=tiou,
        precision=precision,
        chosen_on=chosen_on,
    )


def _with_prior(counts: CutCounts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right and found detections ``(C, L + 1)`` and instances ``(L + 1,)``, with ten of the average class.

    The last column is that of a class without any instance of its own, also where detections of other labels are found.
    """
    share = PRIOR_INSTANCES / counts.instances.sum()
    right, found = (
        np.concatenate((own[:, :-1], np.zeros((len(own), 1))), axis=1) + share * own.sum(axis=1, keepdims=True)
        for own in (counts.right, counts.found)
    )
    return right, found, counts.instances + PRIOR_INSTANCES


def _best_f1(counts: CutCounts) -> list[float | None]:
    """The threshold of the best F1 for every class and for one without instances: ``L + 1``."""
    f1 = Measures.of(*_with_prior(counts)).f1  # (C, L + 1)
    return counts.thresholds[f1.argmax(axis=0)].tolist()


def _lowest_precise(counts: CutCounts, precision: float) -> list[float | None]:
    """The lowest threshold that reaches a precision, or ``None``, for every class and for one without instances."""
    right, found, _ = _with_prior(counts)
    reached = right >= precision * found  # (C, L + 1)
    own = (counts.right >= precision * counts.found) & (counts.found > 0)
    reached[:, :-1] &= own[:, :-1]
    last = len(reached) - 1 - reached[::-1].argmax(axis=0)  # (L + 1,)
    reachable = np.asarray(reached.any(axis=0)).tolist()
    return [float(counts.thresholds[row]) if known else None for row, known in zip(last, reachable, strict=True)]
