"""What a backbone is, and the options that all kinds share."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor

LONGEST_SIDE = 8  # of a frame, in shorter sides: a narrower strip is squeezed, since it would cost too much


class FrameSize(BaseModel):
    """How frames are brought to the size that a backbone takes.

    Args:
        short: length of the shorter side after resizing; the aspect ratio stays.
        crop: side of the square that is then cut from the middle; ``None`` keeps the whole frame.
    """

    model_config = ConfigDict(frozen=True)

    short: PositiveInt
    crop: PositiveInt | None = None

    def __call__(self, frame: Tensor) -> Tensor:
        """Resize and crop a frame: ``(3, H, W)`` uint8 → ``(3, h, w)`` uint8."""
        height, width = frame.shape[1:]
        scale = self.short / min(height, width)
        size = [min(max(1, round(side * scale)), LONGEST_SIDE * self.short) for side in (height, width)]
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

    ``frame_size`` is the size of frames that it takes; ``rate`` (frames per second), ``window`` (L) and ``stride`` (σ)
    are the snippets it is usually given, and ``fixed_window`` is the only L that it can take, where there is one.
    """

    frame_size: FrameSize
    rate: float
    window: int
    stride: int
    fixed_window: int | None

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, C)`` float32 on the CPU."""
        ...


class BackboneOptions(BaseModel):
    """What a backbone may be told beside its name; ``None`` leaves the choice to the backbone.

    Args:
        size: of the frames: shorter side after resizing, then cut to a square of this side.
        mean: per channel, taken from values in [0, 1] (kinds ``onnx`` and ``torchscript``).
        std: per channel, by which they are then divided (same kinds).
        pooling: of the tokens of a transformer (kind ``hf``).
        flow: checkpoint of the flow stream (kind ``i3d``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: PositiveInt | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    pooling: Literal["mean", "cls"] | None = None
    flow: str | None = None
