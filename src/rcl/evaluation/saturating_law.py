"""A law of what a detector gains from more labels, fitted to the scores of a few subsets of them.

With labels of ``m`` minutes the score is ``a − b · m^−c``: it grows and comes closer to the limit ``a``. Laws of this
form describe most learning curves (Viering and Loog, The Shape of Learning Curves, TPAMI 2022). A few noisy scores do
not determine three numbers, so no single law is chosen. Every law on a grid has a weight, which says how well it agrees
with the scores, much as in Domhan et al. (IJCAI 2015). A forecast is the weighted mean over all laws; its uncertainty
is how much these laws disagree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EXPONENTS = np.geomspace(0.15, 1.5, 19)
"""Of the laws. Doubling the labels takes away 10 % to 65 % of what is missing to the limit."""
_AROUND, _STEP = 0.12, 0.004  # how far from the score of all labels the laws pass, and the distance of two
_GAPS = np.concatenate(([0.0], np.geomspace(0.002, 1.0, 60)))  # from the score of all labels to the limit
_TYPICAL_NOISE, _TRAININGS_OF_IT = 0.015, 4.0  # of one training, and how many trainings this assumption is worth
_INTERVAL = (0.1, 0.9)


class Gain(NamedTuple):
    """What more labels bring.

    Args:
        mean: expected difference of the score.
        low: limit of the central 80 % interval, like ``high``.
        high: the other limit.
    """

    mean: float
    low: float
    high: float


class SaturatingLaws:
    """Laws ``y(m) = y₁ + g · (1 − (m₁ / m)^c)`` and their weights, where ``m₁`` is all labels, ``y₁`` their score and
    ``y₁ + g`` the limit.

    Args:
        minutes: ``(N,)`` labels of each training, above 0.
        scores: ``(N,)`` in [0, 1].

    Attributes:
        noise: standard deviation of the scores around their law.

    >>> minutes = np.array([5.0, 10.0, 20.0, 40.0])
    >>> laws = SaturatingLaws(minutes, 0.8 - 0.9 * minutes**-0.5)
    >>> bool(abs(laws.gain(40.0).mean - 0.9 * (40**-0.5 - 80**-0.5)) < 0.01)
    True
    """

    def __init__(self, minutes: np.ndarray, scores: np.ndarray) -> None:
        self.minutes = float(np.max(minutes))
        relative = minutes / self.minutes  # (N,)
        now = float(np.mean(scores[relative == 1.0]))
        steps = np.arange(round(2 * _AROUND / _STEP) + 1) * _STEP - _AROUND
        last, gap, exponent = (axis.ravel() for axis in np.meshgrid(now + steps, _GAPS, EXPONENTS, indexing="ij"))
        possible = (last >= 0) & (last <= 1) & (last + gap <= 1)
        self.last, self.gap, self.exponent = last[possible], gap[possible], exponent[possible]  # (G,) each
        errors = np.zeros(len(self.last))  # (G,)
        for part, score in zip(relative, scores, strict=True):
            errors += (self._scores_at(float(part)) - score) ** 2
        squares = errors + _TRAININGS_OF_IT * _TYPICAL_NOISE**2
        self.weights = _posterior(squares, len(scores)) * _prior(self.gap)
        self.weights /= self.weights.sum()
        self.noise = float(np.sqrt(self.weights @ squares / (len(scores) + _TRAININGS_OF_IT - 2)))

    def _scores_at(self, relative: float) -> np.ndarray:
        """``(G,)``, with so many times all labels; no score is below 0."""
        return np.maximum(self.last + self.gap * (1 - relative**-self.exponent), 0.0)

    def mean(self, minutes: np.ndarray) -> np.ndarray:
        """Expected scores with labels of ``minutes (K,)``."""
        return np.array([float(self.weights @ self._scores_at(each / self.minutes)) for each in minutes])

    def band(self, minutes: np.ndarray) -> np.ndarray:
        """``(K, 2)``, the central 80 % interval of these scores."""
        return np.array([self._interval(self._scores_at(each / self.minutes)) for each in minutes])

    def gain(self, more_minutes: float) -> Gain:
        """What labels of some more minutes bring."""
        gains = self._scores_at((self.minutes + more_minutes) / self.minutes) - self.last  # (G,)
        return Gain(float(self.weights @ gains), *self._interval(gains))

    def _interval(self, values: np.ndarray) -> tuple[float, float]:
        order = np.argsort(values, kind="stable")
        passed = np.cumsum(self.weights[order])
        low, high = (values[order[min(int(np.searchsorted(passed, share)), len(order) - 1)]] for share in _INTERVAL)
        return float(low), float(high)


def _posterior(squares: np.ndarray, count: int) -> np.ndarray:
    """The weight of laws with these sums of squared errors ``(G,)`` of ``count`` scores, those of the prior included.

    The noise is not known. With an inverse gamma prior of its variance, integrating over it gives this power.
    """
    return (squares / squares.min()) ** (-0.5 * (count + _TRAININGS_OF_IT))


def _prior(gaps: np.ndarray) -> np.ndarray:
    """The prior weight of each gap: what it stands for on the geometric grid, of a density that falls as 1 / √gap.

    With a uniform density, forecasts for made curves are about half a point too high.
    """
    edges = np.concatenate(([0.0], (_GAPS[1:] + _GAPS[:-1]) / 2, [_GAPS[-1]]))
    return np.interp(gaps, _GAPS, np.diff(np.sqrt(edges)))
