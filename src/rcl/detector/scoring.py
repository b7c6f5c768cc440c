"""Scores of the segments that a user asks about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rcl.data.windows import centred_starts
from rcl.detector.config import LossConfig
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.search import Search
from rcl.models.predictions import Predictions

Confidence = Literal["regression", "classification", "fused"]


class SegmentScores(NamedTuple):
    """Scores of ``K`` segments.

    ``confidence (K,)``: how well the segment fits an action, in [0, 1]; ``labels (K, L)``: the score of every label;
    ``names``: the names of the labels; ``refined_seconds (K, 2)``: where the model would move the segment.
    """

    confidence: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    refined_seconds: np.ndarray


def learned_confidence(loss: LossConfig) -> Confidence:
    """The score that training taught how well a segment fits: regression, else classification, else the best label's.

    >>> learned_confidence(LossConfig()), learned_confidence(LossConfig(regression=0))
    ('regression', 'classification')
    """
    if loss.regression:
        return "regression"
    return "classification" if loss.classification else "fused"


@torch.inference_mode()
def score_segments(
    search: Search,
    video: EncodedVideo,
    segments_seconds: Sequence[tuple[float, float]] | np.ndarray,
    *,
    labels: tuple[str, ...],
    confidence: Confidence,
) -> SegmentScores:
    """Score ``K`` pairs of start and end; see :meth:`rcl.detector.localizer.Localizer.score`.

    Raises:
        InputError: see :meth:`EncodedVideo.to_anchors`.
    """
    snippets = video.features.shape[1]
    window = min(search.window or snippets, snippets)
    anchors = video.to_anchors(segments_seconds, longest=window if window < snippets else math.inf)  # (K, 2)
    starts = centred_starts(anchors, snippets, window)  # (K,)
    confidences, refined = torch.zeros(len(anchors)), torch.zeros(len(anchors), 2)
    label_scores = torch.zeros(len(anchors), len(labels))
    for start in starts.unique().tolist():
        own, encoding = starts == start, video.window(start, window, search.encode)
        # One step, since the question is about this segment and not about where it would move.
        predictions = search.query(encoding, anchors[own] - start, steps=1)
        fused = search.decoder.scores(predictions, anchors[own] - start)  # (k, L), or (k, 1) without labels
        confidences[own] = _confidence(predictions, fused, confidence)
        refined[own] = predictions.segments[0] + start
        if labels:
            label_scores[own] = fused
    seconds = video.timeline.to_seconds(refined.double())
    return SegmentScores(confidences.numpy(), label_scores.numpy(), labels, seconds.numpy())


def _confidence(predictions: Predictions, fused: Tensor, kind: Confidence) -> Tensor:
    if kind == "fused":
        return fused.amax(dim=1)
    step = predictions.steps[0]
    return (step.regression if kind == "regression" else step.classification)[0].sigmoid()
