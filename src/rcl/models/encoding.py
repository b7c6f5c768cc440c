"""Encodings of a video: as the encoder makes them, and projected for the look-up."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rcl.models.alignment import Projected


class Encoding(NamedTuple):
    """The output of an encoder.

    ``features (B, C, T)`` are zero where ``mask (B, T)`` is false, so that padding equals the outside of the video.
    ``boundaries (B, 2, T)`` are the logits of a start and of an end at each snippet, ``None`` without a boundary head.
    """

    features: Tensor
    mask: Tensor
    boundaries: Tensor | None


class Place(NamedTuple):
    """Position of a piece in its video: it begins at snippet ``first`` of ``snippets``."""

    first: int
    snippets: int


class ProjectedEncoding(NamedTuple):
    """A video, encoded and projected once, queried anywhere; ``mask`` and ``boundaries`` as in :class:`Encoding`.

    ``ends`` is the projection for the look-up around ends, if there is one.

    With a ``place`` it is a piece of a longer video. Queries are in the snippet time of that video, and the answers are
    those of the whole video if the piece holds all that they depend on; see :mod:`rcl.detector.chunks`.
    """

    projected: Projected
    mask: Tensor
    boundaries: Tensor | None
    place: Place | None = None
    ends: Projected | None = None

    def placed(self, place: Place) -> ProjectedEncoding:
        """The same as a piece of a longer video, without the boundaries, which are those of the piece."""
        return self._replace(place=place, boundaries=None)

    @property
    def first(self) -> int:
        """First snippet of the piece in its video."""
        return self.place.first if self.place else 0

    @property
    def snippets(self) -> Tensor:
        """Lengths of the videos ``(B,)``, in snippets."""
        inside = self.mask.sum(dim=1)
        return torch.full_like(inside, self.place.snippets) if self.place else inside
