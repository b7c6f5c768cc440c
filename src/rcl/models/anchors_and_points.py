"""Fixed hypotheses at every snippet: multi-scale anchors and points (paper 3.2, eq. 2 and 3).

A queried segment gets the answer of the nearest hypothesis. The scores name that hypothesis as their anchor, so the
losses compare it with the ground truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rcl.data.segments import length
from rcl.models.detector import Detector
from rcl.models.encoders import Encoder
from rcl.models.predictions import AnchorScores, Predictions


class LocationEncoding(NamedTuple):
    """A video and the answers of all its hypotheses.

    ``answers (B, S, T, 4 + L)`` of S hypotheses per snippet: two confidences, two coordinates, labels; ``mask (B, T)``
    and ``boundaries (B, 2, T)`` as in :class:`rcl.models.encoding.Encoding`.
    """

    answers: Tensor
    mask: Tensor
    boundaries: Tensor | None


class LocationHead(nn.Module):
    """Two convolutions along time, then the answers of each snippet.

    Args:
        in_channels: width of the encoding.
        channels: width of the convolutions.
        hypotheses: S, per snippet.
        num_labels: L.
        dropout: before the answers.
    """

    def __init__(
        self, in_channels: int, *, channels: int, hypotheses: int, num_labels: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.hypotheses = hypotheses
        self.convolutions = nn.ModuleList(nn.Conv1d(width, channels, 3, padding=1) for width in (in_channels, channels))
        self.dropout = nn.Dropout(dropout)
        self.answers = nn.Linear(channels, hypotheses * (4 + num_labels))
        # As in the continuous function, an untrained network moves nothing and scores no action.
        with torch.no_grad():
            weight, bias = self.answers.weight.unflatten(0, (hypotheses, -1)), self.answers.bias.view(hypotheses, -1)
            weight[:, 2:4] = 0.0
            bias[:, 2:4] = 0.0
            bias[:, 4:] = -4.0

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """``features (B, in_channels, T)`` of which ``mask (B, T)`` exist → ``(B, S, T, 4 + L)``."""
        exists = mask[:, None].to(features.dtype)  # (B, 1, T)
        for layer in self.convolutions:
            features = torch.relu(layer(features)) * exists  # (B, channels, T)
        answers = self.answers(self.dropout(features.transpose(1, 2)))  # (B, T, S · (4 + L))
        return answers.unflatten(2, (self.hypotheses, -1)).transpose(1, 2)


class LocationDetector(Detector):
    """The common part of multi-scale anchors and points: one pass over the video, then queries read from it.

    Args:
        encoder: ``(features (B, C, T), mask (B, T)) → Encoding``.
        head: with one hypothesis for each of the lengths.
        lengths: of the hypotheses of a snippet, whose centre is that of the snippet; in snippets.
    """

    lengths: Tensor

    def __init__(self, encoder: Encoder, head: LocationHead, *, lengths: Sequence[float]) -> None:
        super().__init__(encoder)
        self.head = head
        self.register_buffer("lengths", torch.tensor(lengths), persistent=False)  # (S,), a part of the configuration

    def encode(self, features: Tensor, mask: Tensor) -> LocationEncoding:
        """Score all hypotheses of ``features (B, C, T)``, of which ``mask (B, T)`` exist."""
        encoding = self.encoder(features, mask)
        return LocationEncoding(self.head(encoding.features, mask), mask, encoding.boundaries)

    def query(self, encoding: LocationEncoding, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """Read the hypotheses next to ``anchors (B, K, 2)``. ``steps`` has no effect: there is one."""
        last = encoding.mask.sum(dim=1)[:, None] - 1  # (B, 1)
        snippet = torch.minimum(anchors.mean(dim=-1).floor().clamp(min=0), last).long()  # (B, K)
        octaves = length(anchors).clamp(min=1e-3).log2()[..., None] - self.lengths.log2()  # (B, K, S)
        hypothesis = octaves.abs().argmin(dim=-1)  # (B, K)
        batch = torch.arange(len(anchors), device=anchors.device)[:, None]
        answers = encoding.answers[batch, hypothesis, snippet]  # (B, K, 4 + L)

        half = self.lengths[hypothesis] / 2  # (B, K)
        centre = snippet + 0.5
        own = torch.stack((centre - half, centre + half), dim=-1)  # (B, K, 2)
        scores = AnchorScores(own, answers[..., 0], answers[..., 1], self.offsets(answers[..., 2:4]), answers[..., 4:])
        return Predictions((scores,), scores.segments, encoding.boundaries)

    def offsets(self, coordinates: Tensor) -> Tensor:
        """Offsets of both ends in lengths, from the two coordinates of the answers: ``(B, K, 2)``."""
        raise NotImplementedError


class AnchorDetector(LocationDetector):
    """Anchors of several scales at every snippet, jointly classified and regressed (eq. 2), as in Faster R-CNN."""

    def offsets(self, coordinates: Tensor) -> Tensor:
        """Eq. 2: the coordinates are the offsets."""
        return coordinates


class PointDetector(LocationDetector):
    """Points instead of anchors: each answers with the centre and the length of its action (eq. 3).

    Args:
        encoder: ``(features (B, C, T), mask (B, T)) → Encoding``.
        head: with one hypothesis.
        typical: the length that an untrained network answers with, in snippets.
    """

    def __init__(self, encoder: Encoder, head: LocationHead, *, typical: float) -> None:
        super().__init__(encoder, head, lengths=(1.0,))
        self.typical = typical

    def offsets(self, coordinates: Tensor) -> Tensor:
        """Eq. 3: ``c* ± l / 2`` with ``c* = Δc + c``, seen from the snippet, which is an anchor of length 1."""
        # The typical length is the unit of both, so that they are of the order of one.
        shift, octaves = coordinates.float().unbind(dim=-1)  # (B, K)
        half = self.typical * torch.exp(octaves.clamp(max=math.log(1e4))) / 2  # finite for any output
        centre = self.typical * shift
        return torch.stack((centre - half + 0.5, centre + half - 0.5), dim=-1)
