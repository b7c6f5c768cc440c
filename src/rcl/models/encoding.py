"""A video on its way to the anchors: encoded, then projected for the look-up."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rcl.models.alignment import Projected


class Encoding(NamedTuple):
    """What an encoder makes of a video.

    ``features (B, C, T)`` are zero where ``mask (B, T)`` is false, so that padding equals the outside of the video.
    ``boundaries (B, 2, T)`` are the logits of a start and of an end at each snippet, ``None`` without a boundary head.
    """

    features: Tensor
    mask: Tensor
    boundaries: Tensor | None


class Place(NamedTuple):
    """Where a piece lies in its video: it begins at snippet ``first`` of ``snippets``."""

    first: int
    snippets: int


class ProjectedEncoding(NamedTuple):
    """A video, encoded and projected once, queried anywhere; ``mask`` and ``boundaries`` as in :class:`Encoding`.

    With a ``place`` it is a piece of a longer video. It is asked about segments in the snippet time of that video, and
    answers as the whole would where it has all that the answer depends on; see :mod:`rcl.detector.chunks`.
    """

    projected: Projected
    mask: Tensor
    boundaries: Tensor | None
    place: Place | None = None

    @property
    def first(self) -> int:
        """Where it begins in its video, in snippets."""
        return self.place.first if self.place else 0

    @property
    def snippets(self) -> Tensor:
        """Lengths of the videos ``(B,)``, in snippets."""
        inside = self.mask.sum(dim=1)
        return torch.full_like(inside, self.place.snippets) if self.place else inside
