"""Noticing that a camera still sends, but always the same picture."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame

LONGEST_SECONDS = 10
_ROW_STEP = 16  # of the rows that are compared; a camera's noise is in all of them


class Stillness:
    """Whether the pictures of a part have not changed at all for some time.

    Args:
        longest_seconds: so long a picture may stay the same.
    """

    def __init__(self, longest_seconds: float = LONGEST_SECONDS) -> None:
        self.longest_seconds = longest_seconds
        self._rows: np.ndarray | None = None
        self._since = Fraction(0)

    def is_frozen(self, frame: VideoFrame, until: Fraction) -> bool:
        """Look at the next picture, which is on the screen until that second of the part."""
        rows = _some_rows(frame)
        if self._rows is None or rows.shape != self._rows.shape or not np.array_equal(rows, self._rows):
            self._rows, self._since = rows, until
        return until - self._since >= self.longest_seconds


def _some_rows(frame: VideoFrame) -> np.ndarray:
    """A copy of some rows of the first plane: the brightness, or all of a packed format."""
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[::_ROW_STEP, : plane.width].copy()  # behind the width is padding
