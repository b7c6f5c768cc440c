"""A video that is encoded once and queried many times."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rcl.data.features import Features
from rcl.data.segments import Timeline, length
from rcl.system.errors import InputError

WINDOWS_KEPT = 16  # per video


class EncodedVideo:
    """A video for many queries. It keeps the encodings of its last windows; see :meth:`Localizer.encode`.

    Args:
        features: ``(C, T)``, resized and scaled.
        timeline: their times.
    """

    def __init__(self, features: Features, timeline: Timeline) -> None:
        self.features = features
        self.timeline = timeline
        self._windows: dict[tuple[int, int], Any] = {}  # (start, length) → encoding; its type depends on the model

    @property
    def end_seconds(self) -> float:
        """The end of the video, or of its features if that of the video is unknown."""
        end = self.timeline.end_seconds
        if math.isfinite(end):
            return end
        return self.timeline.start_seconds + self.features.shape[1] / self.timeline.snippets_per_second

    def window(self, start: int, snippets: int, encode: Callable[[Tensor], Any]) -> Any:
        """The encoding of a window, made by ``encode`` unless it is still kept."""
        key = start, snippets
        if key not in self._windows:
            if len(self._windows) >= WINDOWS_KEPT:
                del self._windows[next(iter(self._windows))]
            self._windows[key] = encode(self.features[:, start : start + snippets])
        return self._windows[key]

    def to_anchors(self, segments_seconds: Sequence[tuple[float, float]] | np.ndarray, *, longest: float) -> Tensor:
        """Segments ``(K, 2)`` in snippet time, from pairs of seconds.

        Raises:
            InputError: a segment is not a pair of a start and a later end, lies wholly outside the video, or is longer
                than ``longest`` snippets.
        """
        seconds = _pairs(segments_seconds)  # (K, 2)
        start, end = seconds.T

        def pair(index: int) -> str:
            return str(seconds[index].tolist())

        _check(torch.isfinite(seconds).all(dim=1) & (end > start), "a start before its end, in seconds", found=pair)
        overlaps = (end > self.timeline.start_seconds) & (start < self.end_seconds)
        _check(overlaps, f"a segment that overlaps the video, which lasts {self.end_seconds:g} s", found=pair)
        anchors = self.timeline.to_snippets(seconds).float()
        snippets = length(anchors)
        _check(
            snippets <= longest,
            f"at most {longest} snippets, the window of this model",
            found=lambda index: f"{float(snippets[index]):g}",
            fix="use shorter segments",
        )
        return anchors


def _pairs(segments_seconds: Sequence[tuple[float, float]] | np.ndarray) -> Tensor:
    try:
        pairs = np.asarray(segments_seconds, dtype=np.float64)
    except (TypeError, ValueError):  # text, or rows of different lengths
        pairs = np.empty(())
    if not pairs.ndim or (pairs.size and pairs.shape[1:] != (2,)):
        raise InputError(
            "segments",
            expected="pairs of start and end in seconds",
            found=repr(segments_seconds)[:80],
            fix="write e.g. [(12.0, 14.5)]",
        )
    return torch.as_tensor(pairs).reshape(-1, 2)


def _check(right: Tensor, expected: str, *, found: Callable[[int], str], fix: str = "correct the segment") -> None:
    """Raise an error for the first segment that is not ``right (K,)``."""
    if not right.all():
        first = int((~right).nonzero()[0])
        raise InputError(f"segment {first}", expected=expected, found=found(first), fix=fix)
