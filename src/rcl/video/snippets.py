"""Snippets: windows of frames around equally spaced places of a video (paper 3.1).

Snippet i stands for the frames ``[iσ, (i + 1)σ)``, that is for ``[i, i + 1) · σ / rate`` seconds without an offset. Its
window of L frames is centred on them: it begins at frame ``iσ − floor((L − σ) / 2)``. Beyond the ends of the video the
first and the last frame are repeated, so the end of the video is covered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

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
    windows = Windows(window, stride)
    for frame in frames:
        snippet = windows.push(frame)
        if snippet is not None:
            yield snippet
    yield from windows.finish()


class Windows:
    """The snippets of a video whose frames come one by one; only one window of frames is in memory.

    Args:
        window: L, at least 1.
        stride: σ, at least 1.
        known: the first so many snippets are counted, but not made.

    Attributes:
        frames: number of frames so far.
        count: number of snippets so far.
    """

    def __init__(self, window: int, stride: int, *, known: int = 0) -> None:
        self.window, self.stride, self.known = window, stride, known
        self.frames = self.count = 0
        self._held: deque[Tensor] = deque(maxlen=window)  # the latest L frames
        self._end = window - _lead(window, stride)  # of the next window, in frames

    def push(self, frame: Tensor) -> Tensor | None:
        """Take a frame ``(3, H, W)``. The snippet ``(3, L, H, W)`` whose window ends with it, ``None`` if none does."""
        self.frames += 1
        return self._next(frame, self.frames)

    def finish(self) -> Iterator[Tensor]:
        """The snippets that are left after the last frame, which is repeated until the end of their windows."""
        place = self.frames
        while self.count < snippet_count(self.frames, self.stride):
            place += 1
            snippet = self._next(self._held[-1], place)
            if snippet is not None:
                yield snippet

    def _next(self, frame: Tensor, place: int) -> Tensor | None:
        if not self._held:
            self._held.extend([frame] * self.window)
        self._held.append(frame)
        if place < self._end:
            return None
        self._end += self.stride
        self.count += 1
        return torch.stack(tuple(self._held), dim=1) if self.count > self.known else None


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


def snippet_begin(snippet: int, window: int, stride: int) -> int:
    """The frame that the window of a snippet begins with; negative where it begins before the video."""
    return snippet * stride - _lead(window, stride)


def _lead(window: int, stride: int) -> int:
    """The number of frames by which a window begins before the first frame of its snippet; negative if after it."""
    return (window - stride) // 2
