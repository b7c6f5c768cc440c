"""From what a model says about many segments to a short list of detections: score fusion, decoding, soft-NMS."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rcl.predictions import AnchorScores, Predictions
from rcl.segments import clip

SNIPPETS_PER_COUNT = 16384  # of so many, ``candidates`` enter soft-NMS and ``top`` leave it

SoftNMSMethod = Literal["linear", "gaussian", "hard"]


class Decoded(NamedTuple):
    """Detections of one video, best first: ``segments (Q, 2)`` in snippet time, ``labels (Q,)``, ``scores (Q,)``."""

    segments: Tensor
    labels: Tensor
    scores: Tensor


@dataclass(frozen=True)
class Decoder:
    """Score fusion, decoding and soft-NMS.

    ``score = p1^a · p2^b · (p_start · p_end)^c · p_label``. A power of 0 leaves a factor out. The confidences p1 and p2
    are geometric means over the steps. The label scores are those of the first: refinement is about where an action is,
    and a step that follows a segment finds its label ever more likely, true or not. Where the model has no label head,
    every segment is a proposal with the label 0.

    Args:
        classification_power: a.
        regression_power: b.
        boundary_power: c; only where the encoder has a boundary head.
        boundary_peaks: only segments that start and end at a peak are candidates; see :func:`peaks`.
        method: of soft-NMS.
        sigma: of Gaussian soft-NMS.
        threshold: overlap up to which a detection leaves another one alone.
        candidates: how many of the best (segment, label) pairs of a video, or of each of its windows, enter soft-NMS;
            see :meth:`scaled`.
        top: Q, how many detections leave it.
        min_score: a detection with a lower score is dropped.
    """

    classification_power: float = 1.0
    regression_power: float = 1.0
    boundary_power: float = 0.0
    boundary_peaks: bool = False
    method: SoftNMSMethod | Literal["none"] = "gaussian"
    sigma: float = 0.5
    threshold: float = 0.0
    candidates: int = 3000
    top: int = 200
    min_score: float = 0.0

    def __call__(self, predictions: Predictions, *, end: float, minimum_length: float) -> Decoded:
        """Decode the predictions for one video: see :meth:`select` and :meth:`suppress`."""
        return self.suppress(self.select(predictions, end=end, minimum_length=minimum_length))

    def scaled(self, snippets: int) -> Decoder:
        """The decoder of a video of that length: ``candidates`` and ``top`` count for every 16,384 snippets begun."""
        times = math.ceil(snippets / SNIPPETS_PER_COUNT)
        return self if times <= 1 else replace(self, candidates=times * self.candidates, top=times * self.top)

    @property
    def asks_boundaries(self) -> bool:
        """Whether scores depend on the boundary head."""
        return bool(self.boundary_power) or self.boundary_peaks

    def select(self, predictions: Predictions, *, end: float, minimum_length: float) -> Decoded:
        """The candidates of one video or window.

        Args:
            predictions: of a batch of one.
            end: of the video or window, in snippets.
            minimum_length: of a detection, in snippets (SPF, paper 3.3).
        """
        return self.select_with_anchors(predictions, end=end, minimum_length=minimum_length)[0]

    def select_with_anchors(
        self, predictions: Predictions, *, end: float, minimum_length: float
    ) -> tuple[Decoded, Tensor]:
        """The same, and the anchor of each candidate ``(C,)``; of equal scores the first anchor's is first."""
        segments = clip(predictions.segments[0], end, minimum_length=minimum_length)  # (K, 2)
        scores = self.scores(predictions, segments)  # (K, L)
        if self.boundary_peaks and predictions.boundaries is not None:
            scores = scores * _at_peaks(predictions.boundaries[0], segments)[:, None]
        best, place = _first_highest(scores.flatten(), self.candidates)  # (C,)
        anchor, label = place // scores.shape[1], place % scores.shape[1]
        return Decoded(segments[anchor], label, best), anchor

    def merge(self, parts: Sequence[tuple[Decoded, Tensor]]) -> tuple[Decoded, Tensor]:
        """What :meth:`select_with_anchors` gives for all anchors of a video, from what it gives for groups of them."""
        segments, labels, scores = (torch.cat(field) for field in zip(*(part for part, _ in parts), strict=True))
        anchors = torch.cat([own for _, own in parts])
        order = labels.argsort(stable=True)
        for key, descending in ((anchors, False), (scores, True)):
            order = order[key[order].argsort(descending=descending, stable=True)]
        order = order[: self.candidates]
        return Decoded(segments[order], labels[order], scores[order]), anchors[order]

    def suppress(self, candidates: Decoded) -> Decoded:
        """What soft-NMS leaves of the candidates of a video, best first."""
        segments, labels, scores = candidates
        if self.method == "none":
            kept = torch.arange(len(scores))[scores > self.min_score][: self.top]
            return Decoded(segments[kept], labels[kept], scores[kept])
        kept, lowered = soft_nms(
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

    def scores(self, predictions: Predictions, segments: Tensor) -> Tensor:
        """Fused scores of the anchors, which ended up at ``segments (K, 2)``: ``(K, L)``, ``L = 1`` without labels."""
        logs = torch.stack([self._log_confidence(step) for step in predictions.steps]).mean(dim=0)  # (K,)
        if self.boundary_power and predictions.boundaries is not None:
            logs = logs + self.boundary_power * _log_at_ends(predictions.boundaries[0], segments)
        labels = predictions.steps[0].labels[0]  # (K, L)
        return (logs[:, None] + functional.logsigmoid(labels)).exp() if labels.shape[-1] else logs.exp()[:, None]

    def _log_confidence(self, step: AnchorScores) -> Tensor:
        classification = self.classification_power * functional.logsigmoid(step.classification[0])  # (K,)
        return classification + self.regression_power * functional.logsigmoid(step.regression[0])


def _first_highest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` highest of ``scores (N,)`` and their places; of equal ones the first (``topk`` takes any)."""
    best, place = scores.topk(min(count, len(scores)))
    if len(best) and (scores == best[-1]).sum() > (best == best[-1]).sum():  # some of the equal ones are left out
        equal = best == best[-1]
        place = torch.cat((place[~equal], (scores == best[-1]).nonzero()[: int(equal.sum()), 0]))
    place = place.sort().values
    best, order = scores[place].sort(descending=True, stable=True)
    return best, place[order]


def _log_at_ends(boundaries: Tensor, segments: Tensor) -> Tensor:
    """``log(p_start(x_s) · p_end(x_e))``: ``(2, T)`` logits, ``(K, 2)`` → ``(K,)``, linear between snippet centres."""
    place = (segments - 0.5).clamp(0, boundaries.shape[1] - 1).T  # (2, K)
    lower = place.floor().long()
    upper = (lower + 1).clamp(max=boundaries.shape[1] - 1)
    probability = boundaries.sigmoid()  # (2, T)
    at_ends = torch.lerp(probability.gather(1, lower), probability.gather(1, upper), place - lower)  # (2, K)
    return at_ends.clamp(min=torch.finfo(at_ends.dtype).tiny).log().sum(dim=0)


def peaks(probability: Tensor) -> Tensor:
    """Where ``probability (N, T)`` is no less than at both neighbours, or more than half its maximum (BSN 2018)."""
    around = functional.max_pool1d(probability, 3, stride=1, padding=1)
    return (probability == around) | (probability > probability.amax(dim=-1, keepdim=True) / 2)


def _at_peaks(boundaries: Tensor, segments: Tensor) -> Tensor:
    """Whether the snippets in which the segments start and end are peaks: ``(2, T)`` logits, ``(K, 2)`` → ``(K,)``."""
    snippet = segments.floor().long().clamp(0, boundaries.shape[1] - 1).T  # (2, K)
    return peaks(boundaries.sigmoid()).gather(1, snippet).all(dim=0)


@torch.no_grad()
def soft_nms(
    segments: Tensor,
    scores: Tensor,
    labels: Tensor | None,
    *,
    method: SoftNMSMethod,
    sigma: float = 0.5,
    threshold: float | Tensor = 0.0,
    min_score: float = 0.0,
    top: int,
) -> tuple[Tensor, Tensor]:
    """Soft non-maximum suppression: select the best segment, lower the scores of what overlaps it, and repeat.

    A selection lowers the segments of its own label whose tIoU with it is above its threshold, by a factor of
    ``1 − tIoU`` (linear), ``exp(−tIoU² / sigma)`` (gaussian; Bodla et al., 2017) or 0 (hard: classical NMS).
    Of equal scores the first in the input goes first.

    Known differences from public code, given the same factors: BMN's loop never returns the last segment that is left;
    G-TAD rounds what it writes; ActionFormer also returns scores that are exactly ``min_score``.

    Args:
        segments: ``(N, 2)``, in any unit.
        scores: ``(N)``.
        labels: ``(N)`` integers, or None to let every segment compete with every other.
        method: how an overlap lowers a score.
        sigma: width of the gaussian; the others ignore it.
        threshold: tIoU up to which an overlap is free; or one threshold per segment ``(N)``, which holds where that
            segment is the selected one. BMN's is ``t1 + (t2 − t1) · length / duration``.
        min_score: only lowered scores above it are returned.
        top: how many segments to return at most.

    Returns:
        The input positions of the selected segments ``(Q)`` and their lowered scores ``(Q)``, highest first.
    """
    if method not in ("linear", "gaussian", "hard"):
        raise ValueError(f"method must be 'linear', 'gaussian' or 'hard', not {method!r}")
    if method == "gaussian" and sigma <= 0:
        raise ValueError(f"sigma must be positive, not {sigma}")
    members = _by_label(labels, scores)  # (L, M)
    free = torch.as_tensor(threshold, dtype=segments.dtype, device=segments.device).expand(len(scores))
    places = torch.stack((*segments.T, segments[:, 1] - segments[:, 0], free))[:, members]  # (4, L, M)
    left = scores[members].masked_fill(members < 0, -torch.inf)  # (L, M), what is not selected yet
    # A hundred small steps, in each of which calls of PyTorch cost several times what they compute: hence NumPy.
    positions, lowered = _select(
        *(tensor.numpy(force=True) for tensor in (places, left, members)),
        decay=partial(_decay, method=method, sigma=sigma),
        min_score=min_score,
        top=top,
    )
    return _highest(positions.to(members.device), lowered.to(scores.device), min_score, top)


def _select(
    places: np.ndarray,
    left: np.ndarray,
    members: np.ndarray,
    *,
    decay: Callable[[np.ndarray], np.ndarray],
    min_score: float,
    top: int,
) -> tuple[Tensor, Tensor]:
    """Positions and scores of all selections that may be among the ``top``, in no order; works in ``left (L, M)``.

    ``places (4, L, M)`` are start, end, length and the tIoU up to which an overlap is free.
    """
    starts, ends, lengths, _ = places
    group = np.arange(len(left))  # (L,)
    positions, lowered = members.ravel()[:0], left.ravel()[:0]
    # Labels do not meet, so each makes its next selection in the same step.
    for _ in range(min(top, left.shape[1])):
        column = left.argmax(axis=1)  # (L,), the first of equal ones
        best = left[group, column]
        highest = best.max()
        if highest <= min_score or (lowered > highest).sum() >= top:  # nothing that follows can be among the top
            break
        positions = np.concatenate((positions, members[group, column]))
        lowered = np.concatenate((lowered, best))
        start, end, length, free = places[:, group, column, None]  # (L, 1) each
        common = np.maximum(np.minimum(ends, end) - np.maximum(starts, start), 0)  # (L, M)
        overlap = common / np.maximum(lengths + length - common, np.finfo(places.dtype).tiny)  # tIoU
        factor = np.where(overlap > free, decay(overlap), 1).astype(left.dtype, copy=False)
        left[group, column] = -np.inf
        np.multiply(left, factor, out=left, where=left > min_score)  # 0 · −∞ is not a number
    return torch.from_numpy(positions), torch.from_numpy(lowered)


def _by_label(labels: Tensor | None, scores: Tensor) -> Tensor:
    """The positions of each label's members in input order: ``(L, M)``, filled up with −1."""
    number = len(scores)
    if labels is None:
        return torch.arange(number, device=scores.device)[None]
    ordered, order = torch.sort(labels, stable=True)  # (N)
    _, group, sizes = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
    column = torch.arange(number, device=scores.device) - (sizes.cumsum(0) - sizes)[group]  # (N)
    members = order.new_full((len(sizes), int(sizes.max()) if number else 0), -1)
    members[group, column] = order
    return members


def _decay(overlap: np.ndarray, method: SoftNMSMethod, sigma: float) -> np.ndarray:
    """The factor by which an overlap lowers a score."""
    if method == "linear":
        return 1 - overlap
    if method == "gaussian":
        return torch.from_numpy(-(overlap**2) / sigma).exp().numpy()  # NumPy's own differs in the last bit
    return np.zeros_like(overlap)


def _highest(positions: Tensor, scores: Tensor, min_score: float, top: int) -> tuple[Tensor, Tensor]:
    """The ``top`` of the selections above ``min_score``, highest score first, then input order."""
    kept = scores > min_score
    positions, order = positions[kept].sort()  # (Q)
    scores, rank = scores[kept][order].sort(descending=True, stable=True)  # (Q)
    return positions[rank[:top]], scores[:top]
