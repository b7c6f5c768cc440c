"""Optical flow between the frames of a snippet, as two-stream networks take it."""

from __future__ import annotations

import torch
from torch import Tensor

from rcl.system.errors import InputError

LUMA = (77, 150, 29)
"""BT.601 weights of red, green and blue in 1/256."""

LARGEST = 20.0
"""Pixels per frame to which flow is clipped."""

SMALLEST_SIDE = 16
"""Smallest side of frames for DIS; OpenCV crashes on some that are smaller."""


def gray(frames: Tensor) -> Tensor:
    """Luma of RGB frames (ITU-R BT.601), within one level: ``(..., 3, L, H, W)`` uint8 → ``(..., L, H, W)`` uint8."""
    red, green, blue = frames.unbind(-4)
    luma = red.to(torch.int16).mul_(LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2]).add_(128)
    # Large sums wrap to negative numbers, but the last eight bits after the shift are still those of the sum.
    return luma.bitwise_right_shift_(8).to(torch.uint8)


def optical_flow(frames: Tensor) -> Tensor:
    """Optical flow from each frame to the next; the last one is repeated, and a single frame gets zero flow.

    DIS (Kroeger et al., ECCV 2016) with OpenCV's medium preset. Two-stream I3D was trained on TV-L1, which is slower
    and only in OpenCV's contributed modules.

    Args:
        frames: ``(L, H, W)`` uint8, gray.

    Returns:
        ``(2, L, H, W)`` float32: pixels per frame to the right, then down.

    Raises:
        InputError: the frames are too small.
    """
    import cv2

    length, height, width = frames.shape
    if min(height, width) < SMALLEST_SIDE:
        expected, fix = f"frames of at least {SMALLEST_SIDE} pixels for optical flow", "give a larger size"
        raise InputError("--size", expected=expected, found=f"{height} × {width}", fix=fix)
    search = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
    flow = torch.zeros(2, length, height, width)
    images = list(frames.cpu().contiguous().numpy())
    for index in range(length - 1):
        step = search.calc(images[index], images[index + 1], None)  # type: ignore[call-overload]
        flow[:, index] = torch.from_numpy(step).permute(2, 0, 1)  # from (H, W, 2)
    if length > 1:
        flow[:, -1] = flow[:, -2]
    return flow


def scaled_flow(flow: Tensor) -> Tensor:
    """Flow in pixels, clipped to ±20 and divided by 20: within [-1, 1].

    This is the input of I3D's flow stream (Carreira and Zisserman, CVPR 2017). Pipelines that store flow as images also
    round it to 8 bits; this one does not.
    """
    return flow.clamp(-LARGEST, LARGEST) / LARGEST
