"""The numbers of the summary of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation import Evaluation, evaluate, match
from rcl.evaluation.characteristics import BucketScheme, Fields
from rcl.evaluation.detad import diagnose
from rcl.evaluation.diagnosis import Diagnosis
from rcl.evaluation.ground_truths import Policy, doubtful_instances, ground_truths, index_detections
from rcl.evaluation.joining import differences
from rcl.system.errors import InputError

CALIBRATION_TIOU = 0.5
_BINS = 10
_HISTOGRAM_BINS = 40


class Calibration(NamedTuple):
    """How often detections are right, by score, at a tIoU of ``CALIBRATION_TIOU``.

    Args:
        edges: ``(B + 1,)`` of the bins of scores; a score on an edge is in the bin above.
        counts: ``(B,)`` int64, detections in each bin.
        right: ``(B,)`` int64, those of them that match a ground truth.
        mean_scores: ``(B,)``, 0 in an empty bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    right: np.ndarray
    mean_scores: np.ndarray

    @property
    def precision(self) -> list[float | None]:
        """``B`` shares of right detections, ``None`` in an empty bin."""
        return [float(r / n) if n else None for r, n in zip(self.right.tolist(), self.counts.tolist(), strict=True)]

    @property
    def error(self) -> float | None:
        """Expected calibration error: the mean difference of score and precision; ``None`` for scores beyond [0, 1]."""
        if not self.counts.any() or self.edges[0] < 0 or self.edges[-1] > 1:
            return None
        precision = self.right / np.maximum(self.counts, 1)
        return float((np.abs(precision - self.mean_scores) * self.counts).sum() / self.counts.sum())


@dataclass(frozen=True, eq=False)
class Summary:
    """The numbers of a report for all videos together.

    Args:
        counts: of videos, detections, ground truths and labels, in the order of the page.
        histogram: edges ``(B + 1,)`` and counts ``(B,)`` of the scores.
        evaluation: ``None`` without annotations, as are the following fields.
        calibration: of the scores.
        diagnosis: ``None`` also if it is impossible.
        notes: one sentence for each thing that is left out or counts as wrong.
    """

    counts: dict[str, int]
    histogram: tuple[np.ndarray, np.ndarray]
    evaluation: Evaluation | None = None
    calibration: Calibration | None = None
    diagnosis: Diagnosis | None = None
    notes: tuple[str, ...] = ()


def summarize(
    detections: Detections,
    annotations: Annotations | None,
    *,
    tiou_thresholds: Sequence[float] | np.ndarray,
    short_seconds: float | None = None,
    buckets: BucketScheme = "data",
    fields: Fields | None = None,
    policy: Policy = "official",
) -> Summary:
    """Evaluate, calibrate and diagnose detections.

    Args:
        detections: of any videos and labels.
        annotations: ground truth, not clipped, if there is any.
        tiou_thresholds: ``T`` numbers in (0, 1].
        short_seconds: length up to which an instance counts as short; by default the shortest third is short.
        buckets: see :func:`rcl.evaluation.detad.diagnose`.
        fields: see :func:`rcl.evaluation.detad.diagnose`.
        policy: which ground truths count, see :func:`~rcl.evaluation.ground_truths.ground_truths`.

    Raises:
        InputError: a threshold is not in (0, 1], or there is no ground truth.
    """
    histogram = np.histogram(detections.scores, bins=_score_edges(detections.scores, _HISTOGRAM_BINS))[::-1]
    counts = {"videos": len(detections.videos), "labels": len(detections.labels), "detections": len(detections)}
    if annotations is None:
        return Summary(counts, histogram)
    truth = ground_truths(annotations, policy=policy)
    if short_seconds is None:
        positive = truth.lengths[truth.lengths > 0]
        # Rounded up, so that the page shows exactly the limit that is used.
        short_seconds = float(np.ceil(10 * np.quantile(positive, 1 / 3, method="lower")) / 10) if len(positive) else 1.0
    evaluation = evaluate(
        detections, annotations, tiou_thresholds=tiou_thresholds, short_seconds=short_seconds, policy=policy
    )
    notes = [*differences(detections, annotations), *doubtful_instances(annotations, policy=policy)]
    diagnosis = None
    try:
        diagnosis = diagnose(
            detections, annotations, tiou_thresholds=tiou_thresholds, buckets=buckets, fields=fields, policy=policy
        )
    except InputError as error:
        notes.append(f"No diagnosis: {error}")
    counts = {
        "videos": len(truth.videos),
        "ground truths": len(truth),
        "labels": len(truth.labels),
        "detections": len(detections),
    }
    calibration = calibrate(detections, annotations, policy=policy)
    return Summary(counts, histogram, evaluation, calibration, diagnosis, tuple(notes))


def calibrate(detections: Detections, annotations: Annotations, *, policy: Policy = "official") -> Calibration:
    """Precision by score, matched as in evaluation.

    Raises:
        InputError: there is no ground truth.
    """
    truth = ground_truths(annotations, policy=policy)
    found = index_detections(detections, truth)
    (taken,) = match(found.grouped, found.scores, truth.grouped, [CALIBRATION_TIOU])  # (K,)
    edges = _score_edges(detections.scores, _BINS)
    bins = np.clip(np.searchsorted(edges, detections.scores, side="right") - 1, 0, _BINS - 1)  # (K,)
    counts = np.bincount(bins, minlength=_BINS)
    sums = np.bincount(bins, weights=detections.scores, minlength=_BINS)
    right = np.bincount(bins[taken >= 0], minlength=_BINS)
    return Calibration(edges, counts, right, sums / np.maximum(counts, 1))


def _score_edges(scores: np.ndarray, bins: int) -> np.ndarray:
    """Edges of bins from 0 to 1 if all scores are in this range, else from the lowest to the highest score."""
    if not len(scores) or (scores.min() >= 0 and scores.max() <= 1):
        return np.linspace(0, 1, bins + 1)
    low, high = float(scores.min()), float(scores.max())
    return np.linspace(low, high if high > low else low + 1, bins + 1)
