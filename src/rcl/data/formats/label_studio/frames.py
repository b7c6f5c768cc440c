"""Frame numbers of Label Studio to seconds and back."""

from __future__ import annotations

import numpy as np


def to_frames(segments_seconds: np.ndarray, fps: float) -> np.ndarray:
    """Segments as frames of Label Studio, whose player shows frame ``k`` at ``k / fps`` seconds, from frame 1.

    Args:
        segments_seconds: ``(N, 2)``, from 0.
        fps: frames per second.

    Returns:
        ``(N, 2)`` int64, first and last frame.
    """
    return np.maximum(np.rint(segments_seconds * fps), 1).astype(np.int64)


def to_seconds(frames: np.ndarray, fps: float) -> np.ndarray:
    """The reverse of :func:`to_frames`. A start in frame 1 becomes 0; a segment of one frame lasts ``1 / fps``.

    Args:
        frames: ``(N, 2)``.
        fps: frames per second.

    Returns:
        ``(N, 2)`` float64.
    """
    start, end = frames[:, 0], frames[:, 1]
    first = np.where(start <= 1, 0, start)
    return np.stack([first, np.where(end == start, first + 1, end)], axis=1) / fps
