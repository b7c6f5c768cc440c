"""The same anchors at several rates of the features.

A detector knows actions at the speed of its training videos. Features at another rate show it an action faster or
slower. Whether the average of its answers is better than one of them depends on the data (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from rcl.data.features import Features
from rcl.data.resampled import ResampledFeatures
from rcl.data.resizing import resample
from rcl.detector.given_rates import FASTEST, SLOWEST, check_rates
from rcl.models.predictions import AnchorScores, Predictions

__all__ = ["BASE_RATE", "Rates", "Version", "check_rates", "versions"]

BASE_RATE = (1.0,)

Rates = Annotated[tuple[Annotated[float, Field(ge=SLOWEST, le=FASTEST)], ...], Field(min_length=1)]
"""Rates in a configuration."""


@dataclass(frozen=True)
class Version:
    """A video at another rate.

    Args:
        features: at that rate, or the video itself.
        base: number of snippets of the video itself.
    """

    features: Features | ResampledFeatures
    base: int

    @property
    def snippets(self) -> int:
        """T at that rate."""
        return self.features.shape[1]

    def answer(self, anchors: Tensor, query: Callable[[Tensor], Predictions]) -> Predictions:
        """Predictions for ``anchors (K, 2)``, both in the snippet time of the video itself.

        Args:
            anchors: the segments.
            query: ``anchors (K, 2) → Predictions``, both in the snippet time of this version.
        """
        if self.snippets == self.base:
            return query(anchors)
        predictions = query(anchors * (self.snippets / self.base))
        back = self.base / self.snippets
        steps = tuple(AnchorScores(step.anchors * back, *step[1:]) for step in predictions.steps)
        return Predictions(steps, predictions.segments * back, self.to_base(predictions.boundaries))

    def to_base(self, boundaries: Tensor | None) -> Tensor | None:
        """Boundary logits ``(1, 2, T)`` of this version for the snippets of the video itself."""
        if boundaries is None or self.snippets == self.base:
            return boundaries
        return resample(boundaries[0], self.base)[None]


def versions(features: Features, rates: Sequence[float]) -> list[Version]:
    """The video ``features (C, T)`` at each of the ``rates``: with ``round(rate · T)`` snippets, but at least one."""
    snippets = features.shape[1]
    counts = [max(round(rate * snippets), 1) for rate in rates]
    return [
        Version(features if count == snippets else ResampledFeatures(features, count), snippets) for count in counts
    ]
