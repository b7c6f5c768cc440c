"""What every encoder returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Encoding(NamedTuple):
    """A video, encoded once and queried anywhere.

    ``features (B, C, T)`` are zero where ``mask (B, T)`` is false, so that padding equals the outside of the video.
    ``boundaries (B, 2, T)`` are the logits of a start and of an end at each snippet, ``None`` without a boundary head.
    """

    features: Tensor
    mask: Tensor
    boundaries: Tensor | None
