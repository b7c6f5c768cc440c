"""An encoder in a file of its own: a bidirectional GRU over the snippets."""

from __future__ import annotations

from pydantic import PositiveInt
from torch import Tensor, nn

from rcl.models.encoders import Encoder
from rcl.models.encoding import Encoding


class RecurrentEncoder(Encoder):
    """A bidirectional GRU. Every snippet of the encoding depends on the whole video.

    Args:
        in_channels: width of the snippet features.
        channels: width of the encoding, an even number.
        layers: number of recurrent layers.
    """

    def __init__(self, in_channels: int, *, channels: PositiveInt = 64, layers: PositiveInt = 1) -> None:
        super().__init__()
        self.channels = channels
        self.recurrent = nn.GRU(in_channels, channels // 2, layers, batch_first=True, bidirectional=True)

    def forward(self, features: Tensor, mask: Tensor) -> Encoding:
        """Encode ``features (B, in_channels, T)`` where ``mask (B, T)`` is true, to ``(B, channels, T)``."""
        lengths = mask.sum(dim=1).cpu()  # (B,)
        packed = nn.utils.rnn.pack_padded_sequence(
            features.transpose(1, 2), lengths, batch_first=True, enforce_sorted=False
        )
        encoded, _ = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=mask.shape[1]
        )  # (B, T, channels), zero beyond the end of a video
        return Encoding(encoded.transpose(1, 2), mask, boundaries=None)
