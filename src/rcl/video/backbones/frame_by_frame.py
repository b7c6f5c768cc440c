"""Backbones that look at single frames: a network of images, and what becomes of its features over a snippet."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
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
    Snippets of long windows and tiles share frames, and so do the batches of a video. The encoder sees each frame of a
    batch once, and those of the batch before not again.

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
        self._own = threading.local()  # each thread's latest batch: another one's is of another video

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, 2 · C)``, or ``(B, C)``, float32 on the CPU."""
        batch, _, length = frames.shape[:3]
        features = self._encoded(frames.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, length))  # (B, L, C)
        change = features.diff(dim=1).abs().sum(dim=1) / max(1, length - 1)  # (B, C)
        return change if self.change_alone else torch.cat((features.mean(dim=1), change), dim=1)

    def _encoded(self, frames: Tensor) -> Tensor:
        """Frames ``(N, 3, H, W)`` uint8 → features ``(N, C)``; those of the latest batch are taken from there."""
        frames = frames.contiguous()
        # Digests, since copies of a frame are seldom neighbours, and comparing all pairs of frames takes longer.
        digests = [hashlib.sha256(frame.data).digest() for frame in frames.numpy()]
        known: Mapping[bytes, Tensor] = getattr(self._own, "latest", {})  # by the digests of the frames
        first = dict[bytes, int]()
        for position, digest in enumerate(digests):
            if digest not in known:
                first.setdefault(digest, position)
        new = dict(zip(first, self.encoder(frames[[*first.values()]]), strict=True)) if first else {}
        found = {digest: new[digest] if digest in new else known[digest] for digest in digests}
        self._own.latest = found
        return torch.stack([found[digest] for digest in digests])
