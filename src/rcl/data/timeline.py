"""The conversion between snippet time and seconds, of NumPy arrays and of tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from rcl.data.features import Features

Times = TypeVar("Times", "np.ndarray", "Tensor")


class Timeline(NamedTuple):
    """The times of a video's snippets: snippet ``i`` covers ``start_seconds + [i, i + 1) / snippets_per_second``.

    Args:
        snippets_per_second: snippet rate of the features.
        start_seconds: time at which snippet 0 begins.
        end_seconds: end of the video, infinite if unknown. Features may reach slightly beyond it.

    >>> Timeline(2.5, start_seconds=3.0).to_seconds(np.array([0.0, 5.0]))
    array([3., 5.])
    """

    snippets_per_second: float
    start_seconds: float = 0.0
    end_seconds: float = math.inf

    def to_seconds(self, segments: Times) -> Times:
        """Snippet time to seconds, any shape."""
        return segments / self.snippets_per_second + self.start_seconds

    def to_snippets(self, segments_seconds: Times) -> Times:
        """Seconds to snippet time, any shape."""
        return (segments_seconds - self.start_seconds) * self.snippets_per_second


def end_snippet(features: Features | np.ndarray, timeline: Timeline) -> float:
    """The end of a video in snippet time. Features may reach beyond it."""
    return min(features.shape[1], (timeline.end_seconds - timeline.start_seconds) * timeline.snippets_per_second)
