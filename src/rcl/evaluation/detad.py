"""Why detections are wrong: DETAD's sensitivity, false negatives and false positives, number for number.

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
from rcl.evaluation.ground_truths import GroundTruths, checked_thresholds, ground_truths, index_detections
from rcl.evaluation.matching import GroupedSegments, candidate_pairs
from rcl.evaluation.normalized import Ranking, normalized_ap, normalized_precision, rank
from rcl.system.errors import InputError

_BACKGROUND_TIOU = 0.1  # an error below it has nothing to do with any ground truth
_FOUND_PRECISION = 0.05  # a ground truth counts as found where the normalized precision is above it


def diagnose(
    detections: Detections,
    annotations: Annotations,
    *,
    tiou_thresholds: Sequence[float] | np.ndarray,
    buckets: BucketScheme = "data",
    fields: Fields | None = None,
) -> Diagnosis:
    """Find out what the errors of detections are, and on what kind of ground truth they are made.

    As in the original, ground truths of no length or longer than their video are left out first. Unlike there, every
    error in a video without ground truth is background (the original goes on with the ground truth of another video), a
    class whose ground truths are all left out is no class, and detections of labels that the ground truth lacks are
    left out (the original stops). Equal scores and equal tIoUs keep the input order, on which the original is unstable.

    Args:
        detections: of any videos.
        annotations: ground truth of the subset, not clipped.
        tiou_thresholds: ``T`` numbers in (0, 1]; the original takes 0.5 for THUMOS14 and
            0.5, 0.55, … 0.95 for ActivityNet.
        buckets: where the edges of the buckets are from, see :func:`rcl.evaluation.characteristics.cut`.
        fields: what the annotation file says of the instances, as of
            :func:`rcl.evaluation.characteristics.read_characteristics`; prevails over what follows from the segments.

    Raises:
        InputError: a threshold or the scheme makes no sense, or there is no ground truth.
    """
    thresholds = checked_thresholds(tiou_thresholds)
    everything = ground_truths(annotations)
    values = measure(everything, annotations, fields or {})
    kept = (everything.lengths > 0) & ~(values.get("coverage", np.zeros(len(everything))) > 1)  # (N,)
    if not kept.any():
        raise InputError(
            annotations.source,
            expected="a ground truth instance that has a length and fits its video",
            found=f"none among {len(everything)}",
            fix="correct the segments or durations",
        )
    truth = _only(everything, kept)
    characteristics = cut({name: value[kept] for name, value in values.items()}, buckets)
    found = index_detections(detections, truth)
    ranking = rank(found, truth, thresholds)
    positives = np.bincount(truth.label_index)  # (L,), none is 0
    instances = len(truth) / len(truth.labels)
    ap = normalized_ap(ranking, ranking.right, np.ones_like(ranking.right), positives, instances)  # (T, L)
    recall, precision = _at_the_end(ranking, positives, instances)
    base = float(ap.mean(axis=1).mean())
    return Diagnosis(
        tiou_thresholds=thresholds,
        labels=truth.labels,
        instances_per_class=instances,
        ap_N=ap,
        recall=recall,
        precision_N=precision,
        scheme=buckets,
        characteristics=characteristics,
        sensitivity={one.name: Sensitivity(_by_bucket(ranking, truth, one), base) for one in characteristics},
        false_negatives=_false_negatives(ranking, len(truth), positives, instances),
        false_positives=_false_positives(ranking, truth, thresholds, positives, instances),
        counts={
            "ground_truths": len(truth),
            "ground_truths_left_out": len(everything) - len(truth),
            "videos": len(truth.videos),
            "detections": len(detections),
            "in_other_videos": int((found.video_index < 0).sum()),
            "of_other_labels": int((found.label_index < 0).sum()),
        },
    )


def _only(truth: GroundTruths, rows: np.ndarray) -> GroundTruths:
    """Some of the ground truths, and the labels that are left."""
    used, label_index = np.unique(truth.label_index[rows], return_inverse=True)
    return replace(
        truth,
        video_index=truth.video_index[rows],
        segments_seconds=truth.segments_seconds[rows],
        labels=tuple(truth.labels[i] for i in used),
        label_index=label_index,
    )


def _at_the_end(ranking: Ranking, positives: np.ndarray, instances: float) -> tuple[np.ndarray, np.ndarray]:
    """Recall and normalized precision of all detections of each class, two ``(T, L)``."""
    shape = len(ranking.taken), len(positives)
    right, wrong = np.zeros(shape), np.zeros(shape)
    for label, rows in enumerate(ranking.classes(len(positives))):
        right[:, label] = ranking.right[:, rows].sum(axis=1)
        wrong[:, label] = (~ranking.right[:, rows]).sum(axis=1)
    recall = right / positives
    total = recall * instances + wrong
    return recall, np.divide(recall * instances, total, out=np.zeros(shape), where=total > 0)


def _by_bucket(ranking: Ranking, truth: GroundTruths, characteristic: Characteristic) -> Rates:
    """Average mAP_N on each bucket alone.

    A detection of a ground truth outside of the bucket at any threshold is passed over at all of them. N stays that of
    all ground truths.
    """
    instances = len(truth) / len(truth.labels)
    bucket = np.append(characteristic.bucket_index, -1)[ranking.taken]  # (T, K), that of what was taken
    result: Rates = {}
    for index, name in enumerate(characteristic.buckets):
        inside = characteristic.bucket_index == index  # (N,)
        positives = np.bincount(truth.label_index[inside], minlength=len(truth.labels))  # (L,)
        kept = ((bucket == index) | ~ranking.right).all(axis=0)  # (K,)
        ap = normalized_ap(ranking, ranking.right & kept, np.broadcast_to(kept, bucket.shape), positives, instances)
        result[name] = float(ap.mean(axis=0)[positives > 0].mean()) if inside.any() else None
    return result


def _false_negatives(ranking: Ranking, count: int, positives: np.ndarray, instances: float) -> FalseNegatives:
    """Which of the ``count`` ground truths are found at no worthwhile precision."""
    counted = np.ones_like(ranking.right)
    found = ranking.right.copy()  # (T, K)
    for label, rows in enumerate(ranking.classes(len(positives))):
        here = ranking.right[:, rows]
        precision = normalized_precision(here, counted[:, rows], int(positives[label]), instances)
        found[:, rows] &= precision > _FOUND_PRECISION
    missed = np.ones((len(found), count), dtype=bool)
    threshold, detection = np.nonzero(found)
    missed[threshold, ranking.taken[threshold, detection]] = False
    return FalseNegatives(missed, float(normalized_ap(ranking, found, counted, positives, instances).mean()))


def _false_positives(
    ranking: Ranking, truth: GroundTruths, thresholds: np.ndarray, positives: np.ndarray, instances: float
) -> FalsePositives:
    """The kinds of the best ``10·G``, and what each costs."""
    top = ranking.take(ranking.rank < BANDS * positives[ranking.label_index])
    grouped = GroupedSegments(top.segments_seconds, top.video_index)
    kinds = error_kinds(grouped, top.label_index, top.taken, truth, thresholds)  # (T, K)
    band = top.rank // positives[top.label_index]  # (K,)
    cell = band * len(KINDS) + kinds  # (T, K)
    size = BANDS * len(KINDS)
    counts = np.stack([np.bincount(row, minlength=size).reshape(BANDS, len(KINDS)) for row in cell])
    ap = normalized_ap(top, top.right, np.ones_like(top.right), positives, instances)  # (T, L)
    gains = {
        name: float(normalized_ap(top, top.right, kinds != kind, positives, instances).mean() - ap.mean())
        for kind, name in enumerate(KINDS)
        if kind
    }
    return FalsePositives(counts, ap.mean(axis=1), gains)


def error_kinds(
    detections: GroupedSegments, label_index: np.ndarray, taken: np.ndarray, truth: GroundTruths, thresholds: np.ndarray
) -> np.ndarray:
    """What each detection is: position in ``KINDS``, by the ground truth of any label with the largest tIoU.

    Args:
        detections: ``K`` segments, grouped by video alone.
        label_index: ``(K,)`` int64, that of ``truth``; −1 for other labels.
        taken: ``(T, K)`` int64, the ground truth that each has at each threshold, −1 for none.
        truth: ``N`` ground truths.
        thresholds: ``(T,)``.

    Returns:
        ``(T, K)`` int64.
    """
    pairs = candidate_pairs(
        detections,
        GroupedSegments(truth.segments_seconds, truth.video_index),
        min(_BACKGROUND_TIOU, float(thresholds.min())),
    )
    detection, first = np.unique(pairs.detection, return_index=True)
    tiou, label = np.zeros(len(label_index)), np.full(len(label_index), -2)  # no label, not even an unknown one
    tiou[detection] = pairs.tiou[first]
    label[detection] = truth.label_index[pairs.ground_truth[first]]
    same, overlaps = label == label_index, tiou >= thresholds[:, None]  # (K,), (T, K)
    right, double, wrong_label, localization, confusion, background = range(len(KINDS))
    beside = np.where(same, localization, confusion)  # (K,)
    error = np.select([overlaps & same, overlaps, tiou >= _BACKGROUND_TIOU], [double, wrong_label, beside], background)
    return np.where(taken >= 0, right, error)
