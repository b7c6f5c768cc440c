"""The interface of a backbone, which turns a snippet of frames into a feature vector."""

from __future__ import annotations

from typing import Protocol

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor

from rcl.video.decoding import Transform

MAX_ASPECT_RATIO = 8  # of a resized frame; a narrower strip is squeezed, as it would cost too much


class FrameSize(BaseModel):
    """Resizes frames to the size that a backbone takes.

    Args:
        short: length of the shorter side after resizing, in pixels; the aspect ratio is kept.
        crop: side of the square that is then cut from the middle; ``None`` keeps the whole frame.
    """

    model_config = ConfigDict(frozen=True)

    short: PositiveInt
    crop: PositiveInt | None = None

    def __call__(self, frame: Tensor) -> Tensor:
        """Resize and crop a frame: ``(3, H, W)`` uint8 → ``(3, h, w)`` uint8."""
        height, width = frame.shape[1:]
        scale = self.short / min(height, width)
        size = [min(max(1, round(side * scale)), MAX_ASPECT_RATIO * self.short) for side in (height, width)]
        if size != [height, width]:
            resized = torch.nn.functional.interpolate(frame[None], size, mode="bilinear", antialias=True)[0]
        else:
            resized = frame
        if self.crop is None:
            return resized
        top, left = ((side - self.crop) // 2 for side in resized.shape[1:])
        return resized[:, top : top + self.crop, left : left + self.crop]


class Backbone(Protocol):
    """A frozen video network or descriptor.

    A class of one's own follows this interface and is named as ``--backbone package.module:Class``. Its constructor
    takes, as keywords, ``device`` and the fields of ``BackboneOptions`` that it knows, or none of them. Where it has an
    attribute ``weights_digest``, a text that changes with the weights, features of other weights are refused.

    Attributes:
        frame_size: turns a frame ``(3, H, W)`` uint8 into one of the size that the backbone takes, as ``FrameSize``.
        rate: frames per second, by default.
        window: L, frames of a snippet, by default.
        stride: σ, frames from one snippet to the next, by default.
        fixed_window: the only L that the backbone takes; ``None`` if it takes any.
    """

    rate: float
    window: int
    stride: int
    fixed_window: int | None

    @property
    def frame_size(self) -> Transform: ...

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, C)`` float32 on the CPU."""
        ...
