"""Where the sliding windows of a video lie, without PyTorch; see :mod:`rcl.data.windows`."""

from __future__ import annotations

import math


def window_starts(snippets: int, window: int, stride: int | None = None) -> list[int]:
    """Starts of the windows of a sequence; arguments as in :func:`rcl.data.windows.window_starts`.

    >>> window_starts(10, 4)
    [0, 2, 4, 6]
    """
    stride = max(window // 2, 1) if stride is None else stride
    if snippets < 1:
        raise ValueError(f"snippets must be at least 1, not {snippets}")
    if not 1 <= stride <= window:
        raise ValueError(f"stride must be from 1 to the window of {window} snippets, not {stride}")
    last = max(snippets - window, 0)
    return [*range(0, last, stride), last]


def windows(snippets: int, end: float, *, window: int | None, stride: int | None) -> list[tuple[int, int]]:
    """First snippet of each window, and the one after its last, of a video that ends at snippet ``end``.

    Args:
        snippets: length of its features, at least 1.
        end: of the video.
        window: length of a window in snippets; ``None`` for the whole video.
        stride: from one window to the next; ``None`` is half a window.

    >>> windows(10, 7.5, window=4, stride=None), windows(10, 7.5, window=None, stride=None)
    ([(0, 4), (2, 6), (4, 8)], [(0, 10)])
    """
    length = window or snippets
    # Features may reach a little beyond the video; a window that starts there would be empty.
    covered = max(math.ceil(end), 1)
    starts = window_starts(covered, length, stride if window else None)
    return [(start, min(start + length, snippets)) for start in starts]
