"""A descriptor of appearance and motion without learned weights.

Histograms of oriented gradients (Dalal and Triggs, CVPR 2005) and of optical flow (Laptev et al., CVPR 2008) on a
coarse grid, the same around the centre of motion, and a few numbers for the whole frame. Directions are binned with
cosine lobes instead of a partition of the angles, so histograms change smoothly and take two lines of arithmetic.
"""

from __future__ import annotations

import math
import threading
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, grid_sample

from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.flow import gray

GRID = 4  # cells per side of the frame
LOCAL_GRID = 3  # cells per side of the square around the centre of motion
LOCAL_SIDE = 0.9  # of that square, in heights of the frame
SAMPLES_PER_CELL = 8  # per side of a local cell
DIRECTIONS = 8  # of flow
ORIENTATIONS = 6  # of gradients, which have no sign
SMALLEST = 32  # shorter side: OpenCV's DIS crashes on some smaller frames
STILL = 0.15  # pixels per frame below which flow is mostly noise


class MotionBackbone:
    """Histograms of gradients and flow, frame differences and global motion of a snippet: 376 numbers.

    The flow is OpenCV's DIS (Kroeger et al., ECCV 2016). Its median over the frame, the camera motion, is subtracted.

    Args:
        size: shorter side of the frames; the whole frame is kept.

    Raises:
        InputError: the frames are too small for optical flow.
    """

    rate, window, stride = 15.0, 4, 3
    fixed_window: int | None = None

    def __init__(self, size: int | None = None) -> None:
        if size is not None and size < SMALLEST:
            fix = "give a larger size, or omit it"
            raise InputError("--size", expected=f"{SMALLEST} pixels or more", found=str(size), fix=fix)
        self.frame_size = FrameSize(short=size or 96)
        self._of_thread = threading.local()  # two threads in one DIS give wrong flow, or crash

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, 376)`` float32."""
        luma = gray(frames)  # (B, L, H, W)
        flow = self._flow(luma)  # (B, L-1, 2, H, W)
        camera = flow.flatten(3).median(dim=3).values  # (B, L-1, 2)
        own = flow - camera[..., None, None]
        light = luma.float() / 255
        gradients = orientation_maps(light.mean(dim=1))  # (B, O, H, W)
        motion = direction_maps(own).mean(dim=1)  # (B, D, H, W)
        change = light.diff(dim=1).abs().mean(dim=1, keepdim=True) if light.shape[1] > 1 else light * 0  # (B, 1, H, W)
        energy = motion.sum(dim=1)  # (B, H, W)
        centre, spread = moments(energy)  # (B, 2), (B, 2)
        parts = [
            normalized(adaptive_avg_pool2d(gradients, GRID)),
            adaptive_avg_pool2d(motion, GRID).sqrt(),
            adaptive_avg_pool2d(change, GRID).sqrt() * 3,
            around(motion, centre).sqrt(),
            normalized(around(gradients, centre)),
            centre,
            spread,
            energy.mean(dim=(1, 2)).sqrt()[:, None],
            camera.mean(dim=1) / 2,
            light.mean(dim=(1, 2, 3))[:, None],
            light.std(dim=(1, 2, 3))[:, None],
            10 * (light[:, -1].mean(dim=(1, 2)) - light[:, 0].mean(dim=(1, 2)))[:, None],
        ]
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def _flow(self, luma: Tensor) -> Tensor:
        """Pixels per frame from each frame to the next: ``(B, L, H, W)`` uint8 → ``(B, L-1, 2, H, W)``; 0 for L = 1."""
        clips = luma.numpy()
        batch, length, height, width = clips.shape
        if length == 1:
            return torch.zeros(batch, 1, 2, height, width)
        search = self._search((height, width))
        flows = [[search.calc(before, after, None) for before, after in pairwise(clip)] for clip in clips]  # type: ignore[call-overload]
        return torch.from_numpy(np.array(flows)).movedim(-1, 2)

    def _search(self, size: tuple[int, int]) -> cv2.DISOpticalFlow:
        """DIS for frames of a size. Small ones make it change its settings in its first call, and it keeps them."""
        known: tuple[tuple[int, int], cv2.DISOpticalFlow] | None = getattr(self._of_thread, "known", None)
        if known is None or known[0] != size:
            search, blank = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST), np.zeros(size, np.uint8)
            search.calc(blank, blank, None)  # type: ignore[call-overload]
            self._of_thread.known = known = size, search
        return known[1]


def direction_maps(flow: Tensor) -> Tensor:
    """Speed of each pixel in each of ``D`` directions, zero where it is still: ``(..., 2, H, W) → (..., D, H, W)``."""
    angles = torch.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    towards = torch.einsum("dk,...khw->...dhw", torch.stack((angles.cos(), angles.sin()), dim=1), flow)
    return (towards - STILL).clamp(min=0)


def orientation_maps(image: Tensor) -> Tensor:
    """Strength of edges in each of ``O`` orientations: ``(B, H, W) → (B, O, H, W)``."""
    vertical, horizontal = torch.gradient(image, dim=(1, 2))
    angles = torch.arange(ORIENTATIONS) * (math.pi / ORIENTATIONS)
    axes = torch.stack((angles.cos(), angles.sin()), dim=1)  # (O, 2)
    along = torch.einsum("ok,kbhw->bohw", axes, torch.stack((horizontal, vertical)))
    strength = (horizontal.square() + vertical.square()).sqrt()[:, None]  # (B, 1, H, W)
    return along.abs().pow(4) / strength.clamp(min=1e-4).pow(3)  # |gradient| · cos⁴


def normalized(histograms: Tensor) -> Tensor:
    """Square root of each bin's share in the sum of its sample (Hellinger), without contrast: any shape."""
    total = histograms.flatten(1).sum(dim=1).clamp(min=1e-3)
    mean = total / histograms[0].numel()
    return (histograms / mean.view(-1, *[1] * (histograms.ndim - 1))).sqrt() / 2


def moments(energy: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and spread ``(B, 2)`` of a map ``(B, H, W)`` in (x, y) from −1 to 1; for a map of zeros the middle."""
    height, width = energy.shape[1:]
    weights = (energy + 1e-4).flatten(1)
    weights = weights / weights.sum(dim=1, keepdim=True)  # (B, H·W)
    vertical, horizontal = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    places = torch.stack((horizontal.flatten(), vertical.flatten()), dim=1)  # (H·W, 2)
    centre = weights @ places  # (B, 2)
    variance = weights @ places.square() - centre.square()
    return centre, variance.clamp(min=0).sqrt()


def around(maps: Tensor, centre: Tensor) -> Tensor:
    """Means in a grid of cells around a point: maps ``(B, D, H, W)``, centre ``(B, 2)`` → ``(B, D, 3, 3)``."""
    height, width = maps.shape[2:]
    side = LOCAL_GRID * SAMPLES_PER_CELL
    offsets = torch.linspace(-1, 1, side) * LOCAL_SIDE
    vertical, horizontal = torch.meshgrid(offsets, offsets * height / width, indexing="ij")
    places = torch.stack((horizontal, vertical), dim=-1) + centre[:, None, None]  # (B, side, side, 2)
    return adaptive_avg_pool2d(grid_sample(maps, places, align_corners=True), LOCAL_GRID)
