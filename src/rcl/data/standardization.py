"""The scale of every feature channel, measured on the training videos and kept with the detector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

SAME = 1e-6  # a channel that varies less than this share of its size is constant


@dataclass(frozen=True)
class ChannelScale:
    """Mean and standard deviation of every channel.

    >>> scale = measure_channels([np.array([[1.0, 5.0], [3.0, 5.0]])])  # (T, C)
    >>> scale
    ChannelScale(mean=(2.0, 5.0), deviation=(1.0, 1.0))
    >>> scale.apply(torch.tensor([[4.0, 6.0]]))
    tensor([[2., 1.]])

    Args:
        mean: ``C`` numbers.
        deviation: ``C`` numbers above 0; 1 for a channel that is constant in the training videos.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, features: Tensor) -> Tensor:
        """Features ``(T, C)`` with a mean of 0 and a deviation of 1 in each channel of the training videos."""
        return (features - self._tensors[0]) / self._tensors[1]

    def fits(self, channels: int) -> bool:
        """Whether these are finite numbers for so many channels, the deviations above 0."""
        mean, deviation = np.array(self.mean), np.array(self.deviation)
        sizes = mean.shape == deviation.shape == (channels,)
        return sizes and bool(np.isfinite([mean, deviation]).all() and (deviation > 0).all())

    @cached_property
    def _tensors(self) -> tuple[Tensor, Tensor]:
        return torch.tensor(self.mean), torch.tensor(self.deviation)


def measure_channels(videos: Iterable[np.ndarray]) -> ChannelScale:
    """The scale of the channels over all snippets of ``videos``, each ``(T, C)``; at least one snippet.

    Sums are those of deviations from the first video's mean, in double precision, so that a large offset does not
    swallow a small deviation.
    """
    count, origin, total, squares = 0, np.zeros(0), np.zeros(0), np.zeros(0)
    for video in videos:
        wide = np.asarray(video, dtype=np.float64)  # (T, C)
        if not count:
            origin, total, squares = wide.mean(axis=0), np.zeros(wide.shape[1]), np.zeros(wide.shape[1])
        moved = wide - origin
        count, total, squares = count + len(wide), total + moved.sum(axis=0), squares + np.square(moved).sum(axis=0)
    mean = origin + total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(total / count), 0.0))
    varies = deviation > SAME * np.abs(mean)
    return ChannelScale(_floats(mean), _floats(np.where(varies, deviation, 1.0)))


def _floats(values: np.ndarray) -> tuple[float, ...]:
    """As single precision, in which features are divided."""
    return tuple(values.astype(np.float32).tolist())
