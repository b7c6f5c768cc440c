"""Why detections are wrong: sensitivity, false negatives and false positives, equal to those of DETAD.

Source: Alwassel, Caba Heilbron, Escorcia and Ghanem, "Diagnosing Error in Temporal Action Detectors" (ECCV 2018), and
its public code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation.characteristics import BucketScheme, Characteristic, Fields, cut, measure
from rcl.evaluation.diagnosis import BANDS, KINDS, Diagnosis, FalseNegatives, FalsePositives, Rates, Sensitivity
from rcl.evaluation.ground_truths import (
    GroundTruths,
    Policy,
    checked_thresholds,
    ground_truths,
    index_detections,
    kept_instances,
    reviewed_detections,
)
from rcl.evaluation.matching import GroupedSegments, candidate_pairs
from rcl.evaluation.normalized import Ranking, normalized_ap, normalized_precision, rank
from rcl.system.errors import InputError

_BACKGROUND_TIOU = 0.1  # a wrong detection below it belongs to no ground truth
_FOUND_PRECISION = 0.05  # a ground truth counts as found where the normalized precision is above it


def diagnose(
    detections: Detections,
    annotations: Annotations,
    *,
    tiou_thresholds: Sequence[float] | np.ndarray,
    buckets: BucketScheme = "data",
    fields: Fields | None = None,
    policy: Policy = "official",
) -> Diagnosis:
    """Measure which errors detections make, and on which ground truths.

    As in the original, ground truths of length 0 or longer than their video are left out first. Unlike there, every
    error in a video without ground truth is background (the original compares it with the ground truth of another
    video), a class whose ground truths are all left out is no class, and a detection whose label no ground truth has is
    left out (the original stops). Equal scores and equal tIoUs keep the input order, where the original is unstable.

    Args:
        detections: of any videos and labels.
        annotations: ground truth of the subset, not clipped.
        tiou_thresholds: ``T`` numbers in (0, 1]. The original takes 0.5 for THUMOS14 and 0.5, 0.55, … 0.95 for
            ActivityNet.
        buckets: source of the buckets' edges, see :func:`rcl.evaluation.characteristics.cut`.
        fields: characteristics in the annotation file, as :func:`rcl.evaluation.characteristics.read_characteristics`
            returns them. They override what the segments imply.
        policy: which ground truths count, see :func:`~rcl.evaluation.ground_truths.ground_truths`.

    Raises:
        InputError: a threshold, the scheme or the policy is unknown, or there is no ground truth.
    """
    thresholds = checked_thresholds(tiou_thresholds)
    everything = ground_truths(annotations, policy=policy)
    values = measure(everything, annotations, fields or {}, kept_instances(annotations, policy=policy))
    truth, characteristics = _in_buckets(everything, values, buckets, annotations.source)
    detections = reviewed_detections(detections, annotations)
    found = index_detections(detections, truth)
    ranking = rank(found, truth, thresholds)
    ap = normalized_ap(ranking)  # (T, L)
    recall, precision = _recall_and_precision(ranking)
    base = float(ap.mean(axis=1).mean())
    return Diagnosis(
        tiou_thresholds=thresholds,
        labels=truth.labels,
        instances_per_class=ranking.instances_per_class,
        ap_N=ap,
        recall=recall,
        precision_N=precision,
        scheme=buckets,
        characteristics=characteristics,
        sensitivity={one.name: Sensitivity(_by_bucket(ranking, truth, one), base) for one in characteristics},
        false_negatives=_false_negatives(ranking, len(truth)),
        false_positives=_false_positives(ranking, truth, thresholds),
        counts={
            "ground_truths": len(truth),
            "ground_truths_left_out": len(everything) - len(truth),
            "videos": len(truth.videos),
            "detections": len(detections),
            "in_other_videos": int((found.video_index < 0).sum()),
            "of_other_labels": int((found.label_index < 0).sum()),
        },
    )


def _in_buckets(
    everything: GroundTruths, values: dict[str, np.ndarray], scheme: BucketScheme, source: str
) -> tuple[GroundTruths, tuple[Characteristic, ...]]:
    """The ground truths that have a length and fit their video, and their characteristics."""
    kept = (everything.lengths > 0) & ~(values.get("coverage", np.zeros(len(everything))) > 1)  # (N,)
    if not kept.any():
        raise InputError(
            source,
            expected="a ground truth instance that has a length and fits its video",
            found=f"none among {len(everything)}",
            fix="correct the segments or durations",
        )
    used, label_index = np.unique(everything.label_index[kept], return_inverse=True)
    truth = replace(
        everything,
        video_index=everything.video_index[kept],
        segments_seconds=everything.segments_seconds[kept],
        labels=tuple(everything.labels[i] for i in used),
        label_index=label_index,
    )
    return truth, cut({name: value[kept] for name, value in values.items()}, scheme)


def _recall_and_precision(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """Recall and normalized precision of all detections of each class, two ``(T, L)``."""
    right = np.stack([ranking.right[:, rows].sum(axis=1) for rows in ranking.classes()], axis=1)
    wrong = np.stack([(~ranking.right[:, rows]).sum(axis=1) for rows in ranking.classes()], axis=1)
    recall = right / ranking.positives
    scaled = recall * ranking.instances_per_class
    return recall, np.divide(scaled, scaled + wrong, out=np.zeros_like(scaled), where=scaled + wrong > 0)


def _by_bucket(ranking: Ranking, truth: GroundTruths, characteristic: Characteristic) -> Rates:
    """Average mAP_N on each bucket alone.

    A detection that takes a ground truth of another bucket at any threshold is ignored at all of them.
    """
    bucket = np.append(characteristic.bucket_index, -1)[ranking.taken]  # (T, K), of the ground truth that each took
    result: Rates = {}
    for index, name in enumerate(characteristic.buckets):
        inside = characteristic.bucket_index == index  # (N,)
        positives = np.bincount(truth.label_index[inside], minlength=len(truth.labels))  # (L,)
        kept = ((bucket == index) | ~ranking.right).all(axis=0)  # (K,)
        ap = normalized_ap(ranking, right=ranking.right & kept, counted=kept, positives=positives)
        result[name] = float(ap.mean(axis=0)[positives > 0].mean()) if inside.any() else None
    return result


def _false_negatives(ranking: Ranking, count: int) -> FalseNegatives:
    """Which of the ``count`` ground truths are not found at a useful precision."""
    found = ranking.right  # (T, K)
    for label, rows in enumerate(ranking.classes()):
        right, positives = ranking.right[:, rows], int(ranking.positives[label])
        precision = normalized_precision(right, np.ones_like(right), positives, ranking.instances_per_class)
        found[:, rows] &= precision > _FOUND_PRECISION
    missed = np.ones((len(found), count), dtype=bool)
    threshold, detection = np.nonzero(found)
    missed[threshold, ranking.taken[threshold, detection]] = False
    return FalseNegatives(missed, float(normalized_ap(ranking, right=found).mean()))


def _false_positives(ranking: Ranking, truth: GroundTruths, thresholds: np.ndarray) -> FalsePositives:
    """The kinds of the best ``10·G`` detections, and what each kind costs."""
    top = ranking.best(BANDS)
    by_video = GroupedSegments(top.segments_seconds, top.video_index)
    kinds = error_kinds(by_video, top.label_index, top.taken, truth, thresholds)  # (T, K)
    band = top.rank // top.positives[top.label_index]  # (K,)
    cell = band * len(KINDS) + kinds  # (T, K)
    size = BANDS * len(KINDS)
    counts = np.stack([np.bincount(row, minlength=size).reshape(BANDS, len(KINDS)) for row in cell])
    ap = normalized_ap(top)  # (T, L)
    gains = {
        name: float(normalized_ap(top, counted=kinds != kind).mean() - ap.mean())
        for kind, name in enumerate(KINDS)
        if kind
    }
    return FalsePositives(counts, ap.mean(axis=1), gains)


def error_kinds(
    detections: GroupedSegments, label_index: np.ndarray, taken: np.ndarray, truth: GroundTruths, thresholds: np.ndarray
) -> np.ndarray:
    """The kind of each detection, as a position in ``KINDS``.

    The kind of a wrong detection follows from the ground truth, of any label, with which it has the largest tIoU.

    Args:
        detections: ``K`` segments, one group per video.
        label_index: ``(K,)`` int64, as in ``truth``; −1 for other labels.
        taken: ``(T, K)`` int64, the ground truth that each detection took at each threshold, −1 for none.
        truth: ``N`` ground truths.
        thresholds: ``(T,)``.

    Returns:
        ``(T, K)`` int64.
    """
    pairs = candidate_pairs(detections, truth.by_video, min(_BACKGROUND_TIOU, float(thresholds.min())))
    detection, first = np.unique(pairs.detection, return_index=True)
    tiou, label = np.zeros(len(label_index)), np.full(len(label_index), -2)  # −2 differs from −1, an unknown label
    tiou[detection] = pairs.tiou[first]
    label[detection] = truth.label_index[pairs.ground_truth[first]]
    same, overlaps = label == label_index, tiou >= thresholds[:, None]  # (K,), (T, K)
    right, double, wrong_label, localization, confusion, background = range(len(KINDS))
    misplaced = np.where(same, localization, confusion)  # (K,)
    conditions = [overlaps & same, overlaps, tiou >= _BACKGROUND_TIOU]
    return np.where(taken >= 0, right, np.select(conditions, [double, wrong_label, misplaced], background))
