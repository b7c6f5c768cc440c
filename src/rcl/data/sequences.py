"""Features of a long video that stay where they are stored, and are read piece by piece."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from rcl.data.features import StoredFeatures


class FeatureSequence:
    """The features ``(C, T)`` of a video like a tensor of which nothing is in memory: a slice is read when it is taken.

    Args:
        stored: where they lie.
        scale: they are divided by this.
    """

    def __init__(self, stored: StoredFeatures, *, scale: float = 1.0) -> None:
        self.stored = stored
        self.scale = scale

    @property
    def shape(self) -> tuple[int, int]:
        """``(C, T)``."""
        return self.stored.shape[1], self.stored.shape[0]

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return 0

    def __getitem__(self, key: tuple[slice, slice]) -> Tensor:
        """Snippets ``first`` to before ``last``, as ``sequence[:, first:last]``: ``(C, last − first)``.

        Raises:
            InputError: see :meth:`rcl.data.features.StoredFeatures.read`.
        """
        channels, snippets = key
        first, last, step = snippets.indices(self.shape[1])
        if step != 1:
            raise ValueError(f"snippets must be taken one after the other, not {snippets}")
        return torch.from_numpy(self.stored.read(first, max(first, last))).div_(self.scale).T[channels]


Features: TypeAlias = Tensor | FeatureSequence
"""``(C, T)``, in memory or stored."""
