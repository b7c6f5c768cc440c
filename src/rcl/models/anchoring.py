"""Continuous anchoring (paper 3.2, eq. 4): confidences and offsets of any segment."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from rcl.data.segments import length
from rcl.models.alignment import Alignment
from rcl.models.encoding import Encoding, ProjectedEncoding
from rcl.models.end_alignment import EndAlignment
from rcl.models.predictions import AnchorScores


def coordinates(anchors: Tensor, snippets: Tensor) -> Tensor:
    """Coordinates as an input of the function: ``(B, K, 2)``, ``(B,)`` snippets of the video → ``(B, K, 3)``.

    Length on a logarithmic scale, so that a tenth of a second matters to a short action; start and end as shares of
    the video.
    """
    octaves = torch.log2(length(anchors).clamp(min=1e-3))[..., None] / 4  # (B, K, 1)
    return torch.cat((octaves, anchors / snippets.to(anchors.dtype)[:, None, None]), dim=-1)


class AnchorEmbedding(nn.Module):
    """Embeds anchors: ``[F, x]`` of eq. 4 through the first layers of the network.

    A linear layer on a concatenation is the sum of linear layers, so the alignment (linear in F), the look-up around
    the ends and the coordinates are projected separately and added.

    Args:
        alignment: the look-up of F along an anchor.
        ends: the look-up of F around both ends of an anchor; ``None`` for none.
        channels: width of the vector and of the look-up.
        conditioned: whether the coordinates x are an input; without them this is the pooling of eq. 1.
        dropout: between its layers.
    """

    def __init__(
        self,
        alignment: Alignment,
        ends: EndAlignment | None = None,
        *,
        channels: int,
        conditioned: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.alignment = alignment
        self.ends = ends
        self.coordinates = nn.Linear(3, channels) if conditioned else None
        self.layers = nn.Sequential(
            nn.LayerNorm(channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(channels, channels), nn.ReLU()
        )

    @property
    def reach(self) -> int:
        """How far an answer sees beyond the features that are looked up, in snippets."""
        return self.ends.reach if self.ends else 0

    def forward(self, encoding: ProjectedEncoding, anchors: Tensor) -> Tensor:
        """``anchors (B, K, 2)`` in snippet time → ``(B, K, channels)``."""
        inside = anchors - encoding.first
        content = self.alignment.sample(encoding.projected, inside)  # (B, K, channels)
        if self.ends and encoding.ends:
            content = content + self.ends.sample(encoding.ends, inside)
        if self.coordinates:
            content = content + self.coordinates(coordinates(anchors, encoding.snippets))
        return self.layers(content)

    def project(self, encoding: Encoding) -> ProjectedEncoding:
        """Project an encoding once for all queries: the part of the look-up that does not depend on the anchors."""
        features, mask, boundaries = encoding
        projected = self.alignment.project(features)._replace(lengths=mask.sum(dim=1))
        ends = self.ends.project(features, mask) if self.ends else None
        return ProjectedEncoding(projected, mask, boundaries, ends=ends)


class Readout(nn.Module):
    """From a vector per anchor to two confidences, two offsets and the joint label scores."""

    def __init__(self, channels: int, *, num_labels: int) -> None:
        super().__init__()
        self.confidences = nn.Linear(channels, 2)
        self.offsets = nn.Linear(channels, 2)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # without a label head
            self.labels = nn.Linear(channels, num_labels)
        # An untrained network moves nothing and scores no action (RetinaNet's prior).
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)
        nn.init.constant_(self.labels.bias, -4.0)

    def forward(self, vectors: Tensor, anchors: Tensor) -> AnchorScores:
        """``vectors (B, K, channels)``, ``anchors (B, K, 2)`` → scores of these anchors."""
        classification, regression = self.confidences(vectors).unbind(dim=-1)
        return AnchorScores(anchors, classification, regression, self.offsets(vectors), self.labels(vectors))
