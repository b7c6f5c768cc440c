"""The numbers of the summary of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation import Evaluation, evaluate
from rcl.evaluation.calibration import Reliability, reliability, score_edges
from rcl.evaluation.characteristics import BucketScheme, Fields
from rcl.evaluation.detad import diagnose
from rcl.evaluation.diagnosis import Diagnosis
from rcl.evaluation.events import EVENT_TIOU, right_detections
from rcl.evaluation.ground_truths import (
    Policy,
    doubtful_instances,
    ground_truths,
    index_detections,
    reviewed_detections,
)
from rcl.evaluation.joining import differences
from rcl.system.errors import InputError

_HISTOGRAM_BINS = 40


@dataclass(frozen=True, eq=False)
class Summary:
    """The numbers of a report for all videos together.

    Args:
        counts: of videos, detections, ground truths and labels, in the order of the page.
        histogram: edges ``(B + 1,)`` and counts ``(B,)`` of the scores.
        evaluation: ``None`` without annotations, as are the following fields.
        reliability: of the scores, at a tIoU of ``EVENT_TIOU``.
        diagnosis: ``None`` also if it is impossible.
        notes: one sentence for each thing that is left out or counts as wrong.
    """

    counts: dict[str, int]
    histogram: tuple[np.ndarray, np.ndarray]
    evaluation: Evaluation | None = None
    reliability: Reliability | None = None
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
    """Evaluate and diagnose detections.

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
    histogram = np.histogram(detections.scores, bins=score_edges(detections.scores, _HISTOGRAM_BINS))[::-1]
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
    found = index_detections(reviewed_detections(detections, annotations), truth)
    scores = reliability(found.scores, right_detections(found, truth, EVENT_TIOU))
    return Summary(counts, histogram, evaluation, scores, diagnosis, tuple(notes))
