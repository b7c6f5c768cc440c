"""Calibration: scores as probabilities that a detection is right, and how far from that scores are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BINS = 10
_SMALLEST = 1e-6  # a score closer to 0 or 1 counts as that close
_LEAST_SLOPE = 0.05  # a higher score never means a lower probability
_MOST_STEPS = 100


@dataclass(frozen=True)
class Calibration:
    """A map from scores to probabilities, linear in log-odds: ``sigmoid(slope · logit(score) + offset)``.

    This is Platt's scaling (*Probabilistic Outputs for Support Vector Machines*, 1999) of the log-odds of a score. It
    keeps the order of scores. Isotonic regression, which may bend anywhere, was not better on the ten or fewer videos
    that there are to fit it.

    >>> Calibration(2.0, 0.0)(np.array([0.2, 0.5, 0.8])).round(2).tolist()
    [0.06, 0.5, 0.94]

    Args:
        slope: above 0.
        offset: of the log-odds.
    """

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities ``(K,)`` in [0, 1] of ``scores (K,)``."""
        return _sigmoid(self.slope * _log_odds(scores) + self.offset)


def fit_calibration(scores: np.ndarray, right: np.ndarray) -> Calibration:
    """The most likely calibration of scores in [0, 1].

    As Platt does, right and wrong detections count as ``(R + 1) / (R + 2)`` and ``1 / (W + 2)``, so that scores that
    separate them do not become certain. The weight of one detection pulls towards leaving scores as they are.

    Args:
        scores: ``(K,)``; none leaves scores as they are.
        right: ``(K,)`` bool.
    """
    hits = int(right.sum())
    target = np.where(right, (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2))  # (K,)
    rows = np.stack((_log_odds(scores), np.ones(len(scores))), axis=1)  # (K, 2)
    kept = np.array([1.0, 0.0])  # what the map is without any score

    def loss(weights: np.ndarray) -> float:
        odds = rows @ weights
        return float((np.logaddexp(0, odds) - target * odds).sum() + ((weights - kept) ** 2).sum() / 2)

    weights = kept
    for _ in range(_MOST_STEPS):  # Newton's method; the loss is convex
        probability = _sigmoid(rows @ weights)
        gradient = rows.T @ (probability - target) + weights - kept
        curvature = (rows * (probability * (1 - probability))[:, None]).T @ rows + np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while loss(weights - step) > loss(weights) and np.abs(step).max() > 1e-9:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(max(float(weights[0]), _LEAST_SLOPE), float(weights[1]))


class Reliability(NamedTuple):
    """How often detections are right, by score, in bins of equal width.

    Args:
        edges: ``(B + 1,)`` of the bins; a score on an edge is in the bin above.
        counts: ``(B,)`` int64, detections in each bin.
        right: ``(B,)`` int64, the right ones of them.
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
        """Expected calibration error in [0, 1]: the mean distance between scores and precision, weighted by counts.

        ``None`` without detections, or if a score is no probability. Source: Guo et al., *On Calibration of Modern
        Neural Networks*, ICML 2017, equation 3.
        """
        if not self.counts.any() or self.edges[0] < 0 or self.edges[-1] > 1:
            return None
        return float(np.abs(self.counts * self.mean_scores - self.right).sum() / self.counts.sum())


def reliability(scores: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> Reliability:
    """The detections in bins of their scores.

    >>> found = reliability(np.array([0.9, 0.9, 0.1]), np.array([True, False, False]))
    >>> found.precision[9], round(found.error, 3)
    (0.5, 0.3)

    Args:
        scores: ``(K,)``.
        right: ``(K,)`` bool.
        bins: their number.
    """
    edges = score_edges(scores, bins)
    share = (scores - edges[0]) / (edges[-1] - edges[0])
    place = np.clip((share * bins).astype(np.int64), 0, bins - 1)  # (K,)
    counts = np.bincount(place, minlength=bins)
    sums = np.bincount(place, weights=scores, minlength=bins)
    return Reliability(edges, counts, np.bincount(place[right], minlength=bins), sums / np.maximum(counts, 1))


def score_edges(scores: np.ndarray, bins: int) -> np.ndarray:
    """Edges of bins from 0 to 1 if all scores are in this range, else from the lowest to the highest score."""
    if not len(scores) or (scores.min() >= 0 and scores.max() <= 1):
        return np.linspace(0, 1, bins + 1)
    low, high = float(scores.min()), float(scores.max())
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def _log_odds(scores: np.ndarray) -> np.ndarray:
    inside = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    return np.log(inside) - np.log1p(-inside)


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -odds))
