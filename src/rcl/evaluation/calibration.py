"""Calibration: scores as probabilities that a detection is right, and how far from that scores are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BINS = 15
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


def expected_calibration_error(scores: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> float | None:
    """Mean distance between the scores of detections and the share of them that is right (ECE).

    Source: Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017, equation 3: bins of equal width, weighted
    by the number of detections in them.

    Args:
        scores: ``(K,)``.
        right: ``(K,)`` bool.
        bins: their number.

    Returns:
        A number in [0, 1]; ``None`` without detections, or if a score is no probability.

    >>> expected_calibration_error(np.array([0.9, 0.9, 0.1]), np.array([True, False, False])).__round__(3)
    0.3
    """
    if not len(scores) or scores.min() < 0 or scores.max() > 1:
        return None
    place = np.minimum((scores * bins).astype(np.int64), bins - 1)  # (K,)
    excess = np.bincount(place, weights=scores - right, minlength=bins)  # (B,)
    return math.fsum(np.abs(excess)) / len(scores)


def _log_odds(scores: np.ndarray) -> np.ndarray:
    inside = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    return np.log(inside) - np.log1p(-inside)


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -odds))
