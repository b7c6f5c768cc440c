"""What was looked at in a video, as intervals: outside them nothing is known, neither an action nor its absence.

Intervals are float64 arrays ``(R, 2)`` of starts and ends, sorted and disjoint, in any unit of time.
"""

from __future__ import annotations

import numpy as np


def joined(*intervals: np.ndarray) -> np.ndarray:
    """The union of intervals ``(N, 2)`` in any order, as sorted and disjoint ones; those without a length are left out.

    >>> joined(np.array([[60.0, 90.0], [0.0, 30.0]]), np.array([[20.0, 40.0], [5.0, 5.0]])).tolist()
    [[0.0, 40.0], [60.0, 90.0]]
    """
    every = np.concatenate([np.empty((0, 2)), *(own.reshape(-1, 2) for own in intervals)])
    every = every[every[:, 1] > every[:, 0]]
    every = every[np.argsort(every[:, 0], kind="stable")]
    latest = np.maximum.accumulate(every[:, 1])  # (N,)
    first = np.concatenate((np.ones(len(every[:1]), dtype=bool), every[1:, 0] > latest[:-1]))  # (N,)
    last = np.concatenate((first[1:], np.ones(len(every[:1]), dtype=bool)))
    return np.stack((every[first, 0], latest[last]), axis=1)


def clipped(intervals: np.ndarray, start: float, end: float) -> np.ndarray:
    """What is left of intervals between two times."""
    return joined(np.clip(intervals, start, end))


def between(intervals: np.ndarray, start: float, end: float) -> np.ndarray:
    """What two times have between and around sorted, disjoint intervals: ``(R, 2)`` → ``(G, 2)``, in their unit.

    >>> between(np.array([[0.0, 30.0], [60.0, 90.0]]), 0.0, 100.0).tolist()
    [[30.0, 60.0], [90.0, 100.0]]
    """
    inside = clipped(intervals, start, end)
    gaps = np.concatenate(([start], inside.ravel(), [end])).reshape(-1, 2)
    return gaps[gaps[:, 1] > gaps[:, 0]]


def covered(segments: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """How much of each segment lies inside the intervals: ``(K, 2)`` and ``(R, 2)`` → ``(K,)``, in their unit.

    >>> covered(np.array([[10.0, 70.0], [40.0, 50.0]]), np.array([[0.0, 30.0], [60.0, 90.0]])).tolist()
    [30.0, 0.0]
    """
    if not len(intervals):
        return np.zeros(len(segments))
    # The length of all intervals before a time grows linearly inside them, and not between them.
    before = np.concatenate(([0.0], np.diff(intervals, axis=1).ravel().cumsum()))  # (R + 1,)
    edges, lengths = intervals.ravel(), np.repeat(before, 2)[1:-1]  # each (2 · R,)
    return np.diff(np.interp(segments, edges, lengths), axis=1).ravel()


def unreviewed_share(segments: np.ndarray, intervals: np.ndarray, end: float) -> np.ndarray:
    """The share of each segment that lies inside ``[0, end]`` and outside the intervals.

    Args:
        segments: ``(K, 2)``. What lies outside the video counts as reviewed: everybody knows that nothing is there.
        intervals: ``(R, 2)``.
        end: of the video.

    Returns:
        ``(K,)`` in [0, 1]; 0 for a segment without a length.
    """
    inside = np.clip(segments, 0.0, end)
    outside = np.diff(inside, axis=1).ravel() - covered(inside, intervals)
    length = np.diff(segments, axis=1).ravel()
    return np.divide(outside, length, out=np.zeros(len(length)), where=length > 0).clip(0.0, 1.0)
