"""Frame numbers of Label Studio to seconds and back."""

from __future__ import annotations

import numpy as np


def to_frames(segments_seconds: np.ndarray, fps: float) -> np.ndarray:
    """Segments as frames of Label Studio: frame k is what its player shows at ``k / fps`` seconds, the first is 1.

    Args:
        segments_seconds: ``(N, 2)``, from 0.
        fps: frames per second.

    Returns:
        ``(N, 2)`` int64, first and last frame.
    """
    return np.maximum(np.rint(segments_seconds * fps), 1).astype(np.int64)


def to_seconds(frames: np.ndarray, fps: float) -> np.ndarray:
    """The reverse of :func:`to_frames`. What begins in frame 1 begins at 0; a single frame lasts as long as it is seen.

    Args:
        frames: ``(N, 2)``.
        fps: frames per second.

    Returns:
        ``(N, 2)`` float64.
    """
    start, end = frames[:, 0], frames[:, 1]
    first = np.where(start <= 1, 0, start)
    return np.stack([first, np.where(end == start, first + 1, end)], axis=1) / fps
