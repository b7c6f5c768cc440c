"""The encoder of BMN (Lin et al., ICCV 2019): convolutions for sequences of a fixed length, with a boundary head."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from rcl.models.boundaries import boundary_layers
from rcl.models.encoders import Encoder, check_groups
from rcl.models.encoding import Encoding


class BMNEncoder(Encoder, name="bmn"):
    """BMN's base module, its temporal evaluation module (the boundary head) and the first layer of its proposal branch.

    Args:
        in_channels: width of the snippet features.
        channels: width of every layer; 256 in BMN.
        groups: groups of the base and boundary convolutions; 4 in BMN.
        proposal_channels: width of the last layer, and so of the encoding, if different; 128 in OpenTAD.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: PositiveInt = 256,
        groups: PositiveInt = 4,
        proposal_channels: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        check_groups(groups, in_channels, channels)
        self.channels = proposal_channels or channels
        self.receptive_field = 7  # snippets: three convolutions of three
        self.base = nn.Sequential(
            nn.Conv1d(in_channels, channels, 3, padding=1, groups=groups),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 3, padding=1, groups=groups),
            nn.ReLU(),
        )
        self.start = boundary_layers(channels, groups)
        self.end = boundary_layers(channels, groups)
        self.proposal = nn.Sequential(nn.Conv1d(channels, self.channels, 3, padding=1), nn.ReLU())

    def forward(self, features: Tensor, mask: Tensor) -> Encoding:
        """Encode ``features (B, in_channels, T)`` where ``mask (B, T)`` is true."""
        exists = mask[:, None].to(features.dtype)  # (B, 1, T)
        x = features * exists
        for layer in self.base:
            # Masked after every layer, since biases would leak from the padding into the last snippets.
            x = layer(x) * exists  # (B, C, T)
        boundaries = torch.cat((self.start(x), self.end(x)), dim=1)  # (B, 2, T)
        return Encoding(self.proposal(x) * exists, mask, boundaries)
