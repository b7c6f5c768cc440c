"""Overlap of NumPy segments: their temporal intersection over union, and lanes in which none overlap."""

from __future__ import annotations

import heapq

import numpy as np


def tiou(a: np.ndarray, b: np.ndarray, *, undefined: float = 0.0) -> np.ndarray:
    """Temporal intersection over union of each segment of ``a`` with its counterpart in ``b``.

    The operations and their order are those of ActivityNet's evaluation, so that the same pairs reach a threshold.
    Training uses :func:`rcl.data.segments.tiou`, which has gradients and runs on the GPU. This one lets evaluation
    work without PyTorch, which takes seconds to import.

    Args:
        a: ``(..., 2)``, start and end.
        b: ``(..., 2)``, in the unit of ``a``; the two shapes are broadcast.
        undefined: value for two segments of length 0, whose tIoU is 0/0.

    Returns:
        ``(...)`` in [0, 1].

    >>> segments = np.array([[0.0, 4.0], [2.0, 6.0], [7.0, 9.0]])
    >>> tiou(segments, np.array([2.0, 6.0]))
    array([0.33333333, 1.        , 0.        ])
    """
    common = np.maximum(np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]), 0)  # (...)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - common  # (...)
    return np.divide(common, union, out=np.full_like(union, undefined), where=union > 0)


def lanes_of(segments: np.ndarray) -> np.ndarray:
    """The lane of each segment, so that those of one lane do not overlap and there are as few lanes as possible.

    >>> lanes_of(np.array([[0.0, 4.0], [1.0, 2.0], [2.0, 3.0], [5.0, 6.0]])).tolist()
    [0, 1, 1, 0]

    Args:
        segments: ``(N, 2)``.

    Returns:
        ``(N,)`` int64, from 0 on.
    """
    lanes = np.zeros(len(segments), dtype=np.int64)
    free, busy, used = list[int](), list[tuple[float, int]](), 0
    for row in np.lexsort(segments.T[::-1]).tolist():
        start, end = segments[row].tolist()
        while busy and busy[0][0] <= start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else used
        used = max(used, lane + 1)
        heapq.heappush(busy, (end, lane))
        lanes[row] = lane
    return lanes
