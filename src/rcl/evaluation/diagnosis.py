"""The results of a diagnosis: sensitivity, false negatives, false positives, and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from rcl.evaluation.characteristics import Characteristic

KINDS = ("true_positive", "double_detection", "wrong_label", "localization", "confusion", "background")
BANDS = 10

Rates: TypeAlias = dict[str, float | None]  # by bucket; None for an empty one


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How much results depend on one characteristic.

    Args:
        average_mAP_N: by bucket, as if only its ground truths existed; ``None`` for an empty bucket.
        base: average mAP_N of all ground truths.
    """

    average_mAP_N: Rates
    base: float

    @property
    def relative(self) -> tuple[float, float] | None:
        """The worst and the best bucket relative to the base; ``None`` if all buckets are empty or the base is 0."""
        known = [value for value in self.average_mAP_N.values() if value is not None]
        return (min(known) / self.base, max(known) / self.base) if known and self.base > 0 else None

    @property
    def impact(self) -> float | None:
        """The best bucket minus the base: the gain if all buckets were as good."""
        known = [value for value in self.average_mAP_N.values() if value is not None]
        return max(known) - self.base if known else None


@dataclass(frozen=True, eq=False)
class FalseNegatives:
    """Ground truths that no detection finds at a normalized precision above 0.05.

    Args:
        missed: ``(T, N)`` bool.
        average_mAP_N: of the ranking in which detections at a lower precision count as wrong.
    """

    missed: np.ndarray
    average_mAP_N: float

    def rates(self, characteristic: Characteristic) -> Rates:
        """Fraction of missed ground truths by bucket, mean over the thresholds."""
        missed = _means(self.missed.mean(axis=0), characteristic.bucket_index, len(characteristic.buckets))
        return dict(zip(characteristic.buckets, missed, strict=True))

    def pair_rates(self, first: Characteristic, second: Characteristic) -> dict[str, Rates]:
        """Fraction of missed ground truths by bucket of the first and then of the second characteristic."""
        width = len(second.buckets)
        both = (first.bucket_index >= 0) & (second.bucket_index >= 0)  # (N,)
        index = np.where(both, first.bucket_index * width + second.bucket_index, -1)
        missed = _means(self.missed.mean(axis=0), index, len(first.buckets) * width)
        return {
            bucket: dict(zip(second.buckets, missed[i * width : (i + 1) * width], strict=True))
            for i, bucket in enumerate(first.buckets)
        }


@dataclass(frozen=True, eq=False)
class FalsePositives:
    """The kinds of the best ``10·G`` detections of every class, ``G`` being its number of ground truths.

    Args:
        counts: ``(T, 10, 6)`` int64, detections by band (the first holds the ranks 1 to ``G`` of each class) and by
            kind, in the order of ``KINDS``.
        mAP_N: ``(T,)`` of these detections alone.
        gains: kind of error → average mAP_N without the detections of this kind, minus that with them.
    """

    counts: np.ndarray
    mAP_N: np.ndarray
    gains: dict[str, float]

    @property
    def band_sizes(self) -> np.ndarray:
        """``(10,)`` int64, detections in each band."""
        return self.counts[0].sum(axis=-1)

    @property
    def fractions(self) -> Rates:
        """Fraction of each kind over all bands, mean over the thresholds; ``None`` without detections."""
        return _shares(self.counts.sum(axis=1))

    @property
    def band_fractions(self) -> list[Rates]:
        """Fraction of each kind in each band, mean over the thresholds; ``None`` in an empty band."""
        return [_shares(self.counts[:, band]) for band in range(BANDS)]


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The result of :func:`rcl.evaluation.detad.diagnose`. All measures are fractions in [0, 1].

    Args:
        tiou_thresholds: ``(T,)``.
        labels: the ``L`` classes of the ground truth.
        instances_per_class: N of the normalized precision.
        ap_N: ``(T, L)`` normalized average precision.
        recall: ``(T, L)`` of all detections.
        precision_N: ``(T, L)`` normalized precision of all detections.
        scheme: source of the buckets' edges.
        characteristics: the ground truths in buckets of every known characteristic.
        sensitivity: by characteristic.
        false_negatives: of all ground truths.
        false_positives: of the best ``10·G`` detections.
        counts: numbers of ``ground_truths``, ``ground_truths_left_out`` (of length 0, or longer than their video),
            ``videos``, ``detections``, and of the detections ``in_other_videos`` (they count as wrong) and
            ``of_other_labels`` (left out).
    """

    tiou_thresholds: np.ndarray
    labels: tuple[str, ...]
    instances_per_class: float
    ap_N: np.ndarray
    recall: np.ndarray
    precision_N: np.ndarray
    scheme: str
    characteristics: tuple[Characteristic, ...]
    sensitivity: dict[str, Sensitivity]
    false_negatives: FalseNegatives
    false_positives: FalsePositives
    counts: dict[str, int]

    @property
    def mAP_N(self) -> np.ndarray:
        """``(T,)`` mean of ``ap_N`` over the classes."""
        return self.ap_N.mean(axis=1)

    @property
    def average_mAP_N(self) -> float:
        """Mean of ``mAP_N`` over the thresholds."""
        return float(self.mAP_N.mean())

    def to_json(self) -> dict[str, Any]:
        """All numbers but those of single instances, in plain Python types; ``None`` for an empty bucket or band."""
        positives, negatives = self.false_positives, self.false_negatives
        bands = zip(positives.band_sizes.tolist(), positives.band_fractions, strict=True)
        return {
            "average_mAP_N": self.average_mAP_N,
            "tiou_thresholds": self.tiou_thresholds.tolist(),
            "mAP_N": self.mAP_N.tolist(),
            "instances_per_class": self.instances_per_class,
            "bucket_scheme": self.scheme,
            "characteristics": {one.name: one.to_json() for one in self.characteristics},
            "sensitivity": {name: one.average_mAP_N for name, one in self.sensitivity.items()},
            "sensitivity_relative": {
                name: None if one.relative is None else dict(zip(("minimum", "maximum"), one.relative, strict=True))
                for name, one in self.sensitivity.items()
            },
            "impact": {name: one.impact for name, one in self.sensitivity.items()},
            "false_negatives": {one.name: negatives.rates(one) for one in self.characteristics},
            "false_negatives_total": float(negatives.missed.mean()),
            "false_negative_pairs": {
                f"{one.name} × {other.name}": negatives.pair_rates(one, other)
                for one, other in combinations(self.characteristics, 2)
            },
            "false_positives": {
                "fractions": positives.fractions,
                "gains": positives.gains,
                "bands": [{"detections": size, "fractions": fractions} for size, fractions in bands],
                "average_mAP_N": float(positives.mAP_N.mean()),
            },
            "per_class_AP_N": dict(zip(self.labels, self.ap_N.mean(axis=0).tolist(), strict=True)),
            "counts": self.counts,
        }


def _means(values: np.ndarray, index: np.ndarray, count: int) -> list[float | None]:
    """Mean of ``values (N,)`` for each ``index (N,)`` from 0 to ``count − 1``; ``None`` for an index without values."""
    known = index >= 0
    sums = np.bincount(index[known], weights=values[known], minlength=count)
    sizes = np.bincount(index[known], minlength=count)
    return [float(total / size) if size else None for total, size in zip(sums, sizes, strict=True)]


def _shares(counts: np.ndarray) -> Rates:
    """Fractions of the kinds from ``(T, 6)`` counts, mean over the thresholds."""
    size = counts[0].sum()
    return {kind: float(mean / size) if size else None for kind, mean in zip(KINDS, counts.mean(axis=0), strict=True)}
