"""Changes of scene: where one shot of an edited video ends and the next begins.

Edited video (films, broadcasts, compilations of cameras) is cut, and an action often begins or ends at a cut. Features
of content show a cut as one change among many. Comparing what is across a place with what is on either side of it goes
back to Foote (Automatic audio segmentation using a measure of audio novelty, ICME 2000).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.flow import gray

SIDE = 48  # shorter side of the frames: enough for what a scene consists of
LAGS = (1, 2, 4)  # frames on either side of a place: for a sharp cut, up to one that is blended over half a second
REACH = 2 * LAGS[-1]  # frames that are needed on either side
NOISE = 0.02  # deviation of the luma below which a picture counts as empty


class CutsBackbone:
    """How much the scene changes within a snippet: 7 numbers, all 0 where the picture stands still.

    A place between two frames is compared over a lag of 1, 2 and 4 frames. Its *change* is the distance of the frames
    on either side; its *novelty* is the change minus that within either side. Motion changes the picture before,
    across and after a place, a cut only across: so the novelty of a cut is large, and that of motion small. The
    distance is one minus the correlation of luma, which does not depend on brightness and contrast. A snippet has the
    largest novelty and change of its places for each lag, and, as the last number, where in the snippet the largest
    novelty is: from −1 to 1, times that novelty.

    The window reaches beyond the snippet by eight frames on either side. If it is shorter, lags become shorter.

    Args:
        size: shorter side of the frames; the whole frame is kept.
    """

    rate, window, stride = 15.0, 2 * REACH + 3, 3
    fixed_window: int | None = None

    def __init__(self, size: int | None = None) -> None:
        self.frame_size = FrameSize(short=size or SIDE)

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, 7)`` float32."""
        batch, _, length = frames.shape[:3]
        reach = min(REACH, length // 2)
        if reach < 2:
            return torch.zeros(batch, 2 * len(LAGS) + 1)
        distance = distances(gray(frames))  # (B, L, L)
        found = [changes(distance, lag=max(1, lag * reach // REACH), reach=reach) for lag in LAGS]
        novelty, change = (torch.stack(part, dim=1) for part in zip(*found, strict=True))  # (B, 3, places)
        largest, at = novelty.mean(dim=1).max(dim=1)  # (B,)
        place = torch.linspace(-1, 1, novelty.shape[2])[at]
        return torch.cat((novelty.amax(dim=2), change.amax(dim=2), (largest * place)[:, None]), dim=1)


def distances(luma: Tensor) -> Tensor:
    """Between the frames of a snippet: ``(B, L, H, W)`` uint8 → ``(B, L, L)``, from 0 to 2.

    One minus the correlation; of frames that are nearly empty, less.
    """
    pixels = luma.flatten(2).float() / 255  # (B, L, N)
    pixels = pixels - pixels.mean(dim=2, keepdim=True)
    size = pixels.square().sum(dim=2, keepdim=True).sqrt()
    pixels = pixels / size.clamp(min=NOISE * pixels.shape[2] ** 0.5)
    inner = pixels @ pixels.transpose(1, 2)  # (B, L, L)
    own = inner.diagonal(0, 1, 2)  # (B, L)
    return ((own[:, :, None] + own[:, None]) / 2 - inner).clamp(min=0)


def changes(distance: Tensor, *, lag: int, reach: int) -> tuple[Tensor, Tensor]:
    """Novelty and change at the places of a snippet.

    Args:
        distance: of all pairs of its frames, ``(B, L, L)``.
        lag: frames on either side of a place, at most half of ``reach``, and at least 1.
        reach: frames from the ends of the window to the first and the last place.

    Returns:
        Both ``(B, L - 2 · reach + 1)``, from 0 to 2.
    """
    places = distance.shape[1] - 2 * reach + 1

    def apart(first: int, frames: int) -> Tensor:
        """The distance over so many frames, whose first one is relative to each place."""
        return distance.diagonal(frames, 1, 2)[:, max(reach + first, 0) :][:, :places]

    change = apart(-lag, 2 * lag - 1)
    within = torch.maximum(apart(-2 * lag, lag), apart(lag - 1, lag))
    return (change - within).clamp(min=0), change
