"""The outputs of a model, by name: the contract between models, losses and decoding."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from rcl.data.segments import length


class AnchorScores(NamedTuple):
    """Scores of ``K`` anchors. Confidences and labels are logits.

    ``anchors (B, K, 2)`` in snippet time; ``classification (B, K)``, p1; ``regression (B, K)``, p2; ``offsets
    (B, K, 2)`` in lengths of the anchor; ``labels (B, K, L)``, with ``L = 0`` where the model has no label head.
    """

    anchors: Tensor
    classification: Tensor
    regression: Tensor
    offsets: Tensor
    labels: Tensor

    @property
    def segments(self) -> Tensor:
        """The refined segments ``x* = Δ · (x_e − x_s) + x`` (paper, eq. 4): ``(B, K, 2)`` in snippet time."""
        return self.anchors + self.offsets * length(self.anchors)[..., None]


class Predictions(NamedTuple):
    """The answer to one query.

    ``steps``: scores of each of the M steps; ``segments (B, K, 2)``: where the anchors are after the last one;
    ``boundaries (B, 2, T)``: start and end logits of the video, or ``None``.
    """

    steps: tuple[AnchorScores, ...]
    segments: Tensor
    boundaries: Tensor | None


def with_refined(first: Predictions, refined: Predictions, which: Tensor) -> Predictions:
    """Predictions of M steps for all anchors, of which only some were refined. The others repeat their first step.

    A geometric mean over the steps, such as a confidence, is then that of the first step.

    Args:
        first: the first step of all anchors, of a batch of one.
        refined: M steps of the anchors at ``which``.
        which: positions ``(R,)`` of these among all anchors.
    """
    (start,) = first.steps
    later = (
        AnchorScores(*(whole.index_copy(1, which, own) for whole, own in zip(start, step, strict=True)))
        for step in refined.steps[1:]
    )
    return Predictions((start, *later), first.segments.index_copy(1, which, refined.segments), first.boundaries)
