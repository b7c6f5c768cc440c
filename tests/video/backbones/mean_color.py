"""A backbone in a file of its own: ``rcl extract VIDEOS --backbone mean_color:MeanColor --output PACK``."""

from __future__ import annotations

import torch
from torch import Tensor

from rcl.video.backbones.base import FrameSize


class MeanColor:
    """The mean color of a snippet, and how much it changes: six numbers."""

    rate, window, stride = 15.0, 8, 4  # frames per second, L and σ, unless the user gives others
    fixed_window = None  # any L will do

    def __init__(self, size: int = 32, device: torch.device | str = "cpu") -> None:
        self.frame_size = FrameSize(short=size, crop=size)
        self.device = torch.device(device)

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, 6)`` float32 on the CPU."""
        colors = frames.to(self.device).float().mean((3, 4)) / 255  # (B, 3, L)
        return torch.cat([colors.mean(2), colors.std(2, correction=0)], dim=1).cpu()
