"""Several networks of one kind whose answers are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from rcl.models.averaging import average
from rcl.models.detector import Detector, Sight
from rcl.models.encoding import Place
from rcl.models.predictions import Predictions


class Encodings(NamedTuple):
    """The encodings of one video by all members."""

    parts: tuple[Any, ...]

    @property
    def boundaries(self) -> Tensor | None:
        """The mean of the boundary logits ``(B, 2, T)``; ``None`` without boundary heads."""
        return _mean_boundaries([part.boundaries for part in self.parts])

    def placed(self, place: Place) -> Encodings:
        """The same as a piece of a longer video."""
        return Encodings(tuple(part.placed(place) for part in self.parts))


class Ensemble(Detector):
    """Networks that were trained on the same data from different seeds. Each refines its own segments.

    Args:
        members: at least one, with equal options.
    """

    def __init__(self, members: Sequence[Detector]) -> None:
        super().__init__(members[0].encoder, steps=members[0].steps)
        self.members = nn.ModuleList(members)

    @property
    def detectors(self) -> list[Detector]:
        """The members."""
        return cast(list[Detector], list(self.members))

    @property
    def sight(self) -> Sight | None:
        """That of every member."""
        return self.detectors[0].sight

    def encode(self, features: Tensor, mask: Tensor) -> Encodings:
        """Encode ``features (B, C, T)``, of which ``mask (B, T)`` exist, by every member."""
        return Encodings(tuple(member.encode(features, mask) for member in self.detectors))

    def query(self, encoding: Encodings, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """The average of all answers about ``anchors (B, K, 2)``; see :func:`rcl.models.averaging.average`."""
        answers = [
            member.query(part, anchors, steps=steps)
            for member, part in zip(self.detectors, encoding.parts, strict=True)
        ]
        return average(answers)

    def boundaries(self, features: Tensor, mask: Tensor) -> Tensor | None:
        """The mean of the boundary logits ``(B, 2, T)``."""
        return _mean_boundaries([member.boundaries(features, mask) for member in self.detectors])


def _mean_boundaries(found: Sequence[Tensor | None]) -> Tensor | None:
    known = [boundaries for boundaries in found if boundaries is not None]
    return torch.stack(known).mean(dim=0) if known else None
