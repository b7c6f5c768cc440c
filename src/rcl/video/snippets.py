"""Snippets: windows of frames around equally spaced places of a video (paper 3.1).

Snippet i stands for the frames ``[iσ, (i + 1)σ)``, that is for ``[i, i + 1) · σ / rate`` seconds without an offset. Its
window of L frames is centred on them: it begins at frame ``iσ − floor((L − σ) / 2)``. Beyond the ends of the video the
first and the last frame are repeated, so the end of the video is covered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import repeat

import numpy as np
import torch
from torch import Tensor


def snippet_count(frames: int, stride: int) -> int:
    """T, the number of snippets of N frames: ``ceil(N / σ)``."""
    return -(-frames // stride)


def snippets(frames: Iterable[Tensor], window: int, stride: int) -> Iterator[Tensor]:
    """Yield the snippets of a video; only one window of frames is in memory.

    Args:
        frames: N frames ``(3, H, W)`` of equal size.
        window: L, at least 1.
        stride: σ, at least 1.

    Yields:
        T snippets ``(3, L, H, W)``.
    """
    held: deque[Tensor] = deque(maxlen=window)  # the latest L frames
    begin = _lead(window, stride) - window  # of these frames, relative to the beginning of the first window
    for frame in _with_tail(frames, window, stride):
        if not held:
            held.extend([frame] * window)
        held.append(frame)
        begin += 1
        if begin >= 0 and begin % stride == 0:
            yield torch.stack(tuple(held), dim=1)


def _with_tail(frames: Iterable[Tensor], window: int, stride: int) -> Iterator[Tensor]:
    """Yield the frames, and the last one repeated until the end of the last window."""
    number, frame = 0, None
    for frame in frames:
        yield frame
        number += 1
    if frame is not None:
        last_window_end = (snippet_count(number, stride) - 1) * stride - _lead(window, stride) + window
        yield from repeat(frame, max(last_window_end - number, 0))


def snippet_times(count: int, *, frames: int, rate: float, window: int, stride: int) -> np.ndarray:
    """The times that the windows of the first snippets cover within the video.

    If ``L < σ``, the window of the last snippet may lie after the end of the video; its start and end are then equal.

    Args:
        count: number of snippets.
        frames: N.
        rate: frames per second.
        window: L.
        stride: σ.

    Returns:
        Start and end ``(count, 2)`` in seconds.
    """
    starts = np.arange(count) * stride - _lead(window, stride)
    return np.stack((starts, starts + window), axis=1).clip(0, frames) / rate  # (T, 2)


def _lead(window: int, stride: int) -> int:
    """The number of frames by which a window begins before the first frame of its snippet; negative if after it."""
    return (window - stride) // 2
