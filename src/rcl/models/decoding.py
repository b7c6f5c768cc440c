"""From predictions for many segments to a short list of detections: score fusion, decoding, soft-NMS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from rcl.data.segments import clip
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.soft_nms import SoftNMSMethod, soft_nms

_ROUNDING = 1e-6  # more than the share by which two computations of a score differ
SNIPPETS_PER_COUNT = 16384  # ``candidates`` and ``top`` apply to so many snippets, and multiply for longer videos


class Decoded(NamedTuple):
    """Detections of one video, best first: ``segments (Q, 2)`` in snippet time, ``labels (Q,)``, ``scores (Q,)``."""

    segments: Tensor
    labels: Tensor
    scores: Tensor


@dataclass(frozen=True)
class Decoder:
    """Score fusion, decoding and soft-NMS.

    ``score = p1^a · p2^b · (p_start · p_end)^c · p_label``. A power of 0 leaves a factor out. The confidences p1 and p2
    are geometric means over the steps. The label scores are those of the first step: refinement looks for where an
    action is, and a step that follows a segment scores its label ever higher, right or wrong. Without a label head,
    every segment is a proposal with the label 0.

    Args:
        classification_power: a.
        regression_power: b.
        boundary_power: c; only where the encoder has a boundary head.
        boundary_peaks: only segments that start and end at a peak are candidates; see :func:`peaks`.
        method: of soft-NMS.
        sigma: of Gaussian soft-NMS.
        threshold: soft-NMS ignores overlaps up to this.
        candidates: how many of the best (segment, label) pairs of a video, or of each of its windows, enter soft-NMS;
            see :meth:`scaled`.
        top: Q, how many detections leave it.
        min_score: a detection with a lower score is dropped.
        refine_above: an anchor is refined if its best score after the first step is at least this; 0 refines all.
            See :meth:`worth_refining`.
    """

    classification_power: float = 0.0
    regression_power: float = 0.5
    boundary_power: float = 0.0
    boundary_peaks: bool = False
    method: SoftNMSMethod | Literal["none"] = "gaussian"
    sigma: float = 0.5
    threshold: float = 0.0
    candidates: int = 3000
    top: int = 200
    min_score: float = 1e-4
    refine_above: float = 0.1

    def __call__(self, predictions: Predictions, *, end: float, minimum_length: float) -> Decoded:
        """Decode the predictions for one video: see :meth:`select` and :meth:`suppress`."""
        return self.suppress(self.select(predictions, end=end, minimum_length=minimum_length))

    def scaled(self, snippets: int) -> Decoder:
        """The decoder for a video of ``snippets``: ``candidates`` and ``top`` per 16,384 snippets begun."""
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
        self, predictions: Predictions, *, end: float, minimum_length: float, floor: float = -math.inf
    ) -> tuple[Decoded, Tensor]:
        """The candidates and the anchor of each ``(C,)``. Of equal scores, that of the first anchor comes first.

        Candidates with scores below ``floor`` or ``min_score``, which soft-NMS ignores, are left out.
        """
        segments = clip(predictions.segments[0], end, minimum_length=minimum_length)  # (K, 2)
        logs, labels = self._log_scores(predictions, segments), predictions.steps[0].labels[0]  # (K,), (K, L)
        floor = max(floor, self.min_score)
        if self.boundary_peaks and predictions.boundaries is not None:
            logs = logs.masked_fill(~_at_peaks(predictions.boundaries[0], segments), -math.inf)
        # If an anchor's best label is not among the candidates, none of its labels is.
        best = _with_best_label(logs, labels)  # (K,)
        if len(best) > self.candidates:
            floor = max(floor, (1 - _ROUNDING) * float(best.topk(self.candidates).values[-1]))
        kept = (best >= (1 - _ROUNDING) * floor).nonzero()[:, 0]  # (A,)
        scores = _with_labels(logs[kept], labels[kept])  # (A, L)
        highest, place = _first_highest(scores.flatten(), self.candidates, floor)  # (C,)
        anchor, label = kept[place // scores.shape[1]], place % scores.shape[1]
        return Decoded(segments[anchor], label, highest), anchor

    def merge(self, parts: Sequence[tuple[Decoded, Tensor]]) -> tuple[Decoded, Tensor]:
        """The result of :meth:`select_with_anchors` for all anchors of a video, from its results for groups of them."""
        segments, labels, scores = (torch.cat(field) for field in zip(*(part for part, _ in parts), strict=True))
        anchors = torch.cat([own for _, own in parts])
        order = labels.argsort(stable=True)
        for key, descending in ((anchors, False), (scores, True)):
            order = order[key[order].argsort(descending=descending, stable=True)]
        order = order[: self.candidates]
        return Decoded(segments[order], labels[order], scores[order]), anchors[order]

    def suppress(self, candidates: Decoded) -> Decoded:
        """The detections that remain after soft-NMS, best first."""
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
        """Fused scores of anchors that moved to ``segments (K, 2)``: ``(K, L)``, with ``L = 1`` without labels."""
        return _with_labels(self._log_scores(predictions, segments), predictions.steps[0].labels[0])

    def worth_refining(self, predictions: Predictions) -> Tensor:
        """Whether each anchor may still reach the result, by its best score after the first step: ``(K,)``.

        Boundary probabilities are left out, because they can only lower a score. So this depends on the anchor alone,
        and is the same in any part of a video that holds all that the anchor sees.
        """
        first = predictions.steps[0]
        return _with_best_label(self._log_confidence(first), first.labels[0]) >= self.refine_above

    def _log_scores(self, predictions: Predictions, segments: Tensor) -> Tensor:
        """Logarithms of the scores without the labels: ``(K,)``."""
        logs = torch.stack([self._log_confidence(step) for step in predictions.steps]).mean(dim=0)  # (K,)
        if self.boundary_power and predictions.boundaries is not None:
            logs = logs + self.boundary_power * _log_at_ends(predictions.boundaries[0], segments)
        return logs

    def _log_confidence(self, step: AnchorScores) -> Tensor:
        classification = self.classification_power * functional.logsigmoid(step.classification[0])  # (K,)
        return classification + self.regression_power * functional.logsigmoid(step.regression[0])


class Candidates:
    """Collects the candidates of a video from groups of its anchors.

    Args:
        decoder: of the whole video.
        end: of the video, in snippets.
        minimum_length: of a detection, in snippets.
    """

    def __init__(self, decoder: Decoder, *, end: float, minimum_length: float) -> None:
        self.decoder = decoder
        self._select = partial(decoder.select_with_anchors, end=end, minimum_length=minimum_length)
        self._parts: list[tuple[Decoded, Tensor]] = []
        self._floor = -math.inf  # lowest score, once the number of candidates is reached

    def add(self, predictions: Predictions, anchors: Tensor) -> None:
        """Add the predictions for the ``anchors (K,)`` of the video."""
        found, own = self._select(predictions, floor=self._floor)
        self._parts.append((found, anchors[own]))
        # Sorts only once twice as many as needed have come, rather than for every group.
        if sum(len(kept.scores) for kept, _ in self._parts) >= 2 * self.decoder.candidates:
            self.best()

    def best(self) -> Decoded:
        """The candidates of all groups so far."""
        self._parts = [self.decoder.merge(self._parts)]
        scores = self._parts[0][0].scores
        if len(scores) == self.decoder.candidates:
            self._floor = float(scores[-1])
        return self._parts[0][0]


def _with_labels(logs: Tensor, labels: Tensor) -> Tensor:
    """Scores from ``logs (K,)`` and the logits ``labels (K, L)``: ``(K, L)``, or ``(K, 1)`` without labels."""
    return (logs[:, None] + functional.logsigmoid(labels)).exp() if labels.shape[1] else logs.exp()[:, None]


def _with_best_label(logs: Tensor, labels: Tensor) -> Tensor:
    """The highest of the scores of each anchor, ``(K,)``; arguments as in :func:`_with_labels`."""
    return _with_labels(logs, labels.amax(dim=1, keepdim=True) if labels.numel() else labels)[:, 0]


def _first_highest(scores: Tensor, count: int, floor: float = -math.inf) -> tuple[Tensor, Tensor]:
    """The ``count`` highest ``scores (N,)`` and their places. Of equal ones the first (``topk`` may take any)."""
    if floor > -math.inf:
        above = (scores >= floor).nonzero()[:, 0]  # (A,)
        best, place = _first_highest(scores[above], count)
        return best, above[place]
    best, place = scores.topk(min(count, len(scores)))
    if len(best) and (scores == best[-1]).sum() > (best == best[-1]).sum():  # some equal scores are left out
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
    below, above = boundaries.gather(1, lower).sigmoid(), boundaries.gather(1, upper).sigmoid()  # (2, K)
    at_ends = torch.lerp(below, above, place - lower)  # (2, K)
    return at_ends.clamp(min=torch.finfo(at_ends.dtype).tiny).log().sum(dim=0)


def peaks(probability: Tensor) -> Tensor:
    """Snippets whose ``probability (N, T)`` is at least their neighbours', or above half the maximum (BSN 2018)."""
    around = functional.max_pool1d(probability, 3, stride=1, padding=1)
    return (probability == around) | (probability > probability.amax(dim=-1, keepdim=True) / 2)


def _at_peaks(boundaries: Tensor, segments: Tensor) -> Tensor:
    """Whether the snippets in which the segments start and end are peaks: ``(2, T)`` logits, ``(K, 2)`` → ``(K,)``."""
    snippet = segments.floor().long().clamp(0, boundaries.shape[1] - 1).T  # (2, K)
    return peaks(boundaries.sigmoid()).gather(1, snippet).all(dim=0)
