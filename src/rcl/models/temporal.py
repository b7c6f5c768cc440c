"""Dilated temporal convolutions for whole videos of any length."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from rcl.models.boundaries import BoundaryHead
from rcl.models.encoders import Encoder
from rcl.models.encoding import Encoding
from rcl.system.options import Share


class SnippetNorm(nn.LayerNorm):
    """Layer normalization over the channels of each snippet, ``(B, C, T) → (B, C, T)``.

    It never mixes snippets, so a chunk of a video and the whole video give the same result.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each snippet of ``x (B, C, T)``."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class DilatedResidual(nn.Module):
    """``x + W · relu(dilated convolution of norm(x))`` on the snippets that exist."""

    def __init__(self, channels: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = SnippetNorm(channels)
        self.dilated = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.project = nn.Conv1d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x (B, C, T)``, ``mask (B, 1, T)`` → ``(B, C, T)``."""
        inner = torch.relu(self.dilated(self.norm(x) * mask))  # (B, C, T)
        return x + self.dropout(self.project(inner)) * mask


class TemporalEncoder(Encoder, name="temporal"):
    """A stack of residual convolutions whose dilation doubles from layer to layer (Lea et al. 2017, van den Oord 2016).

    Args:
        in_channels: width of the snippet features.
        channels: width of the encoding.
        layers: number of layers; layer ``i`` has dilation ``2^i``.
        dropout: inside each layer.
        input_dropout: share of input channels that is dropped, one draw for the whole video.
        boundaries: add a boundary head.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: PositiveInt = 128,
        layers: PositiveInt = 9,
        dropout: Share = 0.1,
        input_dropout: Share = 0.1,
        boundaries: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.receptive_field = 2 ** (layers + 1) - 1  # snippets
        self.input_dropout = nn.Dropout1d(input_dropout)
        self.embed = nn.Conv1d(in_channels, channels, 1)
        self.layers = nn.ModuleList(DilatedResidual(channels, dilation=2**i, dropout=dropout) for i in range(layers))
        self.norm = SnippetNorm(channels)
        self.boundaries = BoundaryHead(channels) if boundaries else None

    def forward(self, features: Tensor, mask: Tensor) -> Encoding:
        """Encode ``features (B, in_channels, T)`` where ``mask (B, T)`` is true."""
        exists = mask[:, None].to(features.dtype)  # (B, 1, T)
        x = self.embed(self.input_dropout(features)) * exists  # (B, C, T)
        for layer in self.layers:
            x = layer(x, exists)
        x = self.norm(x) * exists
        return Encoding(x, mask, self.boundaries(x) if self.boundaries else None)
