"""Backbones that look at single frames: a network of images, and what becomes of its features over a snippet."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from rcl.video.decoding import Transform

RATE, WINDOW, STRIDE = 5.0, 2, 1  # a snippet from one frame to the next, so that no change lies between two snippets


class FrameEncoder(Protocol):
    """A frozen network of images.

    Attributes:
        weights_digest: a text that changes with the weights.
    """

    @property
    def weights_digest(self) -> str: ...

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(N, 3, H, W)`` uint8 → features ``(N, C)`` float32 on the CPU."""
        ...


class FrameByFrame:
    """The features of a snippet's frames, pooled: their mean, and their mean absolute change from frame to frame.

    The mean says what is to be seen, the change how much of it moves. A snippet of one frame has no change: zeros.

    Args:
        encoder: the network of images.
        frame_size: turns a frame into one of the size that the encoder takes.
        rate: frames per second, by default.
        window: L, frames of a snippet, by default.
        stride: σ, frames from one snippet to the next, by default.
        change_alone: leave out the mean, so that features do not tell one place from another.
    """

    fixed_window: int | None = None

    def __init__(
        self,
        encoder: FrameEncoder,
        *,
        frame_size: Transform,
        rate: float = RATE,
        window: int = WINDOW,
        stride: int = STRIDE,
        change_alone: bool = False,
    ) -> None:
        self.encoder, self.frame_size = encoder, frame_size
        self.change_alone = change_alone
        self.rate, self.window, self.stride = rate, window, stride
        self.weights_digest = encoder.weights_digest

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, 2 · C)``, or ``(B, C)``, float32 on the CPU."""
        batch, _, length = frames.shape[:3]
        # The last frame of a snippet is often the first of the next one. It is encoded once.
        distinct, index = frames.transpose(1, 2).flatten(0, 1).unique_consecutive(return_inverse=True, dim=0)
        features = self.encoder(distinct)[index].unflatten(0, (batch, length))  # (B, L, C)
        change = features.diff(dim=1).abs().sum(dim=1) / max(1, length - 1)  # (B, C)
        return change if self.change_alone else torch.cat((features.mean(dim=1), change), dim=1)
