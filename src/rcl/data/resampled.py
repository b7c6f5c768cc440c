"""Features at another rate, computed slice by slice."""

from __future__ import annotations

from torch import Tensor

from rcl.data.features import Features, ends_of
from rcl.data.resizing import Resampling


class ResampledFeatures:
    """Features at another rate, indexed like a tensor ``(C, T)``: a slice reads only what it depends on.

    Args:
        features: at their own rate.
        snippets: the new T; see :func:`rcl.data.resizing.resample`.
    """

    def __init__(self, features: Features, snippets: int) -> None:
        self.features = features
        self.resampling = Resampling(features.shape[1], snippets)

    @property
    def shape(self) -> tuple[int, int]:
        """``(C, T)``."""
        return self.features.shape[0], self.resampling.snippets

    def __getitem__(self, key: tuple[slice, slice]) -> Tensor:
        """Snippets ``first`` to before ``last``, as ``features[:, first:last]``: ``(C, last − first)``.

        Raises:
            InputError: see :meth:`rcl.data.features.StoredFeatures.read`.
        """
        channels, (first, last) = key[0], ends_of(key[1], self.shape[1])
        if last <= first:
            return self.features[:, :0][channels]
        start, end = self.resampling.source(first, last)
        return self.resampling.part(self.features[:, start:end], first, last)[channels]
