"""A video on its way to the anchors: encoded, then projected for the look-up."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from rcl.alignment import Projected


class Encoding(NamedTuple):
    """What an encoder makes of a video.

    ``features (B, C, T)`` are zero where ``mask (B, T)`` is false, so that padding equals the outside of the video.
    ``boundaries (B, 2, T)`` are the logits of a start and of an end at each snippet, ``None`` without a boundary head.
    """

    features: Tensor
    mask: Tensor
    boundaries: Tensor | None


class ProjectedEncoding(NamedTuple):
    """A video, encoded and projected once, queried anywhere; ``mask`` and ``boundaries`` as in :class:`Encoding`."""

    projected: Projected
    mask: Tensor
    boundaries: Tensor | None
