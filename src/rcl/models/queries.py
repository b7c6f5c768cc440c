"""Action queries: a transformer decoder answers with a set of segments (paper 3.2, Figure 2 (e)).

As in DETR (Carion et al. 2020), and in RTD-Net (Tan et al. 2021) and TadTR (Liu et al. 2022), which take it from boxes
to segments. Places are shares of the video, so a query serves videos of any length. The losses are in
:mod:`rcl.models.set_losses`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rcl.models.detector import Detector
from rcl.models.encoders import Encoder
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import slots

OCTAVES = 7  # from the longest wave of an encoded place, two videos, to the shortest


class QueryEncoding(NamedTuple):
    """A video and the answers of all queries.

    ``answers (M, B, Q, 4 + L)`` of the M layers of the decoder: two confidences, two coordinates, labels;
    ``mask (B, T)`` and ``boundaries (B, 2, T)`` as in :class:`rcl.models.encoding.Encoding`.
    """

    answers: Tensor
    mask: Tensor
    boundaries: Tensor | None


class QueryHead(nn.Module):
    """Learned queries that look at each other and at the encoding of a video, layer after layer.

    Query q starts in the middle of slot q of Q equal parts of the video. Attention head h looks at the snippets around
    that place with a Gaussian weight of ``2^h`` slots, so that the queries need not learn first where to look (SMCA,
    Gao et al. 2021).

    Args:
        in_channels: width of the encoding.
        channels: width of the decoder, an even number that ``attention_heads`` divides.
        queries: Q.
        layers: M.
        attention_heads: of a layer.
        num_labels: L.
        dropout: in the decoder.
    """

    waves: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int,
        queries: int,
        layers: int,
        attention_heads: int,
        num_labels: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_heads = attention_heads
        self.project = nn.Linear(in_channels, channels)
        self.queries = nn.Parameter(torch.randn(queries, channels))
        layer = nn.TransformerDecoderLayer(
            channels, attention_heads, 4 * channels, dropout, batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, layers)
        self.norm = nn.LayerNorm(channels)
        self.answers = nn.Linear(channels, 4 + num_labels)
        self.register_buffer("waves", math.pi * 2 ** torch.linspace(0, OCTAVES, channels // 2), persistent=False)
        # As in the continuous function, an untrained network moves nothing and scores no action.
        with torch.no_grad():
            self.answers.weight[2:4] = 0.0
            self.answers.bias[2:4] = 0.0
            self.answers.bias[4:] = -4.0

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """``features (B, in_channels, T)`` of which ``mask (B, T)`` exist → ``(M, B, Q, 4 + L)``."""
        count = len(self.queries)
        starts = (torch.arange(count, device=mask.device) + 0.5) / count  # (Q,)
        places = (torch.arange(mask.shape[1], device=mask.device) + 0.5) / mask.sum(dim=1)[:, None]  # (B, T)
        memory = self.project(features.transpose(1, 2)) + self.encode_places(places)  # (B, T, channels)
        weight = self.weight_around(starts, places).masked_fill(~mask[:, None, None], -math.inf)
        weight = weight.flatten(0, 1).to(memory.dtype)  # (B · heads, Q, T)
        hidden = (self.queries + self.encode_places(starts)).expand(len(mask), -1, -1)  # (B, Q, channels)
        answers = []
        for layer in self.decoder.layers:
            hidden = layer(hidden, memory, memory_mask=weight)
            answers.append(self.answers(self.norm(hidden)))
        return torch.stack(answers)

    def encode_places(self, places: Tensor) -> Tensor:
        """Sines and cosines of ``places (...)``, shares of a video: ``(..., channels)``."""
        angles = places[..., None] * self.waves
        return torch.cat((angles.sin(), angles.cos()), dim=-1)

    def weight_around(self, starts: Tensor, places: Tensor) -> Tensor:
        """Logarithms of the weights of ``places (B, T)`` around ``starts (Q,)``: ``(B, heads, Q, T)``."""
        widths = 2.0 ** torch.arange(self.attention_heads, device=starts.device)  # (heads,), in slots
        far = (places[:, None] - starts[:, None]) * len(starts)  # (B, Q, T), in slots
        weight = -0.5 * (far[:, None] / widths[:, None, None]).square()
        return weight.clamp(min=-1e4)  # finite in 16 bits


class QueryDetector(Detector):
    """A fixed number of queries, each of which answers with the segment of one action, or that it has none.

    The answer of a query names the slot that it starts from as its anchor.

    Args:
        encoder: ``(features (B, C, T), mask (B, T)) → Encoding``.
        head: the transformer decoder.
    """

    def __init__(self, encoder: Encoder, head: QueryHead) -> None:
        super().__init__(encoder)
        self.head = head

    def forward(self, features: Tensor, mask: Tensor, anchors: Tensor) -> Predictions:
        """All queries, with one step per layer of the decoder. ``anchors`` have no effect: a matching needs the set."""
        encoding = self.encode(features, mask)
        steps = tuple(self.answered(answers, mask) for answers in encoding.answers)
        return Predictions(steps, steps[-1].segments, encoding.boundaries)

    def encode(self, features: Tensor, mask: Tensor) -> QueryEncoding:
        """The answers of all queries about ``features (B, C, T)``, of which ``mask (B, T)`` exist."""
        encoding = self.encoder(features, mask)
        return QueryEncoding(self.head(encoding.features, mask), mask, encoding.boundaries)

    def query(self, encoding: QueryEncoding, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """Read the queries in whose slots the centres of ``anchors (B, K, 2)`` lie, after the last layer.

        ``steps`` has no effect: there is one.
        """
        every = self.answered(encoding.answers[-1], encoding.mask)
        count = every.anchors.shape[1]
        share = anchors.mean(dim=-1) / encoding.mask.sum(dim=1)[:, None]  # (B, K)
        slot = (share * count).clamp(0, count - 1).long()  # (B, K)
        batch = torch.arange(len(anchors), device=anchors.device)[:, None]
        scores = AnchorScores(*(field[batch, slot] for field in every))
        return Predictions((scores,), scores.segments, encoding.boundaries)

    def answered(self, answers: Tensor, mask: Tensor) -> AnchorScores:
        """The scores of ``answers (B, Q, 4 + L)`` about videos with ``mask (B, T)``, in snippet time.

        The coordinates are how far the centre moves, and the logarithm of the length, both in slots.
        """
        count = answers.shape[1]
        anchors = slots(1, count=count).segments.to(answers.device) * mask.sum(dim=1)[:, None, None]  # (B, Q, 2)
        shift, octaves = answers[..., 2:4].float().unbind(dim=-1)  # (B, Q)
        half = torch.exp(octaves.clamp(max=math.log(1e4))) / 2  # finite for any output
        offsets = torch.stack((shift - half + 0.5, shift + half - 0.5), dim=-1)  # (B, Q, 2), in slots
        return AnchorScores(anchors, answers[..., 0], answers[..., 1], offsets, answers[..., 4:])
