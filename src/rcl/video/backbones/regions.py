"""Parts of the frame: a rectangle that a user chooses, and a grid of tiles.

A backbone sees a whole frame at a few hundred pixels. Where the action takes a tenth of the frame, as in the picture of
a surveillance camera, little of it is left. A crop leaves out what does not matter; tiles show a backbone one part
after the other, each as large as it takes frames.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from rcl.system.errors import Defect
from rcl.video.backbones.base import Backbone
from rcl.video.backbones.options import Rectangle

OVERLAP = 0.25  # of neighbouring tiles, in sides of a tile, so that an action on a border is whole in one of them


class RegionsBackbone:
    """A backbone that sees a part of the frame, or a grid of tiles, whose features are pooled by maximum.

    Args:
        backbone: sees the crop, or every tile of it, in the size that it takes.
        crop: x, y, width and height of the part, in pixels of the upright frame; or in shares of its width and height,
            if all four are at most 1.
        tiles: N, for N × N tiles.
    """

    def __init__(self, backbone: Backbone, *, crop: Rectangle | None = None, tiles: int | None = None) -> None:
        self.backbone, self.crop, self.tiles = backbone, crop, tiles or 1
        self.rate, self.window, self.stride = backbone.rate, backbone.window, backbone.stride
        self.fixed_window = backbone.fixed_window
        self.weights_digest = getattr(backbone, "weights_digest", None)

    def frame_size(self, frame: Tensor) -> Tensor:
        """A frame's tiles, one below the other: ``(3, H, W)`` uint8 → ``(3, N² · h, w)`` uint8.

        Raises:
            Defect: the crop is not within the frame.
        """
        part = frame if self.crop is None else cropped(frame, self.crop)
        return torch.cat([self.backbone.frame_size(tile) for tile in tiles_of(part, self.tiles)], dim=1)

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, N² · h, w)`` uint8 → features ``(B, C)`` float32 on the CPU."""
        tiles = frames.unflatten(3, (self.tiles**2, -1)).movedim(3, 1)  # (B, N², 3, L, h, w)
        return self.backbone(tiles.flatten(0, 1)).unflatten(0, tiles.shape[:2]).amax(dim=1)


def cropped(frame: Tensor, rectangle: Rectangle) -> Tensor:
    """The part of a frame ``(3, H, W)`` in a rectangle of pixels or shares: ``(3, h, w)``, a view.

    Raises:
        Defect: the rectangle is not within the frame.
    """
    height, width = frame.shape[1:]
    x, y, wide, high = rectangle
    if max(rectangle) <= 1:
        left, top = min(int(x * width), width - 1), min(int(y * height), height - 1)
        right, bottom = max(round((x + wide) * width), left + 1), max(round((y + high) * height), top + 1)
    else:
        left, top, right, bottom = int(x), int(y), int(x + wide), int(y + high)
    if right > width or bottom > height:
        found = ",".join(f"{value:g}" for value in rectangle)
        fix = "give X,Y,WIDTH,HEIGHT within the frame, or shares of it such as 0.25,0,0.5,1"
        raise Defect(expected=f"--crop within its frames of {width} × {height} pixels", found=found, fix=fix)
    return frame[:, top:bottom, left:right]


def tiles_of(frame: Tensor, count: int) -> Iterator[Tensor]:
    """Yield the N² tiles of a frame ``(3, H, W)``, row by row: each ``(3, h, w)``, of equal size, a view."""
    (tops, high), (lefts, wide) = (_intervals(side, count) for side in frame.shape[1:])
    for top in tops:
        for left in lefts:
            yield frame[:, top : top + high, left : left + wide]


def _intervals(side: int, count: int) -> tuple[list[int], int]:
    """Starts and length of equal intervals that cover ``side`` pixels and overlap."""
    length = -(-side // (count - (count - 1) * OVERLAP))
    length = min(int(length), side)
    return [round(number * (side - length) / max(1, count - 1)) for number in range(count)], length
