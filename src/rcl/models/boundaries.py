"""The boundary head of BSN and BMN: how likely an action starts, or ends, at each snippet."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BoundaryHead(nn.Module):
    """Two convolutions for starts and two for ends, on the snippets of an encoding.

    Args:
        channels: width of the encoding.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.start = boundary_layers(channels, 1)
        self.end = boundary_layers(channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """``features (B, C, T)`` → logits ``(B, 2, T)``."""
        return torch.cat((self.start(features), self.end(features)), dim=1)


def boundary_layers(channels: int, groups: int) -> nn.Sequential:
    """The layers of one side (Lin et al., ICCV 2019, temporal evaluation module)."""
    return nn.Sequential(
        nn.Conv1d(channels, channels, 3, padding=1, groups=groups), nn.ReLU(), nn.Conv1d(channels, 1, 1)
    )
