"""Several streams of features become the input of one encoder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from rcl.models.alignment import Alignment, Convention
from rcl.models.encoders import Encoder
from rcl.models.encoding import Encoding
from rcl.models.temporal import SnippetNorm


class StreamEmbedding(nn.Module):
    """Each stream through a projection and a normalization of its own, and their sum over the streams that are there.

    The sum is divided by the square root of their number, so that its scale does not depend on how many there are. Each
    snippet is embedded by itself, so a chunk of a video has the same embedding as the whole.

    Dropping whole streams in training lets a network work where some are missing, as modality dropout does (Neverova et
    al., ModDrop, PAMI 2016). It may still be less accurate there than a network that never had them.

    Args:
        widths: channels of each stream, in the order of the features.
        channels: width E of the embedding.
        dropout: share of the streams of a video that training drops; one that the video has always stays.
        input_dropout: share of the channels of each stream that is dropped, one draw for the whole video. Only streams
            that are wider than the embedding: they can spare channels.
        noise: standard deviation of Gaussian noise on every feature of these wide streams.
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        channels: int = 128,
        dropout: float = 0.5,
        input_dropout: float = 0.1,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.widths = list(widths)
        self.first = [0, *accumulate(widths)][:-1]  # the channel that each stream begins with
        self.channels = channels
        self.dropout = dropout
        self.noise = noise
        self.input_dropout = nn.Dropout1d(input_dropout)
        self.project = nn.ModuleList(nn.Conv1d(width, channels, 1) for width in widths)
        self.norm = nn.ModuleList(SnippetNorm(channels) for _ in widths)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Embed ``features (B, C, T)``, NaN where a stream is not there, of which ``mask (B, T)`` exist.

        Returns:
            ``(B, E, T)``, zero where no stream is there.
        """
        present = ~features[:, self.first].isnan() & mask[:, None]  # (B, S, T)
        if self.training and self.dropout:
            present = present & self._kept(present.any(dim=2))[..., None]
        weight = present.to(features.dtype)  # (B, S, T)
        weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
        inputs = features.nan_to_num(nan=0.0).split(self.widths, dim=1)
        inputs = [self._disturbed(x) if self.training and x.shape[1] > self.channels else x for x in inputs]
        parts = [norm(project(x)) for project, norm, x in zip(self.project, self.norm, inputs, strict=True)]
        return (torch.stack(parts, dim=1) * weight[:, :, None]).sum(dim=1)

    def _disturbed(self, features: Tensor) -> Tensor:
        """The features ``(B, c, T)`` of a wide stream, as training sees them."""
        noisy = features + self.noise * torch.randn_like(features) if self.noise else features
        dropped: Tensor = self.input_dropout(noisy)
        return dropped

    def _kept(self, known: Tensor) -> Tensor:
        """Which streams of which videos training does not drop: ``(B, S)``, as ``known``, those that a video has."""
        draw = torch.rand(known.shape, device=known.device).masked_fill(~known, -1.0)
        return (draw >= self.dropout) | (draw == draw.amax(dim=1, keepdim=True))


class StreamedEncoder(Encoder):
    """An encoder of several streams: their embedding, and any encoder that takes it as features.

    Args:
        embedding: of the streams.
        encoder: takes features of the width of the embedding.
    """

    def __init__(self, embedding: StreamEmbedding, encoder: Encoder) -> None:
        super().__init__()
        self.embedding = embedding
        self.encoder = encoder
        self.channels = encoder.channels
        self.receptive_field = encoder.receptive_field

    def forward(self, features: Tensor, mask: Tensor) -> Encoding:
        """Encode ``features (B, C, T)``, NaN where a stream is not there, where ``mask (B, T)`` is true."""
        encoding: Encoding = self.encoder(self.embedding(features, mask), mask)
        return encoding

    def alignment(
        self, out_channels: int, *, points: int, subpoints: int, context: float, convention: Convention
    ) -> Alignment:
        """The look-up that suits the encoder."""
        return self.encoder.alignment(
            out_channels, points=points, subpoints=subpoints, context=context, convention=convention
        )
