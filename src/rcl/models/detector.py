"""What training and search need of a network."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from rcl.models.encoders import Encoder
from rcl.models.predictions import Predictions


class Sight(NamedTuple):
    """How much of a video an answer depends on: what lies around the segment, and around that.

    ``context``: how far the look-up reaches beyond each end, in lengths of the segment; ``radius``: how far the encoder
    sees beyond that, in snippets.
    """

    context: float
    radius: int


class Detector(nn.Module):
    """A network that encodes a video once and scores any segments of it.

    Args:
        encoder: the first part of every detector.
        steps: M, the number of refinement steps that it is trained with.
    """

    def __init__(self, encoder: Encoder, *, steps: int = 1) -> None:
        super().__init__()
        self.encoder = encoder
        self.steps = steps

    def forward(self, features: Tensor, mask: Tensor, anchors: Tensor) -> Predictions:
        """Score ``anchors (B, K, 2)``, in snippet time, of ``features (B, C, T)``, of which ``mask (B, T)`` exist."""
        return self.query(self.encode(features, mask), anchors)

    def encode(self, features: Tensor, mask: Tensor) -> Any:
        """Encode ``features (B, C, T)``, of which ``mask (B, T)`` exist, for any number of queries."""
        raise NotImplementedError

    def query(self, encoding: Any, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """Score ``anchors (B, K, 2)`` of an encoded video, in at most ``steps`` steps."""
        raise NotImplementedError

    def boundaries(self, features: Tensor, mask: Tensor) -> Tensor | None:
        """Logits of a start and of an end at each snippet, ``(B, 2, T)``; ``None`` without a boundary head."""
        found: Tensor | None = self.encoder(features, mask).boundaries
        return found

    @property
    def sight(self) -> Sight | None:
        """How much of a video an answer depends on; ``None`` where it depends on all of it.

        A detector with a sight encodes to a ``ProjectedEncoding``, and long videos are searched in chunks.
        """
        return None

    def gradient_groups(self) -> list[list[nn.Parameter]]:
        """All parameters, in groups whose gradients are clipped one by one."""
        return [list(self.parameters())]
