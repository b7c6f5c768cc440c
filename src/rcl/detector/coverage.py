"""How well a choice of stretches stands for everything else, by the features of moments.

The value of a choice is the sum over all open moments of their similarity to the most similar chosen or reviewed one
(*facility location*; Wei et al., *Submodularity in Data Subset Selection and Active Learning*, ICML 2015). What
resembles reviewed moments adds little, what stands for many others adds much, and nothing like a choice is chosen
again. A moment without features resembles itself alone.
"""

from __future__ import annotations

import numpy as np

from rcl.data.standardization import measure_channels

CHANNELS = 64  # to which wider features are projected
PAIRS = 20_000_000  # of references and moments: bounds memory and time
LEAST, MOST = 200, 1500  # references
NEAR = 0.05  # share of the moments that count as near a moment


class Coverage:
    """What stretches of moments would add to those that are covered.

    Args:
        features: ``(N, C)``, NaN for moments without features.
        is_open: ``(N,)`` bool; the other moments are covered from the beginning.
        weights: ``(N,)``, how much covering an open moment is worth.
        stretches: ``(S, 2)`` int64, first moment of each and the one after its last.
        seed: chooses the references and the projection.
    """

    def __init__(
        self, features: np.ndarray, is_open: np.ndarray, weights: np.ndarray, stretches: np.ndarray, seed: int = 0
    ) -> None:
        random = np.random.default_rng(seed)
        known = np.isfinite(features).all(axis=1) & (features.shape[1] > 0)  # (N,)
        alone = np.where(is_open & ~known, weights, 0.0)
        self._sums = np.concatenate(([0.0], alone.cumsum()))  # (N + 1,)
        self._stretches = stretches
        references, share = _sample(np.flatnonzero(is_open & known), len(features), random)
        self._weights = (weights[references] * share).astype(np.float32)  # (R,)
        similarity = _similarity(features, known, references, random)  # (R, N)
        self._covered = similarity[:, ~is_open].max(axis=1, initial=0.0)  # (R,)
        self._best = _best_in(similarity, stretches)  # (R, S)

    def gains(self) -> np.ndarray:
        """What each stretch would add: ``(S,)``, from 0 on."""
        first, last = self._stretches.T
        own = self._sums[last] - self._sums[first]
        return np.asarray(own + self._weights @ np.maximum(self._best - self._covered[:, None], 0.0))

    def choose(self, stretch: int) -> None:
        """Count a stretch as covered."""
        self._covered = np.maximum(self._covered, self._best[:, stretch])


def _sample(open_moments: np.ndarray, count: int, random: np.random.Generator) -> tuple[np.ndarray, float]:
    """The moments that stand for all open ones, and how many each stands for."""
    limit = int(np.clip(PAIRS / max(count, 1), LEAST, MOST))
    if len(open_moments) <= limit:
        return open_moments, 1.0
    return np.sort(random.choice(open_moments, limit, replace=False)), len(open_moments) / limit


def _similarity(
    features: np.ndarray, known: np.ndarray, references: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Similarity in [0, 1] of references to all moments, ``(R, N)`` float32; 0 where nothing is known."""
    similarity = np.zeros((len(references), len(features)), np.float32)
    if not len(references):
        return similarity
    points = _comparable(features[known], random)  # (n, c)
    norms = np.square(points).sum(axis=1)
    own = np.flatnonzero(np.isin(np.flatnonzero(known), references))  # (R,)
    squares = np.maximum(norms[own, None] + norms - 2 * points[own] @ points.T, 0.0)  # (R, n)
    rank = max(int(NEAR * (len(points) - 1)), min(1, len(points) - 1))  # of few moments, the nearest other one
    near = np.partition(squares, rank, axis=1)[:, rank]
    similarity[:, known] = np.exp(-squares / max(2 * float(np.median(near)), 1e-6))
    return similarity


def _comparable(features: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Features ``(n, C)`` with one scale for all channels, projected to at most ``CHANNELS``: ``(n, c)`` float32."""
    scale = measure_channels([features])
    points = (features - np.array(scale.mean, np.float32)) / np.array(scale.deviation, np.float32)
    if points.shape[1] <= CHANNELS:
        return points
    shape = points.shape[1], CHANNELS
    return np.asarray(points @ (random.normal(size=shape) / np.sqrt(CHANNELS)).astype(np.float32))


def _best_in(similarity: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """The largest similarity of each reference to a moment of each stretch: ``(R, N)`` → ``(R, S)``."""
    first, last = stretches.T
    best = similarity[:, first]
    for step in range(1, int((last - first).max(initial=0))):
        np.maximum(best, similarity[:, np.minimum(first + step, last - 1)], out=best)
    return best
