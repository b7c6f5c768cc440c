"""From the outputs of the graph to detections, in NumPy: as :mod:`rcl.models.decoding` does it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from rcl.detector.exported.resizing import resample
from rcl.detector.exported.segments import clip
from rcl.models.soft_nms_selection import SoftNMSMethod, select

SNIPPETS_PER_COUNT = 16384  # ``candidates`` and ``top`` apply to so many snippets, and multiply for longer videos
TINY = np.finfo(np.float32).tiny


class Outputs(NamedTuple):
    """What the graph says about K anchors: logits ``classification (M, K)``, ``regression (M, K)``, ``labels (K, L)``
    and ``boundaries (2, T)``, and ``segments (K, 2)`` in snippet time."""

    classification: np.ndarray
    regression: np.ndarray
    segments: np.ndarray
    labels: np.ndarray | None = None
    boundaries: np.ndarray | None = None

    def at_rate(self, snippets: int, base: int) -> Outputs:
        """Answers about a version of ``snippets``, in the snippet time of the video of ``base``."""
        if snippets == base:
            return self
        boundaries = None if self.boundaries is None else resample(self.boundaries, base)
        return self._replace(segments=self.segments * np.float32(base / snippets), boundaries=boundaries)


class Decoded(NamedTuple):
    """Detections of one video: ``segments (Q, 2)`` in snippet time, ``labels (Q,)``, ``scores (Q,)``, best first."""

    segments: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class ArrayDecoder:
    """Score fusion, decoding and soft-NMS; the options are those of :class:`rcl.models.decoding.Decoder`."""

    classification_power: float
    regression_power: float
    boundary_power: float
    boundary_peaks: bool
    method: SoftNMSMethod | Literal["none"]
    sigma: float
    threshold: float
    candidates: int
    top: int
    min_score: float

    def scaled(self, snippets: int) -> ArrayDecoder:
        """The decoder for a video of ``snippets``: ``candidates`` and ``top`` per 16,384 snippets begun."""
        times = math.ceil(snippets / SNIPPETS_PER_COUNT)
        return self if times <= 1 else replace(self, candidates=times * self.candidates, top=times * self.top)

    def select(self, outputs: Outputs, *, end: float) -> Decoded:
        """The candidates of one video or window that ends at snippet ``end``."""
        segments = clip(outputs.segments, end, minimum_length=1.0)  # (K, 2)
        logs = self._log_scores(outputs, segments)  # (K,)
        labels = np.zeros((len(logs), 1), np.float32) if outputs.labels is None else log_sigmoid(outputs.labels)
        scores = np.exp(logs[:, None] + labels)  # (K, L)
        flat = scores.ravel()
        kept = np.flatnonzero(flat >= self.min_score)
        chosen = kept[np.argsort(-flat[kept], kind="stable")[: self.candidates]]  # of equal scores the first
        anchor, label = np.divmod(chosen, scores.shape[1])
        return Decoded(segments[anchor], label, flat[chosen])

    def suppress(self, candidates: Decoded) -> Decoded:
        """The detections that remain after soft-NMS, best first."""
        segments, labels, scores = candidates
        if self.method == "none":
            kept = np.flatnonzero(scores > self.min_score)[: self.top]
            return Decoded(segments[kept], labels[kept], scores[kept])
        kept, lowered = select(
            segments,
            scores,
            labels,
            method=self.method,
            sigma=self.sigma,
            threshold=self.threshold,
            min_score=self.min_score,
            top=self.top,
        )
        return Decoded(segments[kept], labels[kept], lowered)

    def _log_scores(self, outputs: Outputs, segments: np.ndarray) -> np.ndarray:
        """Logarithms of the scores without the labels: ``(K,)``."""
        steps = self.classification_power * log_sigmoid(outputs.classification)  # (M, K)
        logs = (steps + self.regression_power * log_sigmoid(outputs.regression)).mean(axis=0)
        if self.boundary_power and outputs.boundaries is not None:
            logs = logs + self.boundary_power * _log_at_ends(outputs.boundaries, segments)
        if self.boundary_peaks and outputs.boundaries is not None:
            logs = np.where(_at_peaks(outputs.boundaries, segments), logs, -np.inf)
        return logs.astype(np.float32)


def log_sigmoid(logits: np.ndarray) -> np.ndarray:
    """The logarithm of the sigmoid, exact for large logits of either sign."""
    return np.minimum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))


def average(answers: Sequence[Outputs]) -> Outputs:
    """The average of answers about the same anchors, as :func:`rcl.models.averaging.average` takes it."""
    if len(answers) == 1:
        return answers[0]
    labels = [answer.labels for answer in answers if answer.labels is not None]
    boundaries = [answer.boundaries for answer in answers if answer.boundaries is not None]
    return Outputs(
        _mean_logit([answer.classification for answer in answers]),
        _mean_logit([answer.regression for answer in answers]),
        _mean([answer.segments for answer in answers]),
        _mean_logit(labels) if labels else None,
        _mean(boundaries) if boundaries else None,
    )


def merge(starts: Sequence[int], parts: Sequence[Decoded], *, end: float) -> Decoded:
    """The candidates of windows that begin at ``starts`` as those of their video, as ``merge_windows`` merges them."""
    placed = [part.segments + np.float32(start) for start, part in zip(starts, parts, strict=True)]
    segments = np.concatenate(placed).clip(0, np.float32(end))
    labels, scores = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    order = np.argsort(-scores, kind="stable")
    order = order[np.diff(segments, axis=1)[order, 0] > 0]
    return Decoded(segments[order], labels[order], scores[order])


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(values, axis=0, dtype=np.float32))


def _mean_logit(logits: Sequence[np.ndarray]) -> np.ndarray:
    """The logit of the geometric mean of the probabilities that some ``logits`` stand for."""
    log = np.minimum(np.mean([log_sigmoid(own) for own in logits], axis=0), -TINY)
    return np.asarray(log - np.log(-np.expm1(log)), dtype=np.float32)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.exp(log_sigmoid(logits))


def _log_at_ends(boundaries: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """``log(p_start(x_s) · p_end(x_e))``: ``(2, T)`` logits, ``(K, 2)`` → ``(K,)``, linear between snippet centres."""
    last = boundaries.shape[1] - 1
    place = (segments.T - np.float32(0.5)).clip(0, last)  # (2, K)
    lower = np.floor(place).astype(np.int64)
    below, above = (
        _sigmoid(np.take_along_axis(boundaries, side, axis=1)) for side in (lower, np.minimum(lower + 1, last))
    )
    return np.log((below + (place - lower) * (above - below)).clip(TINY)).sum(axis=0)


def _at_peaks(boundaries: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Whether the snippets in which the segments start and end are peaks: ``(2, T)`` logits, ``(K, 2)`` → ``(K,)``."""
    probability = _sigmoid(boundaries)
    sides = np.pad(probability, ((0, 0), (1, 1)), constant_values=-np.inf)
    around = np.maximum(np.maximum(sides[:, :-2], sides[:, 2:]), probability)
    peaks = (probability == around) | (probability > probability.max(axis=1, keepdims=True) / 2)
    snippet = np.floor(segments.T).astype(np.int64).clip(0, boundaries.shape[1] - 1)  # (2, K)
    return np.asarray(np.take_along_axis(peaks, snippet, axis=1).all(axis=0))
