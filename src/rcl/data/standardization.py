"""The scale of every feature channel, measured on the training videos and kept with the detector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

SAME = 1e-6  # a channel that varies less than this share of its size is constant


@dataclass(frozen=True)
class ChannelScale:
    """Mean and standard deviation of every channel.

    >>> import torch
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
        import torch  # here, since features can be standardized without it

        return torch.tensor(self.mean), torch.tensor(self.deviation)


def measure_channels(videos: Iterable[np.ndarray]) -> ChannelScale:
    """The scale of the channels over all snippets of ``videos``, each ``(T, C)``; at least one snippet.

    What is NaN is not there and does not count; a channel that is nowhere gets the mean 0. Sums are those of deviations
    from the mean of the first video that has the channel, in double precision, so that a large offset does not swallow
    a small deviation.
    """
    count, origin, total, squares = (np.zeros(1) for _ in range(4))
    for video in videos:
        wide = np.asarray(video, dtype=np.float64)  # (T, C)
        present = ~np.isnan(wide)
        own = present.sum(axis=0)
        first = np.where(present, wide, 0.0).sum(axis=0) / np.maximum(own, 1)
        origin = np.where(count == 0, first, origin)
        moved = np.where(present, wide - origin, 0.0)
        count, total, squares = count + own, total + moved.sum(axis=0), squares + np.square(moved).sum(axis=0)
    count = np.maximum(count, 1)
    mean = origin + total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(total / count), 0.0))
    varies = deviation > SAME * np.abs(mean)
    return ChannelScale(_floats(mean), _floats(np.where(varies, deviation, 1.0)))


def _floats(values: np.ndarray) -> tuple[float, ...]:
    """As single precision, in which features are divided."""
    return tuple(values.astype(np.float32).tolist())
